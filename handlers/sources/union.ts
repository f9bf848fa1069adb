/**
 * A source composed of several.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { onDemand } from "../core/on_demand.ts";
import type { Awaitable } from "../core/types.ts";
import type { ByteRange } from "../http/range.ts";
import type { SitePath } from "../http/target.ts";
import { filtered } from "./filtered.ts";
import { MountTree, type Reached } from "./mount_tree.ts";
import {
  FileChanged,
  type FileEntry,
  type FileKind,
  type FileSlices,
  type FileSource,
  type FileStat,
  type FreshnessCheck,
  type OpenFile,
} from "./types.ts";
import { mergedWatch } from "./union_watch.ts";
import type { SourceWriter } from "./writer.ts";
import { recordMounts, recordView } from "./shown.ts";

const unionWriter = onDemand(() => import("./union_writer.ts"));

/**
 * A source composed of several others, each mounted at a path.
 *
 * A mount point is a directory, listed in its parent even if the source there has no such entry; it hides whatever that
 * source has at or below the path. Directories above a mount point need not exist. Prefixes are compared by segments:
 * `/docs` is not a prefix of `/docs-old`. Each source checks containment on its own: a symlink in one does not lead
 * into another.
 *
 * A path is written to the source that contains it. A mount point, or a directory that contains one, cannot be removed,
 * moved or replaced (`mount`); nothing can be moved from one source to another (`elsewhere`): copy it, then remove it.
 * Use {@linkcode readOnly} for a source that must not be written.
 *
 * Names are compared exactly. If the source around a mount point is case-insensitive (macOS, Windows), what the mount
 * point hides there can be reached by another spelling: do not rely on a mount to conceal a directory.
 *
 * @param mounts Sources by path (`/`, `/docs`), percent-encoded like the path of a URL. `/` may be missing: then the
 * root only contains mount points.
 * @throws TypeError If a path is invalid, or if two are the same.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { fileServer, memory, toFetch, union } from "@x/pyserve";
 *
 * const source = union({
 *   "/": memory({ "index.html": "<h1>Site" }),
 *   "/docs": memory({ "a.txt": "hello" }),
 * });
 * const fetch = toFetch(fileServer(source, { log: false }));
 * assertEquals(await (await fetch(new Request("http://localhost/"))).text(), "<h1>Site");
 * assertEquals(await (await fetch(new Request("http://localhost/docs/a.txt"))).text(), "hello");
 * ```
 *
 * @category Sources
 */
export function union(mounts: Readonly<Record<string, FileSource>>): FileSource {
  const tree = new MountTree(mounts);
  return recordMounts(new UnionSource(tree), tree);
}

/**
 * A view of a source without its writer: it cannot be changed through this view.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 * import { disk, fileServer, toFetch, union, uploadFeatures } from "@x/pyserve";
 * import { readOnly } from "@x/pyserve/sources";
 *
 * const [site, docs] = [await Deno.makeTempDir(), await Deno.makeTempDir()];
 * const source = union({ "/": disk(site), "/docs": readOnly(disk(docs)) });
 * const features = uploadFeatures({ rights: { create: true, change: true } });
 * const fetch = toFetch(fileServer(source, { features, log: false }));
 * const put = (path: string) => fetch(new Request(`http://localhost${path}`, { method: "PUT", body: "hello" }));
 * assertEquals([(await put("/a.txt")).status, (await put("/docs/a.txt")).status], [201, 403]);
 * await Promise.all([site, docs].map((path) => Deno.remove(path, { recursive: true })));
 * ```
 */
export function readOnly(source: FileSource): FileSource {
  const { openWriter: _writer, ...reading } = filtered(source, () => true);
  return recordView(reading, source);
}

class UnionSource implements FileSource {
  readonly #tree: MountTree;
  readonly openWriter?: NonNullable<FileSource["openWriter"]>;
  readonly watch?: NonNullable<FileSource["watch"]>;

  constructor(tree: MountTree) {
    this.#tree = tree;
    if (tree.mounts.some(({ source }) => source.openWriter)) this.openWriter = (only) => openWriter(tree, only);
    if (tree.mounts.some(({ source }) => source.watch)) this.watch = (...given) => mergedWatch(tree, ...given);
  }

  stat(path: SitePath): Awaitable<FileStat | null> {
    const at = this.#tree.find(path);
    return isJoined(at) ? this.#statJoined(path, at) : at.mount?.source.stat(at.path) ?? null;
  }

