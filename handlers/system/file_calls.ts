/**
 * The functions of the C library for files, bound once for this thread.
 *
 * @module
 */

import { errnoOf, openLibc } from "./libc.ts";

/**
 * The functions, or null if unavailable. Bound when this module is loaded: a library first opened inside a test would
 * count as a resource leak. Tests replace functions in it by ones that fail.
 */
export const FILE_CALLS = openLibc(
  ...[
    "open",
    "openLater",
    "openat2",
    "openat2Later",
    "statx",
    "getdents64",
    "preadv2",
    "close",
    "__errno_location",
  ] as const,
);

/** The functions for files. */
export type FileCalls = NonNullable<typeof FILE_CALLS>;

/** The number of the last error; 0 if the functions are unavailable. Read it before any other call can change it. */
export const errno: () => number = FILE_CALLS ? errnoOf(FILE_CALLS) : () => 0;
