/**
 * Python's `CGIHTTPRequestHandler`, based on the CGI support of this package.
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
import { chain } from "../core/chain.ts";
import { HttpError } from "../core/errors.ts";
import { withEncodedSlashes } from "../serving/feature.ts";
import { files } from "../files/files.ts";
import { encodeSegment } from "../http/escape.ts";
import { Refusal } from "../http/refusal.ts";
import { pathSegments, rawTarget } from "../http/target.ts";
import type { Hosts } from "../core/own_hosts.ts";
import { settle } from "../core/settle.ts";
import type { FileSource } from "../sources/types.ts";
import type { Handler } from "../core/types.ts";
import { latin1 } from "../http1/input_buffer.ts";
import { type SourceFile, urlOf } from "./exchange.ts";
import { pythonRepr } from "./repr.ts";
import { type ContentRules, SimpleHTTPRequestHandler } from "./simple.ts";

/** The location of a program: its directory, and the rest of the target including the query. Python: `cgi_info`. */
export type CgiInfo = readonly [directory: string, rest: string];

/**
 * Serves files, and runs the programs in certain directories: Python's `CGIHTTPRequestHandler`, which was removed in
 * Python 3.15.
 *
 * Programs are run by the same code as for `--cgi`: with a clean environment, in their own process group, with limits
 * on time and number; Status, Location and the rest of RFC 3875 are supported. A program whose name begins with `nph-`
 * (non-parsed headers) writes the response itself: its output is sent unmodified, and then the connection is closed. A
 * program is killed when its client disconnects, and when the server stops. No spelling of a path exposes its source.
 *
 * Only requests for the server's own host names are answered, including those for files: otherwise a page of another
 * site could run programs by DNS rebinding. All other names get 421; see `hosts`.
 *
 * GET, HEAD and POST run programs; other methods are 501, as in Python, unless the class defines `do_PUT` and so on,
 * which may call `run_cgi`. Programs are looked up below `directory`, without calling `translate_path`.
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
 *
 * @category Python
 */
export class CGIHTTPRequestHandler extends SimpleHTTPRequestHandler {
  /** Directories in which every file is a program, shared by all handlers. Python: `cgi_directories`. */
  static readonly cgi_directories: string[] = ["/cgi-bin", "/htbin"];

  /** Directories in which every file is a program. Python: `cgi_directories`. */
  cgi_directories: readonly string[] = CGIHTTPRequestHandler.cgi_directories;
  /** Whether the platform has Unix processes; not used here. Python: `have_fork`. */
  readonly have_fork: boolean = Deno.build.os !== "windows";
  /** The program requested, set by `is_cgi`. Python: `cgi_info`. */
  cgi_info: CgiInfo = ["", ""];
  /**
   * Accepted host names besides addresses, `localhost` and the machine's own names; `"any"` accepts all, as Python
   * does.
   */
  override hosts: Hosts | null = [];
  /** Options for running programs: limits, variables, interpreters. Python has no equivalent. */
  cgi_options: CgiOptions = {};

  /** The result of `is_cgi`, and the target it applies to. */
  #found: { readonly info: CgiInfo; readonly target: string } | null = null;

  /** Runs a program; 501 if the path is not that of a program. Python: `do_POST`. */
  async do_POST(): Promise<void> {
    if (this.is_cgi()) await this.run_cgi();
    else this.send_error(501, "Can only POST to CGI scripts");
  }

  /** Runs a program, or sends the response headers of a file or a listing. Python: `send_head`. */
  override async send_head(): Promise<SourceFile | null> {
    if (!this.is_cgi()) return await super.send_head();
    await this.run_cgi();
    return null;
  }

  /**
   * Whether the path is below one of `cgi_directories`; if so, sets `cgi_info`.
   *
   * As in Python, an encoded slash counts as a slash up to the program's name; after it, only the program decides what
   * it means. Override this, and set `cgi_info`, to find programs differently.
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

  /** Whether a file is executable. Python: `is_executable(path)`. */
  is_executable(path: string): boolean {
    try {
      checkExecutable(path);
    } catch (error) {
      // It has another problem, which is reported when it is run.
      return error instanceof HttpError && error.status === 500;
    }
    return true;
  }

  /** Whether a file is a Python script, by its extension; not used here. Python: `is_python(path)`. */
  is_python(path: string): boolean {
    return /\.pyw?$/i.test(path);
  }

  /**
   * Runs the program of `cgi_info`, and sends its output.
   *
   * 404 if it does not exist, 403 if it is not a file or not executable, 502 and 504 if it fails to produce a response.
   *
   * Python: `run_cgi`, which always sends `200 Script output follows`.
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

  /** Excludes programs from the files that are served. */
  protected override content_rules(): ContentRules {
    const options = this.#options();
    return {
      key: JSON.stringify(options),
      without: (source) => withoutPrograms(source, finderOf(source, options), options.index),
    };
  }

  /** Converts errors to Python's messages. */
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

  /** Sends a program's output unmodified. Its length is unknown, so the connection is closed at its end. */
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

/** Maximum number of cached rules per directory: more than a program has classes. */
const MOST_RULES = 100;

/** Programs by directory and rules, shared by all handlers, so that the concurrency limit is shared too. */
const programsOf = new WeakMap<FileSource, Map<string, Programs>>();

/** Splits a target into a program directory and the rest; null if it does not begin with one. */
function cgiInfo(target: string, directories: readonly string[]): CgiInfo | null {
  const segments = pathSegments(target);
  if (segments instanceof Refusal) return null;
  // Empty segments count only at the end and in PATH_INFO.
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

/** The target for a program found by an overridden `is_cgi`. */
function targetOf([directory, rest]: CgiInfo): string {
  const at = rest.indexOf("?");
  const path = `${directory}/${at < 0 ? rest : rest.slice(0, at)}`;
  return path.split("/").map(encodeSegment).join("/") + (at < 0 ? "" : rest.slice(at));
}

/** The path of a program as Python displays it. */
function nameOf([directory, rest]: CgiInfo): string {
  return `${directory}/${rest.replace(/[/?].*/s, "")}`;
}
