/**
 * Values of options: what is wrong with them, and what they say.
 *
 * @module
 */

import type { FastCgiAddress } from "../handlers/fastcgi/connection.ts";
import { Refusal } from "../handlers/http/refusal.ts";
import { parseTarget } from "../handlers/http/target.ts";

/** More processes than that, on any machine, are a slip of the finger. */
const MOST_WORKERS = 256;

/** What is wrong with a number of workers, or null. */
export function checkWorkers(value: string): string | null {
  const good = value === "auto" || /^\d+$/.test(value) && Number(value) >= 1 && Number(value) <= MOST_WORKERS;
  return good ? null : `it is neither a number from 1 to ${MOST_WORKERS} nor auto`;
}

/** The longest time that a timer of the runtime can be set to, in seconds, is some weeks. */
const MOST_SECONDS = 1_000_000;

/** What is wrong with a number of seconds, or null. */
export function checkSeconds(value: string): string | null {
  const good = /^\d+(\.\d+)?$/.test(value) && Number(value) <= MOST_SECONDS;
  return good ? null : `it is not a number of seconds from 0 to ${MOST_SECONDS}`;
}

/** Whether a text is a port, written as Python's `int()` takes it: `8000`, ` 8000`, `8_000`. */
export function isPort(text: string): boolean {
  return isNumber(text) && portOf(text) >= 0 && portOf(text) <= 65535;
}

/** Whether a text is a number to Python's `int()`, and so meant as a port. */
export function isNumber(text: string): boolean {
  return /^\s*[+-]?\d+(?:_\d+)*\s*$/.test(text);
}

/** The number that a text is. */
export function portOf(text: string): number {
  return Number(text.replaceAll("_", ""));
}

/** Absolute paths with a comma between; nothing at all stands for the default. */
export function checkPaths(value: string): string | null {
  const problems = value === "" ? [] : value.split(",").map(pathProblem);
  return problems.find((problem) => problem !== null) ?? null;
}

/** Paths of directories below the root, with a comma between. */
export function checkUploadPaths(value: string): string | null {
  if (value === "") return "it is empty";
  return checkPaths(value) ?? (value.split(",").some(isRoot) ? "the root has programs in it" : null);
}

/** What is wrong with one path of the site, or null. */
export function pathProblem(path: string): string | null {
  if (!path.startsWith("/")) return "its paths do not begin with a slash";
  return !/[?#]/.test(path) && isPath(path) ? null : "it is not a path of the site";
}

function isRoot(path: string): boolean {
  const target = parseTarget(path);
  return !(target instanceof Refusal) && target.path.parent === null;
}

function isPath(path: string): boolean {
  return !(parseTarget(path) instanceof Refusal);
}

/** Whether a text is the end of a name such as `.php`. */
export function isExtension(text: string): boolean {
  return /^\.[^./\\\0]+$/.test(text);
}

/** What is wrong with `KEY=PROGRAM`, or null. */
export function checkAssignment(value: string, isKey: (text: string) => boolean, what: string): string | null {
  const at = value.indexOf("=");
  const good = at > 0 && isKey(value.slice(0, at)) && wordsOf(value.slice(at + 1))[0];
  return good ? null : `it is not ${what}`;
}

/**
 * The words of a command, without a shell: blanks are between them, and quotes around what has blanks in it. None where a
 * quote has no end.
 */
export function wordsOf(command: string): readonly string[] {
  if (!/^(?:"[^"]*"|'[^']*'|[^"'])*$/.test(command)) return [];
  const words = command.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}

/** What describes one response or one connection, and would break it if it were the same everywhere. */
const NOT_OURS_TO_SET = [
  "accept-ranges",
  "allow",
  "connection",
  "content-encoding",
  "content-length",
  "content-range",
  "content-type",
  "date",
  "etag",
  "keep-alive",
  "last-modified",
  "location",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** What is wrong with a header that every response is to have, or null. */
export function checkHeader(value: string): string | null {
  const [name, content] = splitHeader(value);
  if (name.toLowerCase() === "content-type") return "use --content-type for the type of unknown files";
  if (NOT_OURS_TO_SET.includes(name.toLowerCase())) return "it is a header that each response has to have its own of";
  try {
    new Headers([[name, content]]);
    return null;
  } catch {
    return "it is not a header";
  }
}

/** Bytes of a size as it is given, in steps of 1024; null for what is no size. */
export function sizeOf(text: string): number | null {
  const match = /^(\d{1,12})([KMG]?)$/i.exec(text);
  return match ? Number(match[1]) * 1024 ** " KMG".indexOf(match[2]!.toUpperCase() || " ") : null;
}

/** Takes `.php=unix:/path` or `.php=host:port` apart; null for what is neither. */
export function fastCgiOf(text: string): { extension: string; address: FastCgiAddress } | null {
  const [, extension, path, hostname, port] =
    /^(\.[^/\\=]+)=(?:unix:(.+)|(\[[0-9a-f:.%]+\]|[^:/\s]+):(\d+))$/i.exec(text) ?? [];
  if (extension === undefined) return null;
  if (path !== undefined) return { extension, address: { transport: "unix", path } };
  const address = { transport: "tcp", hostname: hostname!.replace(/^\[|\]$/g, ""), port: Number(port) } as const;
  return address.port >= 1 && address.port <= 65535 ? { extension, address } : null;
}

/** Takes `Name: value` apart. A name has no colon in it, so the first one ends it. */
export function splitHeader(header: string): [name: string, value: string] {
  const at = header.indexOf(":");
  return at < 0 ? ["", header] : [header.slice(0, at), header.slice(at + 1).trim()];
}

/** What is wrong with the name of a charset, or null: browsers ignore one that they do not know. */
export function checkCharset(value: string): string | null {
  try {
    if (value !== "none") new TextDecoder(value);
    if (/^\S+$/.test(value)) return null;
  } catch {
    // Not one of the labels of the Encoding Standard.
  }
  return "it is not the name of a charset such as utf-8 or windows-1252, nor none";
}
