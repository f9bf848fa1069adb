/**
 * The functions of `@std/path` that are used, under their names there.
 *
 * Only Windows needs `node:path`: loading it takes longer than all of pyserve, so that a stand-in would be what slows
 * down the start of a checkout.
 *
 * @module
 */

const isWindows = Deno.build.os === "windows";

/** The path separator. */
export const SEPARATOR: "/" | "\\" = isWindows ? "\\" : "/";

/** The last segment of a path. */
export function basename(path: string, suffix = ""): string {
  if (isWindows) return nodePath().basename(path, suffix);
  const trimmed = withoutSlashes(path);
  const name = trimmed === "/" ? trimmed : trimmed.slice(trimmed.lastIndexOf("/") + 1);
  return name !== suffix && name.endsWith(suffix) ? name.slice(0, name.length - suffix.length) : name;
}

/** The parent directory of a path. */
export function dirname(path: string): string {
  if (isWindows) return nodePath().dirname(path);
  const trimmed = withoutSlashes(path);
  return withoutSlashes(trimmed.slice(0, trimmed.lastIndexOf("/") + 1)) || ".";
}

/** Joins paths and normalizes the result. */
export function join(path: string, ...paths: string[]): string {
  if (isWindows) return nodePath().join(path, ...paths);
  return normalize([path, ...paths].filter((each) => each !== "").join("/"));
}

/** Resolves a path against the current directory and normalizes it. */
export function resolve(...paths: string[]): string {
  if (isWindows) return nodePath().resolve(...paths);
  const last = paths.findLastIndex((path) => path.startsWith("/"));
  const absolute = last < 0 ? [Deno.cwd(), ...paths] : paths.slice(last);
  return withoutSlashes(normalize(absolute.join("/")));
}

/** A path without slashes at its end, but the root. */
function withoutSlashes(path: string): string {
  let { length } = path;
  while (length > 1 && path[length - 1] === "/") length -= 1;
  return path.slice(0, length);
}

function normalize(path: string): string {
  const root = path.startsWith("/") ? "/" : "";
  const segments: string[] = [];
  for (const segment of path.split("/")) {
    if (segment === "" || segment === ".") continue;
    if (segment !== "..") segments.push(segment);
    else if (segments.length > 0 && segments.at(-1) !== "..") segments.pop();
    else if (root === "") segments.push("..");
  }
  const end = path.endsWith("/") ? "/" : "";
  return segments.length > 0 ? root + segments.join("/") + end : root || `.${end}`;
}

function nodePath(): typeof import("node:path") {
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: "node:path"): typeof import("node:path") };
  };
  return process.getBuiltinModule("node:path");
}
