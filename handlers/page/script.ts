/**
 * The bootstrap of the page script: an inline script, allowed by its hash, loads the modules.
 *
 * @module
 */

import { onDemand } from "../core/on_demand.ts";

/** The inline script of pages at one depth. */
export interface PageScript {
  /** The content of the `<script>` element. */
  readonly text: string;
  /** Its hash in the form used in a policy. */
  readonly hash: string;
}

/** Directory of the script files below the root. Its leading dot avoids collisions with served files. */
export const SCRIPT_DIRECTORY = ".pyserve";

/** The script files and their common version. */
export const assetFiles: () => Promise<typeof import("./asset_files.ts")> = onDemand(() => import("./asset_files.ts"));

const scripts = new Map<number, PageScript>();

/**
 * Prepares the inline script for pages at a depth below the root; null if it is ready. The files are loaded with the
 * first page, not at each start.
 */
export function prepareScript(depth: number): Promise<void> | null {
  return scripts.has(depth) ? null : make(depth);
}

/** The inline script for a depth; null if it has not been prepared. */
export function scriptAt(depth: number): PageScript | null {
  return scripts.get(depth) ?? null;
}

/**
 * Sets the theme before the first paint. The URL is relative, so that it works below a mount and behind a proxy that
 * removes a prefix. It is part of the hashed text: a URL read from the page could be injected. It adds an element
 * because `import()` would be refused: `strict-dynamic` passes trust from a parser-inserted script to elements only.
 */
async function make(depth: number): Promise<void> {
  const { version } = await assetFiles();
  const url = `${"../".repeat(depth) || "./"}${SCRIPT_DIRECTORY}/${version}/main.js`;
  const text = "(d=>{" +
    "try{d.documentElement.dataset.theme=localStorage.getItem('pyserve.theme')||'auto'}catch{}" +
    `const u=${JSON.stringify(url)},t=self.trustedTypes,s=d.createElement('script');` +
    "s.type='module';" +
    "s.src=t?t.createPolicy('pyserve',{createScriptURL:()=>u}).createScriptURL(''):u;" +
    "d.head.append(s)})(document)";
  const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  scripts.set(depth, { text, hash: `sha256-${new Uint8Array(digest).toBase64()}` });
}
