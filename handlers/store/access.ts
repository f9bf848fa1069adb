/**
 * Access control: the single place where store operations check rights and locks.
 *
 * Every path that an operation touches is checked before anything changes: both ends of a move or copy, parents that
 * would be created, and everything in a directory that is deleted or moved, because a rule may deny a path below one
 * that it allows.
 *
 * @module
 */

import type { Awaitable, Right } from "../core/types.ts";
import { Turns } from "../core/turns.ts";
import { CODINGS } from "../http/coding.ts";
import type { SitePath } from "../http/target.ts";
import { WriteRefused } from "../sources/writer.ts";
import type { ConflictPolicy } from "./conflict.ts";
import type { Locks, Reach } from "./locks.ts";

/** What a store allows at all, regardless of the actor. */
export interface StoreRights {
  /** Create files and directories (`--upload`). */
  readonly create: boolean;
  /** Delete, overwrite and move (`--delete`). */
  readonly change: boolean;
}

/** On whose behalf an operation runs. */
export interface Actor {
  /** Whether the actor has a right to a path, which need not exist. */
  may(right: Right, path: SitePath): boolean;
  /**
   * Whether a right to a directory implies the same right to everything below it, at any depth, and whether everything
   * can be read. Then the entries of a directory need not be checked; defaults to false.
   */
  readonly isUniform?: boolean;
  /** Identifies the actor for {@linkcode Locks}; absent for a client that is not known. */
  readonly identity?: string;
  /** The tokens of the locks that the actor has submitted, for {@linkcode Locks}. */
  readonly tokens?: readonly string[];
}

/** What {@linkcode Permit} knows of the store. */
export interface PermitOptions {
  readonly rights: StoreRights;
  readonly locks: Locks | null;
  /** Whether precompressed variants are sent in place of their originals. */
  readonly precompressed: boolean;
  /** Whether a path exists. */
  readonly exists: (path: SitePath) => Awaitable<boolean>;
  /** Everything in a directory, hidden files too. */
  readonly below: (path: SitePath) => Promise<AsyncIterable<SitePath>>;
}

/** The rights required for a whole directory at its old and its new path. */
export interface Passage {
  readonly from: SitePath;
  readonly to: SitePath;
  /** What the directory contains, relative to it; empty for a file. */
  readonly entries: readonly SitePath[];
}

/** Maximum number of entries of a directory moved by an actor with rights to only part of it. */
const MOST_ENTRIES = 100_000;

/** The rights and locks of one actor. All methods throw {@linkcode WriteRefused}: `disabled`, `forbidden` or `locked`. */
export class Permit {
  readonly #actor: Actor;
  readonly #options: PermitOptions;

  constructor(actor: Actor, options: PermitOptions) {
    this.#actor = actor;
    this.#options = options;
  }

  /** Requires that the store allows an operation at all. */
  requireEnabled(right: keyof StoreRights, policy: ConflictPolicy = "fail"): void {
    const { rights } = this.#options;
    if (!rights[right]) throw new WriteRefused("disabled", null, { right });
    if (policy === "overwrite" && !rights.change) throw new WriteRefused("disabled", null, { right: "change" });
  }

  /** Requires a right to one path. The refusal names `shown`, not a path that the actor may not even see. */
  require(right: Right, path: SitePath, shown: SitePath = path): void {
    if (!this.#actor.may(right, path)) throw new WriteRefused("forbidden", null, { path: shown, right });
  }

  /** Whether the actor has a right to a path. */
  may(right: Right, path: SitePath): boolean {
    return this.#actor.may(right, path);
  }

  /** The policy for a name: an actor who cannot read it must not learn that it is taken. */
  concealing(path: SitePath, policy: ConflictPolicy): ConflictPolicy {
    return policy === "fail" && !this.may("read", path) ? "rename" : policy;
  }

  /** Whether reading a directory implies the right to read everything in it. */
  get isUniform(): boolean {
    return this.#actor.isUniform ?? false;
  }

  /**
   * Requires the rights to store a file under a name: to create it, to change it if it may replace something, and to
   * create any name in the directory if a free one may be chosen.
   */
  requireName(path: SitePath, policy: ConflictPolicy): void {
    if (policy === "overwrite") this.require("change", path);
    this.require("create", path);
    if (policy === "rename" && path.parent !== null) this.require("create", path.parent, path);
  }

  /** The same, and for the parents that would be created. */
  async requireFile(path: SitePath, policy: ConflictPolicy): Promise<void> {
    this.requireName(path, policy);
    await this.requireOriginal(path);
    if (this.isUniform && this.#options.locks === null) return;
    for (let above = path.parent; above !== null && !await this.#options.exists(above); above = above.parent) {
      this.require("create", above, path);
      await this.requireUnlocked(above, "entry");
    }
  }

  /**
   * Requires the right to change a file before something is stored as its precompressed variant, which would be sent in
   * its place. An actor who cannot read it must not learn whether it exists.
   */
  async requireOriginal(path: SitePath): Promise<void> {
    if (!this.#options.precompressed) return;
    const ending = Object.values(CODINGS).find((ending) => path.name.endsWith(ending));
    const original = ending === undefined ? null : path.sibling(path.name.slice(0, -ending.length));
    if (original === null || (this.may("read", original) && !await this.#options.exists(original))) return;
    this.requireEnabled("change");
    this.require("change", original, path);
  }

  /** Requires the right to change a path and everything in it. */
  async requireTree(path: SitePath, signal?: AbortSignal): Promise<void> {
    this.require("change", path);
    if (this.isUniform) return;
    for await (const below of this.#below(path, signal)) this.require("change", below, path);
  }

  /** Requires the rights to move something away, for everything in it; returns its entries. */
  async requireMove(from: SitePath, signal?: AbortSignal): Promise<SitePath[]> {
    this.#requireTaking(from, from);
    if (this.isUniform) return [];
    const entries: SitePath[] = [];
    for await (const below of this.#below(from, signal)) {
      this.#requireTaking(below, from);
      if (entries.push(below.below(from)!) > MOST_ENTRIES) throw new WriteRefused("too many", null, { path: from });
    }
    return entries;
  }

  /** Everything in a directory, without blocking other requests; throws the reason of the signal when it aborts. */
  async *#below(path: SitePath, signal: AbortSignal | undefined): AsyncGenerator<SitePath> {
    const turns = new Turns();
    for await (const below of await this.#options.below(path)) {
      signal?.throwIfAborted();
      if (turns.due) await turns.next();
      yield below;
    }
  }

  /** Moving implies reading: the actor may be able to read it at the new path. */
  #requireTaking(path: SitePath, shown: SitePath): void {
    this.require("change", path, shown);
    this.require("read", path, shown);
  }

  /** Candidate names, each with the right to create it with everything that will be in it. */
  *allowed(paths: Iterable<SitePath>, entries: Iterable<SitePath>): Generator<SitePath> {
    for (const path of paths) {
      this.require("create", path);
      if (!this.isUniform) { for (const entry of entries) this.require("create", path.join(entry), path); }
      yield path;
    }
  }

  /** Requires that no lock prevents the operation. The refusal names the root of the lock, if the actor can read it. */
  async requireUnlocked(path: SitePath, reach: Reach): Promise<void> {
    const { identity = null, tokens = [] } = this.#actor;
    const root = await this.#options.locks?.blocking(path, { identity, tokens }, reach) ?? null;
    if (root === null) return;
    throw new WriteRefused("locked", null, { path: this.may("read", root) ? root : path });
  }
}
