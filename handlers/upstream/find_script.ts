/**
 * Which program answers a path, if one does.
 *
 * It is decided on the file that a path leads to, links resolved, and never on the text of a URL: `//cgi-bin/x`,
 * `/%63gi-bin/x`, `/a/../cgi-bin/x` and a link into the directory all lead to the same file.
 *
 * @module
 */

import { SEPARATOR } from "@std/path/constants";
import { dirname } from "@std/path/dirname";
import { HttpError } from "../core/errors.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget, pathSegments, SitePath } from "../http/target.ts";
import type { FileSource, FileStat } from "../sources/types.ts";
import type { Context } from "../core/types.ts";
import type { Program } from "./program.ts";
import { sharedWithPrograms, UploadPlaces } from "./upload_places.ts";

/** A program that answers everything below a path. */
export interface ScriptMount {
  /** The path. */
  readonly path: SitePath;
  /** The program, an absolute path on disk, and its words. */
  readonly command: readonly [program: string, ...words: string[]];
}

/** What is run and not sent. */
export interface ScriptRules {
  /** Directories of which every file is a program. */
  readonly directories: readonly SitePath[];
  /** Ends of names (`.cgi`) of files that are programs wherever they lie; in any case of letters. */
  readonly extensions: readonly string[];
  /** Ends of names (`.php`) and what runs such files: a program, an absolute path, and its words; the file comes last. */
  readonly interpreters: ReadonlyMap<string, readonly [program: string, ...words: string[]]>;
  /** Programs that answer everything below a path; the longest path wins. */
  readonly mounts: readonly ScriptMount[];
  /** Names that answer for the directory they lie in, if they are programs. */
  readonly index: readonly string[];
  /** Directories that take uploads: what lies there is not run, whatever its name, and still not sent. None by default. */
  readonly uploads?: readonly SitePath[];
}

/**
 * Python's two directories, and an index as BusyBox has it.
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

/** Where a walk along the segments of a path ended. */
interface Found {
  readonly path: SitePath;
  readonly stat: FileStat;
  /** The rest of the path: PATH_INFO. */
  readonly rest: string;
}

/** What is run, and with what words. */
interface Command {
  readonly real: string;
  readonly words: readonly [program: string, ...words: string[]];
}

