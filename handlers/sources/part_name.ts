/**
 * The names of files that are still being written, and of directories that are still being copied.
 *
 * @module
 */

/** Whether a name is that of a part: never listed, never served, never given to an upload, whatever else is shown. */
export function isPartName(name: string): boolean {
  return name.startsWith(".pyserve-") && /^\.pyserve-[0-9a-f]{32}\.part$/.test(name);
}

/** The name of a part by 32 hexadecimal digits. */
export function partNameOf(digits: string): string {
  return `.pyserve-${digits}.part`;
}

/** The name of a part that no other has. */
export function randomPartName(): string {
  return partNameOf(crypto.randomUUID().replaceAll("-", ""));
}
