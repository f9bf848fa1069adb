/**
 * Resolves a path to what answers it where the URLs of pages have a style: without `.html`, or with one kind of ending.
 *
 * @module
 */

import type { SitePath, Target } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import { indexOf, type Resolved, type ResolvedFile } from "./resolve.ts";

/** How the URLs of pages end: see `trailingSlash` of {@linkcode UrlStyle}. */
export type TrailingSlash = "always" | "never" | "auto";

/** The URLs of pages: index files, and with `cleanUrls` files whose name ends in `.html`. */
export interface UrlStyle {
  /**
   * Whether `/about` answers with `about.html`, and `/about.html` redirects there, as `/docs/index.html` does to `/docs/`;
   * defaults to false. A file named `about` comes first. Where there is a directory `about` as well, `/about/` is its index
   * file.
   */
  readonly cleanUrls?: boolean;
  /**
   * Whether URLs of pages end with a slash; the others redirect. `auto`, the default: those of index files do, and those of
   * other pages do not. `always`: all do. `never`: none does, except for the root; relative links of index files then have
   * to fit that. Directories that are listed always end with a slash, and files other than pages never do.
   */
  readonly trailingSlash?: TrailingSlash;
}

/** A page, or a file, that has another URL. */
export interface Moved {
  readonly kind: "moved";
  readonly path: SitePath;
  readonly slash: boolean;
}

const EXTENSION = ".html";

/** Whether a style differs from the default, which `resolve` implements. */
export function isStyled({ cleanUrls = false, trailingSlash = "auto" }: UrlStyle): boolean {
  return cleanUrls || trailingSlash !== "auto";
}

/** The path of the file that answers a path without extension; null for the root. */
export function pageOf(path: SitePath): SitePath | null {
  return path.sibling(path.name + EXTENSION);
}

/** Resolves a path of a source. */
export async function resolvePage(
  source: FileSource,
  target: Pick<Target, "path" | "slash">,
  index: readonly string[],
  style: UrlStyle,
): Promise<Resolved | Moved> {
  const { path, slash } = target;
  const stat = await source.stat(path);
  if (stat?.kind === "file") return await resolveFile(source, { ...target, stat }, index, style);
  if (stat !== null && stat.kind !== "directory") return { kind: "nothing", stat };
  const chosen = await choose(source, { ...target, stat }, index, style);
  if (chosen !== null) {
    const { found, slash: wanted } = chosen;
    const isIndex = found.kind === "file" && index.includes(found.path.name); // `/docs/index`
    if (isIndex) return await resolveFile(source, { ...found, slash: false }, index, style);
    return wanted === slash ? found : { kind: "moved", path, slash: wanted };
  }
  if (stat === null) return { kind: "nothing", stat };
  return { kind: slash ? "listing" : "redirect", stat };
}

/** A path, and what is there. */
interface Place<Stat> extends Pick<Target, "path" | "slash"> {
  readonly stat: Stat;
}

async function resolveFile(
  source: FileSource,
  { path, slash, stat }: Place<FileStat>,
  index: readonly string[],
  style: UrlStyle,
): Promise<Resolved | Moved> {
  if (slash) return style.trailingSlash === "never" ? { kind: "moved", path, slash: false } : { kind: "nothing", stat };
  if (!style.cleanUrls || !path.name.endsWith(EXTENSION)) return { kind: "file", path, stat };
  for (const place of cleanPlaces(path, index, style)) {
    const found = await resolvePage(source, place, index, style);
    // Something else may have the shorter URL.
    if ("stat" in found && "path" in found && found.path.text === path.text) return { kind: "moved", ...place };
  }
  return { kind: "file", path, stat, unless: null };
}

/** The URLs without extension that a page may have: that of its directory, or its own. */
function cleanPlaces(
  path: SitePath,
  index: readonly string[],
  { trailingSlash }: UrlStyle,
): Pick<Target, "path" | "slash">[] {
  const directory = index.includes(path.name) ? path.parent : null;
  const own = path.sibling(path.name.slice(0, -EXTENSION.length));
  return [
    ...(directory ? [{ path: directory, slash: trailingSlash !== "never" || directory.parent === null }] : []),
    ...(own ? [{ path: own, slash: trailingSlash === "always" }] : []),
  ];
}

/** A page, and whether its URL ends with a slash. */
interface Chosen {
  readonly found: Resolved & ResolvedFile;
  readonly slash: boolean;
}

/** The page that answers a directory, or a path at which there is nothing. */
async function choose(
  source: FileSource,
  { path, slash, stat }: Place<FileStat | null>,
  names: readonly string[],
  { cleanUrls = false, trailingSlash = "auto" }: UrlStyle,
): Promise<Chosen | null> {
  const isRoot = path.parent === null;
  const index = stat && await indexOf(source, path, names);
  const beside = cleanUrls ? pageOf(path) : null;
  const page = beside && await fileAt(source, beside);
  // A directory in place of nothing could not be noticed, nor a file in place of a directory.
  const asPage: Chosen | null = page && {
    found: { kind: "file", ...page, unless: stat === null ? [path] : null },
    slash: trailingSlash === "always",
  };
  const unless = index?.path.name === names[0] ? beside === null ? [] : [beside] : null;
  const asIndex: Chosen | null = index && {
    found: { kind: "index", ...index, ...(trailingSlash === "never" && { unless }) },
    slash: trailingSlash !== "never" || isRoot,
  };
  const indexFirst = trailingSlash === "always" || (trailingSlash === "auto" && slash);
  return indexFirst ? asIndex ?? asPage : asPage ?? asIndex;
}

async function fileAt(source: FileSource, path: SitePath): Promise<ResolvedFile | null> {
  const stat = await source.stat(path);
  return stat?.kind === "file" ? { path, stat } : null;
}
