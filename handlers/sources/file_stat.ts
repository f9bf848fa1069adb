/**
 * The metadata of files.
 *
 * @module
 */

/**
 * The kind of an entry: only a `file` has content, only a `directory` has entries; `other` is a FIFO, socket or device.
 */
export type FileKind = "file" | "directory" | "other";

/** Metadata of a file or directory; symlinks are followed. */
export interface FileStat {
  /** The kind of the entry. */
  readonly kind: FileKind;
  /** The size of a file in bytes; 0 for anything else. */
  readonly size: number;
  /** Modification time, in milliseconds since 1970; null if unknown. */
  readonly modified: number | null;
  /** A string that changes whenever the content may have changed, made of characters allowed in an entity tag. */
  readonly version: string;
  /** False while another change could go undetected because of the timestamp resolution. */
  readonly stable: boolean;
  /** Unix permissions, such as `0o644`; null or absent if unknown. */
  readonly mode?: number | null;
  /** True if reading from the middle costs as much as reading everything before it: then ranges are not offered. */
  readonly isSequential?: boolean;
}
