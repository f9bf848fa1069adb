/**
 * From what was given on the command line to settings with types.
 *
 * @module
 */

import type { ArchiveOptions } from "../handlers/archive.ts";
import type { FileServerOptions } from "../handlers/file_server.ts";
import type { SearchOptions } from "../handlers/search.ts";
import type { UploadOptions } from "../handlers/upload.ts";
import { CGI, type OptionName, type Options, PROGRAMS, WRITING } from "./options.ts";
import type { Given } from "./parse.ts";
import { UsageError } from "./usage_error.ts";

/** What the command is to do. */
export interface Settings {
  /** The directory or file to serve. */
  readonly root: string;
  /** The address to bind. */
  readonly hostname: string;
  /** The options because of which that is this machine only, although nobody asked for it. */
  readonly confinedBy: readonly string[];
  /** The names under which it may be asked besides its own; null where none were given. */
  readonly hosts: readonly string[] | null;
  /** The port, 0 for any. */
  readonly port: number;
  /** Whether it speaks HTTP/1.0 as Python does, and nothing later. */
  readonly classic: boolean;
  /** The number of processes that serve; 1 is this one. */
  readonly workers: number;
  /** Where certificate, key and password are, or null for plain HTTP. */
  readonly tls: TlsFiles | null;
  /** How to serve. */
  readonly server: FileServerOptions;
  /** What to do besides; cli/features.ts loads it. */
  readonly features: FeatureSettings;
}

/** What the command does besides serving files; null is what was not asked for, or was forbidden. */
export interface FeatureSettings {
  /** What cli/cgi.ts makes the feature of. */
  readonly cgi: Options | null;
  /** What cli/fastcgi.ts makes the features of. */
  readonly fastcgi: Options | null;
  /** What may be written, and how. */
  readonly upload: UploadOptions | null;
  /** The only directories where that is allowed, because programs run. */
  readonly uploadPlaces: readonly string[] | null;
  /** How directories are packed. */
  readonly archive: ArchiveOptions | null;
  /** How names are searched for. */
  readonly search: SearchOptions | null;
  /** Whether checksums of files are made. */
  readonly checksum: boolean;
}

/** Options that let whoever reaches the server do more than read. */
const DANGEROUS: readonly OptionName[] = [...WRITING, ...PROGRAMS];

/** The files that TLS needs. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string | null;
  readonly password: string | null;
}

/** Makes settings of what was given. Throws {@linkcode UsageError}. */
export function settingsOf({ options, names }: Given): Settings {
  refuseWritingBesidePrograms(options, names);
  const { bind } = options;
  const dangerous = DANGEROUS.filter((name) => names.has(name));
  const confinedBy = bind === null ? dangerous.map((name) => `--${name}`) : [];
  const cert = options["tls-cert"];
  return {
    root: options.directory ?? ".",
    hostname: bind ?? (confinedBy.length > 0 ? "127.0.0.1" : "0.0.0.0"),
    confinedBy,
    hosts: options["allow-host"].length > 0 ? options["allow-host"] : null,
    port: options.port,
    classic: options.protocol === "HTTP/1.0",
    workers: options.workers,
    tls: cert === null ? null : { cert, key: options["tls-key"], password: options["tls-password-file"] },
    server: serverOptionsOf(options),
    features: featuresOf(options, names),
  };
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
    // Without listings, their contents must not come out in another way.
    archive: listing && !options["no-archive"] ? { ...(maxBytes !== null && { maxBytes }) } : null,
    search: listing && !options["no-search"] ? {} : null,
    checksum: !options["no-checksum"],
  };
}

function refuseWritingBesidePrograms(options: Options, names: Given["names"]): void {
  const [programs, writing] = [PROGRAMS, WRITING].map((ways) => ways.find((name) => names.has(name)));
  if (programs === undefined || writing === undefined || options["upload-beside-programs"] !== null) return;
  throw new UsageError(
    `Cannot use --${writing} together with --${programs}: programs would run or read what was uploaded; ` +
      "--upload-beside-programs DIR accepts uploads in directories in which nothing is run",
  );
}

/** What may be written; null for nothing. */
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
