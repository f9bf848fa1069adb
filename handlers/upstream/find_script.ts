/**
 * Finds the program, if any, that answers a path.
 *
 * The decision is based on the resolved file, never on the text of the URL: `//cgi-bin/x`, `/%63gi-bin/x`,
 * `/a/../cgi-bin/x` and a symlink into the directory all lead to the same file.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { dirname } from "@std/path/dirname";
import { HttpError } from "../core/errors.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget, pathSegments, SitePath } from "../http/target.ts";
import { readable } from "../serving/rights.ts";
import { isLocatable } from "../sources/shown.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import type { Context } from "../core/types.ts";
import { type Program, withPathInfo } from "./program.ts";
import { sharedWithPrograms, UploadPlaces } from "./upload_places.ts";

/** A program that answers every path below a prefix. */
export interface ScriptMount {
  /** The prefix. */
  readonly path: SitePath;
  /** The absolute path of the program, and its arguments. */
  readonly command: readonly [program: string, ...words: string[]];
}

/** Which files are programs, to be run rather than served. */
export interface ScriptRules {
  /** Directories in which every file is a program. */
  readonly directories: readonly SitePath[];
  /** Extensions (`.cgi`) of files that are programs in any directory, case-insensitive. */
  readonly extensions: readonly string[];
  /**
   * Extensions (`.php`) and their interpreters: absolute path and arguments; the script is appended as the last
   * argument.
   */
  readonly interpreters: ReadonlyMap<string, readonly [program: string, ...words: string[]]>;
  /** Programs mounted at a prefix; the longest prefix wins. */
  readonly mounts: readonly ScriptMount[];
  /** Names of index files that are run for their directory, if they are programs. */
  readonly index: readonly string[];
  /**
   * Directories that take uploads: their files are never run, whatever the name, nor is the source of a program there
   * served. None by default.
   */
  readonly uploads?: readonly SitePath[];
}

/**
 * The two directories of Python's server, and BusyBox's index program.
 *
 * @example
 * ```ts
 * import { assertEquals } from "@std/assert";
 *
 * assertEquals(DEFAULT_SCRIPT_RULES.directories.map((path) => path.text), ["/cgi-bin", "/htbin"]);
 * ```
 */
export const DEFAULT_SCRIPT_RULES: ScriptRules = {
  directories: ["cgi-bin", "htbin"].map((name) => SitePath.root.child(name)!),
  extensions: [],
  interpreters: new Map(),
  mounts: [],
  index: ["index.cgi"],
};

/** Where walking the segments of a path ended. */
interface WalkEnd {
  readonly path: SitePath;
  readonly stat: FileStat;
  /** The remaining path: PATH_INFO. */
  readonly rest: string;
}

/** A program at a path; without metadata for a mount, which is not a file of the source. */
interface Place extends Omit<WalkEnd, "stat"> {
  readonly stat?: FileStat;
}

/** The command line of a program. */
interface Command {
  readonly real: string;
  readonly words: readonly [program: string, ...words: string[]];
}

