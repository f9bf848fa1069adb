/**
 * The names of files that are still being written, of directories that are still being copied, and of what is kept of them
 * beside.
 *
 * @module
 */

const PART_NAME = /^\.pyserve(?:-[0-9a-f]{32}\.part|\.[0-9a-f]{32}\.(?:upload|next|claim))$/;

/** Whether a name is that of a part, or stands beside one: never listed, never served, never given to an upload. */
export function isPartName(name: string): boolean {
  return name.startsWith(".pyserve") && PART_NAME.test(name);
}

/**
 * A name beside that of a part: `upload` is the record of an upload, `next` the record that takes its place, `claim` says
 * that another process waits for the part.
 */
export function nameBeside(part: string, kind: "upload" | "next" | "claim"): string {
  return part.replace("-", ".").replace(/part$/, kind);
}

/** The name of the part beside which a name stands. */
export function partBeside(name: string): string {
  return name.replace(/^\.pyserve./, ".pyserve-").replace(/\.[a-z]+$/, ".part");
}

/** The name of a part by 32 hexadecimal digits. */
export function partNameOf(digits: string): string {
  return `.pyserve-${digits}.part`;
}

/** The name of a part that no other has. */
export function randomPartName(): string {
  return partNameOf(crypto.randomUUID().replaceAll("-", ""));
}