  async #statJoined(path: SitePath, at: Reached): Promise<JoinedStat> {
    const own = await at.mount?.source.stat(at.path) ?? null;
    return new JoinedStat(own, await Promise.all(at.points.map((name) => this.#point(path, name))));
  }

  async #point(path: SitePath, name: string): Promise<Point> {
    const child = path.child(name)!;
    try {
      return { path: child, stat: await this.stat(child), problem: null };
    } catch {
      return { path: child, stat: null, problem: "not readable" };
    }
  }

  list(path: SitePath, until?: DisposableStack): Awaitable<FileSlices | null> {
    const at = this.#tree.find(path);
    return isJoined(at) ? this.#listJoined(path, at) : at.mount?.source.list(at.path, until) ?? null;
  }

  async #listJoined(path: SitePath, at: Reached): Promise<FileSlices> {
    const { points } = await this.#statJoined(path, at);
    const entries = points.filter(({ stat, problem }) => stat !== null || problem !== null)
      .map(({ path: { name }, stat, problem }): FileEntry => ({ name, stat, link: false, problem }));
    return withPoints(entries, new Set(at.points), await at.mount?.source.list(at.path) ?? []);
  }

  open(path: SitePath, seen: FileStat, range?: ByteRange): Awaitable<OpenFile> {
    const at = this.#tree.find(path);
    if (at.mount === null || isJoined(at)) throw new FileChanged(); // not a file
    return at.mount.source.open(at.path, seen, range);
  }

  freshness(path: SitePath, seen: FileStat): FreshnessCheck | null {
    const { mount, path: below } = this.#tree.find(path);
    if (!(seen instanceof JoinedStat)) return mount?.source.freshness?.(below, seen) ?? null;
    const checks = seen.points.map((point) => this.#check(point));
    if (mount) {
      const { source } = mount;
      checks.push((seen.own ? source.freshness?.(below, seen.own) : source.absence?.(below)) ?? null);
    }
    return checks.every((check) => !!check) ? () => checks.every((isFresh) => isFresh()) : null;
  }

  #check({ path, stat, problem }: Point): FreshnessCheck | null {
    if (problem !== null) return null;
    return stat ? this.freshness(path, stat) : this.absence(path);
  }

  absence(path: SitePath): FreshnessCheck | null {
    const at = this.#tree.find(path);
    if (isJoined(at)) return null;
    return at.mount === null ? () => true : at.mount.source.absence?.(at.path) ?? null;
  }

  canonical(path: SitePath, seen: FileStat): Awaitable<SitePath | "outside" | null> {
    const { mount, path: below } = this.#tree.find(path);
    const own = seen instanceof JoinedStat ? seen.own : seen;
    if (own === null || !mount?.source.canonical) return path;
    return then(mount.source.canonical(below, own), (canonical) => {
      return canonical === null || canonical === "outside" ? canonical : mount.at.join(canonical);
    });
  }

  locate(path: SitePath, seen?: FileStat): Awaitable<string | null> {
    const { mount, path: below } = this.#tree.find(path);
    if (seen instanceof JoinedStat && seen.own === null) return null;
    const own = seen instanceof JoinedStat ? seen.own! : seen;
    return mount?.source.locate?.(below, own) ?? null;
  }
}

/** A mount point directly below a directory, or a parent of one. */
interface Point {
  readonly path: SitePath;
  readonly stat: FileStat | null;
  readonly problem: "not readable" | null;
}

/** A directory that contains mount points in addition to its own source's entries. */
class JoinedStat implements FileStat {
  readonly kind: FileKind = "directory";
  readonly size = 0;
  readonly modified: number | null;
  readonly mode: number | null;
  readonly version: string;
  readonly stable: boolean;
  /** The entry of its own source at this path, of any kind. */
  readonly own: FileStat | null;
  readonly points: readonly Point[];

  constructor(own: FileStat | null, points: readonly Point[]) {
    const stats = [own, ...points.map(({ stat }) => stat)];
    this.own = own;
    this.points = points;
    this.modified = own?.kind === "directory" ? own.modified : null;
    this.mode = own?.kind === "directory" ? own.mode ?? null : null;
    this.version = stats.map((stat) => stat?.version ?? "").join("_");
    this.stable = stats.every((stat) => stat?.stable ?? true);
  }
}

/** Whether a path is a directory that contains mount points. */
function isJoined({ mount, isPoint, points }: Reached): boolean {
  return isPoint && (points.length > 0 || mount === null);
}

async function* withPoints(
  points: readonly FileEntry[],
  names: ReadonlySet<string>,
  slices: FileSlices,
): AsyncGenerator<readonly FileEntry[]> {
  yield points;
  for await (const slice of slices) yield slice.filter(({ name }) => !names.has(name));
}

async function openWriter(tree: MountTree, only?: readonly SitePath[]): Promise<SourceWriter> {
  const { UnionWriter } = await unionWriter();
  return new UnionWriter(tree, only);
}
