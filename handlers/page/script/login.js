/** Logging in again, in the page: after the end of a session nothing of what it shows or uploads is lost. */

import { openDialog } from "./dialogs.js";
import { h, toast } from "./dom.js";
import { t } from "./language.js";
import { sentenceOf } from "./problem.js";
import { store } from "./store.js";

/** The endpoint. */
const LOGIN = new URL("../login", import.meta.url).href;

/** The dialog that is open, for all requests that wait for it. @type {Promise<boolean> | null} */
let asking = null;

/** How often the user has logged in on this page: a request that was sent before needs no new login. */
let logins = 0;

/** The session has ended, and the user has not logged in. */
export class LoggedOut extends Error {
  constructor() {
    super(t("You are not logged in"));
  }
}

/** The server does not answer. */
export class Unreachable extends Error {
  constructor() {
    super(t("The server cannot be reached"));
  }
}

/** Counts the logins on this page. */
export function loginCount() {
  return logins;
}

/**
 * Like `fetch`; if the session has ended, asks the user to log in, and then sends the request again. Throws LoggedOut
 * if the user does not.
 *
 * @param {string} url
 * @param {RequestInit} [init] Its body must not be a stream.
 * @returns {Promise<Response>}
 */
export async function request(url, init) {
  for (;;) {
    const before = logins;
    const response = await answered(url, init);
    if (response.status !== 401) return response;
    await response.body?.cancel();
    if (before === logins && !await logIn()) throw new LoggedOut();
  }
}

/** Notes whether the server answers. @param {string} url @param {RequestInit} [init] */
async function answered(url, init) {
  try {
    const response = await fetch(url, init);
    store.dispatch({ type: "connection", isLost: false });
    return response;
  } catch (error) {
    if (init?.signal?.aborted) throw error;
    store.dispatch({ type: "connection", isLost: true });
    throw new Unreachable();
  }
}

/** Asks the user to log in, once for all that wait. @returns {Promise<boolean>} Whether the user has. */
export function logIn() {
  asking ??= openLogin().finally(() => {
    asking = null;
  });
  return asking;
}

/** A form with the same fields as the page for logging in, so that password managers fill it. */
function openLogin() {
  const known = document.querySelector(".account bdi")?.textContent ?? "";
  const problem = h("p", { role: "alert", id: "login-problem", class: "bad" });
  const name = field(t("Name"), { name: "username", value: known, autocomplete: "username", autocapitalize: "none" });
  const password = field(t("Password"), { name: "password", type: "password", autocomplete: "current-password" });
  const button = h("button", { class: "button primary" }, t("Log in"));
  const form = h(
    "form",
    { method: "post", action: LOGIN },
    h("p", {}, t("Your session has ended. Log in to continue: nothing on this page is lost.")),
    problem,
    name.label,
    password.label,
    h("div", { class: "answers" }, button),
  );
  const dialog = openDialog(t("Log in"), [form], { class: "question" });
  (known === "" ? name : password).input.focus();
  return new Promise((resolve) => {
    let isIn = false;
    dialog.addEventListener("close", () => resolve(isIn));
    form.addEventListener("submit", async (event) => {
      event.preventDefault();
      if (button.getAttribute("aria-disabled") === "true") return;
      // A disabled button would lose the focus.
      button.setAttribute("aria-disabled", "true");
      problem.textContent = ""; // the same sentence again is an alert, too
      const user = await send(form).catch((error) => {
        problem.textContent = error instanceof Error ? error.message : String(error);
        return null;
      });
      button.removeAttribute("aria-disabled");
      if (user === null) return complain(name.input, password.input);
      isIn = true;
      logins += 1;
      showUser(known, user);
      dialog.close();
    });
  });
}

/** @param {string} label @param {Record<string, unknown>} attributes */
function field(label, attributes) {
  const input = h("input", { ...attributes, required: true, spellcheck: "false" });
  return { input, label: h("label", { class: "field" }, label, input) };
}

/** @param {HTMLInputElement} name @param {HTMLInputElement} password */
function complain(name, password) {
  for (const input of [name, password]) {
    input.setAttribute("aria-invalid", "true");
    input.setAttribute("aria-describedby", "login-problem");
  }
  password.focus();
  password.select();
}

/** @param {HTMLFormElement} form @returns {Promise<string>} The name of the user. */
async function send(form) {
  const fields = [...new FormData(form)].map(([name, value]) => [name, String(value)]);
  const response = await fetch(LOGIN, {
    method: "POST",
    headers: { accept: "application/json" },
    body: new URLSearchParams(fields),
  });
  if (!response.ok) throw new Error(await sentenceOf(response));
  return (await response.json()).user;
}

/** The page was made for the user who had logged in before: another one may see and do other things. */
function showUser(/** @type {string} */ before, /** @type {string} */ user) {
  if (before === "" || before === user) return;
  document.querySelector(".account bdi")?.replaceChildren(user);
  toast(t("You are now logged in as {user}. Reload the page to see what {user} can do.", { user }));
}
