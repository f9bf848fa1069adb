/**
 * Who may write what: two rights, each with the option that gives it.
 *
 * @module
 */

import { HttpError } from "../errors.ts";

/** What may be written. */
export interface UploadRights {
  /** New files and directories (`--upload`). */
  readonly create: boolean;
  /** Delete, overwrite and move (`--delete`). */
  readonly change: boolean;
}

const SENTENCES: Readonly<Record<keyof UploadRights, string>> = {
  create: "Uploading is not allowed here; the option --upload allows it",
  change: "Deleting, overwriting and moving are not allowed here; the option --delete allows them",
};

/** Throws a 403 that names the option, where a right is missing. */
export function requireRight(rights: UploadRights, right: keyof UploadRights): void {
  if (!rights[right]) throw new HttpError(403, SENTENCES[right], { problem: { right } });
}

/** The methods that the rights allow, for Allow. */
export function methodsOf({ create, change }: UploadRights): string[] {
  return [...create ? ["PUT", "PATCH", "POST", "MKCOL"] : [], ...change ? ["DELETE", "MOVE"] : []];
}
