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
  accessRule,
  age,
  application,
  appPage,
  belowRoot,
  bindAddress,
  caching,
  charset,
  choice,
  count,
  directory,
  extensionProgram,
  extensions,
  extensionType,
  fileName,
  header,
  headerName,
  hostPattern,
  mediaTypeText,
  metricsAddress,
  mountPoint,
  origins,
  pageFile,
  pathProgram,
  port,
  portChoice,
  proxyAddresses,
  proxyRule,
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

/** The options that say who the users are. */
export const AUTHENTICATING = ["auth", "auth-env"] as const;

/** The options that enable HTTPS. */
export const SECURING = ["tls", "tls-cert"] as const;

/** The options that let clients change files. */
export const WRITING = ["upload", "delete", "all"] as const;

/** The table, in the order of the help. */
const TABLE = {
  "bind": one({
    group: "Address",
    isRisky: "beside",
    rank: 3,
    short: "b",
    elsewhere: ["host", "hostname", "address", "listen"],
    value: "ADDRESS[:PORT]",
    default: null,
    shown: "0.0.0.0 = all IPv4 addresses; :: = all IPv6 and IPv4 addresses",
    help: "Listen on this address or host name only, or on a socket: unix:/PATH, or fd:3 as passed by systemd",
  }, bindAddress),
  "port": one({
    group: "Address",
    rank: 2,
    short: "p",
    value: "PORT",
    default: { port: 8000, orNext: false },
    shown: "8000; 0 = any free port",
    help: "Listen on this port; also as a positional argument. 8000+ is the first free port from 8000 on",
  }, portChoice),
  "allow-host": list({
    group: "Address",
    isRisky: true,
    value: "NAME",
    shown: "any name; only this machine's names on loopback, or if clients can write or run programs",
    help: "Accept requests for this host name, besides addresses and localhost; *.NAME includes all subdomains",
  }, hostPattern),
  "trusted-proxy": list({
    group: "Address",
    isRisky: true,
    elsewhere: ["trust-proxy", "trusted-proxies", "real-ip"],
    value: "ADDRESS,...",
    help: "Believe these proxies about the client's address and whether it uses HTTPS: addresses, networks such as " +
      "10.0.0.0/8, or unix for those that connect to a socket",
  }, proxyAddresses),
  "forwarded": one({
    group: "Address",
    isRisky: true,
    elsewhere: ["proxy-protocol", "accept-proxy", "proxy-headers"],
    value: "FORM",
    default: "x-forwarded",
    shown: "x-forwarded: X-Forwarded-For, X-Forwarded-Proto",
    needs: ["trusted-proxy"],
    help: "How these proxies name the client: x-forwarded, forwarded (RFC 7239), or proxy-protocol, version 1 or 2, " +
      "which they must send at the start of each connection",
  }, choice("x-forwarded", "forwarded", "proxy-protocol")),
  "protocol": one({
    group: "Address",
    value: "VERSION",
    default: "HTTP/1.1",
    shown: "HTTP/1.1, with TLS also HTTP/2",
    help: "HTTP/1.1, or HTTP/1.0 exactly as Python responds, with one request per connection; also as -p HTTP/1.0",
  }, choice("HTTP/1.1", "HTTP/1.0")),
  "workers": one({
    group: "Address",
    value: "N",
    default: 1,
    shown: "1",
    help: "Serve with N processes, each with its own cache; auto = one per core. Linux only",
  }, workers),
  "drain": one({
    group: "Address",
    elsewhere: ["grace-period", "graceful-timeout", "shutdown-timeout"],
    value: "SECONDS",
    default: 10_000,
    shown: "10; 0 = abort at once",
    help: "Maximum time for requests in progress after SIGTERM; Ctrl-C aborts them",
  }, seconds),
  "health": flag({
    group: "Address",
    elsewhere: ["healthcheck", "health-check"],
    help: "Answer /-/health with 200, for containers and load balancers: without a login, for any host name, unlogged",
  }),
  "metrics": one({
    group: "Address",
    isRisky: true,
    elsewhere: ["prometheus", "stats"],
    value: "ADDRESS",
    bare: "127.0.0.1:9464",
    default: null,
    help: "Serve metrics for Prometheus at /-/metrics of another port, of this machine only unless ADDRESS:PORT says " +
      "otherwise, or of unix:/PATH; without a value: 127.0.0.1:9464",
  }, metricsAddress),
  "open": flag({
    group: "Address",
    isRisky: true,
    short: "o",
    help: "Open the server's URL in a browser",
  }),
  "qr": flag({
    group: "Address",
    help: "Print QR codes of the server's URL, and with --tls of its authority, for phones",
  }),
  "directory": one({
    group: "Files",
    isPath: true,
    rank: 1,
    short: "d",
    elsewhere: ["root", "path", "folder"],
    value: "DIRECTORY",
    default: null,
    shown: "the current directory",
    help:
      "Serve this directory or single file, or the files in a ZIP archive (site.zip/); also as a positional argument",
  }, directory),
  "mount": list({
    group: "Files",
    isPath: "after =",
    elsewhere: ["alias", "mounts"],
    value: "/PREFIX=PATH",
    help:
      "Serve another directory, or the files in a ZIP archive, at this path, for reading only; also as a positional " +
      "argument",
  }, mountPoint),
  "base": one({
    group: "Files",
    elsewhere: ["base-path", "path-prefix", "prefix", "public-path"],
    value: "/PREFIX",
    default: null,
    shown: "/",
    help: "Serve everything below this path, as a proxy that keeps it expects",
  }, belowRoot),
  "index": list({
    group: "Files",
    value: "NAME",
    shown: "index.html, index.htm",
    help: "Name of the index file of a directory",
  }, fileName),
  "spa": one({
    group: "Files",
    elsewhere: ["single", "render-spa", "page-fallback", "history-api-fallback"],
    value: "FILE",
    bare: "",
    default: false,
    help:
      "Single-page app: answer navigations to addresses for which there is no file with this page; without a value, " +
      "the index file of the root. Missing scripts, images and names with an extension stay 404",
  }, appPage),
  "clean-urls": flag({
    group: "Files",
    elsewhere: ["pretty-urls", "html-extension"],
    help: "Answer /about with about.html, and redirect /about.html to /about",
  }),
  "trailing-slash": one({
    group: "Files",
    value: "always|never|auto",
    default: "auto",
    shown: "auto: directories have one, other pages do not",
    help: "Whether URLs of pages end with a slash; the others redirect",
  }, choice("always", "never", "auto")),
  "not-found": one({
    group: "Files",
    elsewhere: ["error-page", "page404"],
    value: "FILE",
    default: null,
    shown: "404.html of the nearest directory",
    help: "Page for browsers where nothing is found, sent with status 404",
  }, pageFile),
  "watch": flag({
    group: "Files",
    elsewhere: ["live", "live-reload", "livereload", "reload"],
    help: "Live reload: open pages show changes of files at once, listings as well; ?watch streams changes to programs",
  }),
  "watch-ignore": list({
    group: "Files",
    value: "PATTERN",
    shown: "none",
    needs: ["watch"],
    help: "Do not watch these names, paths (/docs/build) or globs (*.log), besides .git and node_modules",
  }, text),
  "no-listing": flag({
    group: "Files",
    rank: 8,
    elsewhere: ["no-index", "no-dir-listing", "no-dirlist"],
    help: "Answer 404 for directories without an index file",
  }),
  "no-archive": flag({
    group: "Files",
    help: "Do not offer directories as archives (?archive=zip, tar, tar.gz); --no-listing implies it",
  }),
  "archive-max": one({
    group: "Files",
    value: "SIZE",
    default: null,
    shown: "no limit",
    excludes: ["no-archive"],
    help: "Maximum total size of one archive, in bytes or with K, M or G",
  }, size("10G")),
  "no-search": flag({
    group: "Files",
    help: "Do not offer search in directories (?q=TEXT); --no-listing implies it",
  }),
  "no-checksum": flag({
    group: "Files",
    help: "Do not compute checksums of files (?sha256, ?sha512, ?sha1, ?md5)",
  }),
  "hidden": flag({
    group: "Files",
    isRisky: true,
    rank: 7,
    help: "Serve and list dotfiles; without it, only .well-known",
  }),
  "follow-links": flag({
    group: "Files",
    isRisky: true,
    help: "Follow symlinks that lead out of the directory",
  }),
  "auth": one({
    group: "Users",
    isRisky: "beside",
    isPath: true,
    rank: 6,
    elsewhere: ["users", "htpasswd", "auth-file"],
    value: "FILE",
    default: null,
    excludes: ["auth-env"],
    help: "Only the users in this file may do anything; pyserve passwd FILE NAME adds one",
  }, text),
  "auth-env": one({
    group: "Users",
    isRisky: "beside",
    value: "VARIABLE",
    default: null,
    help: "The same for the one user NAME:PASSWORD in this environment variable, for containers",
  }, text),
  "public": flag({
    group: "Users",
    isRisky: "beside",
    needs: AUTHENTICATING,
    help: "Let anyone read, besides what users may do; the same as --access anyone:read",
  }),
  "access": list({
    group: "Users",
    isRisky: "beside",
    value: "WHO:RIGHTS[@PATH]",
    shown: "users:all",
    needs: AUTHENTICATING,
    help: "Grant rights (read, upload, delete, run, share, or all, or none, separated by commas) to anyone, users or " +
      "one user, at a path and below. The rules with the longest path decide; where there is none, there is no right",
  }, accessRule),
  "state": one({
    group: "Users",
    isRisky: true,
    isPath: true,
    value: "DIR",
    default: null,
    shown: "$XDG_STATE_HOME/pyserve, or ~/.local/state/pyserve",
    help:
      "Keep the key of sessions and shares, and the authority of --tls, in this directory, so that they survive a restart",
  }, text),
  "upload": flag({
    group: "Uploads",
    isRisky: true,
    rank: 4,
    writes: true,
    help: "Accept new files and directories; without --bind, from this machine only",
  }),
  "delete": flag({
    group: "Uploads",
    isRisky: true,
    writes: true,
    help: "Let clients delete, overwrite and move files; without --bind, from this machine only",
  }),
  "all": flag({
    group: "Uploads",
    isRisky: true,
    rank: 5,
    writes: true,
    help: "The same as --upload --delete",
  }),
  "upload-beside-programs": one({
    group: "Uploads",
    isRisky: true,
    value: "DIR,...",
    default: null,
    shown: "no uploads",
    needs: WRITING,
    help: "With CGI or FastCGI, accept uploads in these directories only, and do not run programs there",
  }, uploadPaths),
  "on-conflict": one({
    group: "Uploads",
    value: "POLICY",
    default: "fail",
    shown: "fail",
    needs: WRITING,
    help: `What to do if the name already exists: ${CONFLICT_POLICIES.join(", ")}`,
  }, choice(...CONFLICT_POLICIES)),
  "max-upload": one({
    group: "Uploads",
    value: "SIZE",
    default: null,
    shown: "the free disk space",
    needs: ["upload", "all"],
    help: "Maximum size of an uploaded file, in bytes or with K, M or G",
  }, size("64M")),
  "no-sandbox": flag({
    group: "Uploads",
    isRisky: true,
    needs: WRITING,
    help: "Let HTML files run scripts with the site's origin, which may write; without it, they are sandboxed",
  }),
  "cgi": one({
    group: "CGI",
    isRisky: true,
    rank: 9,
    value: "DIR,...",
    bare: "/cgi-bin,/htbin",
    default: null,
    help: "Run the programs in these directories; without a value: /cgi-bin,/htbin",
  }, sitePaths),
  "cgi-ext": list({
    group: "CGI",
    isRisky: true,
    value: ".EXT,...",
    help: "Run files with these extensions in any directory",
  }, extensions),
  "cgi-map": list({
    group: "CGI",
    isRisky: true,
    value: ".EXT=PROGRAM",
    help: "Run files with this extension by an interpreter, such as .php=/usr/bin/php-cgi",
  }, extensionProgram),
  "cgi-mount": list({
    group: "CGI",
    isRisky: true,
    value: "PATH=PROGRAM",
    help: "Run a program for a path and everything below it, such as /git=/usr/lib/git-core/git-http-backend",
  }, pathProgram),
  "fastcgi": list({
    group: "CGI",
    isRisky: true,
    value: ".EXT=ADDRESS",
    help: "Pass files with this extension to a FastCGI application: .php=unix:/run/php/php-fpm.sock or .php=HOST:PORT",
  }, application),
  "cgi-index": list({
    group: "CGI",
    value: "NAME",
    needs: CGI,
    help: "Name of the index program of a directory, such as index.cgi",
  }, fileName),
  "cgi-env": list({
    group: "CGI",
    isRisky: true,
    value: "NAME[=VALUE]",
    shown: "PATH and TZ only",
    needs: PROGRAMS,
    help: "Set an environment variable for programs; without a value, pass on the server's",
  }, variable),
  "cgi-pass-auth": flag({
    group: "CGI",
    isRisky: true,
    needs: PROGRAMS,
    help: "Pass the Authorization header, which contains the password, to programs",
  }),
  "cgi-user": one({
    group: "CGI",
    isRisky: true,
    value: "NAME",
    default: null,
    needs: CGI,
    help: "Run programs as this user, by name or as UID:GID; needs root",
  }, text),
  "cgi-max": one({
    group: "CGI",
    value: "N",
    default: null,
    shown: "4 per core, at least 8",
    needs: CGI,
    help:
      "Maximum number of running programs, at most three quarters of them for one client; further requests wait 10 seconds, then get 503",
  }, count),
  "cgi-timeout": one({
    group: "CGI",
    value: "SECONDS",
    default: 30_000,
    shown: "30; 0 = unlimited",
    needs: PROGRAMS,
    help: "Maximum time until a program has sent its header",
  }, seconds),
  "cgi-idle": one({
    group: "CGI",
    value: "SECONDS",
    default: 60_000,
    shown: "60; 0 = unlimited",
    needs: PROGRAMS,
    help: "Maximum time without output after the header",
  }, seconds),
  "cgi-linger": one({
    group: "CGI",
    value: "SECONDS",
    default: 5_000,
    shown: "5; 0 = unlimited",
    needs: PROGRAMS,
    help: "Maximum time a program may keep running after its response",
  }, seconds),
  "max-body": one({
    group: "CGI",
    value: "SIZE",
    default: 1024 ** 3,
    shown: "1G; 0 = unlimited",
    needs: PROGRAMS,
    help: "Maximum size of a request body for programs, in bytes or with K, M or G",
  }, size("64M")),
  "body-timeout": one({
    group: "CGI",
    value: "SECONDS",
    default: 30_000,
    shown: "30; 0 = unlimited",
    needs: PROGRAMS,
    help: "Maximum time a client may pause while sending a request body for a program",
  }, seconds),
  "cgi-debug": flag({
    group: "CGI",
    isRisky: "beside",
    needs: CGI,
    help: "Show all clients why a program failed, with its last error output; without it, only clients on this machine",
  }),
  "proxy": list({
    group: "Proxy",
    isRisky: true,
    elsewhere: ["proxy-all", "proxy-pass", "reverse-proxy"],
    value: "/PATH=URL",
    help: "Pass requests for a path and everything below it to an application: /api=http://127.0.0.1:3000, or " +
      "=unix:/PATH; with a slash at the end of the URL, without /api. /=URL: what is not found among the files",
  }, proxyRule),
  "proxy-timeout": one({
    group: "Proxy",
    value: "SECONDS",
    default: 60_000,
    shown: "60; 0 = unlimited",
    needs: ["proxy"],
    help: "Maximum time until an application has sent its header",
  }, seconds),
  "proxy-pass-auth": flag({
    group: "Proxy",
    isRisky: true,
    needs: ["proxy"],
    help:
      "With --auth, pass the Authorization header, which contains the password, and session cookies to applications",
  }),
  "header": list({
    group: "Responses",
    isRisky: "beside",
    rank: 10,
    short: "H",
    value: "NAME VALUE",
    pair: true,
    help: 'Add a header to every response; also as "NAME: VALUE"',
  }, header),
  "remove-header": list({
    group: "Responses",
    isRisky: "beside",
    value: "NAME",
    help: "Remove a header from every response",
  }, headerName),
  "cors": one({
    group: "Responses",
    isRisky: "beside",
    elsewhere: ["enable-cors", "cross-origin", "allow-origin"],
    value: "ORIGIN,...",
    bare: "*",
    default: null,
    help:
      "Let pages of these origins, such as https://app.example, read with the user's cookies and passwords; without " +
      "a value, pages of any origin, without them",
  }, origins),
  "isolated": flag({
    group: "Responses",
    elsewhere: ["coop", "coep", "cross-origin-isolated"],
    help:
      "Isolate pages from other origins (COOP, COEP, CORP), so that they can use SharedArrayBuffer; over HTTPS or " +
      "from localhost",
  }),
  "cache": one({
    group: "Responses",
    elsewhere: ["cache-control", "max-age", "maxage", "cache-time"],
    value: "auto|off|SECONDS",
    default: null,
    shown: "0: clients ask before each use",
    help:
      "How long clients may use files without asking: auto = for a year if the name contains a hash of the content, " +
      "as in app-5LRS2FJV.js; off = never store them",
  }, caching),
  "type": list({
    group: "Responses",
    elsewhere: ["mime", "mime-type", "mimetype", "mimetypes", "mime-types"],
    value: ".EXT=TYPE",
    help: "Media type of files with this extension, sent as it is: .foo=text/plain; charset=utf-8",
  }, extensionType),
  "content-type": one({
    group: "Responses",
    value: "TYPE",
    default: null,
    shown: "application/octet-stream",
    help: "Media type of files with an unknown extension",
  }, mediaTypeText),
  "charset": one({
    group: "Responses",
    value: "NAME",
    default: "utf-8",
    shown: "utf-8",
    help: "Charset of text files that declare none, as HTML, CSS and XML can; none = omit it",
  }, charset),
  "compress": flag({
    group: "Responses",
    elsewhere: ["gzip", "brotli", "compression"],
    help: "Compress text, code and data for clients that accept zstd, br or gzip; listings always are, with gzip",
  }),
  "precompressed": flag({
    group: "Responses",
    excludes: ["no-precompressed"],
    help:
      "Also with uploads, send NAME.br, NAME.zst or NAME.gz, if it is not older, instead of NAME to clients that accept it",
  }),
  "no-precompressed": flag({
    group: "Responses",
    help: "Do not send NAME.br, NAME.zst or NAME.gz instead of NAME",
  }),
  "precompressed-only": flag({
    group: "Responses",
    excludes: ["no-precompressed"],
    help: "Send NAME.br, NAME.zst or NAME.gz to clients that accept it also where there is no NAME",
  }),
  "cache-size": one({
    group: "Responses",
    value: "SIZE",
    default: null,
    shown: "64M; 0 = no cache",
    help: "Memory for the file cache, in bytes or with K, M or G",
  }, size("64M")),
  "tls": flag({
    group: "HTTPS",
    rank: 11,
    elsewhere: ["ssl", "https"],
    excludes: ["tls-cert"],
    help: "Serve HTTPS with a certificate of this machine's own authority, which clients install from /.pyserve/ca.crt",
  }),
  "tls-cert": one({
    group: "HTTPS",
    isPath: true,
    rank: 12,
    elsewhere: ["cert", "ssl-cert"],
    value: "PATH",
    default: null,
    help: "Serve HTTPS with the certificate chain in this PEM file, which may also contain the key",
  }, text),
  "tls-key": one({
    group: "HTTPS",
    isPath: true,
    elsewhere: ["key", "ssl-key"],
    value: "PATH",
    default: null,
    needs: ["tls-cert"],
    help: "PEM file with the private key",
  }, text),
  "tls-password-file": one({
    group: "HTTPS",
    isPath: true,
    value: "PATH",
    default: null,
    needs: ["tls-cert"],
    help: "File with the password of the private key",
  }, text),
  "redirect-http": one({
    group: "HTTPS",
    elsewhere: ["http-redirect", "redirect"],
    value: "PORT",
    default: null,
    needs: SECURING,
    help: "Also listen on this port, and redirect plain HTTP from there to HTTPS; 80 is the one that browsers try",
  }, port),
  "hsts": one({
    group: "HTTPS",
    value: "SECONDS",
    bare: "31536000",
    default: null,
    needs: [...SECURING, "trusted-proxy"],
    help: "Tell browsers to use only HTTPS for this host name, on all ports, for so long; without a value: a year",
  }, age),
  "log-format": one({
    group: "Log",
    value: "FORMAT",
    default: "python",
    shown: "python",
    help: `Format of the access log: ${LOG_FORMATS.join(", ")}`,
  }, choice(...LOG_FORMATS)),
  "log-file": one({
    group: "Log",
    isRisky: true,
    isPath: true,
    elsewhere: ["access-log", "log", "log-path", "logfile"],
    value: "PATH",
    default: null,
    shown: "standard error",
    help: "Append the log to this file, and to a new one when it is renamed or removed; logrotate needs no script",
  }, text),
  "quiet": flag({
    group: "Log",
    rank: 13,
    short: "q",
    elsewhere: ["silent"],
    excludes: ["log-format"],
    help: "Log server errors only, no requests",
  }),
  "config": one({
    group: "Other",
    isPath: true,
    value: "FILE",
    default: null,
    shown: "pyserve.json in the current directory, if it exists; none = no file",
    help: "Read options from this JSON file; those of the command line and the environment take precedence",
  }, text),
  "help": one({
    group: "Other",
    rank: 14,
    short: "h",
    value: "TOPIC",
    bare: "",
    default: null,
    help: "Show the most used options; --help all shows all options, --help cgi those of one topic",
  }, (given) => given),
  "version": flag({
    group: "Other",
    rank: 15,
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
