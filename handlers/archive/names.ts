/**
 * Names that every program which unpacks an archive takes for what they are.
 *
 * @module
 */

/**
 * Whether a name can stand in an archive. `..` and `/` would lead out of the folder it is unpacked in, so would `\` on
 * Windows (CVE-2026-54093), and control characters are commands to the terminal that shows them.
 */
export function isSafeName(name: string): boolean {
  // deno-lint-ignore no-control-regex
  return name.isWellFormed() && !/^\.{0,2}$|[\x00-\x1f\x7f-\x9f\\/]/.test(name);
}

/** What the folder in an archive is called that holds all the rest, after the directory's own name (`""` for the root). */
export function folderName(name: string): string {
  // "C:" in front would be a drive.
  return isSafeName(name) && !/^[a-z]:/i.test(name) ? name : "files";
}
