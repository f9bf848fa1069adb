/**
 * Storing files in a source: shared by PUT, PATCH and forms.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { SitePath } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import { noteWritten } from "../sources/written.ts";
import type { Committed, PartFile, SourceWriter } from "../sources/writer.ts";
import { type ConflictPolicy, firstFreeNumber, pathsFor, type Wish } from "./conflict.ts";
import { nameTaken, writeError } from "./refusals.ts";
import type { Context } from "../core/types.ts";
import { requireName, requireRight, type UploadRights } from "./rights.ts";
import { tooLarge } from "./spool.ts";

/** Interval between sweeps for expired parts. */
const SWEEP_EVERY_MS = 3_600_000;

/** The running sweeps of this process. */
const sweeps = new Set<Promise<unknown>>();

/** Waits for the running sweeps, so that a server, or a test, ends with everything that it started. */
export async function sweepsEnded(): Promise<void> {
  await Promise.all(sweeps);
}

/** Settings shared by all uploads to a source. */
export interface StoreSettings {
  readonly rights: UploadRights;
  readonly onConflict: ConflictPolicy;
  /** Maximum file size in bytes. */
  readonly maxBytes: number;
  /** Time without data after which an upload is aborted, in milliseconds. */
  readonly stallMs: number;
  /** Time after which an unfinished part is removed, in milliseconds. */
  readonly partAgeMs: number;
  /** The entity tag a file is served with. */
  readonly etagOf: (path: SitePath, stat: FileStat) => string;
}

/** A source with its writer, settings and rights. */
export class Store {
  readonly source: FileSource;
  readonly settings: StoreSettings;
  #writer: Promise<SourceWriter> | null = null;
  #sweptAt = -Infinity;

  /** Creates a store for a writable source. */
  constructor(source: FileSource, settings: StoreSettings) {
    if (!source.openWriter) throw new TypeError("Cannot take uploads: the source cannot be written");
    noteWritten(source);
    this.source = source;
    this.settings = settings;
  }

  writer(): Promise<SourceWriter> {
    return this.#writer ??= this.source.openWriter!();
  }

  /** Removes expired parts in the background, at most once per interval. */
  sweepNowAndThen(onError: (cause: unknown) => void): void {
    if (performance.now() - this.#sweptAt < SWEEP_EVERY_MS) return;
    this.#sweptAt = performance.now();
    const sweep = this.writer().then((writer) => writer.sweep(this.settings.partAgeMs)).catch((cause) => {
      this.#sweptAt = -Infinity;
      onError(cause);
    });
    sweeps.add(sweep);
    sweep.then(() => sweeps.delete(sweep));
  }

  /** Throws 507 if this many more bytes do not fit on the disk; null means unknown. */
  async checkRoom(part: PartFile, more: number | null): Promise<void> {
    const free = more === null ? null : await part.free();
    if (more !== null && free !== null && more > free) {
      throw new HttpError(507, `Only ${free} bytes are free`, { problem: { free } });
    }
  }

  /** Throws 413 if a file of this size exceeds the limit. */
  checkSize(size: number): void {
    if (size > this.settings.maxBytes) throw tooLarge(this.settings.maxBytes);
  }

  /**
   * Throws 403 if the client may not create or replace a file at a path, or create one under a free name next to it.
   */
  requireRights(context: Context, path: SitePath, { policy }: Wish): void {
    if (policy === "overwrite") requireRight(this.settings.rights, "change", context, path);
    requireName(context, path, policy);
  }

  /** Throws if missing rights or a known conflict rule out the upload, before its content is read. */
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

  /** The candidate paths for a new file, in order. */
  async pathsFor(path: SitePath, policy: ConflictPolicy): Promise<Iterable<SitePath>> {
    if (policy !== "rename") return pathsFor(path, policy);
    const isTaken = async (path: SitePath) => await this.source.stat(path) !== null;
    return pathsFor(path, policy, await isTaken(path) ? await firstFreeNumber(path, isTaken) : 1);
  }

  /** Gives a part its name. With notes, the result is recorded. */
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
