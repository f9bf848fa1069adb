/**
 * The members of an archive in order: determined before the first byte is sent, so that the Content-Length is known.
 *
 * @module
 */

import { HttpError, isNotThere } from "../core/errors.ts";
import { nodeCrypto } from "../core/node.ts";
import type { SitePath } from "../http/target.ts";
import { DirectoryScan } from "../listing/scan.ts";
import { sortEntries } from "../listing/sort.ts";
import { Turns } from "../core/turns.ts";
import { formatSize } from "../page/listing_page.ts";
import { plainName } from "../page/names.ts";
import { FileChanged, type FileEntry, type FileSource, type FileStat } from "../sources/types.ts";
import { folderName, isSafeName } from "./names.ts";

/** The requested entries. */
export interface Selection {
  readonly directory: SitePath;
  /** Its name, `""` for the root of the site. */
  readonly name: string;
  /** The selected entries, by their paths below the directory; null for all. */
  readonly names: readonly string[] | null;
  /** Directories of which neither the date nor the state is disclosed; none by default. */
  readonly isUndated?: ((path: SitePath) => boolean) | undefined;
}

/** Limits of a plan. */
export interface PlanLimits {
  /** Maximum number of files and directories. */
  readonly entries: number;
  /** Maximum total size of the files in bytes. */
  readonly bytes: number;
}

/** One member of an archive. */
export interface Member {
  /** The path in the archive, in UTF-8; a directory's ends with a slash. */
  readonly path: Uint8Array;
  readonly directory: boolean;
  /** Size of a file in bytes; 0 for a directory. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly modified: number;
  /** Unix permissions. */
  readonly mode: number;
}

/** A directory of the source and its path in the archive (with a trailing slash). */
interface PackedDirectory {
  readonly path: SitePath;
  readonly text: string;
}

/** Maximum number of lines in the report on omitted entries; the rest are only counted. */
const REPORTED = 1_000;

/**
 * The members of an archive, in order. Stored in columns, some 150 bytes each plus the name, because there may be a
 * million.
 */
export class ArchivePlan {
  readonly #names: string[] = [];
  /** Indexes into the places; -1 for the report. */
  readonly #parents: number[] = [];
  readonly #sizes: number[] = [];
  readonly #times: number[] = [];
  readonly #modes: number[] = [];
  readonly #versions: string[] = [];
  readonly #places: PackedDirectory[] = [];
  readonly #digest = nodeCrypto().createHash("sha256");
  readonly #encoder = new TextEncoder();
  #stable = true;
  #etag = "";
  #bytes = 0;

  /** The text file next to the folder that says which entries were left out and why; empty if there are none. */
  report: Uint8Array<ArrayBuffer> = new Uint8Array();

  /** Number of members. */
  get length(): number {
    return this.#names.length;
  }

  /** Total size of all files in bytes. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Identifies the state of every member, without quotes; null if a change could go unnoticed. */
  get etag(): string | null {
    this.#etag ||= this.#digest.digest("base64url").slice(0, 27);
    return this.#stable ? this.#etag : null;
  }

  /** Adds a directory and returns the index of its place. */
  addDirectory(path: SitePath, text: string, stat: FileStat): number {
    const place = this.#places.push({ path, text }) - 1;
    this.#digest.update(`${path.text}\0`); // distinguishes equal names and states in different directories
    this.#add("", place, stat, text);
    return place;
  }

  addFile(name: string, parent: number, stat: FileStat): void {
    this.#add(name, parent, stat, this.#places[parent]!.text + name);
  }

  /** Adds the report as the last member. */
  addReport(name: string, report: string, modified: number | null): void {
    this.report = this.#encoder.encode(report);
    const { length: size } = this.report;
    this.#add(name, -1, { kind: "file", size, modified, version: report, stable: true }, name);
  }

