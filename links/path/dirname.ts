import nodePath from "node:path";
/** The parent directory of a path. */
export function dirname(path: string): string {
  return nodePath.dirname(path);
}
