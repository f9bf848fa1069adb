/**
 * What is run to answer a request.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { SitePath } from "../http/target.ts";
import type { Context } from "../core/types.ts";

/** A program and the part of the request's path that is about it. Who it is run for is not part of it. */
export interface Program {
  /** What is executed, an absolute path on disk: the script itself, its interpreter, or the program of a mount. */
  readonly command: string;
  /** Its words, without those of an indexed query. */
  readonly args: readonly string[];
  /** The script, a real path on disk (SCRIPT_FILENAME). */
  readonly file: string;
  /** The directory it is run in: that of the script (RFC 3875 section 7.2). */
  readonly directory: string;
  /** The path up to and including the script, decoded, as the client sees it (SCRIPT_NAME); `""` where all is below it. */
  readonly name: string;
  /** The rest of the path, decoded, empty segments kept (PATH_INFO): `""`, or it begins with `/`. */
  readonly pathInfo: string;
  /** `pathInfo` as a name below the document root, whether or not something is there; null where either is not. */
  readonly pathTranslated: string | null;
  /** The real path of what is served, or null where it is not on disk. */
  readonly documentRoot: string | null;
}

/** Throws 403 where the client has no right to run a program. */
export function requireRun({ name }: Pick<Program, "name">, context: Context): void {
  const segments = name.split("/").slice(1 + context.base.segments.length);
  const path = segments.reduce<SitePath | null>((parent, segment) => parent?.child(segment) ?? null, SitePath.root);
  if (path === null || !context.may("run", path)) throw new HttpError(403, "Running programs is not allowed here");
}
