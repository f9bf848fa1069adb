/** Paths on the server, and URLs of them: behind a proxy that removes a prefix, they differ. */

/** The directory of this page, as the server sees it, encoded. */
export const herePath = document.documentElement.dataset.path ?? "/";

/** The URL of an entry. @param {{ href: string | null }} entry */
export function urlOf({ href }) {
  return new URL(href ?? "", location.href.replace(/[?#].*/, "")).href;
}

/** The path of an entry of this page. @param {string} href */
export function pathOfHref(href) {
  return herePath + href;
}

/** The relative URL of a path on the server. @param {string} path */
export function urlOfPath(path) {
  const depth = herePath.split("/").length - 2;
  return ("../".repeat(depth) || "./") + path.slice(1);
}

/** The directory of a path, with a slash at the end. @param {string} path */
export function parentOf(path) {
  return path.slice(0, path.lastIndexOf("/", path.length - 2) + 1);
}

/** The key of a path on this page; null if it is not below it. @param {string} path */
export function keyOfPath(path) {
  return path.startsWith(herePath) && path !== herePath ? path.slice(herePath.length) : null;
}
