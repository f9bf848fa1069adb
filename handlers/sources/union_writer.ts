/**
 * Writes to a union: to the source that contains the path.
 *
 * @module
 */

import { SitePath } from "../http/target.ts";
import type { Mounted, MountTree } from "./mount_tree.ts";
import {
  type ChangeOptions,
  type CommitOptions,
  type Committed,
  type NewEntry,
  type PartFile,
  type SourceWriter,
  type TreeOptions,
  type UploadRecord,
  type WriteProblem,
  WriteRefused,
} from "./writer.ts";

/** A path in a mounted source, and the writer of that source. */
interface MountedPath {
  readonly mount: Mounted;
  readonly writer: SourceWriter;
  readonly path: SitePath;
}

/** Writes to the sources of a union. */
export class UnionWriter implements SourceWriter {
  readonly #tree: MountTree;
  readonly #only: readonly SitePath[] | undefined;
  readonly #writers = new Map<Mounted, Promise<SourceWriter>>();

  /** Takes the mounts and, optionally, the only directories in which writing is allowed. */
  constructor(tree: MountTree, only: readonly SitePath[] | undefined) {
    this.#tree = tree;
    this.#only = only;
  }

  async create(path: SitePath, id: string, options?: { readonly parents?: boolean }): Promise<PartFile> {
    const place = await this.#enter(path, "directory");
    if (options?.parents === false) await this.#makePoint(path.parent!);
    return this.#partIn(place.mount, await place.writer.create(place.path, id, options));
  }

  async resume(path: SitePath, id: string): Promise<PartFile | null> {
    const { mount, writer, path: below } = await this.#enter(path, "directory");
    const part = await writer.resume(below, id);
    return part && this.#partIn(mount, part);
  }

  async progress(path: SitePath, id: string): Promise<number | null> {
    const { writer, path: below } = await this.#enter(path, "directory");
    return await writer.progress(below, id);
  }

  async recall(path: SitePath, id: string): Promise<UploadRecord | null> {
    const { mount, writer, path: below } = await this.#enter(path, "directory");
    const record = await writer.recall(below, id);
    if (record === null || record.finished === null) return record;
    return { ...record, finished: { ...record.finished, path: mount.at.join(record.finished.path) } };
  }

  async forget(path: SitePath, id: string): Promise<boolean> {
    const { writer, path: below } = await this.#enter(path, "directory");
    return await writer.forget(below, id);
  }

  async claim(path: SitePath, id: string): Promise<void> {
    const { writer, path: below } = await this.#enter(path, "directory");
    await writer.claim(below, id);
  }

  async makeDirectory(path: SitePath): Promise<void> {
    const { writer, path: below } = await this.#enter(path, "taken");
    await this.#makePoint(path.parent!);
    await writer.makeDirectory(below);
  }

  async remove(path: SitePath, options?: ChangeOptions & { readonly recursive?: boolean }): Promise<void> {
    const { writer, path: below } = await this.#enter(path, "mount");
    await writer.remove(below, options);
  }

  async move(from: SitePath, to: CommitOptions, options?: ChangeOptions): Promise<Committed> {
    const { mount, writer, path } = await this.#enter(from, "mount");
    const paths = [...to.paths]; // bounded by the number of alternative names
    const target = this.#tree.find(paths[0]?.parent ?? from);
    if (target.mount !== mount) throw new WriteRefused("elsewhere");
    await this.#makePoint(paths[0]?.parent ?? from);
    return committedIn(mount, await writer.move(path, this.#within(mount, { ...to, paths }), options));
  }

  async createTree(entries: Iterable<NewEntry>, to: TreeOptions): Promise<Committed> {
    const paths = [...to.paths];
    const [first] = paths;
    if (first === undefined) throw new WriteRefused("taken");
    const { mount } = this.#tree.find(first.parent ?? first);
    if (mount === null || !this.#isWritable(mount)) throw new WriteRefused("not here");
    await this.#makePoint(first.parent ?? first);
    const writer = await this.#writerOf(mount);
    return committedIn(mount, await writer.createTree(entries, this.#within(mount, { ...to, paths })));
  }

  async *below(path: SitePath): AsyncGenerator<SitePath> {
    const { mount, writer, path: below } = await this.#enter(path, "mount");
    for await (const found of writer.below(below)) yield mount.at.join(found);
  }

  async sweep(olderThan: number): Promise<number> {
    const writable = this.#tree.mounts.filter((mount) => this.#isWritable(mount));
    const counts = await Promise.all(writable.map(async (mount) => (await this.#writerOf(mount)).sweep(olderThan)));
    return counts.reduce((sum, count) => sum + count, 0);
  }

  /** Finds the source of a path; refused if the path is, or contains, a mount point. */
  async #enter(path: SitePath, problem: WriteProblem): Promise<MountedPath> {
    if (path.parent === null) throw new WriteRefused("name", "it is the root");
    const { mount, path: below, isPoint } = this.#tree.find(path);
    if (isPoint) throw new WriteRefused(problem);
    if (mount === null || !this.#isWritable(mount)) throw new WriteRefused("not here");
    return { mount, writer: await this.#writerOf(mount), path: below };
  }

  /** Creates a directory that so far only exists as the parent of a mount point. */
  async #makePoint(path: SitePath): Promise<void> {
    const { mount, path: below, isPoint } = this.#tree.find(path);
    if (!isPoint || mount === null || below.parent === null) return;
    await this.#makePoint(path.parent!);
    try {
      await (await this.#writerOf(mount)).makeDirectory(below);
    } catch (error) {
      if (!(error instanceof WriteRefused && error.problem === "taken")) throw error;
    }
  }

  #isWritable(mount: Mounted): boolean {
    return mount.source.openWriter !== undefined && (!this.#only || this.#onlyIn(mount, this.#only).length > 0);
  }

  #writerOf(mount: Mounted): Promise<SourceWriter> {
    const known = this.#writers.get(mount);
    if (known) return known;
    const opened = mount.source.openWriter!(this.#only && this.#onlyIn(mount, this.#only));
    this.#writers.set(mount, opened);
    return opened;
  }

  /** The directories of `only` that lie in a mount, as paths in its source. */
  #onlyIn({ at }: Mounted, only: readonly SitePath[]): readonly SitePath[] {
    return only.flatMap((path) => {
      const inside = path.below(at);
      if (inside !== null) return [inside];
      return at.below(path) === null ? [] : [SitePath.root];
    });
  }

  #partIn(mount: Mounted, part: PartFile): PartFile {
    return {
      get size() {
        return part.size;
      },
      write: (bytes) => part.write(bytes),
      read: (offset, into) => part.read(offset, into),
      truncate: (size) => part.truncate(size),
      free: () => part.free(),
      commit: async (options) => committedIn(mount, await part.commit(this.#within(mount, options))),
      note: (notes) => part.note(notes),
      isClaimed: () => part.isClaimed(),
      discard: () => part.discard(),
      keep: () => part.keep(),
    };
  }

  #within<T extends CommitOptions>(mount: Mounted, options: T): T {
    return { ...options, paths: this.#pathsIn(mount, options) };
  }

  /** The paths in the mounted source; mount points count as taken names. */
  *#pathsIn({ at }: Mounted, { paths, replace }: CommitOptions): Generator<SitePath> {
    for (const path of paths) {
      const { isPoint } = this.#tree.find(path);
      if (isPoint && replace) throw new WriteRefused("directory");
      if (!isPoint) yield path.below(at)!;
    }
  }
}

function committedIn({ at }: Mounted, committed: Committed): Committed {
  return { ...committed, path: at.join(committed.path) };
}
