/**
 * Runs the program for a request and turns its output into the response.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import { clientOf } from "../../http/client.ts";
import { isLoopback } from "../../http/own_host.ts";
import { internalsOf } from "../../core/internals.ts";
import { Limiter } from "../../core/limiter.ts";
import { requireOwnHost } from "../../core/own_hosts.ts";
import type { FileSource } from "../../sources/types.ts";
import { uploadPath } from "../../sources/writable_in.ts";
import type { Context, Handler } from "../../core/types.ts";
import { whenClientLeaves } from "../../core/client_watch.ts";
import { cgiEnvironment } from "../environment.ts";
import { rulePath, ScriptFinder } from "../find_script.ts";
import type { ScriptHead } from "../header_block.ts";
import { DEFAULT_LIMITS, shareOf } from "../limits.ts";
import { followLocalRedirect, redirectedFrom } from "../local_redirect.ts";
import type { Program } from "../program.ts";
import { hasBody, readHead, scriptResponse } from "../reply.ts";
import { spoolBody, type Spooled, type SpoolOptions } from "../spool.ts";
import { checkExecutable, type Executable } from "./executable.ts";
import { explained } from "./explain.ts";
import { indexedQueryWords } from "./indexed_query.ts";
import { isolated, ISOLATED_VARIABLES, type Start } from "./isolation.ts";
import type { CgiOptions } from "./options.ts";
import { type RunningScript, type ScriptLimits, startScript } from "./run.ts";

/** Options of one run of a program. */
export interface RunOptions {
  /** Environment variables, which override all others. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Reads the raw output of the program, header included (NPH), to its end, and returns the response for the log.
   * Anything it throws is treated as an error of the program.
   */
  readonly raw?: (script: RunningScript) => Promise<Response>;
}

/** How long to wait, in milliseconds, for a response to be complete after its first output. */
const BREATH_MS = 2;

/** Variables inherited from the server: the search path and the time zone. */
const INHERITED = Deno.build.os === "windows"
  ? ["PATH", "PATHEXT", "SystemRoot", "COMSPEC", "WINDIR", "TEMP", "TMP", "TZ"]
  : ["PATH", "TZ"];

/** Creates the finder for the CGI options. */
export function finderOf(source: FileSource, options: CgiOptions): ScriptFinder {
  const { directories = ["/cgi-bin", "/htbin"], interpreters = {}, mounts = {} } = options;
  return new ScriptFinder(source, {
    directories: directories.map(rulePath),
    extensions: options.extensions ?? [],
    interpreters: new Map(Object.entries(interpreters)),
    mounts: Object.entries(mounts).map(([path, command]) => ({ path: rulePath(path), command })),
    index: options.index ?? [],
    uploads: options.uploads?.map(uploadPath) ?? [],
  });
}

/** The programs of a source, and the limit on how many run at once. */
export class Programs {
  readonly #finder: ScriptFinder;
  readonly #options: CgiOptions;
  readonly #answer: Handler;
  readonly #limiter: Limiter;
  readonly #limits: ScriptLimits;
  readonly #body: SpoolOptions;
  /** Programs named by the configuration: a missing one is 500, not 404. */
  readonly #ours: ReadonlySet<string>;
  /** Whether uploads are enabled, whose files interpreters must not load. */
  readonly #isIsolated: boolean;
  #inherited: Record<string, string> | null = null;

