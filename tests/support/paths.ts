/** Paths in the checkout. */

import { fileURLToPath, pathToFileURL } from "node:url";

/** The path of a file, relative to this folder. */
export function fromFileUrl(relative: string): string {
  return fileURLToPath(new URL(relative, import.meta.url));
}

/** The root of the checkout. */
export const ROOT = fromFileUrl("../..");

/** The command's module. */
export const CLI = fromFileUrl("../../cli.ts");

/** The URL of a path. */
export function toFileUrl(path: string): string {
  return pathToFileURL(path).href;
}
