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
 * Runs CGI programs, and declines paths that are not a program's.
 *
 * A file is identified as a program after resolving symlinks, so that no spelling of a path discloses its source. A
 * program gets a clean environment, its own directory as working directory, and the whole request body with its length,
 * even if sent chunked (up to 1 MiB in memory, more in a temporary file). Its response is streamed; Status, redirects
 * (RFC 3875 section 6.2) and headers are validated. It runs in its own process group, which is killed if the client
 * disconnects, on a timeout, and when the server stops ({@linkcode endAllScripts}).
 *
 * Serve {@linkcode cgiContent} for all other paths: programs are hidden from it, and an index file may be a program.
 *
 * It is a corrected version of Python's `CGIHTTPRequestHandler`. Not supported: raw output (`nph-` programs work, but
 * are parsed like any other), conditional and range requests for a program's output.
 *
 * A request for a program must name one of the server's own hosts (`hosts` of `toFetch`); any other is refused with
 * 421.
 *
 * Detecting a disconnect uses `request.signal`, for which Deno 2.9 prints a warning once on standard error;
 * `--unstable-no-legacy-abort` silences it and changes nothing else.
 *
 * @param source Contains the programs. Only a source on disk can; mounts work with any.
 * @throws TypeError If a path in the options is invalid.
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
 *
 * @category Handlers
 */
export function cgi(source: FileSource, options: CgiOptions = {}): Handler {
  const handler: Handler = (request, context) => programs.answer(request, context);
  const programs = new Programs(source, options, options.answer ?? chain(handler, files(cgiContent(source, options))));
  return handler;
}

/**
 * The source without the programs that {@linkcode cgi} runs with these options. Use it for `files`, so that the source
 * of a program is never served as a directory's index or as a precompressed variant.
 *
 * Only what is currently a program is hidden. A directory of programs remains visible, empty.
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
 *
 * @category Features
 */
export function cgiFeature(options: CgiOptions = {}): Feature {
  return {
    name: "cgi",
    runsPrograms: true,
    methods: [], // programs decide on their methods; other paths gain none
    encodedSlashes: true, // allowed in PATH_INFO
    contentOf: (source, index) => cgiContent(source, withIndex(options, index)),
    handler: ({ source, answer, index, uploads }) => {
      return cgi(source, { answer, ...withIndex(options, index), uploads: [...uploads, ...options.uploads ?? []] });
    },
    end: endAllScripts,
  };
}

/** Options with the file server's index names, which run if they are programs. */
function withIndex(options: CgiOptions, index: readonly string[]): CgiOptions {
  return { ...options, index: [...options.index ?? [], ...index] };
}
