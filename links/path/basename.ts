import nodePath from "node:path";
/** The last segment of a path. */
export function basename(path: string, suffix?: string): string {
  return nodePath.basename(path, suffix);
}