/**
 * Finds the program that answers a request.
 *
 * A file is a program if it is below a CGI directory, by its path or its real path, or if its name or real name has a
 * configured extension. Only the resolved file counts, not the end of the URL, so `/a.txt/x.php` is not PHP. Files
 * below a CGI directory are never served as content: a missing file there is 404, a directory or a FIFO 403. The source
 * hides dotfiles and symlinks that leave the root.
 *
 * It does not check whether the program can be executed. The source must support `locate`; with any other, only mounts
 * run. The file may be replaced between lookup and execution.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { disk, toFetch } from "@x/pyserve";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.mkdir(`${root}/cgi-bin`);
 * await Deno.writeTextFile(`${root}/cgi-bin/hello.sh`, "#!/bin/sh\n");
 * const finder = new ScriptFinder(disk(root), DEFAULT_SCRIPT_RULES);
 * const fetch = toFetch(async (_request, context) => {
 *   const program = await finder.find(context);
 *   return program && Response.json([program.name, program.pathInfo]);
 * });
 * const response = await fetch(new Request("http://localhost/cgi-bin/hello.sh/a//b"));
 * assert(await response.text() === '["/cgi-bin/hello.sh","/a//b"]');
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export class ScriptFinder {
  readonly #source: FileSource;
  readonly #rules: ScriptRules;
  readonly #mounts: readonly ScriptMount[];
  readonly #interpreters: readonly (readonly [extension: string, words: readonly [string, ...string[]]])[];
  readonly #uploads: UploadPlaces;

  /**
   * Creates a finder for the files of a source.
   *
   * @throws {TypeError} If a directory takes uploads and also contains programs.
   */
  constructor(source: FileSource, rules: ScriptRules = DEFAULT_SCRIPT_RULES) {
    const { uploads = [], directories, mounts } = rules;
    const shared = sharedWithPrograms(uploads, [...directories, ...mounts.map(({ path }) => path)]);
    if (shared !== null) throw new TypeError(shared);
    this.#uploads = new UploadPlaces(source, uploads);
    this.#source = source;
    this.#rules = rules;
    this.#mounts = rules.mounts.toSorted((a, b) => b.path.segments.length - a.path.segments.length);
    this.#interpreters = [...rules.interpreters].toSorted(([a], [b]) => b.length - a.length);
  }

  /**
   * Returns the program that answers `context.target`, or null if the path is not a program's.
   *
   * The client needs the right to run it at its path followed by PATH_INFO, and where symlinks are on the path, also where
   * they lead. Without the right, the result is the same for programs that exist and for those that do not, unless the
   * client may read the path.
   *
   * @throws {HttpError} 403 or 404 if the path belongs to programs, but none can be run there.
   */
  async find(context: Context): Promise<Program | null> {
    try {
      return await this.#find(context);
    } catch (error) {
      if (!(error instanceof HttpError) || context.may("run", context.target.path)) throw error;
      return await this.#withheld(context, context.target.path);
    }
  }

  async #find(context: Context): Promise<Program | null> {
    const segments = segmentsOf(context);
    const mount = this.#mounts.find(({ path }) => context.target.path.below(path) !== null);
    if (mount) return await this.#mounted(mount, context, segments);
    const found = await this.#walk(context.target.path, segments);
    if (found === null) return this.#missing(context.target.path);
    if (found.stat.kind === "directory") return await this.#index(context, found.path);
    const command = await this.#commandOf(found.path);
    if (command === null) return null;
    if (await this.#isUploaded(found.path)) {
      throw new HttpError(403, "Programs are not run in directories that take uploads");
    }
    if (found.stat.kind !== "file") throw new HttpError(403, "The CGI program is not a regular file");
    return await this.#program(context, found, command);
  }

  /** Whether a file of this name is a program in any directory. */
  isProgramName(name: string): boolean {
    return this.#rules.extensions.some((extension) => endsWith(name, extension)) ||
      this.#interpreterOf([name]) !== null;
  }

  /** Whether a file at this path would be a program. */
  isProgramPath(path: SitePath): boolean {
    return this.#isBelow(path) || this.isProgramName(path.name);
  }

  /** Whether the path is, or contains, a directory of programs, which deleting or moving it would affect. */
  isAbovePrograms(path: SitePath): boolean {
    return this.#rules.directories.some((directory) => directory.below(path) !== null);
  }

  /**
   * Whether the file at a path is a program, by its path or its real path; not meaningful for directories.
   *
   * @param seen The expected metadata. The result then applies to exactly that file, the one that `open` opens; null if
   * the file has been replaced since.
   */
  isProgram(path: SitePath): Promise<boolean>;
  /** The same for the file described by `seen`; null if it has been replaced since. */
  isProgram(path: SitePath, seen: FileStat): Promise<boolean | null>;
  async isProgram(path: SitePath, seen?: FileStat): Promise<boolean | null> {
    const real = await this.#source.locate?.(path, seen) ?? null;
    if (real === null && seen && isLocatable(this.#source, path)) return null;
    return await this.#isProgram(path, real);
  }

  /** Whether a file created in a directory would be among programs, by the directory's path or its real path. */
  async isAmongPrograms(directory: SitePath): Promise<boolean> {
    for (let at: SitePath | null = directory; at !== null; at = at.parent) {
      const real = await this.#source.locate?.(at) ?? null;
      if (real !== null) return await this.#isReallyBelow(real);
    }
    return false;
  }

  /** Whether a directory on disk contains, or is inside, one that takes uploads. */
  overlapsUploads(directory: string): Promise<boolean> {
    return this.#uploads.overlap(directory);
  }

  async #mounted(mount: ScriptMount, context: Context, segments: readonly string[]): Promise<Program | null> {
    const { path, command: words } = mount;
    const found = { path, rest: restAfter(segments, path.segments.length) };
    return await this.#program(context, found, { real: words[0], words });
  }

  /**
   * Returns the first file along the path, otherwise whatever the whole path leads to, or null if it does not exist.
   */
  async #walk(whole: SitePath, segments: readonly string[]): Promise<WalkEnd | null> {
    // Usually there is no PATH_INFO, and one stat is enough: if the whole path exists, all segments before the last are
    // directories.
    const stat = await this.#source.stat(whole);
    const depth = whole.segments.length;
    const isWhole = !segments.some((segment) => segment.includes("/"));
    if (stat !== null && (isWhole || stat.kind === "file")) {
      return { path: whole, stat, rest: restAfter(segments, depth) };
    }
    let path = SitePath.root;
    for (const [index, segment] of whole.segments.entries()) {
      path = path.child(segment)!;
      const stat = await this.#source.stat(path);
      if (stat === null) return null;
      if (stat.kind !== "directory") return { path, stat, rest: restAfter(segments, index + 1) };
    }
    return null;
  }

  /** Missing: 404 for the path of a program, so that its source is not served if the file appears in the meantime. */
  #missing(path: SitePath): null {
    if (this.#isNamed(path)) {
      throw new HttpError(404, "No such CGI program");
    }
    return null;
  }

  async #index(context: Context, path: SitePath): Promise<Program | null> {
    for (const name of this.#rules.index) {
      const child = path.child(name);
      const stat = child && await this.#source.stat(child);
      if (child === null || stat?.kind !== "file") continue;
      const command = await this.#commandOf(child);
      if (command === null) continue;
      if (await this.#isUploaded(child)) return null;
      // Without a trailing slash, relative links would resolve against the wrong path: let `files` redirect.
      return context.target.slash ? await this.#program(context, { path: child, stat, rest: "" }, command) : null;
    }
    const real = await this.#source.locate?.(path) ?? null;
    if (this.#isBelow(path) || (real !== null && await this.#isReallyBelow(real))) {
      throw new HttpError(403, "Directories of CGI programs are not listed");
    }
    return null;
  }

  async #isUploaded(path: SitePath): Promise<boolean> {
    return await this.#uploads.hold(path, await this.#source.locate?.(path) ?? null);
  }

  /** How a file is run, or null if it is content. */
  async #commandOf(path: SitePath): Promise<Command | null> {
    const real = await this.#source.locate?.(path) ?? null;
    if (!await this.#isProgram(path, real)) return null;
    if (real === null) throw new HttpError(404, "No such CGI program");
    const words = this.#interpreterOf([nameOf(real), path.name]);
    return { real, words: words === null ? [real] : [...words, real] };
  }

  async #program(
    context: Context,
    found: Place,
    { real, words: [command, ...args] }: Command,
  ): Promise<Program | null> {
    const { path, rest } = found;
    if (!await this.#mayRun(context, found)) return await this.#withheld(context, path);
    const documentRoot = await this.#source.locate?.(SitePath.root) ?? null;
    const place = context.base.join(path);
    const isTranslated = documentRoot !== null && rest !== "" && await this.#isTranslated(rest, context);
    return {
      command,
      args,
      file: real,
      directory: dirname(real),
      name: place.segments.length === 0 ? "" : place.text,
      pathInfo: rest,
      pathTranslated: isTranslated ? translated(documentRoot, rest) : null,
      documentRoot,
    };
  }

  async #mayRun(context: Context, { path, stat, rest }: Place): Promise<boolean> {
    const may = (path: SitePath) => {
      const whole = withPathInfo(path, rest);
      return whole !== null && context.may("run", whole);
    };
    if (context.view === "") return context.may("run", path);
    if (!may(path)) return false;
    const canonical = stat && this.#source.canonical ? await this.#source.canonical(path, stat) : "outside";
    return canonical === "outside" || (canonical !== null && may(canonical));
  }

  /** Refuses a program that the client may not run, or returns null where its existence must not show. */
  async #withheld(context: Context, path: SitePath): Promise<null> {
    if (this.#isNamed(context.target.path)) {
      if (context.may("run", context.target.path)) throw new HttpError(404, "No such CGI program");
    } else if (await readable(this.#source, context).stat(path) === null) return null;
    throw new HttpError(403, "Running programs is not allowed here");
  }

  /**
   * Whether the program may know the file that PATH_INFO names: some programs run or send the file at PATH_TRANSLATED, or
   * use it as a repository with its own configuration.
   */
  async #isTranslated(rest: string, context: Context): Promise<boolean> {
    if (await this.#uploads.leadInto(rest)) return false;
    if (context.view === "") return true;
    const path = withPathInfo(SitePath.root, rest);
    if (path === null || !context.may("read", path)) return false;
    return await readable(this.#source, context).stat(path) !== null || await this.#source.stat(path) === null;
  }

  /** Whether a path names a program, whether or not it exists. */
  #isNamed(path: SitePath): boolean {
    return this.#mounts.some((mount) => path.below(mount.path) !== null) || this.#isBelow(path) ||
      path.segments.some((segment) => this.isProgramName(segment));
  }

  async #isProgram(path: SitePath, real: string | null): Promise<boolean> {
    if (this.isProgramPath(path)) return true;
    return real !== null && (this.isProgramName(nameOf(real)) || await this.#isReallyBelow(real));
  }

  #isBelow(path: SitePath): boolean {
    return this.#rules.directories.some((directory) => path.below(directory) !== null);
  }

  /**
   * Compared by real path, so that a symlink, or a different case on a case-insensitive file system, cannot bypass the
   * check.
   */
  async #isReallyBelow(real: string): Promise<boolean> {
    for (const directory of this.#rules.directories) {
      const place = await this.#source.locate?.(directory) ?? null;
      if (place !== null && (real === place || real.startsWith(place + SEPARATOR))) return true;
    }
    return false;
  }

  #interpreterOf(names: readonly string[]): readonly [string, ...string[]] | null {
    for (const name of names) {
      const row = this.#interpreters.find(([extension]) => endsWith(name, extension));
      if (row) return row[1];
    }
    return null;
  }
}

