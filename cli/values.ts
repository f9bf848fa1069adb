/**
 * Parsers of option values: from text to a typed value, or {@linkcode InvalidValue}.
 *
 * @module
 */

import { type AccessRule, InvalidRule, parseAccessRule } from "../handlers/identity/rules.ts";
import type { UpstreamAddress } from "../handlers/upstream/connection.ts";
import { isOrigin } from "../handlers/http/host.ts";
import { TrustedProxies } from "../handlers/http/forwarded.ts";
import { Refusal } from "../handlers/http/refusal.ts";
import { parseTarget } from "../handlers/http/target.ts";
import { parseUpstream } from "../handlers/upstream/proxy/upstream_url.ts";
import type { Endpoint } from "../handlers/transport/endpoint.ts";
import { socketOf, splitAddress } from "./address.ts";
import { InvalidValue } from "./option.ts";

/** Any non-empty text. */
export function text(given: string): string {
  return valid(given, given !== "", "it is empty");
}

/** The maximum length of the path of a Unix socket (unix(7)), in bytes. */
const MAX_SOCKET_PATH = 107;

/** An address or a name to bind, without a port, or a socket. */
export function bindAddress(given: string): string {
  const socket = socketOf(given);
  if (socket?.kind === "unix") {
    valid(given, socket.path !== "", "the path of the socket is missing");
    const { length } = new TextEncoder().encode(socket.path);
    return valid(given, length <= MAX_SOCKET_PATH, `the path of a socket has at most ${MAX_SOCKET_PATH} bytes`);
  }
  valid(given, !/^[^:]*:$|\]:$/.test(given), "the port is missing");
  const good = socket !== null || !/^[^:]*:[^:]*$|[[\]]/.test(given);
  valid(given, good, "it is neither an address, perhaps with a port, nor unix:/PATH nor fd:NUMBER");
  return text(given);
}

/** Where metrics are: a port of this machine, `ADDRESS:PORT`, or `unix:/PATH`. */
export function metricsAddress(given: string): Endpoint {
  const socket = socketOf(given);
  if (socket?.kind === "unix" && bindAddress(given)) return socket;
  const { hostname, port: digits } = splitAddress(/^\d+$/.test(given) ? `:${given}` : given) ?? {};
  const port = Number(digits ?? NaN);
  valid(given, socket === null && port <= 65_535, "it is neither a port nor ADDRESS:PORT nor unix:/PATH");
  return { kind: "tcp", hostname: hostname ?? "127.0.0.1", port };
}

/** Whether what is served is in an object store, and not a path: `s3://BUCKET/DIRECTORY`. */
export function isStoreUrl(root: string): boolean {
  return root.startsWith("s3://");
}

/** A directory or a file to serve. */
export function directory(given: string): string {
  valid(
    given,
    !/^https?:\/\//i.test(given),
    "it is a URL; to listen there, write ADDRESS:PORT, as in localhost:8000",
  );
  return text(given);
}

/** One of several words. */
export function choice<T extends string>(...choices: readonly T[]): (given: string) => T {
  const all = `${choices.slice(0, -1).join(", ")} or ${choices.at(-1)}`;
  return (given) => valid(given as T, choices.includes(given as T), `it must be ${all}`);
}

/** Maximum number of processes: more is a typo on any machine. */
const MOST_WORKERS = 256;

/** A number of workers, or `auto` for one per core. */
export function workers(given: string): number {
  const count = given === "auto" ? navigator.hardwareConcurrency : Number(given);
  const good = given === "auto" || /^\d+$/.test(given) && count >= 1 && count <= MOST_WORKERS;
  return valid(count, good, `it is neither a number from 1 to ${MOST_WORKERS} nor auto`);
}

/** The longest time accepted: timers of the runtime overflow after some weeks. */
const MOST_SECONDS = 1_000_000;

/** Seconds, converted to milliseconds. */
export function seconds(given: string): number {
  const good = /^\d+(\.\d+)?$/.test(given) && Number(given) <= MOST_SECONDS;
  return valid(Number(given) * 1000, good, `it is not a number of seconds from 0 to ${MOST_SECONDS}`);
}

/** Whole seconds. */
export function age(given: string): number {
  return valid(Number(given), /^\d{1,10}$/.test(given), "it is not a whole number of seconds");
}

