/**
 * Converts parsed options to typed settings.
 *
 * @module
 */

import type { ArchiveOptions } from "../handlers/archive/archive.ts";
import type { HeaderField } from "../handlers/layers/headers.ts";
import type { FileServerOptions } from "../handlers/site/file_server.ts";
import type { SearchOptions } from "../handlers/search/search.ts";
import type { UploadOptions } from "../handlers/upload/upload.ts";
import type { Endpoint, InheritedEndpoint } from "../handlers/transport/endpoint.ts";
import { socketOf } from "./address.ts";
import { CGI, type OptionName, type Options, PROGRAMS, WRITING } from "./options.ts";
import { type AccessRule, parseAccessRule } from "../handlers/identity/rules.ts";
import type { ForwardedBy } from "../handlers/http/forwarded.ts";
import type { Given } from "./parse.ts";
import { UsageError } from "./usage_error.ts";
import type { MountPoint } from "./values.ts";

/** The settings of one run. */
export interface Settings {
  /** The directory or file to serve, without a trailing slash. */
  readonly root: string;
  /** Whether it had one: then a file is an archive to be served as a directory. */
  readonly isDirectory: boolean;
  /** What else is served, at paths below the root. */
  readonly mounts: readonly MountPoint[];
  /** The path below which everything is served; null for the root. */
  readonly base: string | null;
  /** Where to listen. */
  readonly endpoint: Endpoint;
  /** The options that limit the default address to loopback. */
  readonly confinedBy: readonly string[];
  /** Whether to listen on the next free port if that of the endpoint is in use. */
  readonly orNextPort: boolean;
  /** Maximum drain time, in milliseconds. */
  readonly drain: number;
  /** Whether to answer health checks. */
  readonly health: boolean;
  /** Where to serve metrics; null for none. */
  readonly metrics: Endpoint | null;
  /** Whether to open a browser. */
  readonly open: boolean;
  /** Additional accepted host names; null if not given. */
  readonly hosts: readonly string[] | null;
  /** The proxies that are believed. */
  readonly trustedProxies: readonly string[];
  /** How they name the client. */
  readonly forwardedBy: ForwardedBy | "proxy-protocol";
  /** Whether it speaks only HTTP/1.0, as Python does. */
  readonly classic: boolean;
  /** The number of server processes; 1 means this one only. */
  readonly workers: number;
  /** Paths of certificate, key and password, or what an authority of this machine needs; null for plain HTTP. */
  readonly tls: TlsFiles | LocalTls | null;
  /** The port whose plain HTTP is redirected to HTTPS; null for none. */
  readonly redirect: number | null;
  /** The seconds of Strict-Transport-Security; null for none. */
  readonly hsts: number | null;
  /** The file for the log; null for standard error. */
  readonly logFile: string | null;
  /** Whether to print QR codes of the URLs. */
  readonly qr: boolean;
  /** Options of the file server. */
  readonly server: FileServerOptions;
  /** Policies of responses, converted by cli/policies.ts; null for the usual ones. */
  readonly policies: PolicySettings | null;
  /** Who the users are and what they may do; null if there are none. Converted by cli/identity.ts. */
  readonly identity: IdentitySettings | null;
  /** Optional features, loaded by cli/features.ts. */
  readonly features: FeatureSettings;
}

/** Settings of the optional features; null if a feature is off. */
export interface FeatureSettings {
  /** Converted by cli/cgi.ts. */
  readonly cgi: Options | null;
  /** Converted by cli/fastcgi.ts. */
  readonly fastcgi: Options | null;
  /** Converted by cli/proxy.ts. */
  readonly proxy: Options | null;
  /** Write rights and limits. */
  readonly upload: UploadOptions | null;
  /** The only directories that accept uploads when programs run. */
  readonly uploadPlaces: readonly string[] | null;
  /** Limits of archives. */
  readonly archive: ArchiveOptions | null;
  /** Limits of searches. */
  readonly search: SearchOptions | null;
  /** What live reload ignores; null without it. */
  readonly watch: readonly string[] | null;
  /** Whether checksums are available. */
  readonly checksum: boolean;
}

/** What browsers and caches may do with responses. */
export interface PolicySettings {
  /** The origins whose pages may read; null for the same origin. */
  readonly origins: "*" | readonly string[] | null;
  /** Whether pages are isolated from other origins. */
  readonly isIsolated: boolean;
  /** How long clients may use files without asking; null if they ask. */
  readonly cache: "auto" | "off" | number | null;
  /** Whether responses are compressed. */
  readonly isCompressed: boolean;
}

/** Users and their rights. */
export interface IdentitySettings {
  /** The file of users; null for `variable`. */
  readonly file: string | null;
  /** The environment variable with the only user. */
  readonly variable: string | null;
  readonly rules: readonly AccessRule[];
  /** The state directory; null for the default one. */
  readonly state: string | null;
}

