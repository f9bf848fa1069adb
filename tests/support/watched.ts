/** A source that reports its use, and lets a test act in between. */

import type { FileSource, SitePath } from "@x/pyserve";
import type { OpenFile } from "@x/pyserve/sources";

/** Milliseconds after which a file counts as never closed. */
const PATIENCE_MS = 20_000;

/** Hooks of a test. */
export interface Hooks {
  /** Before a file is opened. */
  readonly opening?: (path: SitePath) => void;
  /** After bytes of a file were read. */
  readonly read?: (path: SitePath, offset: number) => void | Promise<void>;
}

/** A watched source. */
export interface WatchedSource extends FileSource {
  /** How many of its files are open. */
  openFiles(): number;
  /** Waits until none is open; fails after 20 seconds. */
  untilClosed(): Promise<void>;
}

/** Watches a source. */
export function watched(source: FileSource, { opening, read }: Hooks = {}): WatchedSource {
  let open = 0;
  let closed = Promise.withResolvers<void>();
  const watch = (path: SitePath, file: OpenFile): OpenFile => ({
    async read(offset, into) {
      const count = await file.read(offset, into);
      await read?.(path, offset);
      return count;
    },
    [Symbol.dispose]() {
      file[Symbol.dispose]();
      open -= 1;
      if (open === 0) closed.resolve();
    },
  });
  return {
    stat: (path) => source.stat(path),
    list: (path) => source.list(path),
    locate: (path) => source.locate?.(path) ?? null,
    async open(path, seen) {
      opening?.(path);
      const file = await source.open(path, seen);
      if (open++ === 0) closed = Promise.withResolvers();
      return watch(path, file);
    },
    openFiles: () => open,
    async untilClosed() {
      if (open === 0) return;
      const timer = setTimeout(() => closed.reject(new Error(`${open} files are still open`)), PATIENCE_MS);
      await closed.promise.finally(() => clearTimeout(timer));
    },
  };
}
