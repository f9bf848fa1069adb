/**
 * Operations on the files of a writable source, without HTTP: create, replace, append, make directory, copy, move, delete.
 *
 * @module
 */

export { Store, type StoreOptions } from "./store.ts";
export type { Copied, CopyOptions, CreateOptions, EarlyCheck, MoveOptions, Operations } from "./operations.ts";
export type { Actor, StoreRights } from "./access.ts";
export type { ConflictPolicy, Naming } from "./conflict.ts";
export type { Followers } from "./followers.ts";
export type { Locks, LockUser, Reach } from "./locks.ts";
export type { ContentCheck } from "./write_buffer.ts";
export type { Appended, UploadKey, UploadPiece, UploadProgress } from "./appends.ts";
export { type AppendProblem, AppendRefused } from "./append_refused.ts";