/** Options that give clients more than read access. */
const DANGEROUS: readonly OptionName[] = [...WRITING, ...PROGRAMS, "proxy"];

/** The files for TLS. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string | null;
  readonly password: string | null;
}

/** For certificates of an authority of this machine. */
export interface LocalTls {
  /** The state directory; null for the default one. */
  readonly state: string | null;
}

/**
 * Converts a parsed command line. Throws {@linkcode UsageError}.
 *
 * @param activated The socket passed by systemd, used if no option names an address or a port.
 * @param env Its HOME is what `~` stands for in mounts, where the shell does not replace it.
 */
export function settingsOf(
  { options, names }: Given,
  activated: InheritedEndpoint | null = null,
  env: Readonly<Record<string, string>> = {},
): Settings {
  refuseWritingBesidePrograms(options, names);
  const chosen = chosenEndpoint(options, names, activated);
  const dangerous = DANGEROUS.filter((name) => names.has(name));
  const identity = identityOf(options);
  // Users may do from anywhere what only this machine may do without them.
  const confinedBy = chosen === null && identity === null ? dangerous.map((name) => `--${name}`) : [];
  const hostname = confinedBy.length > 0 ? "127.0.0.1" : "0.0.0.0";
  const endpoint: Endpoint = chosen ?? { kind: "tcp", hostname, port: options.port.port };
  return {
    ...placesOf(options, env),
    endpoint,
    confinedBy,
    hosts: options["allow-host"].length > 0 ? options["allow-host"] : null,
    orNextPort: options.port.orNext,
    drain: options.drain,
    health: options.health,
    metrics: options.metrics,
    open: openOf(options, endpoint),
    trustedProxies: options["trusted-proxy"].flat(),
    forwardedBy: options.forwarded,
    classic: options.protocol === "HTTP/1.0",
    workers: options.workers,
    ...httpsOf(options, endpoint),
    logFile: options["log-file"],
    qr: qrOf(options, endpoint),
    server: serverOptionsOf(options),
    policies: policiesOf(options),
    identity,
    features: featuresOf(options, names),
  };
}

/** What is served, and where. */
function placesOf(
  options: Options,
  env: Readonly<Record<string, string>>,
): Pick<Settings, "root" | "isDirectory" | "mounts" | "base"> {
  const directory = options.directory ?? ".";
  const mounts = options.mount.map(({ prefix, path }) => ({ prefix, path: fromHome(path, env) }));
  for (const [index, { prefix }] of mounts.entries()) {
    if (mounts.findIndex((mount) => mount.prefix === prefix) < index) {
      throw new UsageError(`Cannot mount two directories at ${prefix}`);
    }
    const names = prefix.split("/");
    if (names[1] === ".pyserve") throw new UsageError(`Cannot mount at ${prefix}: pyserve itself answers there`);
    if (!options.hidden && names.some((name) => name.startsWith(".") && name !== ".well-known")) {
      throw new UsageError(`Cannot mount at ${prefix}: dotfiles are not served; add --hidden`);
    }
  }
  const isDirectory = /[^/]\/+$/.test(directory);
  return { root: isDirectory ? withoutSlashes(directory) : directory, isDirectory, mounts, base: options.base };
}

function withoutSlashes(path: string): string {
  return path.endsWith("/") ? withoutSlashes(path.slice(0, -1)) : path;
}

function fromHome(path: string, { HOME, USERPROFILE }: Readonly<Record<string, string>>): string {
  const home = HOME ?? USERPROFILE;
  return home && (path === "~" || path.startsWith("~/")) ? home + path.slice(1) : path;
}

function httpsOf(options: Options, endpoint: Endpoint): Pick<Settings, "tls" | "redirect" | "hsts"> {
  const { "tls-cert": cert, "redirect-http": redirect, hsts } = options;
  const name = options.tls ? "tls" : "tls-cert";
  if ((options.tls || cert !== null) && endpoint.kind === "unix") {
    throw new UsageError(`Cannot use --${name} with a Unix socket: the proxy in front of it has the certificate`);
  }
  if (redirect !== null && redirect !== 0 && endpoint.kind === "tcp" && redirect === endpoint.port) {
    throw new UsageError(`Cannot use --redirect-http ${redirect}: HTTPS is on this port`);
  }
  const files = cert === null ? null : { cert, key: options["tls-key"], password: options["tls-password-file"] };
  return { tls: options.tls ? { state: options.state } : files, redirect, hsts };
}

function qrOf({ qr }: Options, endpoint: Endpoint): boolean {
  if (qr && endpoint.kind === "unix") throw new UsageError("Cannot use --qr with a Unix socket: it has no URL");
  return qr;
}

function openOf({ open }: Options, endpoint: Endpoint): boolean {
  if (open && endpoint.kind === "unix") throw new UsageError("Cannot use --open with a Unix socket: it has no URL");
  return open;
}

