import nodePath from "node:path";
/** Resolves a path against the current directory and normalizes it. */
export function resolve(...paths: string[]): string {
  return nodePath.resolve(...paths);
}
