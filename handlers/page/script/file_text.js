/** The text of a file, up to a limit. */

import { t } from "./language.js";
import { request } from "./login.js";

/** Maximum number of bytes shown. */
export const SHOWN_BYTES = 512 * 1024;

/** @typedef {{ text: string, isCut: boolean }} FileText */

/**
 * Reads the beginning of a file with a range request; null if it is not text.
 *
 * @param {string} href
 * @param {AbortSignal} [signal]
 * @param {number} [limit] Maximum number of bytes.
 * @returns {Promise<FileText | null>}
 */
export async function fetchText(href, signal, limit = SHOWN_BYTES) {
  const range = `bytes=0-${limit - 1}`;
  const response = await request(href, { headers: { range }, cache: "no-cache", ...(signal && { signal }) });
  if (response.status === 416) return { text: "", isCut: false }; // an empty file has no satisfiable range
  if (!response.ok) {
    throw new Error(
      response.status === 404
        ? t("The file no longer exists")
        : t("The server answered {status}", { status: response.status }),
    );
  }
  const { bytes, isMore } = await firstBytes(response, limit);
  const total = Number(/\/(\d+)$/.exec(response.headers.get("content-range") ?? "")?.[1] ?? bytes.length);
  const text = decoded(bytes);
  return text === null ? null : { text, isCut: isMore || total > bytes.length };
}

/** A server without ranges sends the whole file. @param {Response} response @param {number} limit */
async function firstBytes(response, limit) {
  const reader = response.body?.getReader();
  /** @type {Uint8Array[]} */
  const chunks = [];
  let length = 0;
  for (;;) {
    const piece = await reader?.read();
    if (!piece || piece.done) break;
    chunks.push(piece.value);
    length += piece.value.length;
    if (length > limit) break;
  }
  await reader?.cancel();
  const bytes = new Uint8Array(await new Blob(/** @type {BlobPart[]} */ (chunks)).arrayBuffer());
  return { bytes: bytes.subarray(0, limit), isMore: length > limit };
}

/**
 * Decodes by the byte order mark, as UTF-8, or else as Windows-1252; null for binary data.
 *
 * @param {Uint8Array} bytes
 */
export function decoded(bytes) {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return new TextDecoder("utf-16le").decode(bytes);
  if (bytes[0] === 0xfe && bytes[1] === 0xff) return new TextDecoder("utf-16be").decode(bytes);
  if (bytes.subarray(0, 8192).includes(0)) return null;
  try {
    // The last character may be truncated.
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes, { stream: true });
  } catch {
    return new TextDecoder("windows-1252").decode(bytes);
  }
}