function identityOf({ auth, "auth-env": variable, access, state, ...options }: Options): IdentitySettings | null {
  if (auth === null && variable === null) return null;
  const given = [...(options.public ? ["anyone:read"] : []), ...(access.length === 0 ? ["users:all"] : [])];
  return { file: auth, variable, rules: [...given.map(parseAccessRule), ...access], state };
}

/** The endpoint that the operator chose; null for the default address. */
function chosenEndpoint(options: Options, names: Given["names"], activated: InheritedEndpoint | null): Endpoint | null {
  const { bind, port } = options;
  if (bind !== null) return socketOf(bind) ?? { kind: "tcp", hostname: bind, port: port.port };
  return names.has("port") ? null : activated;
}

function serverOptionsOf(options: Options): FileServerOptions {
  const { index, "cache-size": cacheSize, "content-type": fallback } = options;
  return {
    hidden: options.hidden,
    followLinks: options["follow-links"],
    listing: !options["no-listing"],
    ...(options.precompressed && { precompressed: true }),
    ...(options["no-precompressed"] && { precompressed: false }),
    ...(options["precompressed-only"] && { precompressedOnly: true }),
    ...(options["no-sandbox"] && { sandbox: false }),
    headers: headersOf(options),
    log: options.quiet ? false : options["log-format"],
    ...(cacheSize !== null && { cacheSize }),
    ...(fallback !== null && { fallback }),
    ...(options.charset !== "utf-8" && { charset: options.charset }),
    ...(index.length > 0 && { index }),
    ...pagesOf(options),
    ...(options.type.length > 0 && { types: Object.fromEntries(options.type) }),
    ...(options["upload-beside-programs"] && { uploadBesidePrograms: options["upload-beside-programs"] }),
  };
}

function policiesOf(options: Options): PolicySettings | null {
  const { cors: origins, isolated: isIsolated, cache, compress: isCompressed } = options;
  if (origins === null && !isIsolated && cache === null && !isCompressed) return null;
  return { origins, isIsolated, cache, isCompressed };
}

function headersOf({ header, "remove-header": removed }: Options): readonly HeaderField[] {
  const both = header.find(([name]) => removed.some((other) => other.toLowerCase() === name.toLowerCase()));
  if (both) throw new UsageError(`Cannot both set and remove the header ${both[0]}`);
  return [...header, ...removed.map((name) => [name, null] as const)];
}

/** How pages are found. */
function pagesOf(options: Options): FileServerOptions {
  const { spa, "clean-urls": cleanUrls, "trailing-slash": trailingSlash, "not-found": notFound } = options;
  return {
    ...(spa !== false && { spa }),
    ...(cleanUrls && { cleanUrls }),
    ...(trailingSlash !== "auto" && { trailingSlash }),
    ...(notFound !== null && { notFound }),
  };
}

function featuresOf(options: Options, names: Given["names"]): FeatureSettings {
  const maxBytes = options["archive-max"];
  const listing = !options["no-listing"];
  return {
    cgi: CGI.some((name) => names.has(name)) ? options : null,
    fastcgi: options.fastcgi.length > 0 ? options : null,
    proxy: proxyOf(options),
    upload: uploadOf(options),
    uploadPlaces: options["upload-beside-programs"],
    // Without listings, an archive must not reveal the names either.
    archive: listing && !options["no-archive"] ? { ...(maxBytes !== null && { maxBytes }) } : null,
    search: listing && !options["no-search"] ? {} : null,
    watch: options.watch ? options["watch-ignore"] : null,
    checksum: !options["no-checksum"],
  };
}

function proxyOf(options: Options): Options | null {
  const paths = options.proxy.map(({ path }) => path.replace(/\/$/, ""));
  const twice = paths.find((path, index) => paths.indexOf(path) !== index);
  if (twice !== undefined) throw new UsageError(`Cannot use --proxy twice for ${twice || "/"}`);
  return paths.length > 0 ? options : null;
}

function refuseWritingBesidePrograms(options: Options, names: Given["names"]): void {
  const [programs, writing] = [PROGRAMS, WRITING].map((ways) => ways.find((name) => names.has(name)));
  if (programs === undefined || writing === undefined || options["upload-beside-programs"] !== null) return;
  throw new UsageError(
    `Cannot use --${writing} together with --${programs}: programs could run or read uploaded files; ` +
      "use --upload-beside-programs DIR to accept uploads in directories where nothing is run",
  );
}

/** The write rights; null for none. */
function uploadOf(options: Options): UploadOptions | null {
  const rights = { create: options.all || options.upload, change: options.all || options.delete };
  if (!rights.create && !rights.change) return null;
  const onConflict = options["on-conflict"];
  if (onConflict === "overwrite" && !rights.change) {
    throw new UsageError("The option --on-conflict overwrite needs --delete");
  }
  const maxBytes = options["max-upload"];
  return { rights, onConflict, ...(maxBytes !== null && { maxBytes }) };
}
