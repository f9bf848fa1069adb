/**
 * The system calls needed for lookups on disk, synchronous or asynchronous.
 *
 * @module
 */

import { nodeFs } from "../system/node.ts";
import { BUSY, type PathDescriptors, pathDescriptors, UNKNOWN } from "../system/path_descriptor.ts";
import type { EntryInfo } from "../system/statx.ts";
import type { Awaitable } from "../core/types.ts";
import { FileChanged } from "./types.ts";

/** A set of calls, either all synchronous or all asynchronous. */
export interface DiskCalls {
  readonly realPath: (path: string) => Awaitable<string>;
  readonly stat: (path: string) => Awaitable<Deno.FileInfo>;
  readonly lstat: (path: string) => Awaitable<Deno.FileInfo>;
  /** The metadata of what a descriptor refers to. */
  readonly statOpen: (descriptor: number) => Awaitable<EntryInfo>;
  readonly readLink: (path: string) => Awaitable<string>;
  /** Opens a descriptor path (`/proc/self/fd/N`), never a file name, which may have become a FIFO. */
  readonly openFile: (path: string, options: Deno.OpenOptions) => Awaitable<Deno.FsFile>;
  /**
   * Opens a name for reading with `O_NONBLOCK` and `O_NOFOLLOW`: it neither blocks on a FIFO nor follows a symlink (to
   * a device with side effects on open, for example). Unix only; used where paths cannot be held by descriptors.
   *
   * @throws {FileChanged} If the name does not exist or is a symlink.
   */
  readonly openUnblocked: (path: string) => Awaitable<number>;
  /** Opens a path with `O_PATH`; only called if descriptors are available. */
  readonly openPlace: (path: string) => Awaitable<number>;
  /** Opens a path that the kernel guarantees to lie below a directory; negative if it cannot. */
  readonly openBeneath: (directory: string, path: string) => Awaitable<number>;
}

/**
 * Descriptor support, or null if unavailable. Loaded eagerly: a library first loaded inside a test would count as a
 * resource leak.
 */
export const DESCRIPTORS: PathDescriptors | null = pathDescriptors();

/** The path of what a descriptor refers to. */
export function pathOf(descriptor: number): string {
  return `/proc/self/fd/${descriptor}`;
}

/** Synchronous calls. */
export const NOW: DiskCalls = {
  realPath: (path) => Deno.realPathSync(path),
  stat: (path) => Deno.statSync(path),
  lstat: (path) => Deno.lstatSync(path),
  statOpen: (descriptor) => DESCRIPTORS!.stat(descriptor) ?? Deno.statSync(pathOf(descriptor)),
  readLink: (path) => Deno.readLinkSync(path),
  openFile(path, options) {
    // While it is open, no lease can be taken on the file, which would block the second call and thus the whole server.
    const descriptor = DESCRIPTORS?.openAtOnce(path) ?? UNKNOWN;
    if (descriptor === BUSY) throw new FileChanged();
    try {
      return Deno.openSync(path, options);
    } finally {
      if (descriptor >= 0) DESCRIPTORS!.close(descriptor);
    }
  },
  openUnblocked(path) {
    try {
      return unblockedFs().openSync(path, unblocked());
    } catch (error) {
      throw denoError(error);
    }
  },
  openPlace: (path) => DESCRIPTORS!.open(path, true),
  openBeneath: (directory, path) => DESCRIPTORS!.openBeneath(directory, path),
};

/** Asynchronous calls, run on the runtime's thread pool. */
export const LATER: DiskCalls = {
  realPath: (path) => Deno.realPath(path),
  stat: (path) => Deno.stat(path),
  lstat: (path) => Deno.lstat(path),
  statOpen: (descriptor) => Deno.stat(pathOf(descriptor)),
  readLink: (path) => Deno.readLink(path),
  openFile: (path, options) => Deno.open(path, options),
  openUnblocked: (path) =>
    new Promise((resolve, reject) => {
      unblockedFs().open(path, unblocked(), (error, descriptor) => {
        if (error) reject(denoError(error));
        else resolve(descriptor);
      });
    }),
  openPlace: (path) => DESCRIPTORS!.openLater(path, true),
  openBeneath: (directory, path) => DESCRIPTORS!.openBeneathLater(directory, path),
};

let fs: typeof import("node:fs") | undefined;

/** `node:fs` is the only API that takes open(2) flags. It takes 20 ms to load, so it is loaded only when needed. */
export function unblockedFs(): typeof import("node:fs") {
  return fs ??= nodeFs();
}

function unblocked(): number {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = unblockedFs().constants;
  return O_RDONLY | O_NONBLOCK | O_NOFOLLOW;
}

/** Converts an error of `node:fs` to what Deno's own calls would throw. */
function denoError(error: unknown): unknown {
  const code = (error as { code?: string }).code ?? "";
  if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO", "EAGAIN"].includes(code)) return new FileChanged();
  return ["EACCES", "EPERM"].includes(code) ? new Deno.errors.PermissionDenied() : error;
}
