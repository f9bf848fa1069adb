/**
 * From what was given on the command line to settings with types.
 *
 * @module
 */

import type { ArchiveOptions } from "../handlers/archive.ts";
import type { FileServerOptions } from "../handlers/file_server.ts";
import type { LogFormat } from "../handlers/layers/access_log.ts";
import type { SearchOptions } from "../handlers/search.ts";
import type { UploadOptions } from "../handlers/upload.ts";
import type { ConflictPolicy } from "../handlers/upload/conflict.ts";
import { CGI_WAYS, PROGRAM_WAYS, WRITING_WAYS } from "./options.ts";
import { bindAddress, splitAddress } from "./address.ts";
import { isNumber, isPort, portOf, sizeOf, splitHeader } from "./values.ts";
import { type Given, UsageError } from "./parse.ts";

/** What the command is to do. */
export interface Settings {
  /** The directory or file to serve. */
  readonly root: string;
  /** The address to bind. */
  readonly hostname: string;
  /** The options because of which that is this machine only, although nobody asked for it. */
  readonly confinedBy: readonly string[];
  /** The names under which it may be asked, besides addresses and `localhost`; null for any. */
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
  /** What was given for CGI, which cli/cgi.ts takes apart. */
  readonly cgi: Given["values"] | null;
  /** What was given for FastCGI, which cli/fastcgi.ts takes apart. */
  readonly fastcgi: Given["values"] | null;
  /** What may be written, and how. */
  readonly upload: UploadOptions | null;
  /** Where alone that may be, because programs run. */
  readonly uploadPlaces: readonly string[] | null;
  /** How directories are packed. */
  readonly archive: ArchiveOptions | null;
  /** How names are searched for. */
  readonly search: SearchOptions | null;
  /** Whether checksums of files are made. */
  readonly checksum: boolean;
}

/** Options that let whoever reaches the server do more than read. */
const DANGEROUS: readonly string[] = [...WRITING_WAYS, ...PROGRAM_WAYS];

/** The files that TLS needs. */
export interface TlsFiles {
  readonly cert: string;
  readonly key: string | null;
  readonly password: string | null;
}

/** Makes settings of what was given. Throws {@linkcode UsageError}. */
export function settingsOf({ values, words }: Given): Settings {
  const one = (name: string) => values.get(name)?.[0] ?? null;
  const programs = CGI_WAYS.some((name) => values.has(name));
  const without = (...names: readonly string[]) => !names.some((name) => values.has(name));
  const { root, bind, port } = placeOf(words, values);
  const cert = one("tls-cert");
  const contentType = one("content-type");
  const charset = one("charset");
  const cacheSize = one("cache-size");
  const index = values.get("index");
  const archiveMax = one("archive-max");
  const uploadPlaces = uploadPlacesOf(values);
  const confinedBy = bind === null ? DANGEROUS.filter((name) => values.has(name)).map((name) => `--${name}`) : [];
  return {
    root,
    hostname: bind ?? (confinedBy.length > 0 ? "127.0.0.1" : "0.0.0.0"),
    confinedBy,
    hosts: hostsOf(values, bind),
    port,
    classic: one("protocol") === "HTTP/1.0",
    workers: countOf(one("workers") ?? "1"),
    tls: cert === null ? null : { cert, key: one("tls-key"), password: one("tls-password-file") },
    server: {
      hidden: values.has("hidden"),
      followLinks: values.has("follow-links"),
      listing: !values.has("no-listing"),
      precompressed: values.has("precompressed"),
      ...(values.has("no-sandbox") && { sandbox: false }),
      headers: (values.get("header") ?? []).map(splitHeader),
      log: values.has("quiet") ? false : (one("log-format") as LogFormat | null) ?? "python",
      ...(cacheSize !== null && { cacheSize: sizeOf(cacheSize)! }),
      ...(contentType !== null && { fallback: contentType }),
      ...(charset !== null && { charset: charset === "none" ? null : charset.toLowerCase() }),
      ...(index && { index }),
      ...(uploadPlaces && { uploadBesidePrograms: uploadPlaces }),
    },
    features: {
      cgi: programs ? values : null,
      fastcgi: values.has("fastcgi") ? values : null,
      upload: uploadOf(values),
      uploadPlaces,
      // Who wants no listings does not want their contents told in another way.
      archive: without("no-archive", "no-listing") ? { ...(archiveMax && { maxBytes: sizeOf(archiveMax)! }) } : null,
      search: without("no-search", "no-listing") ? {} : null,
      checksum: without("no-checksum"),
    },
  };
}

