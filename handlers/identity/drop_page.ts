/**
 * The page of an upload link: a form, and nothing of what is there. It works without JavaScript; with it, it shows the
 * progress.
 *
 * @module
 */

import script from "./drop_box.js" with { type: "text" };
import { escapeHtml, showUnseen } from "../http/escape.ts";
import { page, scriptedHeaders } from "../page/frame.ts";
import { policyHash } from "../page/inlined.ts";

/** Headers of the page: its script may run, and send to this server only. */
export const dropHeaders: Readonly<Record<string, string>> = scriptedHeaders({
  text: script,
  hash: await policyHash(script),
});

/** The page for a directory with a name, `""` for the root. */
export function dropPage(name: string, isDone: boolean): string {
  const thanks = isDone ? '<p role="status"><strong>Your files have arrived.</strong> You can send more.</p>\n' : "";
  return page(
    "Send files",
    `<main class="login drop">
<h1>Send files${name === "" ? "" : ` to <bdi>${escapeHtml(showUnseen(name))}</bdi>`}</h1>
<p class="hint">You cannot see what is there, nor take back what you have sent.</p>
${thanks}<form class="hint" method="post" enctype="multipart/form-data">
<label>Files <input type="file" name="file" multiple required></label>
<button>Send</button>
</form>
</main>
<script type="module">${script}</script>`,
  );
}
