/**
 * `pyserve share`: makes, lists and revokes share links of a server that runs on this machine.
 *
 * @module
 */

import { basename } from "@std/path/basename";
import { SEPARATOR } from "@std/path/constants";
import { escapeLog } from "../handlers/http/escape.ts";
import { readablePath, SitePath } from "../handlers/http/target.ts";
import { outermost, type Shares } from "../handlers/identity/shares.ts";
import { type ShareRecord, TooManyShares } from "../handlers/identity/share_records.ts";
import { startOf } from "../handlers/identity/share_endpoint.ts";
import { sharePath, shares as sharesOf } from "../handlers/identity/share_site.ts";
import { rightsOfShare } from "../handlers/identity/share_wish.ts";
import { endAllShares, type IdentityState, openState } from "../handlers/identity/state.ts";
import { isVisible } from "../handlers/sources/filtered.ts";
import { parseDuration } from "./duration.ts";
import { environmentOfProcess } from "./environment.ts";
import { runningServers, type ServerNote } from "./server_notes.ts";
import { shellWord } from "./shell_word.ts";
import { StartError } from "./start_error.ts";
import { defaultStateDirectory } from "./state_directory.ts";
import type { SubcommandIo } from "./subcommands.ts";
import { UsageError } from "./usage_error.ts";
import { parseWords, type Words } from "./words.ts";

const HELP = `Makes a link to a file or directory that works without an account.

Usage: pyserve share [OPTIONS] PATH...
       pyserve share --list
       pyserve share --revoke ID | --revoke-all

  A server with --auth must run on this machine, with the same state directory,
  and serve PATH. Prints the link; several paths get one link together.

      --for DURATION          How long: 45m, 2h, 7d, 2w; 0 = until revoked
                              (default: 1d)
      --upload                Also let clients upload
      --upload-only           Only let clients upload: shows nothing of what is
                              there
      --url URL               The address of the server for others, such as that
                              of a proxy (default: as the server has printed it)
      --qr                    Also print the link as a QR code
      --list                  Show the links: ID, user, rights, expiry, paths
      --revoke ID             End a link
      --revoke-all            End all links, by replacing their key
      --state DIR             The state directory of the server (default: as for
                              the server)
  -h, --help                  Show this help

  A directory with the name "share" is served by: pyserve ./share
`;

const OPTIONS = {
  for: "DURATION",
  upload: null,
  "upload-only": null,
  url: "URL",
  qr: null,
  list: null,
  revoke: "ID",
  "revoke-all": null,
  state: "DIR",
};

/** Runs `pyserve share`; returns the exit status. */
export async function share(args: readonly string[], io: SubcommandIo): Promise<number> {
  const { words, given } = parseWords(args, OPTIONS);
  if (given.has("help")) {
    io.out(HELP);
    return 0;
  }
  refuseCombined(words, given);
  const directory = stateDirectory(given.get("state"));
  try {
    if (given.has("list")) list(directory, io);
    else if (given.has("revoke")) revoke(directory, given.get("revoke")!, io);
    else if (given.has("revoke-all")) revokeAll(directory, io);
    else await make(directory, words, given, io);
  } catch (error) {
    throw explained(error, directory);
  }
  return 0;
}

/** Errors of the state directory, which belongs to the user who runs the server. */
function explained(error: unknown, directory: string): unknown {
  if (!(error instanceof TypeError || error instanceof Deno.errors.PermissionDenied)) return error;
  const hint = error instanceof TypeError ? "" : "; share as the user who runs the server";
  return new StartError(`Cannot use the state directory "${directory}": ${StartError.reason(error)}${hint}`);
}

function refuseCombined(words: readonly string[], given: Words["given"]): void {
  const alone = ["list", "revoke", "revoke-all"].find((name) => given.has(name));
  const other = [...given.keys()].find((name) => name !== alone && name !== "state");
  if (alone && other) throw new UsageError(`The options --${alone} and --${other} contradict each other`);
  if (alone && words.length > 0) throw new UsageError(`The option --${alone} takes no path`);
  if (!alone && words.length === 0) throw new UsageError("pyserve share needs a PATH");
  if (given.has("upload") && given.has("upload-only")) {
    throw new UsageError("The options --upload and --upload-only contradict each other");
  }
  if (given.has("upload-only") && words.length > 1) throw new UsageError("An upload link leads to one directory");
}

