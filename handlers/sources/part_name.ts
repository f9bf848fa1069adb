/**
 * The names of files that are still being written.
 *
 * @module
 */

/** Whether a name is that of a part: never listed, never served, never given to an upload, whatever else is shown. */
export function isPartName(name: string): boolean {
  return name.startsWith(".pyserve-") && /^\.pyserve-[0-9a-f]{32}\.part$/.test(name);
}
