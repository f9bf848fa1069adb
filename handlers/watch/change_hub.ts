/**
 * One watch of a source for all who listen: it collects what belongs to one save, and remembers recent changes.
 *
 * @module
 */

import type { Logger } from "../core/types.ts";
import { SitePath } from "../http/target.ts";
import type { FileSource } from "../sources/types.ts";
import { MAX_POLLED, polled } from "./polling.ts";

/** A changed path, and its position among all changes. */
export interface Change {
  readonly path: SitePath;
  readonly position: number;
}

/** Receives changes as they occur. */
export type Listener = (changes: readonly Change[]) => void;

/** What is watched, and how. */
export interface HubOptions {
  readonly source: FileSource;
  readonly ignored: (path: SitePath) => boolean;
  /** Time between two passes where changes have to be looked for, in milliseconds. */
  readonly pollMs: number;
  /** How long the watch goes on after the last listener has left, in milliseconds: a page that reloads comes back. */
  readonly lingerMs: number;
}

/** A save is over when nothing has happened for this long, in milliseconds: editors write, rename and set attributes. */
const QUIET_MS = 25;

/** A file that never rests is announced after this time nevertheless, in milliseconds. */
const MAX_WAIT_MS = 120;

/** An empty file may only be truncated, about to be written: it is looked at again after this time, in milliseconds. */
const EMPTY_MS = 80;

/** Maximum number of changes collected, and of those remembered for clients that reconnect. */
const MAX_CHANGES = 1_000;

/** A watch under way. */
interface Watch {
  readonly stop: AbortController;
  /** Resolves when changes are noticed. */
  readonly ready: Promise<unknown>;
  /** Its name in ids: another watch, also of another process, does not know the changes of this one. */
  readonly name: string;
}

/** Watches a source while anyone listens. */
export class ChangeHub {
  readonly #options: HubOptions;
  readonly #listeners = new Set<Listener>();
  readonly #pending = new Map<string, SitePath>();
  readonly #held = new Set<string>();
  #recent: Change[] = [];
  #watch: Watch | null = null;
  #position = 0;
  #since = 0;
  #flush: ReturnType<typeof setTimeout> | undefined;
  #linger: ReturnType<typeof setTimeout> | undefined;

  constructor(options: HubOptions) {
    this.#options = options;
  }

