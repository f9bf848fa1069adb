/**
 * Properties that clients set and the server only keeps ("dead" properties, RFC 4918 section 4.1).
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { SitePath } from "../http/target.ts";
import { SharedLines } from "../identity/shared_lines.ts";
import type { Followers } from "../store/followers.ts";

/** The properties of a path: XML elements by `{NAMESPACE}NAME`. */
export type DeadProperties = Readonly<Record<string, string>>;

/** Maximum length of all properties of a path. */
const MAX_OF_PATH = 32_768;

/** Maximum length of all properties with their paths, and number of paths with properties. */
const MAX_LENGTH = 16 * 1024 * 1024;
const MAX_PATHS = 20_000;

/** Lines that may be superfluous before the file is replaced by a shorter one. */
const SLACK = 1_000;

/** Bytes that may be superfluous before: lines can be long. A character takes up to three, and a few more per property. */
const SLACK_BYTES = 4 * 1024 * 1024;
const BYTES_OF_CHARACTER = 4;

const NONE: DeadProperties = Object.freeze({});

/** The properties of paths from now on; null for none. */
type Changes = ReadonlyMap<string, DeadProperties | null>;

/**
 * A table of the properties that WebDAV clients set, for `davFeature` and `uploadFeatures`.
 *
 * @param file Where to keep them: then they survive a restart, and hold between processes. By default, they are in memory.
 * @throws TypeError if the file is a symbolic link or belongs to another user; errors of the file system.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { davFeature, propertyTable } from "@x/pyserve/handlers";
 *
 * const options = { rights: { create: true, change: true }, followers: propertyTable() };
 * assert(davFeature(options).methods.includes("PROPPATCH"));
 * ```
 */
export function propertyTable(file?: string): Followers {
  return new PropertyTable(file);
}

/** The dead properties of a site, in memory or in a file that all its processes share. */
export class PropertyTable implements Followers {
  readonly #paths = new Map<string, DeadProperties>();
  readonly #lines: SharedLines | null;
  #length = 0;

  /**
   * @param file Where they survive a restart; by default, they are in memory.
   * @throws TypeError if it is a symbolic link or belongs to another user; errors of the file system.
   */
  constructor(file?: string) {
    this.#lines = file === undefined ? null : new SharedLines(file);
    this.#lines?.lock().close(); // an error is better found now than at the first property
  }

  /** The properties of all paths, as they are now: for one look at many paths. */
  current(): ReadonlyMap<string, DeadProperties> {
    const news = this.#lines?.news();
    if (news?.isReplaced) this.#apply(new Map([...this.#paths.keys()].map((path) => [path, null])));
    for (const line of news?.lines ?? []) this.#apply(changesOf(line));
    return this.#paths;
  }

  /**
   * Changes the properties of a path.
   *
   * @throws {HttpError} 507 if they become too many.
   */
  change(path: SitePath, decide: (properties: DeadProperties) => DeadProperties): void {
    this.#alone((paths) => {
      const before = paths.get(path.text);
      const after = decide(before ?? NONE);
      const length = lengthOf(after);
      const more = lengthAt(path.text, after) - lengthAt(path.text, before);
      if (length > MAX_OF_PATH) throw full(`The properties of a file may have ${MAX_OF_PATH} characters in all`);
      const isRoomy = this.#length + more <= MAX_LENGTH &&
        (before !== undefined || paths.size < MAX_PATHS);
      if (length > 0 && !isRoomy) throw full("The server keeps no more properties");
      return new Map([[path.text, length === 0 ? null : after]]);
    });
  }

  removed(path: SitePath): void {
    this.#follow((paths) => new Map(within(paths, path).map((text) => [text, null])));
  }

  moved(from: SitePath, to: SitePath): void {
    this.#follow((paths) => {
      const taken = within(paths, from);
      const ended = [...within(paths, to), ...taken].map((text): [string, null] => [text, null]);
      return new Map<string, DeadProperties | null>([...ended, ...placed(paths, taken, from, to)]);
    });
  }

  copied(from: SitePath, to: SitePath, { shallow }: { readonly shallow: boolean }): void {
    this.#follow((paths) => {
      const taken = within(paths, from).filter((text) => !shallow || text === from.text);
      const ended = within(paths, to).map((text): [string, null] => [text, null]);
      const isRoomy = paths.size + taken.length <= MAX_PATHS && 2 * this.#length <= MAX_LENGTH;
      return new Map<string, DeadProperties | null>([...ended, ...isRoomy ? placed(paths, taken, from, to) : []]);
    });
  }

  /** The operation on the files is complete, whether this succeeds or not. */
  #follow(decide: (paths: ReadonlyMap<string, DeadProperties>) => Changes): void {
    try {
      if (this.current().size > 0) this.#alone(decide);
    } catch { /* the disk of the file is full, for instance */ }
  }

  /** Decides on changes while no other process can make any. */
  #alone(decide: (paths: ReadonlyMap<string, DeadProperties>) => Changes): void {
    if (this.#lines === null) return this.#apply(decide(this.#paths));
    using file = this.#lines.lock();
    const changes = decide(this.current());
    if (changes.size === 0) return;
    const text = linesOf(changes);
    if (this.#isLong(this.#lines)) {
      const left = [...this.#paths].filter(([path]) => !changes.has(path));
      this.#lines.replace(linesOf(left) + text);
    } else this.#lines.append(file, text, { sync: false });
  }

  /** Whether the file is much longer than it has to be. */
  #isLong({ count, bytes }: SharedLines): boolean {
    return count > 2 * this.#paths.size + SLACK || bytes > BYTES_OF_CHARACTER * this.#length + SLACK_BYTES;
  }

  #apply(changes: Changes): void {
    for (const [path, properties] of changes) {
      this.#length += lengthAt(path, properties) - lengthAt(path, this.#paths.get(path));
      if (properties === null) this.#paths.delete(path);
      else this.#paths.set(path, properties);
    }
  }
}

/** The paths at and below a path that have properties. */
function within(paths: ReadonlyMap<string, DeadProperties>, { text }: SitePath): string[] {
  const prefix = text === "/" ? text : `${text}/`;
  return [...paths.keys()].filter((path) => path === text || path.startsWith(prefix));
}

/** The same properties for the same paths below another one. */
function placed(
  paths: ReadonlyMap<string, DeadProperties>,
  taken: readonly string[],
  from: SitePath,
  to: SitePath,
): [string, DeadProperties][] {
  return taken.map((path) => [to.text + path.slice(from.text.length), paths.get(path)!]);
}

function lengthOf(properties: DeadProperties | null | undefined): number {
  return Object.entries(properties ?? NONE).reduce((sum, [name, xml]) => sum + name.length + xml.length, 0);
}

/** The same, with the path. */
function lengthAt(path: string, properties: DeadProperties | null | undefined): number {
  return properties ? path.length + lengthOf(properties) : 0;
}

function full(sentence: string): HttpError {
  return new HttpError(507, sentence);
}

function linesOf(changes: Iterable<[string, DeadProperties | null]>): string {
  return [...changes].map((change) => `${JSON.stringify(change)}\n`).join("");
}

/** What a line says; nothing, if it was cut off by a full disk. */
function changesOf(line: string): Changes {
  try {
    const [path, properties] = JSON.parse(line);
    return new Map([[String(path), properties]]);
  } catch {
    return new Map();
  }
}
