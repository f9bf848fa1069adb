/**
 * Python's `CGIHTTPRequestHandler`: programs, run by the CGI of this package.
 *
 * @module
 */

import { basename } from "@std/path/basename";
import type { CgiOptions } from "../upstream/cgi/cgi.ts";
import { withoutPrograms } from "../upstream/without_programs.ts";
import { checkExecutable } from "../upstream/cgi/executable.ts";
import type { Program } from "../upstream/program.ts";
import { finderOf, Programs, type RunOptions } from "../upstream/cgi/programs.ts";
import type { RunningScript } from "../upstream/cgi/run.ts";
import { chain } from "../chain.ts";
import { HttpError } from "../errors.ts";
import { withEncodedSlashes } from "../feature.ts";
import { files } from "../files.ts";
import { encodeSegment } from "../http/escape.ts";
import { Refusal } from "../http/refusal.ts";
import { pathSegments, rawTarget } from "../http/target.ts";
import type { Hosts } from "../own_hosts.ts";
import { settle } from "../settle.ts";
import type { FileSource } from "../sources/types.ts";
import type { Handler } from "../types.ts";
import { latin1 } from "../http1/input_buffer.ts";
import { type SourceFile, urlOf } from "./exchange.ts";
import { pythonRepr } from "./repr.ts";
import { type ContentRules, SimpleHTTPRequestHandler } from "./simple.ts";

/** Where a program is: a directory of programs, and what is below it with the query behind. Python: `cgi_info`. */
export type CgiInfo = readonly [directory: string, rest: string];

/**
 * Serves files, and runs the programs in some directories: Python's `CGIHTTPRequestHandler`, which Python has no more
 * since 3.15.
 *
 * Programs are run by the same code as the command's `--cgi`: with a clean environment, in a process group of their own,
 * with limits of time and number; Status, Location and the rest of RFC 3875 are understood. A program whose name begins
 * with `nph-` speaks to the client itself: what it prints is sent as it is, and the connection is closed behind it. A
 * program ends when its client leaves, and with the server. No spelling of a path gets at its source.
 *
 * It answers under own names of the server only, files as well: a page of another site could otherwise run programs by
 * DNS rebinding. All other names are 421; see `hosts`.
 *
 * GET, HEAD and POST are for programs; other methods are 501, as in Python, unless the class has `do_PUT` and so on, which
 * may call `run_cgi`. Programs are looked for below `directory`, and `translate_path` is not asked for them.
 *
 * Python: `class Handler(CGIHTTPRequestHandler)`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { CGIHTTPRequestHandler, ThreadingHTTPServer } from "@x/pyserve";
 *
 * const site = Deno.makeTempDirSync();
 * Deno.mkdirSync(`${site}/cgi-bin`);
 * const hello = "#!/bin/sh\necho 'Content-Type: text/plain'; echo; echo hello $QUERY_STRING";
 * Deno.writeTextFileSync(`${site}/cgi-bin/hello`, hello, { mode: 0o755 });
 *
 * class Handler extends CGIHTTPRequestHandler {
 *   override directory = site;
 *   override log_message() {}
 * }
 *
 * await using server = new ThreadingHTTPServer(["127.0.0.1", 0], Handler);
 * server.serve_forever();
 * const response = await fetch(`http://127.0.0.1:${server.server_port}/cgi-bin/hello?you`);
 * assert(await response.text() === "hello you\n");
 * Deno.removeSync(site, { recursive: true });
 * ```
 */
export class CGIHTTPRequestHandler extends SimpleHTTPRequestHandler {
  /** Directories in which every file is a program, shared by all handlers. Python: `cgi_directories`. */
  static readonly cgi_directories: string[] = ["/cgi-bin", "/htbin"];