function stateDirectory(option: string | undefined): string {
  const env = environmentOfProcess();
  const directory = option ?? env.PYSERVE_STATE ?? defaultStateDirectory(env);
  if (directory) return directory;
  throw new StartError("Cannot find the state directory: there is no home directory; name it with --state");
}

async function make(
  directory: string,
  words: readonly string[],
  given: Words["given"],
  io: SubcommandIo,
): Promise<void> {
  const rights = given.has("upload-only")
    ? ["upload"] as const
    : given.has("upload")
    ? ["read", "upload"] as const
    : ["read"] as const;
  const duration = parseDuration("for", given.get("for") ?? "1d") ?? Infinity;
  const { server, places } = placesOf(words, runningServers(directory), directory);
  if (given.has("upload-only") && !places[0]!.isDirectory) {
    throw new StartError(`Cannot share "${words[0]}" for uploads: it is not a directory`);
  }
  if (rights.some((right) => right === "upload")) requireUploads(places, words, server);
  const base = baseOf(given.get("url"), server);
  const made = Date.now();
  const kept = new Set(outermost(places.map(({ path }) => path)));
  const paths = places.filter(({ path }) => kept.has(path));
  const terms = { paths: [...kept], rights: rightsOfShare(rights), expires: made + duration };
  const state = openState(directory);
  const shares = sharesOf(state, server.root);
  const { id, token } = shares.make(terms, null);
  if (shares.isTooLong(token)) throw new StartError("Too many paths for one link: share their directory instead");
  const record = {
    id,
    by: null,
    site: server.root,
    paths: paths.map(({ path, isDirectory }) => path.href + (isDirectory && path.parent !== null ? "/" : "")),
    rights,
    made,
    expires: duration === Infinity ? null : made + duration,
  };
  add(state, record);
  const link = linkOf(base, record, shares);
  io.out(`${link}\n`);
  if (given.has("qr")) io.out((await import("./qr.ts")).codesFor([link], Deno.stdout.isTerminal() && !Deno.noColor));
  const option = given.has("state") ? `--state ${shellWord(given.get("state")!)} ` : "";
  io.note(
    `Share ${id}: ${rights.join(", ")}, ${until(record.expires)}; ` +
      `end it with "pyserve share ${option}--revoke ${id}"`,
  );
}

function requireUploads(places: readonly Place[], words: readonly string[], server: ServerNote): void {
  const at = places.findIndex(({ mount }) => mount !== null);
  if (at >= 0) {
    const { mount } = places[at]!;
    throw new StartError(
      `Cannot share "${words[at]}" for uploads: the mount ${mount} accepts none; give it "upload" in the configuration`,
    );
  }
  if (!server.upload) throw new StartError("The server accepts no uploads: start it with --upload");
}

/** A path on disk as a path of a server. */
interface Place {
  readonly path: SitePath;
  readonly isDirectory: boolean;
  /** The prefix of the mount in which it lies; null for the root. */
  readonly mount: string | null;
}

/** The server that serves all paths: the one with the deepest root, the newest of several. */
function placesOf(
  words: readonly string[],
  servers: readonly ServerNote[],
  directory: string,
): { readonly server: ServerNote; readonly places: readonly Place[] } {
  if (servers.length === 0) {
    throw new StartError(
      `No server that can share uses the state directory "${directory}": start one with --auth (without users, everyone ` +
        "can read everything anyway), or name its directory with --state",
    );
  }
  const files = words.map((word) => resolved(word));
  const sorted = servers.toSorted((a, b) => b.root.length - a.root.length || b.started - a.started);
  const server = sorted.find((server) => files.every((file) => placeIn(server, file) !== null));
  if (server === undefined) throw outside(files, servers);
  const places = files.map((file) => {
    const place = placeIn(server, file)!;
    if (server.hidden || isVisible(place.path)) return place;
    throw new StartError(`Cannot share "${file.word}": the server hides dotfiles`);
  });
  return { server, places };
}

/** Where a server serves a file: in the mount with the deepest directory, or below its root; null if it does not. */
function placeIn({ root, isArchive, mounts }: ServerNote, { real, isDirectory }: Resolved): Place | null {
  const points = mounts.map(({ prefix, path, isSite }) => ({
    at: readablePath(prefix),
    mount: prefix,
    path,
    isSite,
    isArchive: Deno.statSync(path).isFile,
  }));
  const shared = points.filter(({ isSite }) => !isSite);
  const all = [...shared, { at: SitePath.root, mount: null, path: root, isArchive }];
  for (const { at, mount, path, isArchive } of all.toSorted((a, b) => b.path.length - a.path.length)) {
    const names = isArchive ? (real === path ? [] : null) : segmentsBelow(real, path);
    if (names === null) continue;
    const place = names.reduce<SitePath>((path, name) => path.child(name)!, at);
    const isCovered = points.some((other) => other.at.segments.length > at.segments.length && place.below(other.at));
    if (!isCovered) return { path: place, isDirectory: isDirectory || isArchive, mount };
  }
  return null;
}

