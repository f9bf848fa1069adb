/**
 * A source that hides paths.
 *
 * @module
 */

import { onDemand } from "../core/on_demand.ts";
import type { SitePath } from "../http/target.ts";
import { then } from "../core/awaitable.ts";
import { eachSlice } from "./slices.ts";
import type { FileSource } from "./types.ts";
import { requireSource } from "./require_source.ts";
import { recordView } from "./shown.ts";

/** The write side, loaded on demand. */
export const loadFilteredWriter: () => Promise<typeof import("./filtered_writer.ts")> = onDemand(() =>
  import("./filtered_writer.ts")
);

/**
 * A source that exposes only the paths for which a predicate returns true. All others are treated as absent: not found,
 * not listed, and missing from anything built on the source. They cannot be written either, but removing or moving a
 * directory includes its hidden contents.
 *
 * The predicate sees decoded, resolved paths, so alternative URL spellings cannot bypass it. It is called with the full
 * path: check all segments, or files below a hidden directory remain visible.
 *
 * @param mayWrite The predicate for writing; defaults to `keep`, but with {@linkcode isVisible} it excludes all
 * dotfiles: files in `.well-known` speak for the whole site, for example to certificate authorities.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { filtered, memory, SitePath } from "@x/pyserve";
 *
 * const source = filtered(memory({ "a.txt": "a", "a.bak": "b" }), (path) => !path.name.endsWith(".bak"));
 * assert(await source.stat(SitePath.root.child("a.bak")!) === null);
 * ```
 *
 * @category Sources
 */
export function filtered(
  source: FileSource,
  keep: (path: SitePath) => boolean,
  mayWrite: (path: SitePath) => boolean = keep === isVisible ? hasNoDotfile : keep,
): FileSource {
  requireSource(source, "the source of filtered");
  return recordView({
    stat: (path) => keep(path) ? source.stat(path) : null,
    list(path, until) {
      return then(
        keep(path) ? source.list(path, until) : null,
        (slices) =>
          slices && eachSlice(slices, (slice) =>
            slice.filter(({ name }) => {
              const child = path.child(name);
              return child !== null && keep(child);
            })),
      );
    },
    open(path, seen, range) {
      if (!keep(path)) throw new Deno.errors.NotFound();
      return source.open(path, seen, range);
    },
    absence: (path) => keep(path) ? source.absence?.(path) ?? null : () => true,
    canonical: (path, seen) => source.canonical ? source.canonical(path, seen) : path,
    locate: (path, seen) => keep(path) ? source.locate?.(path, seen) ?? null : null,
    freshness: (path, seen) => keep(path) ? source.freshness?.(path, seen) ?? null : null,
    ...(source.watch && {
      watch(path, signal, skip) {
        if (!keep(path)) throw new Deno.errors.NotFound();
        const passed = skip && ((path: SitePath) => !keep(path) || skip(path));
        return keptPaths(source.watch!(path, signal, passed), keep);
      },
    }),
    ...(source.openWriter && {
      openWriter: async (only) => (await loadFilteredWriter()).filteredWriter(await source.openWriter!(only), mayWrite),
    }),
  }, source);
}

async function* keptPaths(
  paths: AsyncIterable<SitePath>,
  keep: (path: SitePath) => boolean,
): AsyncGenerator<SitePath> {
  for await (const path of paths) if (keep(path)) yield path;
}

/**
 * Predicate that hides dotfiles at any depth of a path, except `.well-known` (RFC 8615).
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { SitePath } from "@x/pyserve";
 * import { isVisible } from "@x/pyserve/sources";
 *
 * assert(!isVisible(SitePath.root.child(".git")!.child("config")!));
 * assert(isVisible(SitePath.root.child(".well-known")!));
 * ```
 */
export function isVisible(path: SitePath): boolean {
  return path.segments.every((segment) => !segment.startsWith(".") || segment === ".well-known");
}

function hasNoDotfile(path: SitePath): boolean {
  return path.segments.every((segment) => !segment.startsWith("."));
}
