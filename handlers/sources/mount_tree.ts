/**
 * The mount points of a union: maps a path to a mounted source.
 *
 * @module
 */

import { Refusal } from "../http/refusal.ts";
import { parseTarget, type SitePath } from "../http/target.ts";
import { requireSource } from "./require_source.ts";
import type { FileSource } from "./types.ts";

/** A source at its mount point. */
export interface Mounted {
  readonly at: SitePath;
  readonly source: FileSource;
}

/** The result of a lookup. */
export interface Reached {
  /** The mount that contains it; null if no source is mounted at the root. */
  readonly mount: Mounted | null;
  /** The path in that source. */
  readonly path: SitePath;
  /** Whether a source is mounted at the path or below it. */
  readonly isPoint: boolean;
  /** The names directly below the path that are, or lead to, mount points. */
  readonly points: readonly string[];
}

interface Node {
  mount: Mounted | null;
  readonly children: Map<string, Node>;
}

/** All mounts of a union. Prefixes are compared by whole segments, exactly. */
export class MountTree {
  readonly mounts: readonly Mounted[];
  readonly #root: Node = { mount: null, children: new Map() };

  /** @throws TypeError If a prefix is not a path, or two are the same. */
  constructor(mounts: Readonly<Record<string, FileSource>>) {
    this.mounts = Object.entries(mounts).map(([prefix, source]) => this.#add(prefix, { at: pathOf(prefix), source }));
  }

  /** The mount with the longest prefix of a path. */
  find(path: SitePath): Reached {
    let node: Node | undefined = this.#root;
    let { mount } = this.#root;
    for (const segment of path.segments) {
      node = node.children.get(segment);
      if (node === undefined) break;
      mount = node.mount ?? mount;
    }
    return {
      mount,
      path: mount === null ? path : path.below(mount.at)!,
      isPoint: node !== undefined,
      points: node === undefined ? [] : [...node.children.keys()],
    };
  }

  #add(prefix: string, mount: Mounted): Mounted {
    requireSource(mount.source, `the source at "${prefix}"`);
    let node = this.#root;
    for (const segment of mount.at.segments) {
      const child: Node = node.children.get(segment) ?? { mount: null, children: new Map() };
      node.children.set(segment, child);
      node = child;
    }
    if (node.mount !== null) throw new TypeError(`Cannot mount at "${prefix}": another source is mounted there`);
    return node.mount = mount;
  }
}

function pathOf(prefix: string): SitePath {
  const target = prefix.startsWith("/") ? parseTarget(prefix) : new Refusal(400, "It must begin with a slash");
  if (target instanceof Refusal) throw new TypeError(`Cannot mount at "${prefix}": ${target.reason}`);
  return target.path;
}
