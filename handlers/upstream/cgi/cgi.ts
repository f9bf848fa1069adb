/**
 * CGI/1.1 (RFC 3875): programs that answer requests.
 *
 * @module
 */

import { chain } from "../../core/chain.ts";
import type { Feature } from "../../serving/feature.ts";
import { files } from "../../files/files.ts";
import type { FileSource } from "../../sources/types.ts";
import type { Handler } from "../../core/types.ts";
import { withoutPrograms } from "../without_programs.ts";
import type { CgiOptions, CommandWords } from "./options.ts";
import { endAllScripts } from "./process_group.ts";
import { finderOf, Programs } from "./programs.ts";

export type { CgiOptions, CommandWords };

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
 * import { cgi, chain, disk, files, toFetch } from "@x/pyserve";
 * import { cgiContent } from "@x/pyserve/handlers";
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
