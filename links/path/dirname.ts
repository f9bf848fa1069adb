import nodePath from "node:path";
/** The directory of a path. */
export function dirname(path: string): string {
  return nodePath.dirname(path);
}