function outside(files: readonly Resolved[], servers: readonly ServerNote[]): StartError {
  const all = servers.flatMap(({ root, mounts }) => [root, ...mounts.map(({ path }) => path)]);
  const roots = [...new Set(all.map((path) => `"${path}"`))].join(" and ");
  const { word } = files.find((file) => servers.every((server) => placeIn(server, file) === null)) ?? files[0]!;
  return new StartError(`Cannot share "${word}": it is outside of what is served, ${roots}`);
}

/** A word of the command line as a path on disk. */
interface Resolved {
  readonly word: string;
  readonly real: string;
  readonly isDirectory: boolean;
}

function resolved(word: string): Resolved {
  try {
    const real = Deno.realPathSync(word);
    return { word, real, isDirectory: Deno.statSync(real).isDirectory };
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot share "${word}": ${StartError.reason(error)}`);
  }
}

/** The names from a root to a path; null if it is outside. A root that is a file is served under its name. */
function segmentsBelow(path: string, root: string): string[] | null {
  if (path === root) return Deno.statSync(root).isDirectory ? [] : [basename(root)];
  const prefix = root.endsWith(SEPARATOR) ? root : root + SEPARATOR;
  return path.startsWith(prefix) ? path.slice(prefix.length).split(SEPARATOR) : null;
}

function baseOf(option: string | undefined, { url }: ServerNote): URL {
  if (option === undefined && url === null) {
    throw new StartError("The server listens on a Unix socket: give the address of its proxy with --url");
  }
  const base = URL.parse(option ?? url!);
  if (base && /^https?:$/.test(base.protocol)) {
    const path = base.pathname.endsWith("/") ? base.pathname : `${base.pathname}/`;
    return new URL(path, base);
  }
  throw new UsageError(`Cannot use --url "${option}": it is not a URL such as https://files.example.org/`);
}

function linkOf(base: URL, record: ShareRecord, shares: Shares): string {
  const { token, path, slash } = startOf(record, { shares });
  return new URL(`.${sharePath(token).join(path).href}${slash ? "/" : ""}`, base).href;
}

function add({ records }: Required<IdentityState>, record: ShareRecord): void {
  try {
    records.add(record);
  } catch (error) {
    throw error instanceof TooManyShares ? new StartError(error.message) : error;
  }
}

/** The state, if there is one: nothing is created only to look at it. */
function existingState(directory: string): Required<IdentityState> | null {
  try {
    if (!Deno.statSync(directory).isDirectory) return null;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null;
    throw error;
  }
  return openState(directory);
}

function current(state: Required<IdentityState> | null): ShareRecord[] {
  return state?.records.all().filter(({ id }) => !state.revocations.has(id)) ?? [];
}

function list(directory: string, io: SubcommandIo): void {
  const records = current(existingState(directory));
  const rows = records.map(({ id, by, rights, expires, paths }) => {
    return [id, by ?? "-", rights.join(","), until(expires), paths.map(shownPath).join(" ")];
  });
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) io.out(`${escapeLog(row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "))}\n`);
  if (rows.length === 0) io.note(`There are no share links in ${directory}`);
}

function shownPath(href: string): string {
  const { text } = readablePath(href);
  return href.endsWith("/") && text !== "/" ? `${text}/` : text;
}

function revoke(directory: string, id: string, io: SubcommandIo): void {
  const state = existingState(directory);
  const record = current(state).find((each) => each.id === id);
  if (state === null || record === undefined) throw new StartError(`There is no share link ${id} in ${directory}`);
  state.revocations.add(id, record.expires ?? Infinity);
  io.out(`Revoked the share link ${id}\n`);
}

function revokeAll(directory: string, io: SubcommandIo): void {
  if (existingState(directory) === null) throw new StartError(`There are no share links in ${directory}`);
  endAllShares(directory);
  io.out("All share links have ended\n");
}

function until(expires: number | null): string {
  if (expires === null) return "until revoked";
  return `until ${new Date(expires).toISOString().replace("T", " ").replace(/:\d\d\.\d+Z$/, " UTC")}`;
}
