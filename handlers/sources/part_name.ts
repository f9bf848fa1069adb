/**
 * The names of files that are still being written, and of what is kept of them beside.
 *
 * @module
 */

/** Whether a name is that of a part, or stands beside one: never listed, never served, never given to an upload. */
export function isPartName(name: string): boolean {
  return name.startsWith(".pyserve-") && /^\.pyserve-[0-9a-f]{32}\.(?:part|upload|next|claim)$/.test(name);
}

/**
 * A name beside that of a part: `upload` is the record of an upload, `next` the record that takes its place, `claim` says
 * that another process waits for the part.
 */
export function nameBeside(part: string, kind: "upload" | "next" | "claim"): string {
  return part.replace(/part$/, kind);
}

/** The name of the part beside which a name stands. */
export function partBeside(name: string): string {
  return name.replace(/[a-z]+$/, "part");
}
