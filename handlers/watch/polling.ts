/**
 * Looks for changes again and again: for sources that cannot be watched, and where the system refuses to.
 *
 * @module
 */

import { SitePath } from "../http/target.ts";
import type { FileSource } from "../sources/types.ts";

/** Maximum number of entries looked at: with more, each pass would keep the server busy for a second. */
export const MAX_POLLED = 50_000;

/** Passes take at most this part of the time. */
const MAX_SHARE = 1 / 10;

/** What is polled, and how. */
export interface Polled {
  readonly source: FileSource;
  readonly ignored: (path: SitePath) => boolean;
  /** Time between two passes, in milliseconds. */
  readonly intervalMs: number;
  /** Called if there are more entries than are looked at. */
  readonly tooMany: () => void;
}

/** The versions of files by path; the empty string for directories, whose own dates do not matter. */
type Snapshot = ReadonlyMap<string, { readonly path: SitePath; readonly version: string }>;

/** Changes from now on; `ready` resolves after the first pass, which finds what there is to compare with. */
export function polled(
  options: Polled,
  signal: AbortSignal,
): { readonly changes: AsyncIterable<SitePath>; readonly ready: Promise<unknown> } {
  const first = snapshot(options, signal);
  return { changes: passes(options, first, signal), ready: first.catch(() => {}) };
}

async function* passes(options: Polled, first: Promise<Snapshot>, signal: AbortSignal): AsyncGenerator<SitePath> {
  let last = await first;
  let took = 0;
  for (;;) {
    await pause(Math.max(options.intervalMs, took / MAX_SHARE), signal);
    if (signal.aborted) return;
    const start = performance.now();
    const next = await snapshot(options, signal);
    took = performance.now() - start;
    if (signal.aborted) return;
    for (const [key, { path, version }] of next) if (last.get(key)?.version !== version) yield path;
    for (const [key, { path }] of last) if (!next.has(key)) yield path;
    last = next;
  }
}

async function snapshot({ source, ignored, tooMany }: Polled, signal: AbortSignal): Promise<Snapshot> {
  const found = new Map<string, { path: SitePath; version: string }>();
  const directories = [SitePath.root];
  for (let directory = directories.pop(); directory !== undefined; directory = directories.pop()) {
    for await (const slice of await entriesOf(source, directory)) {
      for (const { name, stat, link } of slice) {
        const path = directory.child(name);
        if (stat === null || path === null || ignored(path)) continue;
        const isDirectory = stat.kind === "directory";
        found.set(path.text, { path, version: isDirectory ? "" : `${stat.version} ${stat.size} ${stat.modified}` });
        // A link to a directory could lead to one above it.
        if (isDirectory && !link) directories.push(path);
      }
      if (signal.aborted) return found;
      if (found.size <= MAX_POLLED) continue;
      tooMany();
      return found;
    }
  }
  return found;
}

/** A directory that cannot be read, or is gone by now, has no entries. */
async function* entriesOf(source: FileSource, path: SitePath) {
  try {
    yield* await source.list(path) ?? [];
  } catch {
    // the next pass looks again
  }
}

function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const wake = () => {
      clearTimeout(timer);
      signal.removeEventListener("abort", wake);
      resolve();
    };
    const timer = setTimeout(wake, milliseconds);
    signal.addEventListener("abort", wake);
    if (signal.aborted) wake();
  });
}
