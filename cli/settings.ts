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
import { Refusal } from "../handlers/http/refusal.ts";
import { parseTarget, SitePath } from "../handlers/http/target.ts";
import type { HeaderRuleText } from "./header_rule.ts";
import { socketOf } from "./address.ts";
import { CGI, type OptionName, type Options, PROGRAMS, WRITING } from "./options.ts";
import { type AccessRule, parseAccessRule } from "../handlers/identity/rules.ts";
import type { ForwardedBy } from "../handlers/http/forwarded.ts";
import type { ToFetchOptions } from "../handlers/core/fetch.ts";
import type { Given } from "./parse.ts";
import { UsageError } from "./usage_error.ts";
import { isStoreUrl, type MountPoint } from "./values.ts";

/** What is served under one name: by the server itself, or by a virtual host. */
export interface SiteSettings {
  /** The directory or file to serve, without a trailing slash. */
  readonly root: string;
  /** Whether it had one: then a file is an archive to be served as a directory. */
  readonly isDirectory: boolean;
  /** Whether it is a mount of another site. */
  readonly isMount: boolean;
  /** What else is served, at paths below the root. */
  readonly mounts: readonly MountSettings[];
  /** Options of the file server. */
  readonly server: FileServerOptions;
  /** Policies of responses, converted by cli/policies.ts; null for the usual ones. */
  readonly policies: PolicySettings | null;
  /** Who the users are and what they may do; null if there are none. Converted by cli/identity.ts. */
  readonly identity: IdentitySettings | null;
  /** Optional features, loaded by cli/features.ts. */
  readonly features: FeatureSettings;
}

/** A mount. */
export interface MountSettings extends MountPoint {
  /** Its own settings; null for one that belongs to the site around it, and is for reading only. */
  readonly site: SiteSettings | null;
}

/** A virtual host. */
export interface HostSettings extends SiteSettings {
  /** In lower case; `*.NAME` for all subdomains. */
  readonly name: string;
}

/** The settings of one run. */
export interface Settings extends SiteSettings {
  /** Sites under names of their own. */
  readonly virtualHosts: readonly HostSettings[];
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
  /** What speaks HTTP, unless it is the classic transport. */
  readonly engine: "deno" | "native" | "auto";
  /** The number of server processes; 1 means this one only. */
  readonly workers: number;
  /** Paths of certificate, key and password, or what an authority of this machine needs; null for plain HTTP. */
  readonly tls: TlsFiles | LocalTls | null;
  /** What keeps the locks of WebDAV clients in files; null for memory, or without locks. */
  readonly locks: KeptLocks | null;
  /** The port whose plain HTTP is redirected to HTTPS; null for none. */
  readonly redirect: number | null;
  /** The seconds of Strict-Transport-Security; null for none. */
  readonly hsts: number | null;
  /** The file for the log; null for standard error. */
  readonly logFile: string | null;
  /** Whether to print QR codes of the URLs. */
  readonly qr: boolean;
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
  /** Whether WebDAV is available. */
  readonly dav: boolean;
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
  /** Headers for some paths. */
  readonly rules: readonly PlacedRule[];
}