/** Names that were given; and where more than reading is possible, those of the machine, as far as that may be known. */
function hostsOf(values: Given["values"], bind: string | null): readonly string[] | null {
  const given = values.get("allow-host");
  if (!DANGEROUS.some((name) => values.has(name))) return given ?? null;
  return [...given ?? [], ...bind === null ? [] : [bind], ...namesOfMachine()];
}

function namesOfMachine(): readonly string[] {
  try {
    const name = Deno.hostname();
    return [name, `${name}.local`];
  } catch {
    return []; // without --allow-sys
  }
}

/** Where uploads are taken although programs run; null where only one of the two was asked for. */
function uploadPlacesOf(values: Given["values"]): readonly string[] | null {
  const places = values.get("upload-beside-programs")?.[0]?.split(",") ?? null;
  const [programs, writing] = [PROGRAM_WAYS, WRITING_WAYS].map((names) => names.find((name) => values.has(name)));
  if (programs === undefined || writing === undefined) return places;
  if (places !== null) return places;
  throw new UsageError(
    `Cannot use --${writing} together with --${programs}: programs would run or read what was uploaded; --upload-beside-programs DIR takes uploads in directories in which nothing is run`,
  );
}

/** What may be written; null where nothing may. */
function uploadOf(values: Given["values"]): UploadOptions | null {
  const all = values.has("all");
  const rights = { create: all || values.has("upload"), change: all || values.has("delete") };
  if (!rights.create && !rights.change) return null;
  const onConflict = (values.get("on-conflict")?.[0] ?? "fail") as ConflictPolicy;
  if (onConflict === "overwrite" && !rights.change) {
    throw new UsageError("The option --on-conflict overwrite needs --delete");
  }
  const size = values.get("max-upload")?.[0];
  return { rights, onConflict, ...(size !== undefined && { maxBytes: sizeOf(size)! }) };
}

function countOf(workers: string): number {
  return workers === "auto" ? navigator.hardwareConcurrency : Number(workers);
}

/** What is served, and where: a directory and `[ADDRESS:]PORT` in any order, or their options. A number is the port, as for Python. */
function placeOf(
  words: readonly string[],
  values: Given["values"],
): { root: string; bind: string | null; port: number } {
  const option = (name: string) => values.get(name) ?? [];
  const bound = option("bind").map(bindAddress);
  const addresses = [...bound, ...words.map(splitAddress).filter((address) => address !== null)];
  const roots = [...option("directory"), ...words.filter((word) => !isNumber(word) && splitAddress(word) === null)];
  const ports = [...option("port"), ...words.filter(isNumber), ...addresses.flatMap(({ port }) => port ?? [])];
  const hostnames = addresses.flatMap(({ hostname }) => hostname ?? []);
  if (ports.length > 1) throw new UsageError(`Cannot listen on several ports: ${ports.join(", ")}`);
  if (hostnames.length > 1) throw new UsageError(`Cannot listen on several addresses: ${hostnames.join(", ")}`);
  if (roots.length > 1) throw new UsageError(`Cannot serve several directories: "${roots.join('", "')}"`);
  if (roots[0] === "") throw new UsageError("Cannot serve a directory without a name");
  if (/^https?:\/\//i.test(roots[0] ?? "")) {
    throw new UsageError(
      `Cannot serve "${roots[0]}": give a directory, or an address and a port such as localhost:8000`,
    );
  }
  return { root: roots[0] ?? ".", bind: hostnames[0] ?? null, port: checkedPort(ports[0] ?? "8000") };
}

function checkedPort(word: string): number {
  if (!isPort(word)) throw new UsageError(`Cannot listen on port ${word.trim()}: it is not from 0 to 65535`);
  return portOf(word);
}
