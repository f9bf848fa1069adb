/**
 * Names of partial files, of directories being copied, and of their sidecar files.
 *
 * @module
 */

const PART_NAME = /^\.pyserve(?:-[0-9a-f]{32}\.part|\.[0-9a-f]{32}\.(?:upload|next|claim))$/;

/** Whether a name is that of a partial file or a sidecar: never listed, served, or accepted for an upload. */
export function isPartName(name: string): boolean {
  return name.startsWith(".pyserve") && PART_NAME.test(name);
}

/**
 * The name of a sidecar: `upload` is the record of an upload, `next` its replacement before the atomic rename, `claim`
 * means that another process is waiting for the part.
 */
export function nameBeside(part: string, kind: "upload" | "next" | "claim"): string {
  return part.replace("-", ".").replace(/part$/, kind);
}

/** The name of the part a sidecar belongs to. */
export function partBeside(name: string): string {
  return name.replace(/^\.pyserve./, ".pyserve-").replace(/\.[a-z]+$/, ".part");
}

/** The name of a part, from 32 hexadecimal digits. */
export function partNameOf(digits: string): string {
  return `.pyserve-${digits}.part`;
}

/** A unique name for a part. */
export function randomPartName(): string {
  return partNameOf(crypto.randomUUID().replaceAll("-", ""));
}
