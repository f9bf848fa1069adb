/**
 * Converts parsed options to typed settings.
 *
 * @module
 */

import type { ArchiveOptions } from "../handlers/archive/archive.ts";
import type { FileServerOptions } from "../handlers/site/file_server.ts";
import type { SearchOptions } from "../handlers/search/search.ts";
import type { UploadOptions } from "../handlers/upload/upload.ts";
import type { Endpoint, InheritedEndpoint } from "../handlers/transport/endpoint.ts";
import { socketOf } from "./address.ts";
import { CGI, type OptionName, type Options, PROGRAMS, WRITING } from "./options.ts";
import type { Given } from "./parse.ts";
import { UsageError } from "./usage_error.ts";

/** The settings of one run. */
export interface Settings {
  /** The directory or file to serve. */
  readonly root: string;
  /** Where to listen. */
  readonly endpoint: Endpoint;
  /** The options that limit the default address to loopback. */
  readonly confinedBy: readonly string[];
  /** Additional accepted host names; null if not given. */
  readonly hosts: readonly string[] | null;
  /** Whether it speaks only HTTP/1.0, as Python does. */
  readonly classic: boolean;
  /** The number of server processes; 1 means this one only. */
  readonly workers: number;
  /** Paths of certificate, key and password, or null for plain HTTP. */
  readonly tls: TlsFiles | null;
  /** Options of the file server. */
  readonly server: FileServerOptions;
  /** Optional features, loaded by cli/features.ts. */
  readonly features: FeatureSettings;
}

/** Settings of the optional features; null if a feature is off. */
export interface FeatureSettings {
  /** Converted by cli/cgi.ts. */
  readonly cgi: Options | null;
  /** Converted by cli/fastcgi.ts. */
  readonly fastcgi: Options | null;
  /** Write rights and limits. */
  readonly upload: UploadOptions | null;
  /** The only directories that accept uploads when programs run. */
  readonly uploadPlaces: readonly string[] | null;
  /** Limits of archives. */
  readonly archive: ArchiveOptions | null;
  /** Limits of searches. */
  readonly search: SearchOptions | null;
  /** Whether checksums are available. */
  readonly checksum: boolean;
}

/** Options that give clients more than read access. */
const DANGEROUS: readonly OptionName[] = [...WRITING, ...PROGRAMS];

/** The files for TLS. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string | null;
  readonly password: string | null;
}

/**
 * Converts a parsed command line. Throws {@linkcode UsageError}.
 *
 * @param activated The socket passed by systemd, used if no option names an address or a port.
 */
export function settingsOf({ options, names }: Given, activated: InheritedEndpoint | null = null): Settings {
  refuseWritingBesidePrograms(options, names);
  const chosen = chosenEndpoint(options, names, activated);
  const dangerous = DANGEROUS.filter((name) => names.has(name));
  const confinedBy = chosen === null ? dangerous.map((name) => `--${name}`) : [];
  const hostname = confinedBy.length > 0 ? "127.0.0.1" : "0.0.0.0";
  const cert = options["tls-cert"];
  if (cert !== null && chosen?.kind === "unix") {
    throw new UsageError("Cannot use --tls-cert with a Unix socket: the proxy in front of it has the certificate");
  }
  return {
    root: options.directory ?? ".",
    endpoint: chosen ?? { kind: "tcp", hostname, port: options.port },
    confinedBy,
    hosts: options["allow-host"].length > 0 ? options["allow-host"] : null,
    classic: options.protocol === "HTTP/1.0",
    workers: options.workers,
    tls: cert === null ? null : { cert, key: options["tls-key"], password: options["tls-password-file"] },
    server: serverOptionsOf(options),
    features: featuresOf(options, names),
  };
}

/** The endpoint that the operator chose; null for the default address. */
function chosenEndpoint(options: Options, names: Given["names"], activated: InheritedEndpoint | null): Endpoint | null {
  const { bind, port } = options;
  if (bind !== null) return socketOf(bind) ?? { kind: "tcp", hostname: bind, port };
  return names.has("port") ? null : activated;
}

function serverOptionsOf(options: Options): FileServerOptions {
  const { index, "cache-size": cacheSize, "content-type": fallback } = options;
  return {
    hidden: options.hidden,
    followLinks: options["follow-links"],
    listing: !options["no-listing"],
    precompressed: options.precompressed,
    ...(options["no-sandbox"] && { sandbox: false }),
    headers: options.header,
    log: options.quiet ? false : options["log-format"],
    ...(cacheSize !== null && { cacheSize }),
    ...(fallback !== null && { fallback }),
    ...(options.charset !== "utf-8" && { charset: options.charset }),
    ...(index.length > 0 && { index }),
    ...(options["upload-beside-programs"] && { uploadBesidePrograms: options["upload-beside-programs"] }),
  };
}

function featuresOf(options: Options, names: Given["names"]): FeatureSettings {
  const maxBytes = options["archive-max"];
  const listing = !options["no-listing"];
  return {
    cgi: CGI.some((name) => names.has(name)) ? options : null,
    fastcgi: options.fastcgi.length > 0 ? options : null,
    upload: uploadOf(options),
    uploadPlaces: options["upload-beside-programs"],
    // Without listings, an archive must not reveal the names either.
    archive: listing && !options["no-archive"] ? { ...(maxBytes !== null && { maxBytes }) } : null,
    search: listing && !options["no-search"] ? {} : null,
    checksum: !options["no-checksum"],
  };
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