  #add(name: string, parent: number, stat: FileStat, text: string): void {
    this.#names.push(name);
    this.#parents.push(parent);
    this.#sizes.push(stat.size);
    this.#times.push(Math.floor((stat.modified ?? 0) / 1000));
    // Read permissions are the recipient's decision; the executable bit belongs to the file.
    this.#modes.push(stat.kind === "directory" || ((stat.mode ?? 0) & 0o111) !== 0 ? 0o755 : 0o644);
    const { version } = stat;
    this.#versions.push(version);
    this.#digest.update(`${text}\0${version}\0${stat.mode ?? ""}\n`);
    // Of a directory, only the names count, and these are in the digest.
    this.#stable &&= stat.stable || stat.kind === "directory";
    this.#bytes += stat.size;
  }

  /** The member at an index. */
  member(index: number): Member {
    const [name, parent] = [this.#names[index]!, this.#parents[index]!];
    return {
      path: this.#encode((this.#places[parent]?.text ?? "") + name),
      directory: name === "",
      size: this.#sizes[index]!,
      modified: this.#times[index]!,
      mode: this.#modes[index]!,
    };
  }

  /** The size of a file in bytes. */
  sizeOf(index: number): number {
    return this.#sizes[index]!;
  }

  /** A file as it was planned. */
  statOf(index: number): FileStat {
    const modified = this.#times[index]! * 1000;
    return { kind: "file", size: this.#sizes[index]!, modified, version: this.#versions[index]!, stable: false };
  }

  /** Encodes ASCII itself: a call takes longer, and there are several for each member. */
  #encode(text: string): Uint8Array {
    const bytes = new Uint8Array(text.length);
    for (let i = 0; i < text.length; i++) {
      const code = text.charCodeAt(i);
      if (code > 0x7f) return this.#encoder.encode(text);
      bytes[i] = code;
    }
    return bytes;
  }

  /** Path of a member in the source; null for the report. */
  pathOf(index: number): SitePath | null {
    return this.#places[this.#parents[index]!]?.path.child(this.#names[index]!) ?? null;
  }

  /** Whether a file is still the one that was planned. */
  isUnchanged(index: number, now: FileStat | null): boolean {
    return now?.kind === "file" && now.size === this.#sizes[index] && now.version === this.#versions[index];
  }
}

/** The chain of parent directories, by their real paths. */
interface Trail {
  readonly identity: string;
  readonly above: Trail | null;
}

/**
 * Scans everything that was requested.
 *
 * @throws {HttpError} 404 if a name does not exist, 403 if the limits are exceeded.
 */
export async function planOf(
  source: FileSource,
  selection: Selection,
  limits: PlanLimits,
): Promise<ArchivePlan> {
  return await new Planning(source, limits).plan(selection);
}

class Planning {
  readonly #source: FileSource;
  readonly #limits: PlanLimits;
  readonly #plan = new ArchivePlan();
  readonly #turns = new Turns();
  readonly #leftOut: string[] = [];
  #leftOutCount = 0;
  #isUndated: Selection["isUndated"];

  constructor(source: FileSource, limits: PlanLimits) {
    this.#source = source;
    this.#limits = limits;
  }

  async plan({ directory, name, names, isUndated }: Selection): Promise<ArchivePlan> {
    this.#isUndated = isUndated;
    const found = await this.#source.stat(directory);
    if (found?.kind !== "directory") throw new HttpError(404);
    const stat = this.#disclosed(directory, found);
    const folder = folderName(name);
    const place = this.#plan.addDirectory(directory, `${folder}/`, stat);
    const above = await this.#trail(directory, null);
    const top = { path: directory, text: `${folder}/`, place, above };
    if (names === null) await this.#addAll(await this.#entriesOf(directory), top);
    else await this.#addSelected(branchOf(names), top);
    if (this.#leftOutCount > 0) this.#plan.addReport(`${folder} (left out).txt`, this.#report(), stat.modified);
    return this.#plan;
  }

  #disclosed(path: SitePath, stat: FileStat): FileStat {
    return this.#isUndated?.(path) ? { ...stat, modified: null, version: "" } : stat;
  }

