/**
 * A source that is writable in some directories only.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { parseTarget, type SitePath } from "../http/target.ts";
import { Refusal } from "../http/refusal.ts";
import { filtered, loadFilteredWriter } from "./filtered.ts";
import type { FileSource } from "./types.ts";
import { isLocatable, recordView } from "./shown.ts";

/**
 * A source that is readable everywhere but writable only below some directories.
 *
 * A path must lie in one of them both by name and, on disk, by its real path: nothing is written through a symlink that
 * leads elsewhere. The directories themselves can be neither removed nor moved, and are not created: while one is
 * missing, writing there fails.
 *
 * @param directories URL paths of directories: `/incoming`.
 * @throws {TypeError} If one is not a valid path, or is the root.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { disk, toFetch, upload } from "@x/pyserve";
 * import { writableIn } from "@x/pyserve/sources";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.mkdir(`${root}/incoming`);
 * const fetch = toFetch(upload(writableIn(disk(root), ["/incoming"])));
 * const put = (path: string) => fetch(new Request(`http://localhost${path}`, { method: "PUT", body: "hello" }));
 * assert((await put("/incoming/a.txt")).status === 201);
 * assert((await put("/a.txt")).status === 403);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function writableIn(source: FileSource, directories: readonly string[]): FileSource {
  const places = directories.map(uploadPath);
  const keepIn = async (directory: SitePath) => {
    for (const place of places) {
      if (directory.below(place) !== null && await isReallyIn(source, directory, place)) return true;
    }
    return false;
  };
  return recordView({
    ...filtered(source, () => true),
    ...(source.openWriter && {
      async openWriter(only) {
        const { filteredWriter } = await loadFilteredWriter();
        // The root has no parent. Everything else is checked by its parent directory: by name here, and by the open
        // directory in the writer, because the name may resolve to another one by then.
        return filteredWriter(
          await source.openWriter!(only ? common(places, only) : places),
          (path) => path.parent !== null,
          keepIn,
          "not here",
        );
      },
    }),
  }, source);
}

/** The intersection of two lists of directory trees. */
function common(some: readonly SitePath[], others: readonly SitePath[]): readonly SitePath[] {
  return some.flatMap((one) =>
    others.flatMap((other) => one.below(other) !== null ? [one] : other.below(one) !== null ? [other] : [])
  );
}

/**
 * Parses the path of an upload directory given as an option.
 *
 * @throws {TypeError} If it is not a valid path, or is the root.
 */
export function uploadPath(text: string): SitePath {
  const target = text.startsWith("/") ? parseTarget(text) : new Refusal(400, "It must begin with a slash");
  if (target instanceof Refusal) throw new TypeError(`Cannot take uploads in "${text}": ${target.reason}`);
  if (target.path.parent === null) throw new TypeError(`Cannot restrict uploads to "${text}": it is the root`);
  return target.path;
}

/** Whether the nearest existing ancestor of a path (or the path itself) really lies in another directory. */
async function isReallyIn(source: FileSource, directory: SitePath, place: SitePath): Promise<boolean> {
  const locate = async (path: SitePath) => await source.locate?.(path) ?? null;
  if (!isLocatable(source, place)) return true; // not on disk: paths have no aliases
  const home = await locate(place);
  if (home === null) return false;
  for (let at: SitePath | null = directory; at !== null; at = at.parent) {
    const real = await locate(at);
    if (real !== null) return real === home || real.startsWith(home + SEPARATOR);
  }
  return false;
}