  /** Calls a listener for changes from now on. Dispose of the result to leave. */
  async listen(listener: Listener, log: Logger): Promise<Disposable> {
    clearTimeout(this.#linger);
    const watch = this.#watch ??= this.#start(log);
    this.#listeners.add(listener);
    await watch.ready;
    return { [Symbol.dispose]: () => this.#leave(listener) };
  }

  /** Where the changes are now, for {@linkcode since}. */
  idOf(position: number = this.#position): string {
    return `${this.#watch?.name ?? ""}-${position}`;
  }

  /** The changes after a position; null if they are no longer known. */
  since(id: string): readonly Change[] | null {
    const [name, text = ""] = id.split("-");
    const position = Number(text);
    if (name !== this.#watch?.name || !(position <= this.#position)) return null;
    if (position < this.#position - this.#recent.length) return null;
    return this.#recent.filter((change) => change.position > position);
  }

  /** Ends the watch. */
  end(): void {
    clearTimeout(this.#linger);
    clearTimeout(this.#flush);
    this.#watch?.stop.abort();
    this.#watch = null;
    this.#recent = [];
    this.#pending.clear();
    this.#held.clear();
  }

  #leave(listener: Listener): void {
    this.#listeners.delete(listener);
    if (this.#listeners.size > 0) return;
    clearTimeout(this.#linger);
    this.#linger = setTimeout(() => this.end(), this.#options.lingerMs);
  }

  #start(log: Logger): Watch {
    const stop = new AbortController();
    const { changes, ready } = this.#watched(stop.signal, log) ?? this.#polled(stop.signal, log);
    this.#follow(changes, stop.signal, log);
    return { stop, ready, name: crypto.randomUUID().slice(0, 8) };
  }

  /** Null if the source cannot be watched. */
  #watched(signal: AbortSignal, log: Logger): ReturnType<typeof polled> | null {
    const { source, ignored } = this.#options;
    try {
      const changes = source.watch?.(SitePath.root, signal, ignored);
      return changes ? { changes, ready: Promise.resolve() } : null;
    } catch (error) {
      log.error(...refusal(error, this.#options.pollMs));
      return null;
    }
  }

  #polled(signal: AbortSignal, log: Logger): ReturnType<typeof polled> {
    const { source, ignored, pollMs } = this.#options;
    let isTold = false;
    const tooMany = () => {
      if (!isTold) log.error(`Looking for changes among ${MAX_POLLED} files only: there are more; ignore some of them`);
      isTold = true;
    };
    return polled({ source, ignored, intervalMs: pollMs, tooMany }, signal);
  }

  async #follow(changes: AsyncIterable<SitePath>, signal: AbortSignal, log: Logger): Promise<void> {
    try {
      for await (const path of changes) if (!signal.aborted && !this.#options.ignored(path)) this.#note(path);
    } catch (error) {
      if (signal.aborted) return;
      log.error(...refusal(error, this.#options.pollMs));
      await this.#follow(this.#polled(signal, log).changes, signal, log);
    }
  }

  #note(path: SitePath): void {
    const now = performance.now();
    if (this.#pending.size === 0) this.#since = now;
    if (this.#pending.size < MAX_CHANGES) {
      this.#pending.set(path.text, path);
    } else {
      this.#pending.clear();
      this.#pending.set(SitePath.root.text, SitePath.root); // stands for all
    }
    this.#flushIn(Math.min(QUIET_MS, this.#since + MAX_WAIT_MS - now));
  }

  #flushIn(milliseconds: number): void {
    clearTimeout(this.#flush);
    this.#flush = setTimeout(() => this.#announce(), Math.max(0, milliseconds));
  }

  async #announce(): Promise<void> {
    const paths = [...this.#pending.values()];
    this.#pending.clear();
    const settled = await Promise.all(paths.map(async (path) => await this.#isTruncated(path) ? null : path));
    if (this.#watch === null) return;
    const changes = settled.filter((path) => path !== null).map((path) => ({ path, position: ++this.#position }));
    if (changes.length === 0) return;
    this.#recent = [...this.#recent, ...changes].slice(-MAX_CHANGES);
    for (const listener of this.#listeners) listener(changes);
  }

  /** Whether a file is empty for the first time: then it is looked at again later. */
  async #isTruncated(path: SitePath): Promise<boolean> {
    const stat = await Promise.resolve(this.#options.source.stat(path)).catch(() => null);
    if (this.#held.delete(path.text) || stat?.kind !== "file" || stat.size > 0 || this.#watch === null) return false;
    this.#held.add(path.text);
    if (this.#pending.size === 0) this.#since = performance.now();
    this.#pending.set(path.text, path);
    this.#flushIn(EMPTY_MS);
    return true;
  }
}

/** Why the system refuses to watch, in one sentence, with the cause if it is not known. */
function refusal(error: unknown, pollMs: number): [message: string, cause?: unknown] {
  const message = error instanceof Error ? error.message : String(error);
  const fallback = `looking for changes every ${pollMs / 1000} s instead`;
  if (/watch limit reached|os error 28/.test(message)) {
    return [
      `Cannot watch all directories: the system's limit on watches is reached; ${fallback}. ` +
      "Ignore some directories, or raise fs.inotify.max_user_watches",
    ];
  }
  if (/os error 24/.test(message)) {
    return [
      `Cannot watch: the system's limit on watching programs is reached; ${fallback}. ` +
      "Raise fs.inotify.max_user_instances",
    ];
  }
  return [`Cannot watch; ${fallback}`, error];
}
