/**
 * Names that every unpacker interprets in the same way.
 *
 * @module
 */

/**
 * Whether a name is safe in an archive. `..` and `/` would escape the folder it is unpacked into, and so would `\` on
 * Windows (CVE-2026-54093); control characters are commands to the terminal that displays them.
 */
export function isSafeName(name: string): boolean {
  // deno-lint-ignore no-control-regex
  return name.isWellFormed() && !/^\.{0,2}$|[\x00-\x1f\x7f-\x9f\\/]/.test(name);
}

/** Name of the top-level folder in the archive, from the directory's own name (`""` for the root). */
export function folderName(name: string): string {
  // A leading "C:" would be a drive.
  return isSafeName(name) && !/^[a-z]:/i.test(name) ? name : "files";
}