/**
 * The segments of the request path below the mount point, with the empty ones that normalization removed. If a layer
 * has rewritten the path, only the segments of the new path.
 */
function segmentsOf({ base, target }: Context): readonly string[] {
  const sent = pathSegments(target.raw);
  if (!(sent instanceof Refusal)) {
    const below = sent.slice(countTo(sent, base.segments.length));
    const encoded = below.findIndex((segment) => segment.includes("/"));
    const names = (encoded < 0 ? below : below.slice(0, encoded)).filter((segment) => segment !== "");
    if (isSame(names, target.path.segments)) return below;
  }
  return target.slash ? [...target.path.segments, ""] : target.path.segments;
}

/** The number of leading segments that contain a given number of non-empty ones. */
function countTo(segments: readonly string[], names: number): number {
  let count = 0;
  for (let left = names; left > 0 && count < segments.length; count++) if (segments[count] !== "") left--;
  return count;
}

function restAfter(segments: readonly string[], names: number): string {
  const rest = segments.slice(countTo(segments, names));
  return rest.length === 0 ? "" : "/" + rest.join("/");
}

function isSame(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((segment, index) => segment === b[index]);
}

/** Case-insensitive, as the file system may be: serving the source of a program is worse than failing to run it. */
function endsWith(name: string, extension: string): boolean {
  return name.toLowerCase().endsWith(extension.toLowerCase());
}

function nameOf(real: string): string {
  return real.slice(real.lastIndexOf(SEPARATOR) + 1);
}

/** Only a string for the program: it is never opened and need not exist. */
function translated(root: string, pathInfo: string): string {
  const path = SEPARATOR === "/" ? pathInfo : pathInfo.replaceAll("/", SEPARATOR);
  return (root.endsWith(SEPARATOR) ? root.slice(0, -1) : root) + path;
}

/**
 * Parses the path in a rule, as written in an option: `/cgi-bin`, percent-encoded as in URLs.
 *
 * @throws TypeError If it is not a valid path.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(rulePath("/my%20scripts/").text === "/my scripts");
 * ```
 */
export function rulePath(text: string): SitePath {
  const target = text.startsWith("/") ? parseTarget(text) : new Refusal(400, "It must begin with a slash");
  if (target instanceof Refusal) throw new TypeError(`Cannot run programs at "${text}": ${target.reason}`);
  return target.path;
}