  /** Directories in which every file is a program. Python: `cgi_directories`. */
  cgi_directories: readonly string[] = CGIHTTPRequestHandler.cgi_directories;
  /** Whether the system has processes as Unix has. It decides nothing here. Python: `have_fork`. */
  readonly have_fork: boolean = Deno.build.os !== "windows";
  /** Where the program is that the request asks for; set by `is_cgi`. Python: `cgi_info`. */
  cgi_info: CgiInfo = ["", ""];
  /** Names under which it may be asked, besides addresses, `localhost` and the machine's; `"any"` for any. Python: any. */
  override hosts: Hosts | null = [];
  /** How programs are run: limits, variables, interpreters. Python has no such thing. */
  cgi_options: CgiOptions = {};

  /** What `is_cgi` has found, and the target that leads there. */
  #found: { readonly info: CgiInfo; readonly target: string } | null = null;

  /** Runs a program; 501 where none is asked for. Python: `do_POST`. */
  async do_POST(): Promise<void> {
    if (this.is_cgi()) await this.run_cgi();
    else this.send_error(501, "Can only POST to CGI scripts");
  }

  /** Runs a program, or sends the head of a file or a listing. Python: `send_head`. */
  override async send_head(): Promise<SourceFile | null> {
    if (!this.is_cgi()) return await super.send_head();
    await this.run_cgi();
    return null;
  }

  /**
   * Whether the path is for a program: it leads below one of `cgi_directories`; then `cgi_info` says where.
   *
   * As in Python, an encoded slash counts as one up to there; behind it, only the program may say what it means. Override
   * it, and set `cgi_info`, to find programs in another way.
   *
   * Python: `is_cgi`.
   */
  is_cgi(): boolean {
    const target = rawTarget(urlOf(this, this.path));
    for (const spelling of [target, withSlashes(target)]) {
      const info = cgiInfo(spelling, this.cgi_directories);
      if (info === null) continue;
      this.cgi_info = info;
      this.#found = { info, target: spelling };
      return true;
    }
    return false;
  }

  /** Whether a file can be run. Python: `is_executable(path)`. */
  is_executable(path: string): boolean {
    try {
      checkExecutable(path);
    } catch (error) {
      // Something else is wrong with it, which is told when it is to run.
      return error instanceof HttpError && error.status === 500;
    }
    return true;
  }

  /** Whether a file is a Python script, by its extension. It decides nothing here. Python: `is_python(path)`. */
  is_python(path: string): boolean {
    return /\.pyw?$/i.test(path);
  }

  /**
   * Runs the program of `cgi_info`, and sends what it prints.
   *
   * 404 where it is not there, 403 where it is not a file or cannot be run, 502 and 504 where it has nothing to say.
   *
   * Python: `run_cgi`, which sends `200 Script output follows` in any case.
   */
  async run_cgi(): Promise<void> {
    const { cgi_info } = this;
    const programs = this.#programs();
    const passedOn = new Response();
    const answer: Handler = async (request, context) => {
      const program = await this.#find(() => programs.find(context));
      if (program === null) throw new HttpError(404, `No such CGI script (${pythonRepr(nameOf(cgi_info))})`);
      const raw = (script: RunningScript) => this.#pass_on(script).then(() => passedOn);
      const isNph = basename(program.file).startsWith("nph-");
      return await programs.run(program, request, context, { ...this.#given(), ...(isNph && { raw }) });
    };
    const target = this.#found?.info === cgi_info ? this.#found.target : targetOf(cgi_info);
    const response = await this.ask(withEncodedSlashes([answer], settle(answer)), target);
    if (response === passedOn) return;
    using body = await this.send_reply(response);
    if (body && this.command !== "HEAD") await this.copyfile(body, this.wfile);
  }

  /** What of the directory is not to be sent as files. */
  protected override content_rules(): ContentRules {
    const options = this.#options();
    return {
      key: JSON.stringify(options),
      without: (source) => withoutPrograms(source, finderOf(source, options), options.index),
    };
  }

  /** In the words of Python. */
  async #find(find: () => Promise<Program | null>): Promise<Program | null> {
    const script = () => pythonRepr(nameOf(this.cgi_info));
    try {
      const program = await find();
      if (program === null || this.is_executable(program.file)) return program;
    } catch (error) {
      if (!(error instanceof HttpError)) throw error;
      const what = error.status === 404 ? "No such CGI script" : "CGI script is not a plain file";
      throw new HttpError(error.status, `${what} (${script()})`);
    }
    throw new HttpError(403, `CGI script is not executable (${script()})`);
  }

  /** Sends what a program prints as it is. Nobody here knows where such a reply ends, so that the connection ends with it. */
  async #pass_on(script: RunningScript): Promise<void> {
    let bytes = await script.read();
    if (bytes === null) throw new HttpError(502, "The program ended without any output");
    script.headersDone();
    this.log_request(/^HTTP\/\d\.\d (\d{3})/.exec(latin1(bytes.subarray(0, 12)))?.[1] ?? "-");
    try {
      for (; bytes !== null; bytes = await script.read()) await this.wfile.writeOwned(bytes);
    } catch (error) {
      script.kill();
      if (this.connection.lost === null) this.log_error("%s", error instanceof Error ? error.message : error);
    }
  }

