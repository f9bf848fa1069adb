/**
 * The one table of options: parsing, checks and `--help` are made of it.
 *
 * @module
 */

import { LOG_FORMATS } from "../handlers/layers/access_log.ts";
import { CONFLICT_POLICIES } from "../handlers/upload/conflict.ts";
import {
  checkAssignment,
  checkHeader,
  checkPaths,
  checkSeconds,
  checkUploadPaths,
  checkWorkers,
  fastCgiOf,
  isExtension,
  isPort,
  pathProblem,
  sizeOf,
} from "./values.ts";

/** The headings of `--help`, in order. */
export const GROUPS = [
  "Address",
  "What is served",
  "What may be written",
  "CGI",
  "How it is sent",
  "HTTPS",
  "Log",
  "Other",
] as const;

/** One option of the command. */
export interface Option {
  /** The long name, without the hyphens. */
  readonly name: string;
  /** The one-letter names, without the hyphen: `vV` is `-v` and `-V`. */
  readonly short?: string;
  /** What other servers call it, without the hyphens: only suggested, never taken. */
  readonly elsewhere?: readonly string[];
  /** Whether it lets clients change what is served: then no error message suggests it. */
  readonly writes?: boolean;
  /** What the value is called in `--help`; an option without it is a switch. */
  readonly value?: string;
  /** Whether it may stand without its value; then the value is given behind `=` only. */
  readonly optional?: boolean;
  /** Whether it may be given several times. */
  readonly repeatable?: boolean;
  /** Whether the value may be two words, `NAME VALUE`. */
  readonly pair?: boolean;
  /** The values it can have. */
  readonly choices?: readonly string[];
  /** What is wrong with a value, or null. */
  readonly check?: (value: string) => string | null;
  /** Options without any of which this one says nothing. */
  readonly needs?: readonly string[];
  /** Options that this one contradicts. */
  readonly excludes?: readonly string[];
  /** The heading in `--help`. */
  readonly group: typeof GROUPS[number];
  /** What it does, for `--help`. */
  readonly help: string;
}

/** The options that turn CGI on. */
export const CGI_WAYS: readonly string[] = ["cgi", "cgi-ext", "cgi-map", "cgi-mount"];

/** The options by which programs answer at all, FastCGI applications among them. */
export const PROGRAM_WAYS: readonly string[] = [...CGI_WAYS, "fastcgi"];

/** The options by which anything may be written. */
export const WRITING_WAYS: readonly string[] = ["upload", "delete", "all"];