/**
 * Finds the program that answers a request.
 *
 * A file is a program where it lies below a CGI directory, by the path that was asked for or by its real path, or where
 * its name or its real name ends as the rules say: the file that was found, not the end of the URL, so `/a.txt/x.php`
 * is no PHP. What lies below a CGI directory is never content: if it is not there it is 404, and a directory or a FIFO
 * is 403. Links out of the root and hidden files are not there; the source says so.
 *
 * It does not look whether the program can be run, and needs a source that tells real paths (`locate`): of any other,
 * only mounts run. Between the answer and its use the file may be exchanged, as any file may.
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
   * Makes a finder for the files of a source.
   *
   * @throws {TypeError} Where a directory takes uploads and programs as well.
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
   * The program that answers what `context.target` asks for, or null where that is not for a program.
   *
   * @throws {HttpError} 403 or 404 where it is for a program, and there is none.
   */
  async find(context: Context): Promise<Program | null> {
    const segments = segmentsOf(context);
    const mount = this.#mounts.find(({ path }) => context.target.path.below(path) !== null);
    if (mount) return await this.#mounted(mount, context, segments);
    const found = await this.#walk(context.target.path, segments);
    if (found === null) return this.#missing(context.target.path);
    if (found.stat.kind === "directory") return await this.#index(context, found.path);
    const command = await this.#commandOf(found.path);
    if (command === null) return null;
    if (await this.#isUploaded(found.path)) throw new HttpError(403, "Nothing is run where uploads are taken");
    if (found.stat.kind !== "file") throw new HttpError(403, "The CGI program is not a plain file");
    return await this.#program(context, found, command);
  }

  /** Whether a name is one of programs, wherever they lie. */
  isProgramName(name: string): boolean {
    return this.#rules.extensions.some((extension) => endsWith(name, extension)) ||
      this.#interpreterOf([name]) !== null;
  }

  /** Whether a file at a path would be a program, whatever it is. */
  isProgramPath(path: SitePath): boolean {
    return this.#isBelow(path) || this.isProgramName(path.name);
  }

  /** Whether a directory of programs is at a path or below it: programs would go with it. */
  isAbovePrograms(path: SitePath): boolean {
    return this.#rules.directories.some((directory) => directory.below(path) !== null);
  }

  /**
   * Whether the file at a path is a program, by whatever path it was come to; of no use for directories.
   *
   * @param seen What the source says of it. Then this is about the file that was seen, which is the one that `open` opens,
   * and null where another has taken its path since.
   */
  isProgram(path: SitePath): Promise<boolean>;
  /** The same for the file that was seen; null where another has taken its path since. */
  isProgram(path: SitePath, seen: FileStat): Promise<boolean | null>;
  async isProgram(path: SitePath, seen?: FileStat): Promise<boolean | null> {
    const real = await this.#source.locate?.(path, seen) ?? null;
    if (real === null && seen && this.#source.locate) return null;
    return await this.#isProgram(path, real);
  }

  /** Whether what comes into a directory would lie among programs, by whatever path the directory was come to. */
  async isAmongPrograms(directory: SitePath): Promise<boolean> {
    for (let at: SitePath | null = directory; at !== null; at = at.parent) {
      const real = await this.#source.locate?.(at) ?? null;
      if (real !== null) return await this.#isReallyBelow(real);
    }
    return false;
  }

  /** Whether a directory on disk holds one that takes uploads, or lies in one. */
  overlapsUploads(directory: string): Promise<boolean> {
    return this.#uploads.overlap(directory);
  }

  async #mounted(mount: ScriptMount, context: Context, segments: readonly string[]): Promise<Program> {
    const { path, command: words } = mount;
    const found = { path, rest: restAfter(segments, path.segments.length) };
    return await this.#program(context, found, { real: words[0], words });
  }

  /** The first file along the path; else what the whole path leads to; null where nothing is. */
  async #walk(whole: SitePath, segments: readonly string[]): Promise<Found | null> {
    // Nearly always there is no PATH_INFO, and one look is enough: what is there has only directories in front of it.
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

  /** Nothing is there: 404 for the path of a program, so that no source is sent if a file appears in the meantime. */
  #missing(path: SitePath): null {
    if (this.#isBelow(path) || path.segments.some((segment) => this.isProgramName(segment))) {
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
      // Without a slash, relative links of its page would lead elsewhere: the files redirect.
      return context.target.slash ? await this.#program(context, { path: child, rest: "" }, command) : null;
    }
    const real = await this.#source.locate?.(path) ?? null;
    if (this.#isBelow(path) || (real !== null && await this.#isReallyBelow(real))) {
      throw new HttpError(403, "A directory of CGI programs is not listed");
    }
    return null;
  }

  async #isUploaded(path: SitePath): Promise<boolean> {
    return await this.#uploads.hold(path, await this.#source.locate?.(path) ?? null);
  }

  /** How a file is run, or null where it is content. */
  async #commandOf(path: SitePath): Promise<Command | null> {
    const real = await this.#source.locate?.(path) ?? null;
    if (!await this.#isProgram(path, real)) return null;
    if (real === null) throw new HttpError(404, "No such CGI program");
    const words = this.#interpreterOf([nameOf(real), path.name]);
    return { real, words: words === null ? [real] : [...words, real] };
  }

  async #program(
    { base }: Context,
    { path, rest }: Pick<Found, "path" | "rest">,
    { real, words: [command, ...args] }: Command,
  ): Promise<Program> {
    const documentRoot = await this.#source.locate?.(SitePath.root) ?? null;
    const place = base.join(path);
    // Some programs run, or take for a repository with a configuration of its own, what PATH_TRANSLATED names.
    const isTranslated = documentRoot !== null && rest !== "" && !await this.#uploads.leadInto(rest);
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

  async #isProgram(path: SitePath, real: string | null): Promise<boolean> {
    if (this.isProgramPath(path)) return true;
    return real !== null && (this.isProgramName(nameOf(real)) || await this.#isReallyBelow(real));
  }

  #isBelow(path: SitePath): boolean {
    return this.#rules.directories.some((directory) => path.below(directory) !== null);
  }

  /** By real paths, which a link, or another case of letters where the file system does not care, cannot get around. */
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
 * The segments of what was asked for, below what mounts have taken off, with the empty ones that the target has lost.
 * Where a layer has put another path in place of the one that was sent, there are only its own.
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

/** How many segments it takes to have so many that are not empty. */
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

/** Letters of either case: a file system may not care, and a source that is sent is worse than a program that fails. */
function endsWith(name: string, extension: string): boolean {
  return name.toLowerCase().endsWith(extension.toLowerCase());
}

function nameOf(real: string): string {
  return real.slice(real.lastIndexOf(SEPARATOR) + 1);
}

/** Only a text for the program: nothing is opened by it, and nothing need be there. */
function translated(root: string, pathInfo: string): string {
  const path = SEPARATOR === "/" ? pathInfo : pathInfo.replaceAll("/", SEPARATOR);
  return (root.endsWith(SEPARATOR) ? root.slice(0, -1) : root) + path;
}

/**
 * The path of a rule, as it is written in an option: `/cgi-bin`, in the notation of URLs.
 *
 * @throws TypeError where it is none.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(rulePath("/my%20scripts/").text === "/my scripts");
 * ```
 */
export function rulePath(text: string): SitePath {
  const target = text.startsWith("/") ? parseTarget(text) : new Refusal(400, "It does not begin with a slash");
  if (target instanceof Refusal) throw new TypeError(`Cannot run programs at "${text}": ${target.reason}`);
  return target.path;
}
