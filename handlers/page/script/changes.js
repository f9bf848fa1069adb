/** Changes on the server. */

import { request } from "./login.js";
import { parentOf, urlOfPath } from "./places.js";
import { sentenceOf } from "./problem.js";

/** Deletes a file, or a folder recursively. @param {string} href */
export async function remove(href) {
  await change(href.endsWith("/") ? `${href}?recursive` : href, { method: "DELETE" });
}

/**
 * @param {string} href A relative URL; a trailing slash marks a directory.
 * @param {string} name
 * @returns {Promise<string>} Where it is now.
 */
export async function rename(href, name) {
  const isDirectory = href.endsWith("/");
  const folder = href.slice(0, href.lastIndexOf("/", href.length - 2) + 1);
  const target = folder + encodeName(name) + (isDirectory ? "/" : "");
  // The server's own path: behind a proxy that removes a prefix, this page has another URL.
  const destination = document.documentElement.dataset.path + target;
  await change(href, { method: "MOVE", headers: { destination, overwrite: "F" } });
  return target;
}

/**
 * Moves a file or a folder into a folder.
 *
 * @param {string} from Its path on the server.
 * @param {string} folder The path of the folder.
 * @param {string} [name] Its new name, encoded.
 * @returns {Promise<{ from: string, to: string }>}
 */
export async function moveTo(from, folder, name = from.slice(parentOf(from).length)) {
  const to = folder + name;
  await change(urlOfPath(from), { method: "MOVE", headers: { destination: to, overwrite: "F" } });
  return { from, to };
}

/**
 * Copies a file or a folder into a folder; where it is already, the copy gets another name.
 *
 * @param {string} from
 * @param {string} folder
 */
export async function copyTo(from, folder) {
  const to = folder + from.slice(parentOf(from).length);
  const query = parentOf(from) === folder ? "?on-conflict=rename" : "";
  const headers = { destination: to, ...query === "" && { overwrite: "F" } };
  const response = await change(urlOfPath(from) + query, { method: "COPY", headers });
  const name = nameIn(response.headers.get("location") ?? to);
  return { from, to: folder + name };
}

/** The last part of a path or a URL, encoded, with its slash. @param {string} path */
function nameIn(path) {
  return /[^/]*\/?$/.exec(path)?.[0] ?? "";
}

/** @param {string} path A name, or a path below this folder. @returns {Promise<string>} Where it is. */
export async function makeFolder(path) {
  const href = `${path.split("/").map(encodeName).join("/")}/`;
  await change(`./${href}`, { method: "MKCOL" });
  return href;
}

/** Encodes as the server does, so that the result is found in its listing. @param {string} name */
export function encodeName(name) {
  return encodeURIComponent(name.toWellFormed()).replace(
    /[!'()*]/g,
    (character) => "%" + character.charCodeAt(0).toString(16).toUpperCase(),
  );
}

/** @param {string} href @param {RequestInit} init */
async function change(href, init) {
  const response = await request(href, { ...init, headers: { accept: "application/problem+json", ...init.headers } });
  if (!response.ok) throw new Error(await sentenceOf(response));
  await response.body?.cancel();
  return response;
}