  /** Creates the programs of a source; `answer` handles local redirects. */
  constructor(source: FileSource, options: CgiOptions, answer: Handler) {
    this.#finder = finderOf(source, options);
    this.#options = options;
    const { interpreters = {}, mounts = {} } = options;
    this.#ours = new Set([...Object.values(interpreters), ...Object.values(mounts)].map(([command]) => command));
    this.#answer = answer;
    this.#isIsolated = (options.uploads ?? []).length > 0;
    const { maxPrograms: max = Math.max(8, 4 * navigator.hardwareConcurrency) } = options;
    const limits = { ...DEFAULT_LIMITS, ...options };
    const { maxPerClient = shareOf(max), queueTimeout: queueMs } = limits;
    this.#limiter = new Limiter({ max, maxPerClient, queueMs });
    this.#limits = {
      headerMs: limits.headerTimeout,
      idleMs: limits.idleTimeout,
      lingerMs: limits.lingerTimeout,
      stallMs: limits.stallTimeout,
    };
    this.#body = { max: limits.maxBody, stallMs: limits.bodyTimeout };
  }

  /** Runs the program for a request; declines if there is none. */
  async answer(request: Request, context: Context): Promise<Response | null> {
    const program = await this.find(context);
    return program && await this.run(program, request, context);
  }

  /**
   * The program for a request, or null. Throws {@linkcode HttpError} if the path belongs to programs, but none can be
   * run there.
   */
  find(context: Context): Promise<Program | null> {
    return this.#finder.find(context);
  }

  /** Runs a program for a request, which must name one of the server's own hosts. */
  async run(program: Program, request: Request, context: Context, options: RunOptions = {}): Promise<Response> {
    requireOwnHost(request, context);
    const executable = this.#check(program, context);
    if (this.#isIsolated) await this.#checkRepositories(options.env);
    const input = await spoolBody(request, this.#body);
    const exchange = new ProgramRun(request, context, program);
    const start = this.#startOf(exchange, executable, input, options.env);
    const run = <T>(use: Use<T>) => exchange.start(this.#limiter, start, this.#limits, use, this.#options.debug);
    const { raw } = options;
    if (raw) return await run((script) => raw(script));
    const head = await run(readScriptHead);
    if (head.localRedirect === null) return await exchange.respond(head);
    exchange.script.discard();
    return await followLocalRedirect(head.localRedirect, request, context, this.#answer);
  }

  #check({ command }: Program, context: Context): Executable {
    try {
      return checkExecutable(command);
    } catch (error) {
      count(context, "programFailures");
      if (!this.#ours.has(command)) throw error;
      throw new HttpError(500, "The program for this path cannot be started", { cause: error });
    }
  }

  #startOf(
    { request, context, program }: ProgramRun,
    executable: Executable,
    input: Spooled | null,
    env: RunOptions["env"],
  ): Parameters<typeof startScript>[0] {
    const { passAuth = false, software = "pyserve", user } = this.#options;
    const extra = { ...this.#options.env, ...env };
    const from = redirectedFrom(request)?.from;
    const bodyLength = input && input.length;
    const inherited = this.#inherited ??= inheritedVariables(this.#isIsolated);
    const { words: [command, ...args], directory } = this.#commandLine(program, executable);
    return {
      command,
      args: [...args, ...indexedQueryWords(request.method, context.target.query)],
      cwd: directory,
      env: cgiEnvironment({
        ...{ request, context, program, bodyLength, software, passAuth, inherited, extra },
        ...(from !== undefined && { redirectUrl: from }),
      }),
      input,
      file: this.#ours.has(program.command) ? null : program.file,
      ...(user && { user }),
    };
  }

  #commandLine(program: Program, executable: Executable): Start {
    const start = { words: commandLine(program, executable), directory: program.directory };
    return this.#isIsolated ? isolated(start) : start;
  }

  /** Throws if repositories could be uploaded: git runs commands from a repository's configuration. */
  async #checkRepositories(env: RunOptions["env"]): Promise<void> {
    const repositories = { ...this.#options.env, ...env }["GIT_PROJECT_ROOT"];
    if (repositories === undefined || !await this.#finder.overlapsUploads(repositories)) return;
    throw new HttpError(
      500,
      "GIT_PROJECT_ROOT contains a directory that takes uploads: git would run commands from uploaded configuration",
    );
  }
}

/** The next chunk of output; null at the end. */
type Output = ReturnType<RunningScript["read"]>;

/** The command line; on Windows, which does not support `#!`, it begins with the interpreter. */
function commandLine({ command, args }: Program, { interpreter }: Executable): readonly [string, ...string[]] {
  if (Deno.build.os !== "windows" || interpreter === null) return [command, ...args];
  const [program, ...words] = interpreter;
  return [program!, ...words, command, ...args];
}

/** Uses a running program; if that fails, the output in `printed` is shown. */
type Use<T> = (script: RunningScript, printed: Uint8Array[]) => Promise<T>;

/** A request and the program that answers it. */
class ProgramRun {
  readonly request: Request;
  readonly context: Context;
  readonly program: Program;
  #script: RunningScript | null = null;
  /** Whether the program's exit has been logged, or does not need to be. */
  #isOver = false;

  constructor(request: Request, context: Context, program: Program) {
    this.request = request;
    this.context = context;
    this.program = program;
  }

  get script(): RunningScript {
    return this.#script!;
  }

  /** Waits for a free slot, starts the program, and uses it. */
  async start<T>(
    limiter: Limiter,
    start: Parameters<typeof startScript>[0],
    limits: ScriptLimits,
    use: Use<T>,
    debug = false,
  ): Promise<T> {
    const left = new AbortController();
    using _watch = whenClientLeaves(redirectedFrom(this.request)?.original ?? this.request, () => {
      this.#isOver = true;
      left.abort(new HttpError(400, "The client has disconnected"));
      this.#script?.kill();
    });
    const place = await this.#enter(limiter, left.signal, start.input);
    try {
      this.#script = await startScript(start, limits, (line) => this.#log(line));
      count(this.context, "programRuns");
    } catch (error) {
      count(this.context, "programFailures");
      place[Symbol.dispose]();
      throw error;
    }
    this.#script.ended.then(() => place[Symbol.dispose]());
    if (left.signal.aborted) this.#script.kill(); // the client disconnected during the start
    const printed: Uint8Array[] = [];
    try {
      const used = await use(this.#script, printed);
      this.#script.ended.then((status) => {
        if (status.success) return;
        if (!this.#isOver) count(this.context, "programFailures");
        this.#end(ending(status));
      });
      return used;
    } catch (error) {
      this.#isOver = true;
      left.signal.throwIfAborted(); // not a failure: the program is being killed
      count(this.context, "programFailures");
      const postMortem = await this.#script.postMortem(); // before killing it: its own exit status explains the failure
      this.#script.kill();
      const shown = debug || isFromHere(this.request, this.context);
      throw explained(error, postMortem, printed, shown);
    }
  }

  async #enter(limiter: Limiter, signal: AbortSignal, input: Spooled | null): Promise<Disposable> {
    try {
      return await limiter.enter(clientOf(this.context.remoteAddress, this.request.headers), signal);
    } catch (error) {
      input?.[Symbol.dispose]();
      throw error;
    }
  }

  async respond(head: ScriptHead): Promise<Response> {
    for (const line of head.dropped) this.#log(`dropped a header without a name: ${line}`);
    if (!hasBody(this.request, head)) {
      this.script.discard();
      return scriptResponse(this.request, head, null);
    }
    return scriptResponse(this.request, head, await this.#body(head));
  }

  /** Most programs write all output at once: a body of known length is cheaper than a stream, for both sides. */
  async #body(
    { rest, contentLength }: ScriptHead,
  ): Promise<Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array<ArrayBuffer>>> {
    if (contentLength !== null) {
      if (rest.length < contentLength) return this.#stream([rest], contentLength);
      this.script.discard();
      return rest.subarray(0, contentLength);
    }
    const next = this.script.read();
    return await soon(next) === null ? rest : this.#stream([rest, next], Infinity);
  }

  /** The body as a stream that follows the client's pace; output that has been read already comes first. */
  #stream(begun: (Awaited<Output> | Output)[], length: number): ReadableStream<Uint8Array<ArrayBuffer>> {
    const { script } = this;
    let left = length;
    const pull = async (controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>) => {
      const bytes = left === 0 ? null : await (begun.shift() ?? script.read());
      if (bytes?.length === 0) return pull(controller);
      if (bytes !== null) {
        const part = bytes.length > left ? bytes.subarray(0, left) : bytes;
        left -= part.length;
        controller.enqueue(part);
        if (left > 0) return;
      }
      controller.close();
      script.discard();
    };
    return new ReadableStream({
      pull: (controller) =>
        pull(controller).catch((error) => {
          this.#end(error instanceof Error ? error.message : String(error));
          throw error;
        }),
      cancel: () => {
        this.#isOver = true;
        script.kill();
      },
    }, { highWaterMark: 0 });
  }

  /** Logs the program's exit, once. */
  #end(how: string): void {
    if (!this.#isOver) this.#log(how);
    this.#isOver = true;
  }

  #log(line: string): void {
    this.context.log.error(`${this.program.name}: ${line}`);
  }
}

