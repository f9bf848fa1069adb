/**
 * `pyserve token`: makes, lists and revokes bearer tokens.
 *
 * @module
 */

import { hasUser, withLine, withoutToken } from "../handlers/identity/edit_lines.ts";
import { isCanonicalPath, newToken, type StoredToken } from "../handlers/identity/token_line.ts";
import { LineError, parseUserLines } from "../handlers/identity/user_lines.ts";
import { normalizedName } from "../handlers/identity/user_name.ts";
import { parseRights, USER_RIGHTS, type UserRight } from "../handlers/identity/user_rights.ts";
import { parseDuration } from "./duration.ts";
import { StartError } from "./start_error.ts";
import type { SubcommandIo } from "./subcommands.ts";
import { UsageError } from "./usage_error.ts";
import { editUserFile, readUserFile } from "./user_file_edit.ts";
import { parseWords, type Words } from "./words.ts";

const HELP = `Makes a bearer token for a user in a file for --auth, for scripts.

Usage: pyserve token [OPTIONS] FILE NAME
       pyserve token --list FILE [NAME]
       pyserve token --revoke ID FILE

  Prints the token once; the file holds only its SHA-256. It never permits more
  than its user may, and it ends with the user. Use it as:
  curl --oauth2-bearer TOKEN URL

      --rights RIGHT,...      What it permits: read, upload, delete, run, share
                              (default: read)
      --path PATH             Only below this path of the site (default: /)
      --for DURATION          How long: 45m, 12h, 30d, 2w; 0 = unlimited
                              (default: 30d)
      --list                  Show the tokens: ID, user, rights, path, expiry
      --revoke ID             Delete a token
  -h, --help                  Show this help

  A directory with the name "token" is served by: pyserve ./token
`;

const OPTIONS = { rights: "RIGHT,...", path: "PATH", for: "DURATION", list: null, revoke: "ID" };

/** Runs `pyserve token`; returns the exit status. */
export async function token(args: readonly string[], io: SubcommandIo): Promise<number> {
  const parsed = parseWords(args, OPTIONS);
  if (parsed.given.has("help")) {
    io.out(HELP);
    return 0;
  }
  const { words: [file, name, ...others], given } = inOrder(parsed);
  if (!file) throw new UsageError("pyserve token needs a FILE");
  if (others.length > 0) throw new UsageError("pyserve token takes a FILE and a NAME");
  refuseCombined(given);
  const id = given.get("revoke");
  if (given.has("list")) list(file, name ?? null, io);
  else if (id !== undefined) await revoke(file, name, id, io);
  else await make(file, name, given, io);
  return 0;
}

/** `--revoke FILE ID` is meant as `--revoke ID FILE`: no ID looks like a path that exists. */
function inOrder({ words, given }: Words): Words {
  const [file] = words;
  const id = given.get("revoke");
  if (words.length !== 1 || id === undefined || !isFile(id) || isFile(file!)) return { words, given };
  return { words: [id], given: new Map([...given, ["revoke", file!]]) };
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    return false;
  }
}

function refuseCombined(given: Words["given"]): void {
  const alone = ["list", "revoke"].find((name) => given.has(name));
  const other = [...given.keys()].find((name) => name !== alone);
  if (alone && other) throw new UsageError(`The options --${alone} and --${other} contradict each other`);
}

async function make(file: string, given: string | undefined, options: Words["given"], io: SubcommandIo): Promise<void> {
  if (given === undefined) throw new UsageError("pyserve token needs a FILE and a NAME");
  const name = normalizedName(given);
  const rights = rightsOf(options.get("rights") ?? "read");
  const path = pathOf(options.get("path") ?? "/");
  const duration = parseDuration("for", options.get("for") ?? "30d");
  // In whole seconds, as it is written.
  const expires = duration === null ? null : Math.floor((Date.now() + duration) / 1000) * 1000;
  const { text, id, line } = newToken(name, { rights, path, expires });
  readUserFile(file); // without it, there would be no such user, rather than no file
  await editUserFile(file, (before) => {
    if (!hasUser(before, name)) {
      throw new StartError(`There is no user "${name}" in ${file}; add it with "pyserve passwd"`);
    }
    return { text: withLine(before, line), count: 0 };
  });
  io.line(text);
  const below = path === "/" ? "" : ` below ${path}`;
  io.note(`Token ${id} of "${name}": ${rights.join(", ")}${below}, ${until(expires)}; it is not shown again`);
}

function rightsOf(text: string): readonly UserRight[] {
  const rights = parseRights(text.split(",").map((word) => word.trim()));
  if (typeof rights !== "string") return rights;
  throw new UsageError(`Cannot use --rights "${text}": "${rights}" is none of ${USER_RIGHTS.join(", ")}`);
}

function pathOf(text: string): string {
  const path = text.length > 1 ? text.replace(/\/$/, "") : text;
  if (isCanonicalPath(path)) return path;
  throw new UsageError(`Cannot use --path "${text}": it is not a path of the site such as /pub, without "." and ".."`);
}

async function revoke(file: string, name: string | undefined, id: string, io: SubcommandIo): Promise<void> {
  if (name !== undefined) throw new UsageError("pyserve token --revoke takes an ID and a FILE");
  readUserFile(file); // without it, there would be nothing to revoke, rather than no file
  await editUserFile(file, (text) => {
    const edited = withoutToken(text, id);
    if (edited.count === 0) throw new StartError(`There is no token ${id} in ${file}`);
    return edited;
  });
  io.line(`Revoked the token ${id} in ${file}`);
}

function list(file: string, name: string | null, io: SubcommandIo): void {
  const tokens = tokensOf(file).filter(({ user }) => name === null || user === normalizedName(name));
  const rows = tokens.map(({ id, user, rights, path, expires }) => [id, user, rights.join(","), path, until(expires)]);
  const widths = [0, 1, 2, 3].map((column) => Math.max(...rows.map((row) => row[column]!.length)));
  for (const row of rows) io.line(row.map((cell, i) => cell.padEnd(widths[i] ?? 0)).join("  "));
  if (rows.length === 0) io.note(`There are no tokens in ${file}`);
}

function tokensOf(file: string): readonly StoredToken[] {
  try {
    return [...parseUserLines(readUserFile(file)).tokens.values()];
  } catch (error) {
    if (error instanceof LineError) throw new StartError(`Cannot use "${file}": ${error.message}`);
    throw error;
  }
}

function until(expires: number | null): string {
  if (expires === null) return "never expires";
  const date = new Date(expires).toISOString().replace("T", " ").replace(/:\d\d\.\d+Z$/, " UTC");
  return expires <= Date.now() ? `expired ${date}` : `until ${date}`;
}
