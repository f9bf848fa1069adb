/** Error messages of the server. */

import { language, t } from "./language.js";

/** The server's error message, as a sentence. @param {Response} response */
export async function sentenceOf(response) {
  /** @type {{ detail?: string, title?: string }} */
  const { detail, title } = await response.json().catch(() => ({}));
  return sentenceFor(response.status, detail || title);
}

/**
 * The server speaks English: in other languages, a status is a sentence of this page.
 *
 * @param {number} status
 * @param {string} [english]
 */
export function sentenceFor(status, english) {
  const answered = t("The server answered {status}", { status });
  return language === "en" ? english || answered : meaningOf(status) ?? answered;
}

/** @param {number} status */
function meaningOf(status) {
  return {
    400: t("The server does not accept that"),
    401: t("The name or the password is wrong"),
    403: t("You are not allowed to do that"),
    404: t("It is no longer there"),
    409: t("The name is taken"),
    412: t("The name is taken"),
    413: t("That is larger than the server allows"),
    415: t("The server does not accept such files"),
    423: t("Someone else has locked it"),
    429: t("Too many attempts: wait a moment"),
    507: t("The disk of the server is full"),
  }[status];
}
