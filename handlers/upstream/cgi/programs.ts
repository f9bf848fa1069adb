/**
 * Programs that answer requests: found, started, fed, and their output made a response.
 *
 * @module
 */

import { HttpError } from "../../errors.ts";
import { STALL_MS } from "../../held_body.ts";
import { clientOf } from "../../http/client.ts";
import { isLoopback } from "../../http/own_host.ts";
import { Refusal } from "../../http/refusal.ts";
import { Limiter } from "../../limiter.ts";
import { requireOwnHost } from "../../own_hosts.ts";
import type { FileSource } from "../../sources/types.ts";
import { uploadPath } from "../../sources/writable_in.ts";
import type { Context, Handler } from "../../types.ts";
import { whenClientLeaves } from "../client_watch.ts";
import { cgiEnvironment } from "../environment.ts";
import { rulePath, ScriptFinder } from "../find_script.ts";
import { CgiHeaderParser, type ScriptHead } from "../header_block.ts";
import { followLocalRedirect, redirectedFrom } from "../local_redirect.ts";
import { type Program, requireRun } from "../program.ts";
import { hasBody, scriptResponse } from "../respond.ts";
import { shareOf } from "../share.ts";
import { spoolBody, type Spooled } from "../spool.ts";
import { checkExecutable, type Executable } from "./executable.ts";
import { explained } from "./explain.ts";
import { indexedQueryWords } from "./indexed_query.ts";
import { isolated, ISOLATED_VARIABLES, type Start } from "./isolation.ts";
import type { CgiOptions } from "./options.ts";
import { type RunningScript, type ScriptLimits, startScript } from "./run.ts";

/** What one run of a program is given besides. */
export interface RunOptions {
  /** Variables, which win over all others. */
  readonly env?: Readonly<Record<string, string>>;
  /**
   * Takes the output of the program as it comes, header and all (NPH), to its end; and gives what stands for the response.
   * What it throws is an error of the program.
   */
  readonly raw?: (script: RunningScript) => Promise<Response>;
}

const MAX_BODY = 1024 ** 3;

/** Milliseconds a client may send nothing of a body. */
const BODY_STALL_MS = 30_000;

/** Milliseconds that an answer waits for its end to come with its beginning. */
const BREATH_MS = 2;

/** Variables of the server that programs get: where to find others, and what time it is. */
const INHERITED = Deno.build.os === "windows"
  ? ["PATH", "PATHEXT", "SystemRoot", "COMSPEC", "WINDIR", "TEMP", "TMP", "TZ"]
  : ["PATH", "TZ"];

/** Finds programs by the options of CGI. */
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

/** The programs of a source, and the places for those that run. */
export class Programs {
  readonly #finder: ScriptFinder;
  readonly #options: CgiOptions;
  readonly #answer: Handler;
  readonly #limiter: Limiter;
  readonly #limits: ScriptLimits;
  readonly #maxBody: number | null;
  /** Programs that are part of the set-up, so that it is no fault of the client where one is not there. */
  readonly #ours: ReadonlySet<string>;
  /** Whether there are uploads, which interpreters must not find. */
  readonly #isIsolated: boolean;
  #inherited: Record<string, string> | null = null;

