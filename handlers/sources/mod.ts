/**
 * Sources: where files come from, and what a source of your own implements.
 *
 * @module
 */

// Sources
export { disk, type DiskOptions } from "./disk.ts";
export { s3, type S3Credentials, type S3Options } from "./s3.ts";
export { memory, type MemoryOptions, openBytes } from "./memory.ts";
export { zip, ZipError, type ZipOptions } from "./zip.ts";

// Sources derived from others
export { filtered, isVisible } from "./filtered.ts";
export { readOnly, union } from "./union.ts";
export { writableIn } from "./writable_in.ts";

// To implement: reading
export {
  type EntryProblem,
  FileChanged,
  type FileEntry,
  type FileKind,
  type FileSlices,
  type FileSource,
  type FileStat,
  type FreshnessCheck,
  isUnread,
  type OpenFile,
  type UnreadEntry,
} from "./types.ts";

export { type FetchRange, openRanges, type OpenRangesOptions } from "./ranges.ts";

// To implement: writing
export {
  type ChangeOptions,
  type CommitOptions,
  type Committed,
  type DirectoryCheck,
  type NewEntry,
  type PartFile,
  type RefusedWrite,
  type SourceWriter,
  type TreeOptions,
  type UploadRecord,
  type WriteProblem,
  WriteRefused,
} from "./writer.ts";
