/**
 * Uploads one file: resumable, and in pieces small enough for any proxy. The protocol is
 * draft-ietf-httpbis-resumable-upload with an id chosen by the client (handlers/upload/resumables.ts).
 */

import { kept } from "./kept.js";
import { nameOf } from "./entries.js";
import { t } from "./language.js";
import { LoggedOut } from "./login.js";
import { sentenceFor } from "./problem.js";

/** Files up to this size go in one request: there is little to resume. */
const WHOLE_BYTES = 1024 * 1024;

/** Size of a piece; smaller ones are used if a proxy rejects it. */
const PIECE_BYTES = 32 * 1024 * 1024;
const SMALLEST_PIECE = 256 * 1024;

/** Statuses of an overloaded or restarting server; 0 is a network error. */
const PASSING = new Set([0, 408, 425, 429, 502, 503, 504]);

/** The name is taken. */
export class Taken extends Error {}

/** A temporary error: retry later. */
export class Passing extends Error {}

/** Stopped by the user. */
export class Stopped extends Error {}

/**
 * @typedef {object} Progress
 * @property {(bytes: number) => void} sent Reports the number of bytes the server has received.
 * @property {AbortSignal} signal
 */

/**
 * Uploads a file; resolves when the server has stored it.
 *
 * @param {File} file
 * @param {string} href The target, relative to the page.
 * @param {"fail" | "rename" | "overwrite"} policy
 * @param {Progress} progress
 * @returns {Promise<string>} Its name, which is another one if both files are kept.
 */
export async function sendFile(file, href, policy, progress) {
  if (file.size <= WHOLE_BYTES) {
    const url = `${href}?on-conflict=${policy}`;
    const answer = await sendPiece({ method: "PUT", url, body: file, headers: {}, start: 0 }, progress);
    progress.sent(file.size);
    return storedName(answer, href);
  }
  const id = idOf(file, href);
  let offset = await offsetOf(href, id, progress.signal);
  let most = PIECE_BYTES;
  let name = nameOf(href);
  while (offset !== "complete") {
    progress.sent(offset);
    const end = Math.min(file.size, offset + most);
    const answer = await sendPiece({
      method: "PATCH",
      url: `${href}?upload=${id}&on-conflict=${policy}`,
      body: file.slice(offset, end),
      headers: {
        "content-type": "application/partial-upload",
        "upload-offset": String(offset),
        "upload-length": String(file.size),
        "upload-complete": end === file.size ? "?1" : "?0",
      },
      start: offset,
    }, progress);
    if (answer === "too large" && most > SMALLEST_PIECE) most = Math.max(SMALLEST_PIECE, most / 8);
    else if (answer === "too large") throw new Error(t("A proxy limits the size of requests"));
    else if (typeof answer === "number") offset = answer;
    else offset = end === file.size ? "complete" : end;
    name = storedName(answer, href);
  }
  progress.sent(file.size);
  // The server remembers a finished upload for a client that missed the response; without this, sending the same file
  // again would count as that upload and store nothing.
  await forget(file, href);
  return name;
}

/** @param {Answer} answer @param {string} href */
function storedName(answer, href) {
  return nameOf(typeof answer === "object" && answer.stored || href);
}

/** @typedef {{ stored: string | null } | "too large" | number} Answer A number is the offset at which the server wants to continue. */

/** Makes the server forget an upload. @param {File} file @param {string} href */
export async function forget(file, href) {
  if (file.size <= WHOLE_BYTES) return;
  await fetch(`${href}?upload=${idOf(file, href)}`, { method: "DELETE" }).catch(() => {});
}

/**
 * The same file and target give the same id, even on a later visit; others cannot guess it.
 *
 * @param {File} file
 * @param {string} href
 */
function idOf(file, href) {
  let secret = kept.get("uploads");
  if (!secret) {
    secret = crypto.getRandomValues(new Uint8Array(12)).reduce(
      (text, byte) => text + byte.toString(16).padStart(2, "0"),
      "",
    );
    kept.set("uploads", secret);
  }
  const url = new URL(href, location.href);
  return `${secret}-${hash(`${url.pathname} ${file.size} ${file.lastModified}`)}`;
}