/** Headers for some paths, as seen from above a mount if it has one. */
export interface PlacedRule extends HeaderRuleText {
  readonly below: string | null;
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
  /** Whether WebDAV clients have to log in even where anyone may read. */
  readonly davLogin: boolean;
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

/** For locks that survive a restart, and hold between workers. */
export interface KeptLocks {
  /** The state directory; null for the default one. */
  readonly state: string | null;
}

/** The options of a mount or a virtual host. */
export type SiteOptions = Pick<Given, "options" | "names" | "texts"> & Partial<Pick<Given, "origins">>;

/** Readers of options that are rarely used, and loaded only then: see cli/late_options.ts. */
export type LateOptions = typeof import("./late_options.ts");

/** Loads them for {@linkcode settingsOf} if they are needed. */
export async function lateOptions(
  { options: { mount, hosts, headers, ...options } }: Given,
): Promise<LateOptions | null> {
  const isUsed = [hosts, headers, options["spa-ignore"]].some(({ length }) => length > 0);
  return isUsed || mount.some(({ own }) => own !== null) ? await import("./late_options.ts") : null;
}

/**
 * Converts a parsed command line. Throws {@linkcode UsageError}.
 *
 * @param activated The socket passed by systemd, used if no option names an address or a port.
 * @param env Its HOME is what `~` stands for in mounts, where the shell does not replace it.
 * @param late As loaded by {@linkcode lateOptions}.
 */
export function settingsOf(
  given: Given,
  activated: InheritedEndpoint | null = null,
  env: Readonly<Record<string, string>> = {},
  late: LateOptions | null = null,
): Settings {
  const { options, names } = given;
  const world = { env, late, dangerous: new Set<OptionName>() };
  const site = siteOf(given, world);
  const virtualHosts = virtualHostsOf(given, world);
  const chosen = chosenEndpoint(options, names, activated);
  // Users may do from anywhere what only this machine may do without them.
  const confinedBy = chosen === null && site.identity === null ? [...world.dangerous].map((name) => `--${name}`) : [];
  const hostname = confinedBy.length > 0 ? "127.0.0.1" : "0.0.0.0";
  const endpoint: Endpoint = chosen ?? { kind: "tcp", hostname, port: options.port.port };
  const hosts = [...options["allow-host"], ...virtualHosts.map(({ name }) => name)];
  return {
    ...site,
    virtualHosts,
    base: options.base,
    endpoint,
    confinedBy,
    hosts: hosts.length > 0 ? hosts : null,
    orNextPort: options.port.orNext,
    drain: options.drain,
    health: options.health,
    metrics: options.metrics,
    open: openOf(options, endpoint),
    trustedProxies: options["trusted-proxy"].flat(),
    forwardedBy: options.forwarded,
    classic: options.protocol === "HTTP/1.0",
    engine: engineOf(options),
    workers: options.workers,
    ...httpsOf(options, endpoint),
    locks: locksOf(options, allSites({ ...site, virtualHosts })),
    logFile: options["log-file"],
    qr: qrOf(options, endpoint),
  };
}

/** What the settings of all sites are made with. */
interface SiteWorld {
  readonly env: Readonly<Record<string, string>>;
  readonly late: LateOptions | null;
  /** Collects the options that give clients more than read access. */
  readonly dangerous: Set<OptionName>;
}

function siteOf(given: SiteOptions, world: SiteWorld): SiteSettings {
  const { options, names } = given;
  refuseWritingBesidePrograms(options, names);
  for (const name of DANGEROUS) if (names.has(name)) world.dangerous.add(name);
  const identity = identityOf(options);
  const mounts = mountsOf(given, world).map((mount) => withRules(mount, identity?.rules ?? []));
  return {
    ...rootOf(options),
    mounts,
    server: serverOptionsOf(options, world),
    policies: policiesOf(options, world),
    identity,
    features: featuresOf(options, names),
  };
}

/** Whose header fields are believed about the client; none with the PROXY protocol, where they are the client's. */
export function believed(
  { trustedProxies, forwardedBy }: Settings,
): Pick<ToFetchOptions, "trustedProxies" | "forwardedBy"> {
  return forwardedBy === "proxy-protocol" ? {} : { trustedProxies, forwardedBy };
}

function rootOf({ directory }: Options): Pick<SiteSettings, "root" | "isDirectory" | "isMount"> {
  const root = directory ?? ".";
  if (isStoreUrl(root)) return { root, isDirectory: true, isMount: false };
  const isDirectory = /[^/]\/+$/.test(root);
  return { root: isDirectory ? withoutSlashes(root) : root, isDirectory, isMount: false };
}

function mountsOf(given: SiteOptions, world: SiteWorld): MountSettings[] {
  const { options } = given;
  return options.mount.map(({ prefix, path, own }, index) => {
    if (options.mount.findIndex((mount) => mount.prefix === prefix) < index) {
      throw new UsageError(`Cannot mount two directories at ${prefix}`);
    }
    const names = prefix.split("/");
    if (names[1] === ".pyserve") throw new UsageError(`Cannot mount at ${prefix}: pyserve itself answers there`);
    if (!options.hidden && names.some((name) => name.startsWith(".") && name !== ".well-known")) {
      throw new UsageError(`Cannot mount at ${prefix}: dotfiles are not served; add --hidden`);
    }
    if (own === null) return { prefix, path: fromHome(path, world.env), site: null };
    const rules = rulesIn(options, world).map((rule) => ({ ...rule, below: prefix }));
    const site = nestedSite({ own, scope: "mount", where: whereIn(given, "mount", prefix) }, given, rules, world);
    return { prefix, path: site.root, site: { ...site, isDirectory: true, isMount: true } };
  });
}

/** A mount or a virtual host to be read. */
interface Nested {
  /** Its own options, as JSON. */
  readonly own: string;
  readonly scope: "mount" | "host";
  /** What to call it in an error. */
  readonly where: string;
}

/** The site of a mount or a virtual host, with the rules of the site around it before its own. */
function nestedSite({ own, scope, where }: Nested, outer: SiteOptions, rules: readonly PlacedRule[], world: SiteWorld) {
  try {
    const site = siteOf(world.late!.siteOptions(own, outer.texts, scope), world);
    const policies = site.policies ?? NO_POLICIES;
    return {
      ...site,
      root: fromHome(site.root, world.env),
      policies: rules.length === 0 ? site.policies : { ...policies, rules: [...rules, ...policies.rules] },
    };
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    throw new UsageError(`Cannot use ${where}: ${error.message}`, "config");
  }
}

/** Names a mount or a virtual host, with the place of the option in its file. */
function whereIn({ origins }: SiteOptions, option: "mount" | "hosts", key: string): string {
  const origin = origins?.get(option) ?? "";
  return origin.includes(":") ? `${origin}: "${key}"` : `--${option} ${key}`;
}

/**
 * A mount with the rules for its paths: its own, and those of the site around it for paths below; without own ones,
 * those of the longest path above it.
 */
function withRules(mount: MountSettings, outer: readonly AccessRule[]): MountSettings {
  const { prefix, site } = mount;
  const at = parseTarget(prefix);
  if (site === null || site.identity === null || at instanceof Refusal) return mount;
  const own = site.identity.rules.filter((rule) => rule !== EVERYTHING || site.identity!.rules.length > 1);
  const below = outer.flatMap((rule) => {
    const prefix = rule.prefix.below(at.path);
    return prefix === null ? [] : [{ ...rule, prefix }];
  });
  const isCovered = own.length > 0 || below.some(({ prefix }) => prefix.parent === null);
  const above = outer.filter(({ prefix }) => at.path.below(prefix) !== null);
  const longest = Math.max(...above.map(({ prefix }) => prefix.segments.length));
  const passed = isCovered ? [] : above.filter(({ prefix }) => prefix.segments.length === longest);
  const rules = [...own, ...below, ...passed.map((rule) => ({ ...rule, prefix: SitePath.root }))];
  return { ...mount, site: { ...site, identity: { ...site.identity, rules } } };
}

function virtualHostsOf(given: Given, world: SiteWorld): HostSettings[] {
  const { options } = given;
  const { hosts } = options;
  const rules = rulesIn(options, world);
  return hosts.map(({ name, path, own }, index) => {
    if (hosts.findIndex((host) => host.name === name) < index) {
      throw new UsageError(`Cannot use --hosts: "${name}" is given twice`);
    }
    const json = own ?? JSON.stringify({ directory: path });
    return {
      ...nestedSite({ own: json, scope: "host", where: whereIn(given, "hosts", name) }, given, rules, world),
      name,
    };
  });
}

/** The sites of a server: its own, those of virtual hosts, and of each the mounts with settings of their own. */
export function allSites(settings: SiteSettings & Pick<Settings, "virtualHosts">): SiteSettings[] {
  return [settings, ...settings.virtualHosts].flatMap((site) => {
    return [site, ...site.mounts.flatMap((mount) => mount.site ?? [])];
  });
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

/** Without a reason to need the state directory, locks are in memory. */
function locksOf({ state, workers }: Options, sites: readonly SiteSettings[]): KeptLocks | null {
  const hasLocks = sites.some(({ features: { dav, upload } }) => dav && upload?.rights?.change);
  const isNeeded = state !== null || workers > 1 || sites.some(({ identity }) => identity !== null);
  return hasLocks && isNeeded ? { state } : null;
}

function engineOf({ engine, protocol, tls, "tls-cert": cert }: Options): Settings["engine"] {
  if (engine === "native" && protocol === "HTTP/1.0") {
    throw new UsageError("Cannot use --engine native with --protocol HTTP/1.0: that has an engine of its own");
  }
  if (engine === "native" && (tls || cert !== null)) {
    throw new UsageError("Cannot use --engine native with TLS: it serves plain HTTP only; use --engine auto or deno");
  }
  return engine;
}

function qrOf({ qr }: Options, endpoint: Endpoint): boolean {
  if (qr && endpoint.kind === "unix") throw new UsageError("Cannot use --qr with a Unix socket: it has no URL");
  return qr;
}

function openOf({ open }: Options, endpoint: Endpoint): boolean {
  if (open && endpoint.kind === "unix") throw new UsageError("Cannot use --open with a Unix socket: it has no URL");
  return open;
}

/** What users may do unless rules say otherwise. */
const EVERYTHING: AccessRule = parseAccessRule("users:all");

function identityOf({ auth, "auth-env": variable, access, state, ...options }: Options): IdentitySettings | null {
  if (auth === null && variable === null) return null;
  const anyone = options.public ? [parseAccessRule("anyone:read")] : [];
  const rules = [...anyone, ...access.length === 0 ? [EVERYTHING] : access];
  return { file: auth, variable, rules, state, davLogin: options["dav-auth"] };
}

/** The endpoint that the operator chose; null for the default address. */
function chosenEndpoint(options: Options, names: Given["names"], activated: InheritedEndpoint | null): Endpoint | null {
  const { bind, port } = options;
  if (bind !== null) return socketOf(bind) ?? { kind: "tcp", hostname: bind, port: port.port };
  return names.has("port") ? null : activated;
}

function serverOptionsOf(options: Options, { late }: SiteWorld): FileServerOptions {
  late?.requirePatterns(options["spa-ignore"]);
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

function policiesOf(options: Options, world: SiteWorld): PolicySettings | null {
  const { cors: origins, isolated: isIsolated, cache, compress: isCompressed } = options;
  const rules = rulesIn(options, world);
  if (origins === null && !isIsolated && cache === null && !isCompressed && rules.length === 0) return null;
  return { origins, isIsolated, cache, isCompressed, rules };
}

function rulesIn({ headers }: Options, { late }: SiteWorld): PlacedRule[] {
  return headers.map((text) => ({ ...late!.headerRuleOf(text), below: null }));
}

const NO_POLICIES: PolicySettings = { origins: null, isIsolated: false, cache: null, isCompressed: false, rules: [] };

function headersOf({ header, "remove-header": removed }: Options): readonly HeaderField[] {
  const both = header.find(([name]) => removed.some((other) => other.toLowerCase() === name.toLowerCase()));
  if (both) throw new UsageError(`Cannot both set and remove the header ${both[0]}`);
  return [...header, ...removed.map((name) => [name, null] as const)];
}

/** How pages are found. */
function pagesOf(options: Options): FileServerOptions {
  const { spa, "clean-urls": cleanUrls, "trailing-slash": trailingSlash, "not-found": notFound, "spa-ignore": ignore } =
    options;
  return {
    ...(spa !== false && { spa, ...(ignore.length > 0 && { spaIgnore: ignore }) }),
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
    dav: options.dav,
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
