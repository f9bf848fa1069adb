/**
 * The pages for logging in and out. They work without JavaScript and with password managers.
 *
 * @module
 */

import { escapeHtml, showUnseen } from "../http/escape.ts";
import { page } from "../page/frame.ts";

/** What the login page shows. */
export interface LoginPage {
  /** The name entered before, or an empty string. */
  readonly name: string;
  /** Why the last attempt failed, or null. */
  readonly problem: string | null;
  /** Where to go afterwards: a path of the site. */
  readonly to: string;
}

/** The form for logging in. */
export function loginPage({ name, problem, to }: LoginPage): string {
  const alert = problem === null
    ? ""
    : `<p role="alert" class="problem" id="problem"><strong>${escapeHtml(problem)}</strong></p>\n`;
  const invalid = problem === null ? "" : ' aria-invalid="true" aria-describedby="problem"';
  return page(
    "Log in",
    `<main class="login">
<h1>Log in</h1>
${alert}<form class="hint" method="post" action="login">
<input type="hidden" name="to" value="${escapeHtml(to)}">
<label>Name <input name="username" value="${
      escapeHtml(name)
    }" autocomplete="username" autocapitalize="none" spellcheck="false" required${invalid}${
      name === "" ? " autofocus" : ""
    }></label>
<label>Password <input type="password" name="password" autocomplete="current-password" required${invalid}${
      name === "" ? "" : " autofocus"
    }></label>
<button>Log in</button>
</form>
</main>`,
  );
}

/** The page of a user who has logged in. */
export function accountPage(name: string): string {
  return page(
    "Account",
    `<main class="login">
<h1>Account</h1>
<form class="hint" method="post" action="logout">
<p>You are logged in as <strong><bdi>${escapeHtml(showUnseen(name))}</bdi></strong>.</p>
<p><a href="../">Start page</a> · <a href="shares">Your share links</a></p>
<button>Log out</button>
</form>
</main>`,
  );
}