/** A non-cryptographic hash to tell files apart (cyrb53). @param {string} text */
function hash(text) {
  let [a, b] = [0xdeadbeef, 0x41c6ce57];
  for (let i = 0; i < text.length; i++) {
    a = Math.imul(a ^ text.charCodeAt(i), 2654435761);
    b = Math.imul(b ^ text.charCodeAt(i), 1597334677);
  }
  a = Math.imul(a ^ (a >>> 16), 2246822507) ^ Math.imul(b ^ (b >>> 13), 3266489909);
  b = Math.imul(b ^ (b >>> 16), 2246822507) ^ Math.imul(a ^ (a >>> 13), 3266489909);
  return (4294967296 * (2097151 & b) + (a >>> 0)).toString(36);
}

/**
 * The server's current offset.
 *
 * @param {string} href
 * @param {string} id
 * @param {AbortSignal} signal
 * @returns {Promise<number | "complete">}
 */
async function offsetOf(href, id, signal) {
  const response = await fetch(`${href}?upload=${id}`, { method: "HEAD", signal, cache: "no-store" }).catch((error) => {
    throw signal.aborted ? new Stopped() : new Passing(String(error));
  });
  if (response.status === 404) return 0;
  if (response.status === 401) throw new LoggedOut();
  if (PASSING.has(response.status)) throw new Passing(t("The server answered {status}", { status: response.status }));
  if (!response.ok) throw new Error(t("The server answered {status}", { status: response.status }));
  if (response.headers.get("upload-complete") === "?1") return "complete";
  return Number(response.headers.get("upload-offset") ?? 0);
}

/**
 * Sends bytes by XMLHttpRequest, because `fetch` reports no upload progress.
 *
 * @param {{ method: string, url: string, body: Blob, headers: Record<string, string>, start: number }} piece
 * @param {Progress} progress
 * @returns {Promise<Answer>}
 */
function sendPiece({ method, url, body, headers, start }, { sent, signal }) {
  return new Promise((resolve, reject) => {
    if (signal.aborted) return reject(new Stopped());
    const request = new XMLHttpRequest();
    request.open(method, url);
    request.setRequestHeader("accept", "application/problem+json");
    for (const [name, value] of Object.entries(headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", ({ loaded }) => sent(start + Math.min(loaded, body.size)));
    const stop = () => request.abort();
    signal.addEventListener("abort", stop);
    request.addEventListener("loadend", () => {
      signal.removeEventListener("abort", stop);
      if (signal.aborted) return reject(new Stopped());
      const verdict = verdictOf(request);
      if (verdict instanceof Error) reject(verdict);
      else resolve(verdict);
    });
    request.send(body);
  });
}

/** @param {XMLHttpRequest} request @returns {Answer | Error} */
function verdictOf(request) {
  const { status } = request;
  if (status >= 200 && status < 300) return { stored: request.getResponseHeader("location") };
  if (status === 401) return new LoggedOut();
  const problem = problemOf(request);
  const sentence = sentenceFor(status, problem.detail);
  const offset = request.getResponseHeader("upload-offset");
  if (status === 409 && offset !== null) return Number(offset);
  if (status === 409 && request.getResponseHeader("retry-after")) return new Passing(sentence);
  if (status === 409 && /taken/.test(problem.detail ?? "")) return new Taken(sentence);
  // pyserve states its limit; a 413 without one comes from a proxy.
  if (status === 413 && !problem.detail && request.responseURL.includes("upload=")) return "too large";
  // A full disk is not a temporary error.
  return PASSING.has(status)
    ? new Passing(status === 0 ? t("The connection was lost") : sentence)
    : new Error(sentence);
}

/** @param {XMLHttpRequest} request @returns {{ detail?: string }} */
function problemOf(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return {};
  }
}
