/**
 * The table of options: the single source of parsing, typed values, environment variables, `--help` and
 * docs/options.md.
 *
 * @module
 */

import { LOG_FORMATS } from "../handlers/layers/access_log.ts";
import { CONFLICT_POLICIES } from "../handlers/store/conflict.ts";
import { flag, list, one, type Option } from "./option.ts";
import {
  application,
  bindAddress,
  charset,
  choice,
  count,
  directory,
  extensionProgram,
  extensions,
  fileName,
  header,
  hostPattern,
  mediaTypeText,
  pathProgram,
  port,
  seconds,
  sitePaths,
  size,
  text,
  uploadPaths,
  variable,
  workers,
} from "./values.ts";

/** The options that enable CGI. */
export const CGI = ["cgi", "cgi-ext", "cgi-map", "cgi-mount"] as const;

/** The options that run programs or connect to applications. */
export const PROGRAMS = [...CGI, "fastcgi"] as const;

/** The options that let clients change files. */
export const WRITING = ["upload", "delete", "all"] as const;

/** The table, in the order of the help. */
const TABLE = {
  "bind": one({
    group: "Address",
    rank: 3,
    short: "b",
    elsewhere: ["host", "hostname", "address", "listen"],
    value: "ADDRESS[:PORT]",
    default: null,
    shown: "0.0.0.0, all of IPv4; :: is all of IPv6 and IPv4",
    help: "Listen on this address or name only, or on a socket: unix:/PATH, or fd:3 that systemd has opened",
  }, bindAddress),
  "port": one({
    group: "Address",
    rank: 2,
    short: "p",
    value: "PORT",
    default: 8000,
    shown: "8000; 0 is any free port",
    help: "Listen on this port; also as an argument of its own",
  }, port),
  "allow-host": list({
    group: "Address",
    value: "NAME",
    shown: "any name; where clients can write or run programs, and on loopback, only names of this machine",
    help: "Answer requests for this host name, besides addresses and localhost; *.NAME is every name below it",
  }, hostPattern),
  "protocol": one({
    group: "Address",
    value: "VERSION",
    default: "HTTP/1.1",
    shown: "HTTP/1.1, with TLS also HTTP/2",
    help: "HTTP/1.1, or HTTP/1.0 exactly as Python responds, one request for each connection; also as -p HTTP/1.0",
  }, choice("HTTP/1.1", "HTTP/1.0")),
  "workers": one({
    group: "Address",
    value: "N",
    default: 1,
    shown: "1",
    help: "Serve with N processes, each with its own cache, or with one for each core: auto. Linux only",
  }, workers),
  "directory": one({
    group: "Files",
    rank: 1,
    short: "d",
    elsewhere: ["root", "path", "folder"],
    value: "DIRECTORY",
    default: null,
    shown: "the current directory",
    help: "Serve this directory or this single file; also as an argument of its own",
  }, directory),
  "index": list({
    group: "Files",
    value: "NAME",
    shown: "index.html, index.htm",
    help: "The file that is served for its directory",
  }, fileName),
  "no-listing": flag({
    group: "Files",
    rank: 7,
    elsewhere: ["no-index", "no-dir-listing", "no-dirlist"],
    help: "Answer 404 for directories without an index file",
  }),
  "no-archive": flag({
    group: "Files",
    help: "Do not offer directories as archives (?archive=zip, tar, tar.gz); --no-listing, CGI and FastCGI imply it",
  }),
  "archive-max": one({
    group: "Files",
    value: "SIZE",
    default: null,
    shown: "no limit",
    excludes: ["no-archive"],
    help: "The maximum total size of one archive: bytes, or with K, M or G",
  }, size("10G")),
  "no-search": flag({
    group: "Files",
    help: "Do not search below directories (?q=TEXT); --no-listing implies it",
  }),
  "no-checksum": flag({
    group: "Files",
    help: "Do not compute checksums of files (?sha256 and its relatives)",
  }),
  "hidden": flag({
    group: "Files",
    rank: 6,
    help: "Serve and list dotfiles; without it only .well-known",
  }),
  "follow-links": flag({
    group: "Files",
    help: "Follow symbolic links that lead out of the directory",
  }),
  "upload": flag({
    group: "Uploads",
    rank: 4,
    writes: true,
    help: "Accept new files and directories; without --bind, from this machine only",
  }),
  "delete": flag({
    group: "Uploads",
    writes: true,
    help: "Let clients delete, overwrite and move files; without --bind, from this machine only",
  }),
  "all": flag({
    group: "Uploads",
    rank: 5,
    writes: true,
    help: "The same as --upload --delete",
  }),
  "upload-beside-programs": one({
    group: "Uploads",
    value: "DIR,...",
    default: null,
    shown: "with CGI or FastCGI, nothing can be written",
    needs: WRITING,
    help: "With CGI or FastCGI, accept writes in these directories of the site only, and run nothing in them",
  }, uploadPaths),
  "on-conflict": one({
    group: "Uploads",
    value: "POLICY",
    default: "fail",
    shown: "fail",
    needs: WRITING,
    help: `What to do when a name is taken: ${CONFLICT_POLICIES.join(", ")}`,
  }, choice(...CONFLICT_POLICIES)),
  "max-upload": one({
    group: "Uploads",
    value: "SIZE",
    default: null,
    shown: "the free space of the disk",
    needs: ["upload", "all"],
    help: "The maximum size of an uploaded file: bytes, or with K, M or G",
  }, size("64M")),
  "no-sandbox": flag({
    group: "Uploads",
    needs: WRITING,
    help: "Let HTML files run with the rights of the site, which may write; without it they run in a sandbox",
  }),
  "cgi": one({
    group: "CGI",
    rank: 8,
    value: "DIR,...",
    bare: "/cgi-bin,/htbin",
    default: null,
    help: "Run the programs in these directories of the site; on its own: /cgi-bin,/htbin",
  }, sitePaths),
  "cgi-ext": list({
    group: "CGI",
    value: ".EXT,...",
    help: "Run files with these extensions, wherever they are",
  }, extensions),
  "cgi-map": list({
    group: "CGI",
    value: ".EXT=PROGRAM",
    help: "Run files with this extension with a program, such as .php=/usr/bin/php-cgi",
  }, extensionProgram),
  "cgi-mount": list({
    group: "CGI",
    value: "PATH=PROGRAM",
    help: "Let a program answer for a path and everything below it, such as /git=/usr/lib/git-core/git-http-backend",
  }, pathProgram),
  "fastcgi": list({
    group: "CGI",
    value: ".EXT=ADDRESS",
    help:
      "Let a FastCGI application answer for files with this extension: .php=unix:/run/php/php-fpm.sock or .php=HOST:PORT",
  }, application),
  "cgi-index": list({
    group: "CGI",
    value: "NAME",
    needs: CGI,
    help: "The program that answers for its directory, such as index.cgi",
  }, fileName),
  "cgi-env": list({
    group: "CGI",
    value: "NAME[=VALUE]",
    shown: "only PATH and TZ",
    needs: PROGRAMS,
    help: "Give programs this environment variable; without a value, that of the server",
  }, variable),
  "cgi-pass-auth": flag({
    group: "CGI",
    needs: PROGRAMS,
    help: "Give programs the Authorization header, which holds the password",
  }),
  "cgi-user": one({
    group: "CGI",
    value: "NAME",
    default: null,
    needs: CGI,
    help: "Run programs as this user, by name or as UID:GID; needs root",
  }, text),
  "cgi-max": one({
    group: "CGI",
    value: "N",
    default: null,
    shown: "4 for each core, at least 8",
    needs: CGI,
    help:
      "How many programs run at once, three quarters of them for one client; further requests wait 10 seconds, then get 503",
  }, count),
  "cgi-timeout": one({
    group: "CGI",
    value: "SECONDS",
    default: 30_000,
    shown: "30; 0 = unlimited",
    needs: PROGRAMS,
    help: "How long a program may take until it begins to answer",
  }, seconds),
  "cgi-idle": one({
    group: "CGI",
    value: "SECONDS",
    default: 60_000,
    shown: "60; 0 = unlimited",
    needs: PROGRAMS,
    help: "How long a program may pause while it answers",
  }, seconds),
  "cgi-linger": one({
    group: "CGI",
    value: "SECONDS",
    default: 5_000,
    shown: "5; 0 = unlimited",
    needs: PROGRAMS,
    help: "How long a program may run on after its answer",
  }, seconds),
  "max-body": one({
    group: "CGI",
    value: "SIZE",
    default: 1024 ** 3,
    shown: "1G; 0 = unlimited",
    needs: PROGRAMS,
    help: "The maximum size of a request body for programs: bytes, or with K, M or G",
  }, size("64M")),
  "body-timeout": one({
    group: "CGI",
    value: "SECONDS",
    default: 30_000,
    shown: "30; 0 = unlimited",
    needs: PROGRAMS,
    help: "How long a client may pause while it sends a request body for a program",
  }, seconds),
  "cgi-debug": flag({
    group: "CGI",
    needs: CGI,
    help: "Show every client why a program failed, with the end of its error output; without it, only this machine",
  }),
  "header": list({
    group: "Responses",
    rank: 9,
    short: "H",
    value: "NAME VALUE",
    pair: true,
    help: 'Add a header to every response; also as "NAME: VALUE"',
  }, header),
  "content-type": one({
    group: "Responses",
    value: "TYPE",
    default: null,
    shown: "application/octet-stream",
    help: "The media type of files with an unknown extension",
  }, mediaTypeText),
  "charset": one({
    group: "Responses",
    value: "NAME",
    default: "utf-8",
    shown: "utf-8",
    help: "The charset that text is served with unless it declares its own, as HTML, CSS and XML can; none omits it",
  }, charset),
  "precompressed": flag({
    group: "Responses",
    help: "Send NAME.br, NAME.zst or NAME.gz in place of NAME to clients that accept the coding",
  }),
  "cache-size": one({
    group: "Responses",
    value: "SIZE",
    default: null,
    shown: "64M; 0 turns the cache off",
    help: "Memory for the cache of files: bytes, or with K, M or G",
  }, size("64M")),
  "tls-cert": one({
    group: "HTTPS",
    rank: 10,
    elsewhere: ["ssl", "https", "cert", "ssl-cert"],
    value: "PATH",
    default: null,
    help: "Serve HTTPS with the certificate chain in this PEM file, which may hold the key as well",
  }, text),
  "tls-key": one({
    group: "HTTPS",
    elsewhere: ["key", "ssl-key"],
    value: "PATH",
    default: null,
    needs: ["tls-cert"],
    help: "The PEM file with the private key",
  }, text),
  "tls-password-file": one({
    group: "HTTPS",
    value: "PATH",
    default: null,
    needs: ["tls-cert"],
    help: "The file with the password of the private key",
  }, text),
  "log-format": one({
    group: "Log",
    value: "FORMAT",
    default: "python",
    shown: "python",
    help: `The format of the access log on stderr: ${LOG_FORMATS.join(", ")}`,
  }, choice(...LOG_FORMATS)),
  "quiet": flag({
    group: "Log",
    rank: 11,
    short: "q",
    elsewhere: ["silent"],
    excludes: ["log-format"],
    help: "Log no requests, only errors of the server",
  }),
  "help": one({
    group: "Other",
    rank: 12,
    short: "h",
    value: "TOPIC",
    bare: "",
    default: null,
    help: "Show the most used options; --help all shows all of them, --help cgi those of one topic",
  }, (given) => given),
  "version": flag({
    group: "Other",
    rank: 13,
    short: "vV",
    help: "Show the version",
  }),
} satisfies Record<string, Option>;

/** The name of an option, without the hyphens. */
export type OptionName = keyof typeof TABLE;

/** The typed value of every option, given or default. */
export type Options = { readonly [Name in OptionName]: ReturnType<typeof TABLE[Name]["make"]> };

/** The table by name. */
export const OPTIONS: Readonly<Record<OptionName, Option>> = TABLE;

/** Names and options in the order of the help. */
export const OPTION_ROWS: readonly (readonly [name: OptionName, option: Option])[] = Object.entries(TABLE) as [
  OptionName,
  Option,
][];
