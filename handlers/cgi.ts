/**
 * CGI/1.1 (RFC 3875): programs that answer requests.
 *
 * @module
 */

import { chain } from "./chain.ts";
import { withoutPrograms } from "./cgi/content_source.ts";
import { endAllScripts, type SystemUser } from "./cgi/process_group.ts";
import { finderOf, Programs } from "./cgi/programs.ts";
import type { Feature } from "./feature.ts";
import { files } from "./files.ts";
import type { FileSource } from "./sources/types.ts";
import type { Handler } from "./types.ts";

/** A program and its words; the program as an absolute path on disk. */
export type CommandWords = readonly [program: string, ...words: string[]];

/** Which programs {@linkcode cgi} runs, and how. Times are in milliseconds, and 0 is as long as it takes. */
export interface CgiOptions {
  /** Paths of directories of which every file is a program; `/cgi-bin` and `/htbin` unless given. */
  readonly directories?: readonly string[];
  /** Ends of names (`.cgi`) of files that are programs wherever they lie. */
  readonly extensions?: readonly string[];
  /** Ends of names (`.php`) and what runs such files; the file is added as the last word. */
  readonly interpreters?: Readonly<Record<string, CommandWords>>;
  /** Paths (`/git`) and the program that answers for all below. */
  readonly mounts?: Readonly<Record<string, CommandWords>>;
  /** Names of programs that stand for the directory they are in; none unless given. */
  readonly index?: readonly string[];
  /** Variables for all programs, besides those of CGI; they win over these. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether programs get the Authorization header, with the password in it. */
  readonly passAuth?: boolean;
  /** As whom programs run; as root only. */
  readonly user?: SystemUser;
  /** How many run at once; four for each core, and eight at least, unless given. */
  readonly maxPrograms?: number;
  /** How many of these may run for one client; three quarters unless given. See {@linkcode clientOf}. */
  readonly maxPerClient?: number;
  /** How long a request waits for a program to end; 10 seconds unless given. */
  readonly queueTimeout?: number;
  /** The longest request body in bytes, or null for any; 1 GiB unless given. */
  readonly maxBody?: number | null;
  /**
   * How long a client may send nothing of a request body; 30 seconds unless given. The whole body has that time, too, and a
   * second more for each KiB: 408 after that.
   */
  readonly bodyTimeout?: number;
  /** How long a program may take until its header is there; 30 seconds unless given. */
  readonly headerTimeout?: number;
  /** How long a program may be silent after that; 60 seconds unless given. */
  readonly idleTimeout?: number;
  /** How long a program may go on after its answer; 5 seconds unless given. */
  readonly lingerTimeout?: number;
  /** How long a client may keep a program waiting that has something to send; a minute unless given. */
  readonly stallTimeout?: number;
  /** Whether everybody is shown why a program failed, and not only clients on this machine. */
  readonly debug?: boolean;
  /** What programs are told of the server (SERVER_SOFTWARE); `pyserve` unless given. */
  readonly software?: string;
  /**
   * Paths of directories that take uploads (`/incoming`); none unless given. What lies there is not run, nor is its source
   * sent; PATH_TRANSLATED never names it; and interpreters are started so that they take less from the directory of a
   * script: PYTHONSAFEPATH for Python, `--no-config` for Deno, no `.user.ini` for php-cgi, and so on (`env` wins over
   * the variables). See {@linkcode writableIn} for the other half, which `fileServer` does by itself.
   */
  readonly uploads?: readonly string[];
  /** Answers when a program sends a request on to another path; this handler and then `files` unless given. */
  readonly answer?: Handler;
}

/**
 * Runs CGI programs, and declines what is for no program.
 *
 * Which file is a program is decided on the file that a path leads to, links resolved: no spelling of a path gets at its
 * source. A program gets a clean environment, its directory as the current one, and the whole request body with its
 * length, chunked or not (in memory up to 1 MiB, then in a temporary file). Its answer is sent as it comes, with Status,
 * redirects (RFC 3875 section 6.2) and headers checked. It runs in a process group of its own, which ends when the client
 * leaves, when a time is up, and with the server ({@linkcode endAllScripts}).
 *
 * Let {@linkcode cgiContent} be what is sent besides: programs are not in it, and an index file may be one.
 *
 * Its relative in Python is `CGIHTTPRequestHandler`, of which it is a correct version. What it does not do: byte for byte
 * output (`nph-` programs are understood, and sent as others), conditional and range requests on a program's output.
 *
 * A request for a program must name an own host of the server (`hosts` of `toFetch`): any other is 421.
 *
 * In order to notice that a client has left it looks at `request.signal`, of which Deno 2.9 warns once on standard error;
 * with `--unstable-no-legacy-abort` it does not, and all is the same.
 *
 * @param source Where the programs are; only one on disk has any, and mounts run with any.
 * @throws TypeError where a path of the options is none.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { cgi, disk, toFetch } from "@x/pyserve";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.mkdir(`${root}/cgi-bin`);
 * await Deno.writeTextFile(`${root}/cgi-bin/hello`, "#!/bin/sh\necho 'Status: 201'; echo; echo hello", { mode: 0o755 });
 * const response = await toFetch(cgi(disk(root)))(new Request("http://localhost/cgi-bin/hello"));
 * assert(response.status === 201 && await response.text() === "hello\n");
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function cgi(source: FileSource, options: CgiOptions = {}): Handler {
  const handler: Handler = (request, context) => programs.answer(request, context);
  const programs = new Programs(source, options, options.answer ?? chain(handler, files(cgiContent(source, options))));
  return handler;
}

/**
 * What is left of a source without the programs that {@linkcode cgi} runs with these options: for `files`, so that no
 * program's source is sent as the index of a directory, or as the compressed file beside another.
 *
 * It hides what is a program now. A directory of programs is in it, empty.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { cgi, cgiContent, chain, disk, files, toFetch } from "@x/pyserve";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${root}/index.php`, "<?php echo $secret;");
 * const options = { interpreters: { ".php": ["/usr/bin/php-cgi"] } } as const;
 * const content = files(cgiContent(disk(root), options), { index: ["index.php"] });
 * const response = await toFetch(chain(cgi(disk(root), options), content))(new Request("http://localhost/"));
 * assert(response.status === 404);
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function cgiContent(source: FileSource, options: CgiOptions = {}): FileSource {
  const finder = finderOf(source, options);
  return withoutPrograms(source, finder, options.index);
}

/**
 * {@linkcode cgi} as a feature of a file server.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { cgiFeature, fileServer, memory } from "@x/pyserve";
 *
 * const git: [string] = ["/usr/lib/git-core/git-http-backend"];
 * const server = fileServer(memory({}), { features: [cgiFeature({ mounts: { "/git": git } })], log: false });
 * assert(typeof server === "function");
 * ```
 */
export function cgiFeature(options: CgiOptions = {}): Feature {
  return {
    runsPrograms: true,
    methods: [], // what a program allows is its own affair, and other paths allow nothing more for it
    encodedSlashes: true, // PATH_INFO may have them
    contentOf: (source, index) => cgiContent(source, withIndex(options, index)),
    handler: ({ source, answer, index, uploads }) => {
      return cgi(source, { answer, ...withIndex(options, index), uploads: [...uploads, ...options.uploads ?? []] });
    },
    end: endAllScripts,
  };
}

/** Options by which what stands for a directory runs, too, where it is a program. */
function withIndex(options: CgiOptions, index: readonly string[]): CgiOptions {
  return { ...options, index: [...options.index ?? [], ...index] };
}
