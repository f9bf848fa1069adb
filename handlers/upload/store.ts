/**
 * One file after the other into a source: what PUT, PATCH and forms have in common.
 *
 * @module
 */

import { HttpError } from "../errors.ts";
import type { SitePath } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import { noteWritten } from "../sources/written.ts";
import type { Committed, PartFile, SourceWriter } from "../sources/writer.ts";
import { type ConflictPolicy, firstFreeNumber, pathsFor, type Wish } from "./conflict.ts";
import { nameTaken, writeError } from "./refusals.ts";
import type { Context } from "../types.ts";
import { requireName, requireRight, type UploadRights } from "./rights.ts";
import { tooLarge } from "./spool.ts";

/** How often the source is looked through for parts that nobody goes on with. */
const SWEEP_EVERY_MS = 3_600_000;

/** What all uploads to a source have in common. */
export interface StoreSettings {
  readonly rights: UploadRights;
  readonly onConflict: ConflictPolicy;
  /** Bytes of one file. */
  readonly maxBytes: number;
  /** Milliseconds without a byte after which an upload is given up. */
  readonly stallMs: number;
  /** Milliseconds after which a part that nobody goes on with is removed. */
  readonly partAgeMs: number;
  /** The entity tag with which a file is sent. */
  readonly etagOf: (path: SitePath, stat: FileStat) => string;
}

/** A source, what writes to it, and what may be written. */
export class Store {
  readonly source: FileSource;
  readonly settings: StoreSettings;
  #writer: Promise<SourceWriter> | null = null;
  #sweeping: Promise<unknown> | null = null;
  #sweptAt = -Infinity;

  /** Makes one for a source that can be written. */
  constructor(source: FileSource, settings: StoreSettings) {
    if (!source.openWriter) throw new TypeError("Cannot take uploads: the source cannot be written");
    noteWritten(source);
    this.source = source;
    this.settings = settings;
  }

  /** What writes to the source. */
  writer(): Promise<SourceWriter> {
    return this.#writer ??= this.source.openWriter!();
  }

  /** Removes parts that are too old, in the background, if that has not been done lately. */
  sweepNowAndThen(onError: (cause: unknown) => void): void {
    if (performance.now() - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = performance.now();
    this.#sweeping = this.writer().then((writer) => writer.sweep(this.settings.partAgeMs)).catch((cause) => {
      this.#sweptAt = -Infinity;
      onError(cause);
    });
  }

  /** Waits for a sweep that is running. */
  async end(): Promise<void> {
    await this.#sweeping;
  }

  /** Throws 507 where so many bytes more do not fit on the disk; null is as many as nobody knows. */
  async checkRoom(part: PartFile, more: number | null): Promise<void> {
    const free = more === null ? null : await part.free();
    if (more !== null && free !== null && more > free) {
      throw new HttpError(507, `There is room for ${free} bytes only`, { problem: { free } });
    }
  }

  /** Throws 413 for a file of so many bytes. */
  checkSize(size: number): void {
    if (size > this.settings.maxBytes) throw tooLarge(this.settings.maxBytes);
  }

  /** Throws 403 where the client must not create a file at a path, replace one, or take a free name beside it. */
  requireRights(context: Context, path: SitePath, { policy }: Wish): void {
    if (policy === "overwrite") requireRight(this.settings.rights, "change", context, path);
    requireName(context, path, policy);
  }

  /** Throws what must stand in the way of a new file before any of it is read, as far as it can be known by then. */
  async checkWish(context: Context, path: SitePath, wish: Wish): Promise<void> {
    this.requireRights(context, path, wish);
    const there = await this.source.stat(path);
    if (there?.kind === "directory") {
      throw new HttpError(409, "A directory has that name", { problem: problemOf(path) });
    }
    if (there && wish.policy === "fail") {
      throw new HttpError(wish.status, nameTaken(path), { problem: problemOf(path) });
    }
  }

  /** The paths that are tried for a new name, in this order. */
  async pathsFor(path: SitePath, policy: ConflictPolicy): Promise<Iterable<SitePath>> {
    if (policy !== "rename") return pathsFor(path, policy);
    const isTaken = async (path: SitePath) => await this.source.stat(path) !== null;
    return pathsFor(path, policy, await isTaken(path) ? await firstFreeNumber(path, isTaken) : 1);
  }

  /** Gives a part its name. With notes, what it has become is recorded. */
  async commit(
    part: PartFile,
    path: SitePath,
    wish: Wish,
    expected?: string | null,
    notes?: string,
  ): Promise<Committed> {
    const options = {
      paths: await this.pathsFor(path, wish.policy),
      replace: wish.policy === "overwrite",
      ...(typeof expected === "string" && { expected }),
      ...(notes !== undefined && { notes }),
    };
    try {
      return await part.commit(options);
    } catch (error) {
      throw writeError(error, path, wish.status);
    }
  }
}

function problemOf(path: SitePath): { name: string } {
  return { name: path.name };
}
