/** Recursive search: results are streamed by the server. */

import { entryOfJson } from "./entries.js";
import { t } from "./language.js";
import { request } from "./login.js";

/** @typedef {import("./entries.js").Entry} Entry */

/** Why the results are incomplete. @param {string} end */
function noteOn(end) {
  if (end === "results") return t("There are more results: refine your search.");
  if (end === "directories") return t("Not all folders were searched: there are too many.");
  return end === "time" ? t("Not all folders were searched: it took too long.") : "";
}

/**
 * @param {string} text
 * @param {(entries: Entry[]) => void} take Called with each batch.
 * @param {AbortSignal} signal
 * @returns {Promise<string>} A note on incomplete results, or an empty string.
 */
export async function search(text, take, signal) {
  const query = new URLSearchParams({ q: text });
  const response = await request(`?${query}`, { headers: { accept: "application/x-ndjson" }, signal });
  if (!response.ok) {
    throw new Error((await response.text()).trim() || t("The server answered {status}", { status: response.status }));
  }
  let rank = 0;
  let end = "";
  for await (const lines of linesOf(response)) {
    /** @type {Entry[]} */
    const entries = [];
    for (const line of lines) {
      const found = JSON.parse(line);
      if (typeof found.end === "string") end = found.end;
      else entries.push(entryOfFound(found, rank++));
    }
    take(entries);
  }
  if (end === "") throw new Error(t("The connection was lost"));
  return noteOn(end);
}

/** @param {import("./entries.js").JsonEntry & { path: string }} found @param {number} rank @returns {Entry} */
function entryOfFound(found, rank) {
  const folder = found.path.slice(0, found.path.length - found.name.length);
  return { ...entryOfJson(found, rank), folder };
}

/** Splits a response into lines. @param {Response} response */
async function* linesOf(response) {
  const reader = /** @type {ReadableStream<Uint8Array<ArrayBuffer>>} */ (response.body).pipeThrough(
    new TextDecoderStream(),
  ).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) break;
    const lines = (rest + value).split("\n");
    rest = lines.pop() ?? "";
    yield lines.filter((line) => line !== "");
  }
  if (rest !== "") yield [rest];
}
