/**
 * Sends changes to one client, as server-sent events or as JSON lines.
 *
 * @module
 */

import { internalsOf } from "../core/internals.ts";
import type { Context } from "../core/types.ts";
import { escapeJson } from "../http/escape.ts";
import type { SitePath } from "../http/target.ts";
import { isoDate } from "../serving/iso_date.ts";
import { readable } from "../serving/rights.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import type { Change, ChangeHub } from "./change_hub.ts";

/** One line of a stream of changes. */
export type WatchEvent =
  /** The first: changes from now on are reported. */
  | { readonly type: "watching"; readonly path: string }
  /** A file or directory was created or changed; a directory also stands for anything in it. */
  | {
    readonly type: "changed";
    readonly path: string;
    readonly kind: FileStat["kind"];
    readonly size: number | null;
    readonly modified: string | null;
  }
  /** It does not exist any more, or can no longer be read. */
  | { readonly type: "removed"; readonly path: string }
  /** Changes were missed: anything may have changed. */
  | { readonly type: "missed" };

/** Bytes that a client may leave unread before its stream ends: events are small, and it can catch up. */
const MAX_UNREAD = 65_536;

/** How often a comment or an empty line shows proxies, and the system, that the connection is in use, in milliseconds. */
const ALIVE_MS = 20_000;

/**
 * How long the stream of a client with limited rights lasts, in milliseconds. It then connects again, so that rights that
 * have been revoked end.
 */
const LIMITED_MS = 300_000;

/** Maximum number of paths remembered for a client with limited rights. */
const MAX_SHOWN = 1_000;

/** Time until a browser connects again, in milliseconds: it is told what it has missed. */
const RETRY_MS = 300;

/** What a stream is about. */
export interface Streamed {
  readonly hub: ChangeHub;
  readonly source: FileSource;
  /** Only changes at this path and below are reported. */
  readonly scope: SitePath;
  /** Disposed of at the end. */
  readonly place: Disposable;
  /** The id of the last event that the client has received; null for a new one. */
  readonly since: string | null;
  /** Whether to send server-sent events rather than JSON lines. */
  readonly isForBrowsers: boolean;
}

/** A stream of changes; it ends when the client leaves or stops reading, and with `end`. */
export class EventStream {
  readonly body: ReadableStream<Uint8Array<ArrayBuffer>>;
  readonly #context: Context;
  readonly #streamed: Streamed;
  readonly #source: FileSource;
  readonly #resources = new DisposableStack();
  readonly #encoder = new TextEncoder();
  /** The paths that a client with limited rights has been told of. */
  readonly #shown = new Set<string>();
  #controller!: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
  #sending: Promise<void> = Promise.resolve();

  constructor(context: Context, streamed: Streamed) {
    this.#context = context;
    this.#streamed = streamed;
    this.#source = readable(streamed.source, context);
    this.#resources.use(streamed.place);
    this.body = new ReadableStream<Uint8Array<ArrayBuffer>>({
      start: async (controller) => {
        this.#controller = controller;
        await this.#begin();
      },
      cancel: () => this.#resources.dispose(),
    }, { highWaterMark: MAX_UNREAD, size: ({ length }) => length });
  }

  /** Ends the stream; the client may connect again. */
  end(): void {
    if (this.#resources.disposed) return;
    this.#resources.dispose();
    this.#controller.close();
  }

  /** Calls back at the end. */
  onEnd(callback: () => void): void {
    this.#resources.defer(callback);
  }

  async #begin(): Promise<void> {
    const { hub, scope, since, isForBrowsers } = this.#streamed;
    const listening = await hub.listen((changes) => this.#later(changes), this.#context.log);
    if (this.#resources.disposed) return listening[Symbol.dispose](); // it has left in the meantime
    this.#resources.use(listening);
    const alive = setInterval(() => this.#write(isForBrowsers ? ":\n\n" : "\n"), ALIVE_MS);
    this.#resources.defer(() => clearInterval(alive));
    if (this.#context.view !== "") {
      const limit = setTimeout(() => this.end(), LIMITED_MS);
      this.#resources.defer(() => clearTimeout(limit));
    }
    if (isForBrowsers) this.#write(`retry: ${RETRY_MS}\n`);
    this.#tell({ type: "watching", path: scope.text }, hub.idOf());
    const missed = since === null ? [] : hub.since(since);
    if (missed === null) this.#tell({ type: "missed" }, hub.idOf());
    else this.#later(missed);
  }

  /** In order, although it takes time to find out what has changed. */
  #later(changes: readonly Change[]): void {
    this.#sending = this.#sending.then(() => this.#send(changes)).catch((error) => {
      this.#context.log.error("Cannot send changes", error);
      this.end();
    });
  }

  async #send(changes: readonly Change[]): Promise<void> {
    for (const { path, position } of changes) {
      if (this.#resources.disposed) return;
      const event = await this.#eventOf(path);
      if (event !== null) this.#tell(event, this.#streamed.hub.idOf(position));
    }
  }

  /** Null if the client must not know. */
  async #eventOf(path: SitePath): Promise<WatchEvent | null> {
    const { scope } = this.#streamed;
    // A directory above stands for anything in it.
    const shown = scope.below(path) !== null && path !== scope ? scope : path;
    if (shown.below(scope) === null || !this.#context.may("read", shown)) return null;
    const stat = await this.#source.stat(shown);
    if (stat === null) return await this.#removed(shown);
    this.#remember(shown);
    return this.#changed(shown, stat);
  }

  /**
   * What a symlink has led to cannot be judged any more: so the directory must be one that can be read, and a client with
   * limited rights gets the name only if it has been told of it before; otherwise, that the directory has changed.
   */
  async #removed(path: SitePath): Promise<WatchEvent | null> {
    const { parent } = path;
    const above = parent && await this.#source.stat(parent);
    if (above === null && parent?.parent) return null;
    const isKnown = this.#context.view === "" || path === this.#streamed.scope || this.#shown.has(path.text);
    if (isKnown) return { type: "removed", path: path.text };
    return parent && above && this.#changed(parent, above);
  }

  #remember(path: SitePath): void {
    if (this.#context.view === "") return;
    if (this.#shown.size >= MAX_SHOWN) this.#shown.clear();
    this.#shown.add(path.text);
  }

  #changed(path: SitePath, { kind, size, modified }: FileStat): WatchEvent | null {
    // The date of a directory that only leads to what is shared tells that something else in it was changed.
    if (kind === "directory" && internalsOf(this.#context).visitor?.leads?.(path)) return null;
    const isFile = kind === "file";
    return { type: "changed", path: path.text, kind, size: isFile ? size : null, modified: isoDate(modified) };
  }

  #tell(event: WatchEvent, id: string): void {
    const json = escapeJson(JSON.stringify(event));
    this.#write(this.#streamed.isForBrowsers ? `id: ${id}\ndata: ${json}\n\n` : `${json}\n`);
  }

  #write(text: string): void {
    if (this.#resources.disposed) return;
    this.#controller.enqueue(this.#encoder.encode(text));
    if ((this.#controller.desiredSize ?? 0) <= 0) this.end(); // it does not read
  }
}
