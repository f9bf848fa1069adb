/**
 * A writable source and its operations: create, replace, append, make directory, copy, move, delete.
 *
 * Nothing in this directory depends on HTTP: uploads and WebDAV are thin layers on top.
 *
 * @module
 */

import type { Right } from "../core/types.ts";
import type { SitePath } from "../http/target.ts";
import type { FileSource } from "../sources/types.ts";
import type { DirectoryCheck, SourceWriter } from "../sources/writer.ts";
import { noteWritten } from "../sources/written.ts";
import { type Actor, Permit, type StoreRights } from "./access.ts";
import { Appends } from "./appends.ts";
import type { Followers } from "./followers.ts";
import type { Locks } from "./locks.ts";
import { Operations } from "./operations.ts";

/** Interval between sweeps for expired parts. */
const SWEEP_EVERY_MS = 3_600_000;

const DAY_MS = 86_400_000;

/** The running sweeps of this process. */
const sweeps = new Set<Promise<unknown>>();

/** Waits for the running sweeps, so that a server or a test does not exit before they end. */
export async function sweepsEnded(): Promise<void> {
  await Promise.all(sweeps);
}

/** Options of a {@linkcode Store}. */
export interface StoreOptions {
  /** The operations allowed at all; defaults to all. */
  readonly rights?: StoreRights;
  /** Maximum size of a file in bytes; unlimited by default, except by the disk. */
  readonly maxBytes?: number;
  /** Maximum number of entries of a directory that is copied; defaults to 100,000. */
  readonly maxEntries?: number;
  /** Time after which an unfinished part is removed, in milliseconds; defaults to one day. */
  readonly partAgeMs?: number;
  /** Locks to respect; none by default. */
  readonly locks?: Locks;
  /** What is kept elsewhere about files, and follows them; nothing by default. */
  readonly followers?: Followers;
  /**
   * Whether `NAME.gz`, `NAME.br` and `NAME.zst` are sent in place of `NAME`: then creating one requires the right to change
   * `NAME`. Defaults to false.
   */
  readonly precompressed?: boolean;
}

/**
 * Operations on the files of a source, for any number of actors.
 *
 * It does not authenticate: the caller identifies the actor and its rights. Refusals are {@linkcode WriteRefused};
 * other errors are those of the source.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { disk, SitePath } from "@x/pyserve";
 * import { Store } from "@x/pyserve/store";
 *
 * const directory = await Deno.makeTempDir();
 * const files = new Store(disk(directory)).as({ may: () => true, isUniform: true });
 * const [a, b] = ["a.txt", "b.txt"].map((name) => SitePath.root.child(name)!);
 * await files.create(a!, [new TextEncoder().encode("hello")]);
 * await files.copy(a!, b!);
 * await files.remove(a!);
 * assert(await Deno.readTextFile(`${directory}/b.txt`) === "hello");
 * await Deno.remove(directory, { recursive: true });
 * ```
 */
export class Store {
  /** The source. */
  readonly source: FileSource;
  /** The options, with defaults. */
  readonly options: Required<Omit<StoreOptions, "locks" | "followers">> & {
    readonly locks: Locks | null;
    readonly followers: Followers | null;
  };
  readonly #appends = new Appends(this);
  #writer: Promise<SourceWriter> | null = null;
  #sweptAt = -Infinity;

  /**
   * Creates a store for a writable source.
   *
   * @throws TypeError If the source is read-only.
   */
  constructor(source: FileSource, options: StoreOptions = {}) {
    if (!source.openWriter) throw new TypeError("Cannot take uploads: the source cannot be written");
    noteWritten(source);
    this.source = source;
    this.options = {
      rights: options.rights ?? { create: true, change: true },
      maxBytes: options.maxBytes ?? Infinity,
      maxEntries: options.maxEntries ?? 100_000,
      partAgeMs: options.partAgeMs ?? DAY_MS,
      locks: options.locks ?? null,
      followers: options.followers ?? null,
      precompressed: options.precompressed ?? false,
    };
  }

  /** The operations on behalf of an actor. */
  as(actor: Actor): Operations {
    const { source, options } = this;
    const writer = async () => {
      const writer = await this.writer();
      return actor.isUniform ? writer : writer.judged?.(linksConferNothing(actor)) ?? writer;
    };
    const permit = new Permit(actor, {
      rights: options.rights,
      locks: options.locks,
      precompressed: options.precompressed,
      exists: async (path: SitePath) => await source.stat(path) !== null,
      below: async (path: SitePath) => (await writer()).below(path),
    });
    return new Operations({ source, options, appends: this.#appends, writer }, permit);
  }

  /** The writer of the source, opened on first use. */
  writer(): Promise<SourceWriter> {
    return this.#writer ??= this.source.openWriter!();
  }

  /** Removes expired parts in the background, at most once per interval. */
  sweepNowAndThen(onError: (cause: unknown) => void): void {
    if (performance.now() - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = performance.now();
    const sweep = this.writer().then((writer) => writer.sweep(this.options.partAgeMs)).catch((cause) => {
      this.#sweptAt = -Infinity;
      onError(cause);
    });
    sweeps.add(sweep);
    sweep.then(() => sweeps.delete(sweep));
  }
}

/**
 * Lets an actor write through symlinks only to directories to which it has all the rights that it has to the requested
 * path. What lies outside the source is judged by the requested path only.
 */
function linksConferNothing(actor: Actor): DirectoryCheck {
  return (requested, canonical) => {
    if (canonical === "outside" || canonical.text === requested.text) return true;
    return RIGHTS.every((right) => !actor.may(right, requested) || actor.may(right, canonical));
  };
}

const RIGHTS: readonly Right[] = ["read", "create", "change"];
