/**
 * A source that can be written in some of its directories only.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { parseTarget, SitePath } from "../http/target.ts";
import { Refusal } from "../http/refusal.ts";
import { filtered, loadFilteredWriter } from "./filtered.ts";
import type { FileSource } from "./types.ts";
import { showsSome } from "./written.ts";

/**
 * A source of which all can be read, and only what lies in some directories can be written.
 *
 * A path must lie in one of them as it is spelled and, on disk, in reality: a link in one of them that leads elsewhere takes
 * nothing. The directories themselves can be neither removed nor moved, and are not made: while one is missing, nothing is
 * written there.
 *
 * @param directories Paths of directories in the notation of URLs: `/incoming`.
 * @throws {TypeError} Where one is no path, or is the root.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { disk, toFetch, upload, writableIn } from "@x/pyserve";
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
  return showsSome({
    ...filtered(source, () => true),
    ...(source.openWriter && {
      async openWriter(only) {
        const { filteredWriter } = await loadFilteredWriter();
        // The root is in no directory, and all else is judged by the directory that it is in: by its name here, and by what
        // is open there, because the name may lead elsewhere by then.
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

/** The directories that lie in one of each list, or are one. */
function common(some: readonly SitePath[], others: readonly SitePath[]): readonly SitePath[] {
  return some.flatMap((one) =>
    others.flatMap((other) => one.below(other) !== null ? [one] : other.below(one) !== null ? [other] : [])
  );
}

/**
 * The path of a directory that takes uploads, as it is written in an option.
 *
 * @throws {TypeError} Where it is none, or is the root.
 */
export function uploadPath(text: string): SitePath {
  const target = text.startsWith("/") ? parseTarget(text) : new Refusal(400, "It does not begin with a slash");
  if (target instanceof Refusal) throw new TypeError(`Cannot take uploads in "${text}": ${target.reason}`);
  if (target.path.parent === null) throw new TypeError(`Cannot take uploads in "${text}" only: it is all there is`);
  return target.path;
}

/** Whether the nearest directory that is there, at a path or above it, lies in another. */
async function isReallyIn(source: FileSource, directory: SitePath, place: SitePath): Promise<boolean> {
  const locate = async (path: SitePath) => await source.locate?.(path) ?? null;
  if (await locate(SitePath.root) === null) return true; // not on disk: nothing has another path
  const home = await locate(place);
  if (home === null) return false;
  for (let at: SitePath | null = directory; at !== null; at = at.parent) {
    const real = await locate(at);
    if (real !== null) return real === home || real.startsWith(home + SEPARATOR);
  }
  return false;
}