/** A port in the syntax of Python's `int()`: `8000`, ` 8000`, `8_000`. */
export function port(given: string): number {
  const number = /^\s*[+-]?\d+(?:_\d+)*\s*$/.test(given) ? Number(given.replaceAll("_", "")) : NaN;
  return valid(number, number >= 0 && number <= 65535, "it is not a port from 0 to 65535");
}

/** A port, or with a plus the first one from there that is free: `8000+`. */
export interface PortChoice {
  readonly port: number;
  readonly orNext: boolean;
}

/** `8000` or `8000+`. */
export function portChoice(given: string): PortChoice {
  const orNext = given.endsWith("+");
  return { port: port(orNext ? given.slice(0, -1) : given), orNext };
}

/** Whether Python's `int()` accepts a text, perhaps with a plus at the end, so that it is meant as a port. */
export function isNumber(given: string): boolean {
  return /^\s*[+-]?\d+(?:_\d+)*\+?\s*$/.test(given);
}

/** A number from 1 to 99999. */
export function count(given: string): number {
  return valid(Number(given), /^[1-9]\d{0,4}$/.test(given), "it is not a number from 1 to 99999");
}

/** A size in bytes with a binary suffix: `64M`. */
export function size(example: string): (given: string) => number {
  return (given) => {
    const [, digits, unit] = /^(\d{1,12})([KMG]?)$/i.exec(given) ?? [];
    const bytes = Number(digits) * 1024 ** " KMG".indexOf(unit?.toUpperCase() || " ");
    return valid(bytes, digits !== undefined, `it is not a size such as ${example}`);
  };
}

/** A host name, or `*.NAME` for all its subdomains. */
export function hostPattern(given: string): string {
  const isHost = /^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*(:\d{1,5})?$/.test(given);
  return valid(given, isHost, "it is not a host name");
}

/** Addresses and networks of proxies, separated by commas. */
export function proxyAddresses(given: string): string[] {
  const proxies = given.split(",");
  try {
    new TrustedProxies(proxies);
  } catch {
    throw new InvalidValue("it is not a list of addresses such as 10.0.0.1, networks such as 10.0.0.0/8, or unix");
  }
  return proxies;
}

/** A file name without a directory. */
export function fileName(given: string): string {
  return valid(given, given !== "" && !/[/\0]/.test(given), "it is not a file name");
}

/** The path of a page below the root: `errors/404.html`, with or without a slash in front. */
export function pageFile(given: string): string {
  const path = given.startsWith("/") ? given : `/${given}`;
  const names = path.slice(1).split("/");
  valid(given, !/[\\\0]/.test(given), "it is not the path of a file");
  return valid(
    path,
    names.every((name) => !["", ".", ".."].includes(name)),
    "it is not the path of a file below the root",
  );
}

/** The page of a single-page app; without a value, the index file of the root. */
export function appPage(given: string): string | true {
  return given === "" ? true : pageFile(given);
}

export function mediaTypeText(given: string): string {
  return valid(
    given,
    /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+([ \t]*;[\t\x20-\x7e]*)?$/.test(given),
    "it is not a media type such as text/plain",
  );
}

/** A type of files, by extension in lower case without the dot. */
export function extensionType(given: string): readonly [extension: string, type: string] {
  const at = given.indexOf("=");
  const extension = given.slice(0, Math.max(at, 0));
  valid(given, isExtension(extension), "it is not of the form .EXT=TYPE");
  return [extension.slice(1).toLowerCase(), mediaTypeText(given.slice(at + 1).trim())];
}

/** The time for which clients may use files without asking. */
export function caching(given: string): "auto" | "off" | number {
  if (given === "auto" || given === "off") return given;
  return valid(Number(given), /^\d{1,10}$/.test(given), "it is neither auto nor off nor a whole number of seconds");
}

/** Origins, separated by commas; `*` for any. */
export function origins(given: string): "*" | readonly string[] {
  if (given === "*") return "*";
  const all = given.split(",");
  const wrong = all.find((origin) => !isOrigin(origin));
  return valid(
    all,
    wrong === undefined,
    `"${wrong}" is not an origin such as https://app.example or http://localhost:3000`,
  );
}

/** A charset known to browsers, which ignore any other; or `none`, which gives null. */
export function charset(given: string): string | null {
  return given === "none"
    ? null
    : valid(given.toLowerCase(), isCharset(given), "it is not a charset such as utf-8, nor none");
}

function isCharset(label: string): boolean {
  try {
    new TextDecoder(label);
    return !/\s/.test(label);
  } catch {
    return false;
  }
}