  #given(): RunOptions {
    return { env: { HTTP_ACCEPT: (this.headers.get_all("accept") ?? []).join(",") } };
  }

  #options(): CgiOptions {
    const [directory] = this.cgi_info;
    const directories = [...this.cgi_directories];
    if (directory !== "" && !directories.includes(directory)) directories.push(directory);
    return { software: this.version_string(), ...this.cgi_options, directories };
  }

  #programs(): Programs {
    const source = this.site_source();
    const options = this.#options();
    const key = JSON.stringify(options);
    const known = programsOf.get(source) ?? new Map<string, Programs>();
    programsOf.set(source, known);
    const before = known.get(key);
    if (before) return before;
    const answer: Handler = (request, context) => answering(request, context);
    const made = new Programs(source, options, answer);
    const content = files(withoutPrograms(source, finderOf(source, options), options.index));
    const answering = chain((request, context) => made.answer(request, context), content);
    if (known.size >= MOST_RULES) known.clear();
    known.set(key, made);
    return made;
  }
}

/** Rules that are remembered for a directory: more than a program has classes. */
const MOST_RULES = 100;

/** The programs of a directory, by the rules they run by: one for all handlers, because they share the places to run. */
const programsOf = new WeakMap<FileSource, Map<string, Programs>>();

/** Where the first part of a target is a directory of programs, that and the rest of it. */
function cgiInfo(target: string, directories: readonly string[]): CgiInfo | null {
  const segments = pathSegments(target);
  if (segments instanceof Refusal) return null;
  // Empty segments count only at the end, and in what the program is told.
  const names = segments.filter((segment, index) => segment !== "" || index === segments.length - 1);
  for (let depth = 1; depth < names.length; depth++) {
    const directory = "/" + names.slice(0, depth).join("/");
    if (!directories.includes(directory)) continue;
    const query = /\?[^#]*/.exec(target)?.[0] ?? "";
    return [directory, names.slice(depth).join("/") + query];
  }
  return null;
}

function withSlashes(target: string): string {
  return target.replace(/^[^?#]*/, (path) => path.replace(/%2f/gi, "/"));
}

/** A target for where a class of somebody has found a program. */
function targetOf([directory, rest]: CgiInfo): string {
  const at = rest.indexOf("?");
  const path = `${directory}/${at < 0 ? rest : rest.slice(0, at)}`;
  return path.split("/").map(encodeSegment).join("/") + (at < 0 ? "" : rest.slice(at));
}

/** The path of a program as Python shows it. */
function nameOf([directory, rest]: CgiInfo): string {
  return `${directory}/${rest.replace(/[/?].*/s, "")}`;
}
