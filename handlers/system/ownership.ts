/**
 * Whether files with secrets belong to the user of this process alone.
 *
 * @module
 */

/**
 * Requires that a file or directory belongs to this user, and that others cannot write to it: otherwise they could replace
 * the keys in it.
 *
 * @throws TypeError with a sentence.
 */
export function requireOwn(path: string, { uid, mode }: Deno.FileInfo): void {
  const own = ownUser();
  if (own !== null && uid !== null && uid !== own) throw new TypeError(`${path} belongs to another user`);
  if (mode !== null && (mode & 0o022) !== 0) throw new TypeError(`other users can write to ${path}`);
}

/**
 * As {@linkcode requireOwn}, and it must not be a symbolic link; `info` is the result of `lstat`.
 *
 * @throws TypeError with a sentence.
 */
export function requireOwnFile(path: string, info: Deno.FileInfo): void {
  if (info.isSymlink) throw new TypeError(`${path} is a symbolic link; remove it`);
  requireOwn(path, info);
}

/** Null if unknown: on Windows, or without the permission, which is not requested. */
function ownUser(): number | null {
  if (Deno.build.os === "windows") return null;
  return Deno.permissions.querySync({ name: "sys", kind: "uid" }).state === "granted" ? Deno.uid() : null;
}