/** Counts a run or a failure, where there are metrics. */
function count(context: Context, what: "programRuns" | "programFailures"): void {
  const { counts } = internalsOf(context).notes;
  if (counts) counts[what] += 1;
}

/** The next chunk of output if it arrives at once; undefined if it takes longer or fails. */
async function soon(output: Output): Promise<Awaited<Output> | void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, BREATH_MS);
  try {
    return await Promise.race([output, late.promise]);
  } catch {
    return undefined; // the body reports the error
  } finally {
    clearTimeout(timer);
  }
}

/** Reads the header of a program, keeping its output for an error message. */
async function readScriptHead(script: RunningScript, printed: Uint8Array[]): Promise<ScriptHead> {
  const head = await readHead(async () => {
    const bytes = await script.read();
    if (bytes !== null) printed.push(bytes);
    return bytes;
  });
  script.headersDone();
  return head;
}

function ending({ code, signal }: Deno.CommandStatus): string {
  return signal === null ? `exit status ${code}` : `killed by ${signal}`;
}

/** Headers set by proxies. A client can forge them, but only gets fewer details. */
const FORWARDED = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/** Whether the client is on this machine, and not merely behind a local proxy. */
function isFromHere({ headers }: Request, { remoteAddress }: Context): boolean {
  return isLoopback(remoteAddress) && !FORWARDED.some((name) => headers.has(name));
}

/** Read when the first program runs; variables hidden by Deno's permissions are omitted. */
function inheritedVariables(isIsolated: boolean): Record<string, string> {
  const inherited = Object.fromEntries(INHERITED.flatMap((name) => {
    try {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    } catch {
      return [];
    }
  }));
  return isIsolated ? { ...inherited, ...ISOLATED_VARIABLES } : inherited;
}