/** Absolute paths of the site, separated by commas. */
export function sitePaths(given: string): string[] {
  return given.split(",").map(sitePath);
}

/** Paths of directories below the root, separated by commas. */
export function uploadPaths(given: string): string[] {
  const paths = sitePaths(text(given));
  return valid(paths, !paths.some(isRoot), "the root directory cannot be a directory of programs");
}

function isRoot(path: string): boolean {
  const target = parseTarget(path);
  return !(target instanceof Refusal) && target.path.parent === null;
}

function sitePath(path: string): string {
  valid(path, path.startsWith("/"), "its paths must begin with a slash");
  return valid(path, isSitePath(path), "it is not a valid path");
}

function isSitePath(path: string): boolean {
  return path.startsWith("/") && !/[?#]/.test(path) && !(parseTarget(path) instanceof Refusal);
}

/** A directory or an archive, and the path of the site at which it is served. */
export interface MountPoint {
  /** Percent-encoded, with a leading slash and no trailing one. */
  readonly prefix: string;
  readonly path: string;
}

/** The same as an option: a path, or JSON with a path and other options. */
export interface MountChoice extends MountPoint {
  /** Options of its own, as JSON; null if there are none. */
  readonly own: string | null;
}

/** `/PREFIX=PATH` */
export function mountPoint(given: string): MountChoice {
  const at = given.indexOf("=");
  const [prefix, path] = [given.slice(0, at), given.slice(at + 1)];
  valid(given, at > 0 && prefix.startsWith("/") && path !== "", "it is not of the form /PREFIX=PATH");
  valid(given, !/^https?:\/\//i.test(path), "it is a URL; to pass requests on, use --proxy");
  return { prefix: belowRoot(prefix), ...siteChoice(path) };
}

/** `NAME=PATH`, where NAME is a host name, or `*.NAME` for all its subdomains. */
export function hostSite(given: string): HostChoice {
  const at = given.indexOf("=");
  const [name, path] = [given.slice(0, at), given.slice(at + 1)];
  valid(given, at > 0 && path !== "", "it is not of the form NAME=PATH");
  const isName = /^(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*$/i.test(name);
  valid(given, isName, `"${name}" is not a host name, without a port, and with xn-- for other letters`);
  valid(given, !/^(?:localhost|\*\.localhost|[\d.]+)$/i.test(name), "addresses and localhost are the main site");
  return { name: name.toLowerCase(), ...siteChoice(path) };
}

/** A virtual host, and what is served there. */
export interface HostChoice extends Omit<MountChoice, "prefix"> {
  /** In lower case; `*.NAME` for all subdomains. */
  readonly name: string;
}

/** A path, or options of a site as JSON, whose path is read later. */
function siteChoice(path: string): Omit<MountChoice, "prefix"> {
  return path.startsWith("{") ? { path: "", own: path } : { path, own: null };
}

/** A path of the site that is not its root, such as `/docs`. */
export function belowRoot(given: string): string {
  const target = isSitePath(given) ? parseTarget(given) : new Refusal(400, "");
  if (target instanceof Refusal) throw new InvalidValue(`"${given}" is not a path of the site such as /docs`);
  return valid(target.path.href, target.path.parent !== null, "it must be below the root, such as /docs");
}

/** A rule of access. */
export function accessRule(given: string): AccessRule {
  try {
    return parseAccessRule(given);
  } catch (error) {
    if (error instanceof InvalidRule) throw new InvalidValue(error.message);
    throw error;
  }
}

/** Extensions such as `.cgi`, separated by commas. */
export function extensions(given: string): string[] {
  const all = given.split(",");
  return valid(all, all.every(isExtension), "it is not a list of extensions such as .cgi,.pl");
}

function isExtension(given: string): boolean {
  return /^\.[^./\\\0]+$/.test(given);
}

/** A URL pattern and the command line of the program that handles it. */
export interface Assignment {
  /** An extension or a path. */
  readonly key: string;
  /** The program and its arguments. */
  readonly words: readonly string[];
}

/** `.EXT=PROGRAM ARGUMENT...` */
export function extensionProgram(given: string): Assignment {
  return assignment(given, isExtension, "it is not of the form .EXT=PROGRAM");
}

/** `PATH=PROGRAM ARGUMENT...` */
export function pathProgram(given: string): Assignment {
  return assignment(given, isSitePath, "it is not of the form /PATH=PROGRAM");
}

function assignment(given: string, isKey: (key: string) => boolean, problem: string): Assignment {
  const at = given.indexOf("=");
  const [key, words] = [given.slice(0, at), wordsOf(given.slice(at + 1))];
  return valid({ key, words }, at > 0 && isKey(key) && Boolean(words[0]), problem);
}

/** Splits a command at spaces, except within quotes; empty if a quote is not closed. */
function wordsOf(command: string): readonly string[] {
  if (!/^(?:"[^"]*"|'[^']*'|[^"'])*$/.test(command)) return [];
  const words = command.match(/(?:"[^"]*"|'[^']*'|[^\s"'])+/g) ?? [];
  return words.map((word) => word.replace(/"([^"]*)"|'([^']*)'/g, "$1$2"));
}

/** A variable for programs; without a value, the server's own is passed on. */
export interface Variable {
  readonly name: string;
  readonly value: string | null;
}

/** `NAME=VALUE` or `NAME`. */
export function variable(given: string): Variable {
  const [, name, value] = /^([^=\0]+)(?:=([^\0]*))?$/s.exec(given) ?? [];
  return valid({ name: name!, value: value ?? null }, name !== undefined, "it is not a variable name");
}

/** A FastCGI application and the extension of the files it handles. */
export interface Application {
  readonly extension: string;
  readonly address: UpstreamAddress;
}

/** `.php=unix:/path` or `.php=host:port`. */
export function application(given: string): Application {
  const [, extension, path, hostname, port] =
    /^(\.[^/\\=]+)=(?:unix:(.+)|(\[[0-9a-f:.%]+\]|[^:/\s]+):(\d+))$/i.exec(given) ?? [];
  const address: UpstreamAddress = path !== undefined
    ? { transport: "unix", path }
    : { transport: "tcp", hostname: hostname?.replace(/^\[|\]$/g, "") ?? "", port: Number(port) };
  const good = extension !== undefined && (path !== undefined || Number(port) >= 1 && Number(port) <= 65535);
  return valid({ extension: extension!, address }, good, "it is not of the form .EXT=unix:/PATH or .EXT=HOST:PORT");
}

/** A path and the application that answers for it. */
export interface ProxyRule {
  readonly path: string;
  /** Its URL, or `unix:/PATH`. */
  readonly upstream: string;
}

/** `/PATH=URL`. */
export function proxyRule(given: string): ProxyRule {
  const at = given.indexOf("=");
  const [path, upstream] = [given.slice(0, at), given.slice(at + 1)];
  valid(given, at > 0 && isSitePath(path), "it is not of the form /PATH=URL");
  const parsed = parseUpstream(upstream);
  return valid({ path, upstream }, typeof parsed === "object", String(parsed));
}

/** Headers that are specific to a response or connection, and would be wrong if set for all. */
const OF_ONE_RESPONSE = [
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
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** `Name: value`. A name contains no colon, so the first one ends it. */
export function header(given: string): readonly [name: string, value: string] {
  const at = given.indexOf(":");
  const [name, value] = at < 0 ? ["", given] : [given.slice(0, at), given.slice(at + 1).trim()];
  valid(name, name !== "", "it is not of the form NAME: VALUE");
  return headerField(name, value);
}

/** A header to set. */
export function headerField(name: string, value: string): readonly [name: string, value: string] {
  valid(name, name.toLowerCase() !== "content-type", "use --content-type for the type of unknown files");
  valid(name, !OF_ONE_RESPONSE.includes(name.toLowerCase()), "pyserve sets this header itself");
  return valid([name, value] as const, isHeader(name, value), "it contains characters that are not allowed in headers");
}

/** Headers without which responses would get to the wrong clients, or clients could not do what is asked of them. */
const NEEDED = [...OF_ONE_RESPONSE, "set-cookie", "vary", "www-authenticate"];

/** The name of a header that can be left out. */
export function headerName(given: string): string {
  valid(given, isHeader(given, ""), "it is not the name of a header");
  return valid(given, !NEEDED.includes(given.toLowerCase()), "responses need this header");
}

function isHeader(name: string, value: string): boolean {
  try {
    return new Headers([[name, value]]).has(name);
  } catch {
    return false;
  }
}

function valid<T>(value: T, good: boolean, problem: string): T {
  if (!good) throw new InvalidValue(problem);
  return value;
}
