/**
 * Maps a source's refusals and system errors on writing to statuses and messages.
 *
 * @module
 */

import { HttpError, toHttpError } from "../core/errors.ts";
import { escapeLog } from "../http/escape.ts";
import type { SitePath } from "../http/target.ts";
import { FileChanged } from "../sources/types.ts";
import { type WriteProblem, WriteRefused } from "../sources/writer.ts";

const REFUSALS: Readonly<Record<Exclude<WriteProblem, "taken" | "name">, readonly [status: number, sentence: string]>> =
  {
    directory: [409, "A directory has that name"],
    "not a directory": [409, "A parent of the path is a file, not a directory"],
    absent: [404, "The path does not exist"],
    "no directory": [409, "The parent directory does not exist"],
    changed: [412, "The file does not match the conditions of the request"],
    "not empty": [409, "The directory is not empty; use ?recursive to delete it with its contents"],
    hidden: [403, "Hidden files and programs cannot be written"],
    "not here": [403, "This directory is read-only; only other directories of this site accept uploads"],
    busy: [409, "Another request is writing to this upload"],
    "inside itself": [403, "A directory cannot be moved into itself"],
    mount: [409, "A file system is mounted there or below it; unmount it first"],
    elsewhere: [409, "It cannot be moved to another file system: a FIFO, socket or device cannot be copied"],
  };

const CODES: Readonly<Record<string, readonly [status: number, sentence: string]>> = {
  EACCES: [403, "The server has no permission to write there"],
  EPERM: [403, "The server has no permission to write there"],
  EROFS: [403, "The file system is read-only"],
  ENAMETOOLONG: [400, "The name is too long"],
  EILSEQ: [400, "The file system does not support that name"],
  EINVAL: [400, "The file system does not support that name"],
  EFBIG: [413, "The file system does not support files of that size"],
  EBUSY: [409, "It is in use"],
  ENOTEMPTY: [409, "The directory is being changed"],
  ENOSPC: [507, "The disk is full"],
  EDQUOT: [507, "The disk quota is exhausted"],
};

/**
 * Converts a write failure to an error response.
 *
 * @param path The path written to; its name is shown unescaped.
 * @param taken The status for a name that is taken: 409, or 412 if the request made that a precondition.
 */
export function writeError(thrown: unknown, path: SitePath, taken: 409 | 412 = 409): HttpError {
  if (thrown instanceof HttpError) return thrown;
  const problem = { name: path.name };
  if (thrown instanceof FileChanged || thrown instanceof Deno.errors.NotFound) {
    return new HttpError(409, "The directory is being changed", { problem });
  }
  if (thrown instanceof WriteRefused) {
    if (thrown.problem === "taken") return new HttpError(taken, nameTaken(path), { problem });
    if (thrown.problem === "name") return new HttpError(400, `Cannot use that name: ${thrown.detail}`, { problem });
    const [status, sentence] = REFUSALS[thrown.problem];
    const headers: Record<string, string> = thrown.problem === "busy" ? { "retry-after": "1" } : {};
    return new HttpError(status, sentence, { problem, headers });
  }
  const known = CODES[String((thrown as { code?: unknown } | null)?.code)];
  if (known && !(thrown instanceof Deno.errors.NotCapable)) {
    return new HttpError(known[0], known[1], { problem, cause: thrown });
  }
  return toHttpError(thrown);
}

/** The message for a name that is taken; control characters are escaped, because a terminal may show it. */
export function nameTaken(path: SitePath): string {
  return `The name "${escapeLog(path.name)}" is taken`;
}