  /** Takes the options of CGI, and what answers where a program sends a request on. */
  constructor(source: FileSource, options: CgiOptions, answer: Handler) {
    this.#finder = finderOf(source, options);
    this.#options = options;
    const { interpreters = {}, mounts = {} } = options;
    this.#ours = new Set([...Object.values(interpreters), ...Object.values(mounts)].map(([command]) => command));
    this.#answer = answer;
    this.#isIsolated = (options.uploads ?? []).length > 0;
    const { maxPrograms: max = Math.max(8, 4 * navigator.hardwareConcurrency) } = options;
    const { maxPerClient = shareOf(max), queueTimeout: queueMs = 10_000 } = options;
    this.#limiter = new Limiter({ max, maxPerClient, queueMs });
    this.#limits = {
      headerMs: options.headerTimeout ?? 30_000,
      idleMs: options.idleTimeout ?? 60_000,
      lingerMs: options.lingerTimeout ?? 5_000,
      stallMs: options.stallTimeout ?? STALL_MS,
    };
    this.#maxBody = options.maxBody === undefined ? MAX_BODY : options.maxBody;
  }

  /** Answers with the program that is asked for, and declines where none is. */
  async answer(request: Request, context: Context): Promise<Response | null> {
    const program = await this.find(context);
    return program && await this.run(program, request, context);
  }

  /** The program that is asked for, or null; throws {@linkcode HttpError} where it should be one, and is none. */
  find(context: Context): Promise<Program | null> {
    return this.#finder.find(context);
  }

  /** Lets a program answer, where the request names an own host of this server. */
  async run(program: Program, request: Request, context: Context, options: RunOptions = {}): Promise<Response> {
    requireOwnHost(request, context);
    requireRun(program, context);
    const executable = this.#check(program);
    if (this.#isIsolated) await this.#checkRepositories(options.env);
    const stallMs = this.#options.bodyTimeout ?? BODY_STALL_MS;
    const input = await spoolBody(request, { max: this.#maxBody, stallMs });
    const exchange = new Exchange(request, context, program);
    const start = this.#startOf(exchange, executable, input, options.env);
    const run = <T>(use: Use<T>) => exchange.start(this.#limiter, start, this.#limits, use, this.#options.debug);
    const { raw } = options;
    if (raw) return await run((script) => raw(script));
    const head = await run(readHead);
    if (head.localRedirect === null) return await exchange.respond(head);
    exchange.script.discard();
    return await followLocalRedirect(head.localRedirect, request, context, this.#answer);
  }

  #check({ command }: Program): Executable {
    try {
      return checkExecutable(command);
    } catch (error) {
      if (!this.#ours.has(command)) throw error;
      throw new HttpError(500, "The program for this path cannot be run", { cause: error });
    }
  }

  #startOf(
    { request, context, program }: Exchange,
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

  /** Throws where repositories could be uploaded: git runs what the configuration of one names. */
  async #checkRepositories(env: RunOptions["env"]): Promise<void> {
    const repositories = { ...this.#options.env, ...env }["GIT_PROJECT_ROOT"];
    if (repositories === undefined || !await this.#finder.overlapsUploads(repositories)) return;
    throw new HttpError(500, "GIT_PROJECT_ROOT leads to where uploads are taken, whose configuration git would run");
  }
}

/** What a program prints next; null where it has ended. */
type Output = ReturnType<RunningScript["read"]>;

/** What is started: on Windows, which knows no first line, the interpreter that it names. */
function commandLine({ command, args }: Program, { interpreter }: Executable): readonly [string, ...string[]] {
  if (Deno.build.os !== "windows" || interpreter === null) return [command, ...args];
  const [program, ...words] = interpreter;
  return [program!, ...words, command, ...args];
}

/** What is done with a program that runs; what is put into `printed` is shown where that fails. */
type Use<T> = (script: RunningScript, printed: Uint8Array[]) => Promise<T>;

/** One request and the program that answers it. */
class Exchange {
  readonly request: Request;
  readonly context: Context;
  readonly program: Program;
  #script: RunningScript | null = null;
  /** Whether the end of the program is known, or nobody's concern any more. */
  #isOver = false;

  constructor(request: Request, context: Context, program: Program) {
    this.request = request;
    this.context = context;
    this.program = program;
  }

  get script(): RunningScript {
    return this.#script!;
  }

  /** Waits for a place, starts the program, and gives what comes of its use. */
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
      left.abort(new HttpError(400, "The client has left"));
      this.#script?.kill();
    });
    const place = await this.#enter(limiter, left.signal, start.input);
    try {
      this.#script = await startScript(start, limits, (line) => this.#log(line));
    } catch (error) {
      place[Symbol.dispose]();
      throw error;
    }
    this.#script.ended.then(() => place[Symbol.dispose]());
    if (left.signal.aborted) this.#script.kill(); // it left while the program was started
    const printed: Uint8Array[] = [];
    try {
      const used = await use(this.#script, printed);
      this.#script.ended.then((status) => {
        if (!status.success) this.#end(ending(status));
      });
      return used;
    } catch (error) {
      this.#isOver = true;
      left.signal.throwIfAborted(); // nobody's failure, and it is being ended
      const postMortem = await this.#script.postMortem(); // before it is ended: how it ends by itself is what helps
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
    for (const line of head.dropped) this.#log(`a header without a name was left out: ${line}`);
    if (!hasBody(this.request, head)) {
      this.script.discard();
      return scriptResponse(this.request, head, null);
    }
    return scriptResponse(this.request, head, await this.#body(head));
  }

  /** Most programs say all they have in one breath: bytes with their length are less work than a stream, for both sides. */
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

  /** The body as the program prints it, read as the client takes it: what has been read already comes first. */
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

  /** Logs how the program has come to its end, unless that is known, or no wonder. */
  #end(how: string): void {
    if (!this.#isOver) this.#log(how);
    this.#isOver = true;
  }

  #log(line: string): void {
    this.context.log.error(`${this.program.name}: ${line}`);
  }
}

/** What a program prints next comes to, where it does so at once; undefined where it takes longer, or fails. */
async function soon(output: Output): Promise<Awaited<Output> | void> {
  const late = Promise.withResolvers<void>();
  const timer = setTimeout(late.resolve, BREATH_MS);
  try {
    return await Promise.race([output, late.promise]);
  } catch {
    return undefined; // the body says so
  } finally {
    clearTimeout(timer);
  }
}

/** Reads on until the header is there; keeps what was printed, for a message. */
async function readHead(script: RunningScript, printed: Uint8Array[]): Promise<ScriptHead> {
  const parser = new CgiHeaderParser();
  for (let bytes = await script.read(); bytes !== null; bytes = await script.read()) {
    printed.push(bytes);
    const verdict = parser.push(bytes);
    if (verdict instanceof Refusal) throw HttpError.from(verdict);
    if (verdict === null) continue;
    script.headersDone();
    return verdict;
  }
  throw HttpError.from(parser.end());
}

function ending({ code, signal }: Deno.CommandStatus): string {
  return signal === null ? `exit status ${code}` : `ended by ${signal}`;
}

/** What proxies say of the client. Anybody can say it, and be shown the less for it. */
const FORWARDED = ["forwarded", "via", "x-forwarded-for", "x-forwarded-host", "x-real-ip"];

/** Whether whoever asks is on this machine, as far as can be told: of all that a proxy passes on, the proxy is. */
function isFromHere({ headers }: Request, { remoteAddress }: Context): boolean {
  return isLoopback(remoteAddress) && !FORWARDED.some((name) => headers.has(name));
}

/** Looked up when the first program runs: without permission there is none, and no program is the worse for it. */
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
