/**
 * One file on its way up: in pieces, so that none is larger than a proxy takes, and from where it broke off. The protocol
 * is that of draft-ietf-httpbis-resumable-upload, with an id of ours (handlers/upload/resumables.ts).
 */

import { kept } from "./dom.js";

/** Files up to this size go in one request: there is little to resume. */
const WHOLE_BYTES = 1024 * 1024;

/** Bytes of a piece; a proxy that does not take it gets smaller ones. */
const PIECE_BYTES = 32 * 1024 * 1024;
const SMALLEST_PIECE = 256 * 1024;

/** What a server answers that has no time now, or has just gone. */
const PASSING = new Set([0, 408, 425, 429, 502, 503, 504]);

/** The name is taken. */
export class Taken extends Error {}

/** It may go better the next time. */
export class Passing extends Error {}

/** It was stopped from here. */
export class Stopped extends Error {}

/**
 * @typedef {object} Progress
 * @property {(bytes: number) => void} sent How many bytes of the file are with the server.
 * @property {AbortSignal} signal
 */

/**
 * Sends a file; ends when the server has it, whole and under its name.
 *
 * @param {File} file
 * @param {string} href Where to, relative to the page.
 * @param {"fail" | "rename" | "overwrite"} policy
 * @param {Progress} progress
 */
export async function sendFile(file, href, policy, progress) {
  if (file.size <= WHOLE_BYTES) {
    const url = `${href}?on-conflict=${policy}`;
    await sendPiece({ method: "PUT", url, body: file, headers: {}, start: 0 }, progress);
    return progress.sent(file.size);
  }
  const id = idOf(file, href);
  let offset = await offsetOf(href, id, progress.signal);
  let most = PIECE_BYTES;
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
    else if (answer === "too large") throw new Error("A proxy on the way does not take so much at once");
    else if (typeof answer === "number") offset = answer;
    else offset = end === file.size ? "complete" : end;
  }
  progress.sent(file.size);
  // The server remembers a finished upload for a client that missed the answer; without this, sending the same file again
  // would count as that upload and store nothing.
  await forget(file, href);
}

/** Lets the server forget what it has of a file. @param {File} file @param {string} href */
export async function forget(file, href) {
  if (file.size <= WHOLE_BYTES) return;
  await fetch(`${href}?upload=${idOf(file, href)}`, { method: "DELETE" }).catch(() => {});
}

/**
 * The same file for the same place has the same id, also at another visit; nobody else can know it.
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

/** Not for secrets: only to tell files apart (cyrb53). @param {string} text */
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

/** Where the server is with a file. @param {string} href @param {string} id @param {AbortSignal} signal @returns {Promise<number | "complete">} */
async function offsetOf(href, id, signal) {
  const response = await fetch(`${href}?upload=${id}`, { method: "HEAD", signal, cache: "no-store" }).catch((error) => {
    throw signal.aborted ? new Stopped() : new Passing(String(error));
  });
  if (response.status === 404) return 0;
  if (PASSING.has(response.status)) throw new Passing(`The server answered ${response.status}`);
  if (!response.ok) throw new Error(`The server answered ${response.status}`);
  if (response.headers.get("upload-complete") === "?1") return "complete";
  return Number(response.headers.get("upload-offset") ?? 0);
}

/**
 * Sends bytes. `fetch` does not tell how far it is, so this is the older way.
 *
 * @param {{ method: string, url: string, body: Blob, headers: Record<string, string>, start: number }} piece
 * @param {Progress} progress
 * @returns {Promise<"taken in" | "too large" | number>} A number is where the server wants to go on instead.
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

/** @param {XMLHttpRequest} request @returns {"taken in" | "too large" | number | Error} */
function verdictOf(request) {
  const { status } = request;
  if (status >= 200 && status < 300) return "taken in";
  const problem = problemOf(request);
  const sentence = problem.detail || `The server answered ${status}`;
  const offset = request.getResponseHeader("upload-offset");
  if (status === 409 && offset !== null) return Number(offset);
  if (status === 409 && request.getResponseHeader("retry-after")) return new Passing(sentence);
  if (status === 409 && /taken/.test(sentence)) return new Taken(sentence);
  // Ours says what its limit is; one in front of it knows nothing of that.
  if (status === 413 && !problem.detail && request.responseURL.includes("upload=")) return "too large";
  // A disk that is full is not a server that has no time.
  return PASSING.has(status) ? new Passing(status === 0 ? "The connection broke off" : sentence) : new Error(sentence);
}

/** @param {XMLHttpRequest} request @returns {{ detail?: string }} */
function problemOf(request) {
  try {
    return JSON.parse(request.responseText);
  } catch {
    return {};
  }
}
