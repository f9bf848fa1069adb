/**
 * A program and its part of the request path.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { SitePath } from "../http/target.ts";
import type { Context } from "../core/types.ts";

/** A program to run, independent of the user it runs as. */
export interface Program {
  /** The executable, an absolute path on disk: the script itself, its interpreter, or the program of a mount. */
  readonly command: string;
  /** Its arguments, without those of an indexed query. */
  readonly args: readonly string[];
  /** The script, a real path on disk (SCRIPT_FILENAME). */
  readonly file: string;
  /** Its working directory: that of the script (RFC 3875 section 7.2). */
  readonly directory: string;
  /**
   * The path up to and including the script, decoded, as seen by the client (SCRIPT_NAME); `""` for a mount at the
   * root.
   */
  readonly name: string;
  /** The rest of the path, decoded, empty segments kept (PATH_INFO): `""`, or a path with a leading `/`. */
  readonly pathInfo: string;
  /**
   * `pathInfo` as a path below the document root, whether or not it exists; null if there is no document root or
   * PATH_INFO.
   */
  readonly pathTranslated: string | null;
  /** The real path of the served directory, or null if it is not on disk. */
  readonly documentRoot: string | null;
}

/** Throws 403 if the client may not run programs. */
export function requireRun({ name }: Pick<Program, "name">, context: Context): void {
  const segments = name.split("/").slice(1 + context.base.segments.length);
  const path = segments.reduce<SitePath | null>((parent, segment) => parent?.child(segment) ?? null, SitePath.root);
  if (path === null || !context.may("run", path)) throw new HttpError(403, "Running programs is not allowed here");
}
