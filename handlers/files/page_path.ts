/**
 * The path of a page that an option names.
 *
 * @module
 */

import { SitePath } from "../http/target.ts";

/** The path of a name in a source, decoded, such as `/errors/404.html`; null if it is not valid. */
export function pathIn(text: string): SitePath | null {
  const names = text.split("/").filter((name) => name !== "");
  return names.reduce<SitePath | null>((path, name) => path?.child(name) ?? null, SitePath.root);
}

/** The same for an option; throws a TypeError. */
export function pagePath(text: string, option: string): SitePath {
  const path = typeof text === "string" ? pathIn(text) : null;
  if (path !== null && path.parent !== null) return path;
  throw new TypeError(`Cannot use ${option}: ${JSON.stringify(text)} is not the path of a file, such as /index.html`);
}

/** The text itself, if it is such a path. */
export function requirePage(text: string, option: string): string {
  pagePath(text, option);
  return text;
}
