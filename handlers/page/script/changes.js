/** Changing what is on the server. */

/**
 * @param {string} href
 */
export async function remove(href) {
  await request(href, { method: "DELETE" });
}

/** @param {string} href A relative address; a slash at the end is for the server to see what it is. @param {string} name */
export async function rename(href, name) {
  const isDirectory = href.endsWith("/");
  const target = href.replace(/[^/]+\/?$/, "") + encodeName(name) + (isDirectory ? "/" : "");
  const destination = new URL(target, location.href.replace(/[?#].*/, "")).href;
  await request(href, { method: "MOVE", headers: { destination, overwrite: "F" } });
}

/** @param {string} name */
export async function makeFolder(name) {
  await request(`${encodeName(name)}/`, { method: "MKCOL" });
}

/** @param {string} name */
export function encodeName(name) {
  return encodeURIComponent(name.toWellFormed());
}

/** @param {string} href @param {RequestInit} init */
async function request(href, init) {
  const response = await fetch(href, { ...init, headers: { accept: "application/problem+json", ...init.headers } });
  if (!response.ok) throw new Error(await sentenceOf(response));
  await response.body?.cancel();
}

/** What the server says went wrong, as a sentence for people. @param {Response} response */
export async function sentenceOf(response) {
  try {
    const { detail, title } = await response.json();
    return detail || title || `The server answered ${response.status}`;
  } catch {
    return `The server answered ${response.status}`;
  }
}
