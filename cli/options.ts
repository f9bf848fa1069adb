/**
 * The one table of options: parsing, checks and `--help` are made of it.
 *
 * @module
 */

import { LOG_FORMATS } from "../handlers/layers/access_log.ts";
import { CONFLICT_POLICIES } from "../handlers/upload/conflict.ts";

/** The headings of `--help`, in order. */
export const GROUPS = [
  "Address",
  "What is served",
  "What may be written",
  "How it is sent",
  "HTTPS",
  "Log",
  "Other",
] as const;

/** One option of the command. */
export interface Option {
  /** The long name, without the hyphens. */
  readonly name: string;
  /** The one-letter name, without the hyphen. */
  readonly short?: string;
  /** What the value is called in `--help`; an option without it is a switch. */
  readonly value?: string;
  /** Whether it may be given several times. */
  readonly repeatable?: boolean;
  /** Whether the value may be two words, `NAME VALUE`. */
  readonly pair?: boolean;
  /** The values it can have. */
  readonly choices?: readonly string[];
  /** What is wrong with a value, or null. */
  readonly check?: (value: string) => string | null;
  /** An option without which this one says nothing; of several, one is enough. */
  readonly needs?: string | readonly string[];
  /** Options that this one contradicts. */
  readonly excludes?: readonly string[];
  /** Why it cannot be used yet. */
  readonly missing?: string;
  /** The heading in `--help`. */
  readonly group: typeof GROUPS[number];
  /** What it does, for `--help`. */
  readonly help: string;
}

