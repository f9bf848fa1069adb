import nodePath from "node:path";
/** Resolves path segments into a path that starts at the root. */
export function resolve(...segments: string[]): string {
  return nodePath.resolve(...segments);
}
