/**
 * Write permissions: two rights, each granted by an option.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { SitePath } from "../http/target.ts";
import type { Context } from "../core/types.ts";
import type { ConflictPolicy } from "./conflict.ts";

/** The granted rights. */
export interface UploadRights {
  /** Create files and directories (`--upload`). */
  readonly create: boolean;
  /** Delete, overwrite and move (`--delete`). */
  readonly change: boolean;
}

const OPTIONS: Readonly<Record<keyof UploadRights, string>> = {
  create: "enable it with --upload",
  change: "enable it with --delete",
};

const SENTENCES: Readonly<Record<keyof UploadRights, string>> = {
  create: "Uploading is not allowed here",
  change: "Deleting, overwriting and moving are not allowed here",
};

/** The right that each method requires. */
export const METHODS: Readonly<Record<string, keyof UploadRights>> = {
  PUT: "create",
  PATCH: "create",
  POST: "create",
  MKCOL: "create",
  DELETE: "change",
  MOVE: "change",
};

/**
 * Throws 403 if a right is missing. The message names the option, or says that the client has no right to this path.
 */
export function requireRight(
  rights: UploadRights,
  right: keyof UploadRights,
  context: Context,
  path: SitePath = context.target.path,
): void {
  if (!rights[right]) throw new HttpError(403, `${SENTENCES[right]}; ${OPTIONS[right]}`, { problem: { right } });
  if (!context.may(right, path)) throw new HttpError(403, SENTENCES[right], { problem: { right, name: path.name } });
}

/** Throws 403 if the client may not create the name; with `rename`, any name in the directory. */
export function requireName(context: Context, path: SitePath, policy: ConflictPolicy): void {
  const isAllowed = context.may("create", path) && (policy !== "overwrite" || context.may("change", path)) &&
    (policy !== "rename" || path.parent === null || context.may("create", path.parent));
  if (!isAllowed) throw new HttpError(403, SENTENCES.create, { problem: { right: "create", name: path.name } });
}

/** The permitted methods, for Allow. */
export function methodsOf(rights: UploadRights): string[] {
  return Object.keys(METHODS).filter((method) => rights[METHODS[method]!]);
}
