/**
 * Maps a source's refusals and system errors on writing to statuses and messages.
 *
 * @module
 */

import { HttpError, toHttpError } from "../core/errors.ts";
import { escapeLog } from "../http/escape.ts";
import type { Awaitable, Right } from "../core/types.ts";
import type { SitePath } from "../http/target.ts";
import { FileChanged } from "../sources/types.ts";
import { type WriteProblem, WriteRefused } from "../sources/writer.ts";
import type { StoreRights } from "../store/access.ts";
import { AppendRefused } from "../store/append_refused.ts";
import { appendError } from "./upload_fields.ts";

/** Problems whose message depends on details. */
type Detailed = "taken" | "name" | "disabled" | "forbidden" | "locked" | "too large" | "no room";

const REFUSALS: Readonly<Record<Exclude<WriteProblem, Detailed>, readonly [status: number, sentence: string]>> = {
  directory: [409, "A directory has that name"],
  "not a directory": [409, "A parent of the path is a file, not a directory"],
  absent: [404, "The path does not exist"],
  "no directory": [409, "The parent directory does not exist"],
  changed: [412, "The file does not match the conditions of the request"],
  "not empty": [409, "The directory is not empty; use ?recursive to delete it with its contents"],
  hidden: [403, "Hidden files and programs cannot be written"],
  "not here": [403, "This directory is read-only; only other directories of this site accept uploads"],
  busy: [409, "Another request is writing to this upload"],
  "inside itself": [403, "Nothing can be moved or copied into itself"],
  mount: [409, "It is a mount point, or contains one, and stays where it is until that is unmounted"],
  elsewhere: [
    409,
    "It cannot be moved there: copy it instead, unless it is a FIFO, socket or device, which has no content",
  ],
  "too many": [403, "The directory is too large: it has too many entries, or is too deep"],
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

const RIGHTS: Readonly<Record<keyof StoreRights, readonly [sentence: string, option: string]>> = {
  create: ["Uploading is not allowed here", "enable it with --upload"],
  change: ["Deleting, overwriting and moving are not allowed here", "enable them with --delete"],
};

/**
 * Converts a write failure to an error response.
 *
 * @param path The path written to; its name is shown unescaped.
 * @param taken The status for a name that is taken: 409, or 412 if the request made that a precondition.
 */
export function writeError(thrown: unknown, path: SitePath, taken: 409 | 412 = 409): HttpError {
  if (thrown instanceof HttpError) return thrown;
  if (thrown instanceof AppendRefused) return appendError(thrown);
  if (thrown instanceof WriteRefused) return refused(thrown, thrown.about.path ?? path, taken);
  const problem = { name: path.name };
  if (thrown instanceof FileChanged || thrown instanceof Deno.errors.NotFound) {
    return new HttpError(409, "The directory is being changed", { problem });
  }
  const known = CODES[String((thrown as { code?: unknown } | null)?.code)];
  if (known && !(thrown instanceof Deno.errors.NotCapable)) {
    return new HttpError(known[0], known[1], { problem, cause: thrown });
  }
  return toHttpError(thrown);
}

/** Runs an operation on a path, and converts its failure. */
export async function answered<T>(path: SitePath, operation: () => Awaitable<T>, taken: 409 | 412 = 409): Promise<T> {
  try {
    return await operation();
  } catch (error) {
    throw writeError(error, path, taken);
  }
}

function refused({ problem: reason, detail, about }: WriteRefused, path: SitePath, taken: 409 | 412): HttpError {
  const problem = { name: path.name };
  switch (reason) {
    case "taken":
      return new HttpError(taken, nameTaken(path), { problem });
    case "name":
      return new HttpError(400, `Cannot use that name: ${detail}`, { problem });
    case "disabled":
    case "forbidden":
      return forbidden(reason, about.right!, path);
    case "locked":
      return new HttpError(423, "It is locked", { problem: { ...problem, locked: path.href } });
    case "too large":
      return new HttpError(413, `A file may have at most ${about.bytes} bytes`, {
        problem: { "max-size": about.bytes },
      });
    case "no room":
      return new HttpError(507, `Only ${about.bytes} bytes are free`, { problem: { free: about.bytes } });
  }
  const [status, sentence] = REFUSALS[reason];
  return new HttpError(status, sentence, { problem, headers: reason === "busy" ? { "retry-after": "1" } : {} });
}

/** The message names the option, or says that the client has no right to this path. */
function forbidden(reason: "disabled" | "forbidden", right: Right, { name }: SitePath): HttpError {
  if (right !== "create" && right !== "change") return new HttpError(404); // unreadable paths appear not to exist
  const [sentence, option] = RIGHTS[right];
  if (reason === "disabled") return new HttpError(403, `${sentence}; ${option}`, { problem: { right } });
  return new HttpError(403, sentence, { problem: { right, name } });
}

/** The message for a name that is taken; control characters are escaped, because a terminal may show it. */
export function nameTaken(path: SitePath): string {
  return `The name "${escapeLog(path.name)}" is taken`;
}