/** The table. */
export const OPTIONS: readonly Option[] = [
  {
    name: "bind",
    short: "b",
    elsewhere: ["host", "hostname", "address", "listen"],
    value: "ADDRESS[:PORT]",
    group: "Address",
    help: "Listen on this address or name only (default: 0.0.0.0, all of IPv4; :: is all of IPv6 and IPv4)",
    check: (value) => value === "" ? "it is empty" : null,
  },
  {
    name: "port",
    short: "p",
    value: "PORT",
    group: "Address",
    help: "Listen on this port; also as a word of its own (default: 8000; 0: any free port)",
    check: (value) => isPort(value) ? null : "it is not a port from 0 to 65535",
  },
  {
    name: "allow-host",
    value: "NAME",
    repeatable: true,
    group: "Address",
    help:
      "Answer under this name, besides addresses and localhost; *.NAME is all below it; may be repeated (default: any name, but with CGI or writing only those of this machine)",
    check: (value) => /^(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$/.test(value) ? null : "it is not the name of a host",
  },
  {
    name: "protocol",
    value: "VERSION",
    group: "Address",
    choices: ["HTTP/1.1", "HTTP/1.0"],
    help:
      "HTTP/1.1 (default; with TLS also HTTP/2), or HTTP/1.0: as Python speaks it, one request a connection; also as -p HTTP/1.0",
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
    elsewhere: ["root", "path", "folder"],
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
    elsewhere: ["no-index", "no-dir-listing", "no-dirlist"],
    group: "What is served",
    help: "Answer 404 for directories without an index file",
  },
  {
    name: "no-archive",
    group: "What is served",
    help: "Do not pack directories for ?archive=zip, tar or tar.gz; --no-listing, CGI and FastCGI imply it",
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
    help: "Do not search below directories for ?q=TEXT; --no-listing implies it",
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
    value: "DIR,...",
    optional: true,
    group: "CGI",
    help: "Run the programs in these directories of the site (default: /cgi-bin,/htbin)",
    check: checkPaths,
  },
  {
    name: "cgi-ext",
    value: ".EXT,...",
    repeatable: true,
    group: "CGI",
    help: "Run files with these extensions, wherever they are",
    check: (value) => value.split(",").every(isExtension) ? null : "it is not a list of extensions such as .cgi,.pl",
  },
  {
    name: "cgi-map",
    value: ".EXT=PROGRAM",
    repeatable: true,
    group: "CGI",
    help: "Run files with this extension by a program, such as .php=/usr/bin/php-cgi; may be repeated",
    check: (value) => checkAssignment(value, isExtension, "an extension, = and a program"),
  },
  {
    name: "cgi-mount",
    value: "PATH=PROGRAM",
    repeatable: true,
    group: "CGI",
    help: "Let a program answer for a path and all below it, such as /git=/usr/lib/git-core/git-http-backend",
    check: (value) => checkAssignment(value, (path) => pathProblem(path) === null, "a path, = and a program"),
  },
  {
    name: "fastcgi",
    value: ".EXT=ADDRESS",
    repeatable: true,
    group: "CGI",
    help:
      "Let a FastCGI application answer for files with this extension: .php=unix:/run/php/php-fpm.sock or .php=HOST:PORT",
    check: (value) => fastCgiOf(value) === null ? "it is not like .php=unix:/PATH or .php=HOST:PORT" : null,
  },
  {
    name: "cgi-index",
    value: "NAME",
    repeatable: true,
    needs: CGI_WAYS,
    group: "CGI",
    help: "A program that stands for its directory, such as index.cgi; may be repeated",
    check: (value) => value === "" || /[/\0]/.test(value) ? "it is not the name of a file" : null,
  },
  {
    name: "cgi-env",
    value: "NAME[=VALUE]",
    repeatable: true,
    needs: PROGRAM_WAYS,
    group: "CGI",
    help: "Give programs this variable, or the server's own of this name; may be repeated (default: only PATH and TZ)",
    check: (value) => /^[^=\0]+(=[^\0]*)?$/s.test(value) ? null : "it is not the name of a variable",
  },
  {
    name: "cgi-pass-auth",
    needs: PROGRAM_WAYS,
    group: "CGI",
    help: "Give programs the Authorization header, with the password in it",
  },
  {
    name: "cgi-user",
    value: "NAME",
    needs: CGI_WAYS,
    group: "CGI",
    help: "Run programs as this user, by name or as UID:GID; as root only",
    check: (value) => value === "" ? "it is empty" : null,
  },
  {
    name: "cgi-max",
    value: "N",
    needs: CGI_WAYS,
    group: "CGI",
    help:
      "Programs that run at once; half of them for one client at most. More requests wait 10 seconds, then 503 (default: 4 for each core, at least 8)",
    check: (value) => /^[1-9]\d{0,4}$/.test(value) ? null : "it is not a number from 1 to 99999",
  },
  {
    name: "cgi-timeout",
    value: "SECONDS",
    needs: PROGRAM_WAYS,
    group: "CGI",
    help: "Time a program has until it begins to answer (default: 30; 0 for any)",
    check: checkSeconds,
  },
  {
    name: "cgi-idle",
    value: "SECONDS",
    needs: PROGRAM_WAYS,
    group: "CGI",
    help: "Time a program may be silent while it answers (default: 60; 0 for any)",
    check: checkSeconds,
  },
  {
    name: "cgi-linger",
    value: "SECONDS",
    needs: PROGRAM_WAYS,
    group: "CGI",
    help: "Time a program may go on after its answer (default: 5; 0 for any)",
    check: checkSeconds,
  },
  {
    name: "max-body",
    value: "SIZE",
    group: "CGI",
    help: "The longest request body that programs get: bytes, or with K, M or G behind (default: 1G; 0 for any)",
    check: (value) => sizeOf(value) === null ? "it is not a size such as 64M" : null,
  },
  {
    name: "body-timeout",
    value: "SECONDS",
    needs: PROGRAM_WAYS,
    group: "CGI",
    help:
      "Time a client may send nothing of a request body for a program; also the time for all of it, and a second more for each KiB (default: 30; 0 for any)",
    check: checkSeconds,
  },
  {
    name: "cgi-debug",
    needs: CGI_WAYS,
    group: "CGI",
    help: "Show everybody why a program failed, with the last of what it wrote (default: only this machine)",
  },
  {
    name: "upload",
    writes: true,
    group: "What may be written",
    help: "Take new files and directories. Without --bind only this machine can reach the server then",
  },
  {
    name: "delete",
    writes: true,
    group: "What may be written",
    help: "Delete, overwrite and move what is there. Without --bind only this machine can reach the server then",
  },
  {
    name: "all",
    writes: true,
    group: "What may be written",
    help: "The same as --upload --delete",
  },
  {
    name: "upload-beside-programs",
    value: "DIR,...",
    needs: WRITING_WAYS,
    group: "What may be written",
    help:
      "Write in these directories of the site although programs run, and run nothing in them (default: with CGI or FastCGI nothing may be written)",
    check: checkUploadPaths,
  },
  {
    name: "on-conflict",
    value: "POLICY",
    choices: CONFLICT_POLICIES,
    needs: WRITING_WAYS,
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
    name: "no-sandbox",
    needs: WRITING_WAYS,
    group: "What may be written",
    help: "Let pages among the files run as pages of the site, which may write, too (default: as of another site)",
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
    elsewhere: ["ssl", "https", "cert", "ssl-cert"],
    value: "PATH",
    group: "HTTPS",
    help: "Speak HTTPS with the certificate chain in this PEM file, which may hold the key too",
  },
  {
    name: "tls-key",
    elsewhere: ["key", "ssl-key"],
    value: "PATH",
    needs: ["tls-cert"],
    group: "HTTPS",
    help: "The PEM file with the private key",
  },
  {
    name: "tls-password-file",
    value: "PATH",
    needs: ["tls-cert"],
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
    short: "q",
    elsewhere: ["silent"],
    excludes: ["log-format"],
    group: "Log",
    help: "Log no requests, only errors of the server",
  },
  { name: "help", short: "h", group: "Other", help: "Show this text" },
  { name: "version", short: "vV", group: "Other", help: "Show the version" },
];
