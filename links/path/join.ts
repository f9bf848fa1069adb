import nodePath from "node:path";
/** Joins paths and normalizes the result. */
export function join(path: string, ...paths: string[]): string {
  return nodePath.join(path, ...paths);
}
