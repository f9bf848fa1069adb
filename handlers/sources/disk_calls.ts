/**
 * The calls of the system that looking at a disk takes, at once or in the background.
 *
 * @module
 */

import { nodeFs, type PathDescriptors, pathDescriptors } from "../system/path_descriptor.ts";
import type { Awaitable } from "../types.ts";
import { FileChanged } from "./types.ts";

/** One set of calls; all of one set either wait or do not. */
export interface DiskCalls {
  readonly realPath: (path: string) => Awaitable<string>;
  readonly stat: (path: string) => Awaitable<Deno.FileInfo>;
  readonly lstat: (path: string) => Awaitable<Deno.FileInfo>;
  readonly readLink: (path: string) => Awaitable<string>;
  /** Opens what a path of a descriptor (`/proc/self/fd/N`) means: never the name of a file, which may be a FIFO by now. */
  readonly openFile: (path: string, options: Deno.OpenOptions) => Awaitable<Deno.FsFile>;
  /**
   * Opens a name on Unix for reading, neither waiting for the other end of a FIFO nor through a link at its end (which may
   * lead to a device that notices): for where no place can be held.
   *
   * @throws {FileChanged} Where nothing is there, or a link.
   */
  readonly openUnblocked: (path: string) => Awaitable<number>;
  /** Opens a place; only called where places can be held. */
  readonly openPlace: (path: string) => Awaitable<number>;
  /** Opens a place that the kernel says lies below a directory; negative where it does not say so. */
  readonly openBeneath: (directory: string, path: string) => Awaitable<number>;
}

/** How places are held, or null where they cannot be. Loaded now: a library loaded in a test would count as its leak. */
export const DESCRIPTORS: PathDescriptors | null = pathDescriptors();

/** Calls that are done when they return. */
export const NOW: DiskCalls = {
  realPath: (path) => Deno.realPathSync(path),
  stat: (path) => Deno.statSync(path),
  lstat: (path) => Deno.lstatSync(path),
  readLink: (path) => Deno.readLinkSync(path),
  openFile: (path, options) => Deno.openSync(path, options),
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

/** Calls that threads of the runtime do meanwhile. */
export const LATER: DiskCalls = {
  realPath: (path) => Deno.realPath(path),
  stat: (path) => Deno.stat(path),
  lstat: (path) => Deno.lstat(path),
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

/** The only module that takes flags for opening. It takes 20 ms to load, so it is left to where nothing else will do. */
export function unblockedFs(): typeof import("node:fs") {
  return fs ??= nodeFs();
}

function unblocked(): number {
  const { O_RDONLY, O_NONBLOCK, O_NOFOLLOW } = unblockedFs().constants;
  return O_RDONLY | O_NONBLOCK | O_NOFOLLOW;
}

/** The same error as Deno's own calls would throw. */
function denoError(error: unknown): unknown {
  const code = (error as { code?: string }).code ?? "";
  if (["ENOENT", "ENOTDIR", "ELOOP", "ENXIO"].includes(code)) return new FileChanged();
  return ["EACCES", "EPERM"].includes(code) ? new Deno.errors.PermissionDenied() : error;
}
