import nodePath from "node:path";
/** Makes a path absolute, by the current directory where it is not, and normalizes it. */
export function resolve(...paths: string[]): string {
  return nodePath.resolve(...paths);
}