/** The table. */
export const OPTIONS: readonly Option[] = [
  {
    name: "bind",
    short: "b",
    value: "ADDRESS",
    group: "Address",
    help: "Listen on this address or name only (default: 0.0.0.0, all of IPv4; :: is all of IPv6 and IPv4)",
    check: (value) => value === "" ? "it is empty" : null,
  },
  {
    name: "protocol",
    short: "p",
    value: "VERSION",
    group: "Address",
    help: "HTTP/1.1 (default; with TLS also HTTP/2). HTTP/1.0 is not there yet",
    check: checkProtocol,
  },
  {
    name: "workers",
    value: "N",
    group: "Address",
    help:
      "Serve with N processes, or with one for each core: auto (default: 1). Each has a cache of its own. Linux only",
    check: checkWorkers,
  },
  {
    name: "directory",
    short: "d",
    value: "DIRECTORY",
    group: "What is served",
    help: "Serve this directory, or this one file (default: the current directory)",
  },
  {
    name: "index",
    value: "NAME",
    repeatable: true,
    group: "What is served",
    help: "A file that stands for its directory; may be repeated (default: index.html, index.htm)",
    check: (value) => value === "" || /[/\0]/.test(value) ? "it is not the name of a file" : null,
  },
  {
    name: "no-listing",
    group: "What is served",
    help: "Answer 404 for directories without an index file",
  },
  {
    name: "no-archive",
    group: "What is served",
    help: "Do not pack directories for ?archive=zip, tar or tar.gz (nor with --no-listing)",
  },
  {
    name: "archive-max",
    value: "SIZE",
    excludes: ["no-archive"],
    group: "What is served",
    help: "Bytes of files that are packed at once at most, with K, M or G behind (default: no limit)",
    check: (value) => sizeOf(value) === null ? "it is not a size such as 10G" : null,
  },
  {
    name: "no-search",
    group: "What is served",
    help: "Do not search below directories for ?q=TEXT (nor with --no-listing)",
  },
  {
    name: "no-checksum",
    group: "What is served",
    help: "Do not make checksums of files for ?sha256 and its relatives",
  },
  {
    name: "hidden",
    group: "What is served",
    help: "Serve and list names with a dot in front (default: only .well-known)",
  },
  {
    name: "follow-links",
    group: "What is served",
    help: "Follow symbolic links that lead out of the directory",
  },
  {
    name: "cgi",
    group: "What is served",
    help: "Run CGI programs. Not there yet",
    missing: "CGI is not there yet",
  },
  {
    name: "upload",
    group: "What may be written",
    help: "Take new files and directories. Without --bind only this machine can reach the server then",
  },
  {
    name: "delete",
    group: "What may be written",
    help: "Delete, overwrite and move what is there. Without --bind only this machine can reach the server then",
  },
  {
    name: "all",
    group: "What may be written",
    help: "The same as --upload --delete",
  },
  {
    name: "on-conflict",
    value: "POLICY",
    choices: CONFLICT_POLICIES,
    needs: ["upload", "delete", "all"],
    group: "What may be written",
    help: `What to do where a name is taken: ${CONFLICT_POLICIES.join(", ")} (default: fail)`,
  },
  {
    name: "max-upload",
    value: "SIZE",
    needs: ["upload", "all"],
    group: "What may be written",
    help: "Take files up to this size: bytes, or with K, M or G behind (default: what the disk has room for)",
    check: (value) => sizeOf(value) === null ? "it is not a size such as 64M" : null,
  },
  {
    name: "header",
    short: "H",
    value: "NAME VALUE",
    pair: true,
    repeatable: true,
    group: "How it is sent",
    help: 'Put a header on every response; also as "NAME: VALUE"; may be repeated',
    check: checkHeader,
  },
  {
    name: "content-type",
    value: "TYPE",
    group: "How it is sent",
    help: "The type of files with an unknown extension (default: application/octet-stream)",
    check: (value) => /^[\w!#$&^.+-]+\/[\w!#$&^.+-]+(\s*;.*)?$/.test(value) ? null : "it is not a media type",
  },
  {
    name: "precompressed",
    group: "How it is sent",
    help: "Send NAME.br, NAME.zst or NAME.gz for NAME to clients that take it",
  },
  {
    name: "cache-size",
    value: "SIZE",
    group: "How it is sent",
    help: "Memory for files that are asked for again: bytes, or with K, M or G behind (default: 64M; 0 for none)",
    check: (value) => sizeOf(value) === null ? "it is not a size such as 64M" : null,
  },
  {
    name: "tls-cert",
    value: "PATH",
    group: "HTTPS",
    help: "Speak HTTPS with the certificate chain in this PEM file, which may hold the key too",
  },
  {
    name: "tls-key",
    value: "PATH",
    needs: "tls-cert",
    group: "HTTPS",
    help: "The PEM file with the private key",
  },
  {
    name: "tls-password-file",
    value: "PATH",
    needs: "tls-cert",
    group: "HTTPS",
    help: "The file with the password of the private key",
  },
  {
    name: "log-format",
    value: "FORMAT",
    choices: LOG_FORMATS,
    group: "Log",
    help: `The format of the log on stderr: ${LOG_FORMATS.join(", ")} (default: python)`,
  },
  {
    name: "quiet",
    excludes: ["log-format"],
    group: "Log",
    help: "Log no requests, only errors of the server",
  },
  { name: "help", short: "h", group: "Other", help: "Show this text" },
  { name: "version", group: "Other", help: "Show the version" },
];

function checkProtocol(value: string): string | null {
  if (value === "HTTP/1.1") return null;
  if (value === "HTTP/1.0") return "it needs the classic engine, which is not there yet";
  return "it is not HTTP/1.0 or HTTP/1.1";
}

/** More processes than that, on any machine, are a slip of the finger. */
const MOST_WORKERS = 256;

function checkWorkers(value: string): string | null {
  const good = value === "auto" || /^\d+$/.test(value) && Number(value) >= 1 && Number(value) <= MOST_WORKERS;
  return good ? null : `it is neither a number from 1 to ${MOST_WORKERS} nor auto`;
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

function checkHeader(value: string): string | null {
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

/** Takes `Name: value` apart. A name has no colon in it, so the first one ends it. */
export function splitHeader(header: string): [name: string, value: string] {
  const at = header.indexOf(":");
  return at < 0 ? ["", header] : [header.slice(0, at), header.slice(at + 1).trim()];
}
