/**
 * A program and its part of the request path.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";

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
   * PATH_INFO, or if the client may not read that path.
   */
  readonly pathTranslated: string | null;
  /** The real path of the served directory, or null if it is not on disk. */
  readonly documentRoot: string | null;
}

/**
 * The path that the right to run a program is asked for: PATH_INFO may name what the program acts on, such as a repository.
 * Null if PATH_INFO has segments that are no names (`..`), which a program could resolve in its own way.
 */
export function withPathInfo(path: SitePath, pathInfo: string): SitePath | null {
  const names = pathInfo.split("/").filter((name) => name !== "" && name !== ".");
  return names.reduce<SitePath | null>((parent, name) => parent?.child(name) ?? null, path);
}