  async #addSelected(branch: Branch, parent: PackedDirectory & { place: number; above: Trail | null }): Promise<void> {
    for (const [name, below] of branch) {
      const path = parent.path.child(name);
      const stat = path && await this.#source.stat(path);
      if (!stat || below !== null && stat.kind !== "directory") {
        throw new HttpError(404, "One of the requested files does not exist");
      }
      const entry: FileEntry = { name, stat, link: false, problem: stat.kind === "other" ? "special file" : null };
      // One with an unsafe name is left out, with all that is selected in it.
      if (below === null || !isSafeName(name)) await this.#addAll([entry], parent);
      else {
        const text = `${parent.text}${name}/`;
        const place = this.#plan.addDirectory(path!, text, this.#disclosed(path!, stat));
        this.#check();
        await this.#addSelected(below, { path: path!, text, place, above: await this.#trail(path!, parent.above) });
      }
    }
  }

  /** All entries in the order of a listing by name, so that the same tree always gives the same archive. */
  async #entriesOf(directory: SitePath): Promise<readonly FileEntry[]> {
    await using scan = new DirectoryScan(this.#source, directory, this.#turns);
    const read = await scan.readOver(this.#limits.entries - this.#plan.length);
    if (read === "more") throw tooMany(this.#limits.entries);
    return await sortEntries(read === null ? [] : scan.entries, { sort: "name", order: "asc" }, this.#turns);
  }

  async #addAll(
    entries: readonly FileEntry[],
    parent: PackedDirectory & { place: number; above: Trail | null },
  ): Promise<void> {
    for (const entry of entries) {
      const path = parent.path.child(entry.name);
      const problem = path === null || !isSafeName(entry.name) ? "name is unsafe to extract" : entry.problem;
      if (problem !== null || entry.stat === null) this.#leaveOut(parent.text + entry.name, problem ?? "not readable");
      else if (entry.stat.kind === "directory") await this.#addDirectory(path!, parent, entry);
      else if (await this.#mayRead(path!, entry.stat)) this.#addFile(entry.name, parent.place, entry.stat);
      else this.#leaveOut(parent.text + entry.name, "not readable");
      if (this.#turns.due) await this.#turns.next();
    }
  }

  #addFile(name: string, place: number, stat: FileStat): void {
    this.#plan.addFile(name, place, stat);
    this.#check();
  }

  async #addDirectory(
    path: SitePath,
    parent: PackedDirectory & { above: Trail | null },
    entry: FileEntry,
  ): Promise<void> {
    const text = `${parent.text}${entry.name}/`;
    const above = await this.#trail(path, parent.above);
    // Without real paths a cycle of links cannot be detected.
    if (above === null && entry.link) return this.#leaveOut(text, "link to a directory");
    if (above !== null && leadsBack(above)) return this.#leaveOut(text, "link to a parent directory");
    const entries = await this.#entriesOrNull(path);
    if (entries === null) return this.#leaveOut(text, "not readable");
    const place = this.#plan.addDirectory(path, text, this.#disclosed(path, entry.stat!));
    this.#check();
    await this.#addAll(entries, { path, text, place, above });
  }

  async #trail(path: SitePath, above: Trail | null): Promise<Trail | null> {
    const identity = await this.#source.locate?.(path) ?? null;
    return identity === null ? null : { identity, above };
  }

  async #entriesOrNull(path: SitePath): Promise<readonly FileEntry[] | null> {
    try {
      return await this.#entriesOf(path);
    } catch (error) {
      if (error instanceof Deno.errors.PermissionDenied) return null;
      throw error;
    }
  }

  /** World-readable files need no check; for others, a refusal would otherwise only show in mid-transfer. */
  async #mayRead(path: SitePath, stat: FileStat): Promise<boolean> {
    if (((stat.mode ?? 0o444) & 0o444) === 0o444) return true;
    try {
      using _file = await this.#source.open(path, stat);
      return true;
    } catch (error) {
      if (error instanceof FileChanged || isNotThere(error)) throw new FileChanged();
      if (error instanceof Deno.errors.PermissionDenied) return false;
      throw error;
    }
  }

  #check(): void {
    if (this.#plan.length > this.#limits.entries) throw tooMany(this.#limits.entries);
    if (this.#plan.bytes <= this.#limits.bytes) return;
    throw new HttpError(403, `The archive would exceed the maximum size, ${formatSize(this.#limits.bytes)}`);
  }

  #leaveOut(text: string, problem: string): void {
    this.#leftOutCount += 1;
    if (this.#leftOut.length < REPORTED) this.#leftOut.push(`${plainName(text)}: ${problem}\n`);
  }

  #report(): string {
    const more = this.#leftOutCount - this.#leftOut.length;
    return `Not in this archive:\n\n${this.#leftOut.join("")}${more > 0 ? `and ${more} more\n` : ""}`;
  }
}

/** Selected names by directory; null for an entry that is selected itself, with all that is in it. */
interface Branch extends Map<string, Branch | null> {}

function branchOf(names: readonly string[]): Branch {
  const top: Branch = new Map();
  for (const name of names) {
    const segments = name.split("/");
    const last = segments.pop()!;
    let branch: Branch | null = top;
    for (const segment of segments) {
      const below: Branch | null = branch.get(segment) === undefined ? new Map() : branch.get(segment)!;
      branch.set(segment, below);
      branch = below;
      if (branch === null) break; // selected as a whole
    }
    branch?.set(last, null);
  }
  return top;
}

function leadsBack({ identity, above }: Trail): boolean {
  for (let at = above; at !== null; at = at.above) {
    if (at.identity === identity) return true;
  }
  return false;
}

function tooMany(entries: number): HttpError {
  return new HttpError(403, `It has more than ${entries} files and directories, the maximum for an archive`);
}
