/**
 * CGI/1.1 (RFC 3875): programs that answer requests.
 *
 * @module
 */

import { chain } from "./chain.ts";
import { whenClientLeaves } from "./cgi/client_watch.ts";
import { withoutPrograms } from "./cgi/content_source.ts";
import { cgiEnvironment } from "./cgi/environment.ts";
import { checkExecutable } from "./cgi/executable.ts";
import { explained } from "./cgi/explain.ts";
import { rulePath, ScriptFinder } from "./cgi/find_script.ts";
import { CgiHeaderParser, type ScriptHead } from "./cgi/header_block.ts";
import { indexedQueryWords } from "./cgi/indexed_query.ts";
import { Limiter } from "./cgi/limiter.ts";
import { followLocalRedirect, redirectedFrom } from "./cgi/local_redirect.ts";
import { endAllScripts, type SystemUser } from "./cgi/process_group.ts";
import type { Program } from "./cgi/program.ts";
import { hasBody, scriptResponse } from "./cgi/respond.ts";
import { type RunningScript, type ScriptLimits, startScript } from "./cgi/run.ts";
import { spool, type Spooled } from "./cgi/spool.ts";
import { HttpError } from "./errors.ts";
import type { Feature } from "./feature.ts";
import { files } from "./files.ts";
import { Refusal } from "./http/refusal.ts";
import type { FileSource } from "./sources/types.ts";
import type { Context, Handler } from "./types.ts";

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
  /** How long a request waits for a program to end; 10 seconds unless given. */
  readonly queueTimeout?: number;
  /** The longest request body in bytes, or null for any; 1 GiB unless given. */
  readonly maxBody?: number | null;
  /** How long a program may take until its header is there; 30 seconds unless given. */
  readonly headerTimeout?: number;
  /** How long a program may be silent after that; 60 seconds unless given. */
  readonly idleTimeout?: number;
  /** How long a program may go on after its answer; 5 seconds unless given. */
  readonly lingerTimeout?: number;
  /** How long a client may keep a program waiting that has something to send; 5 minutes unless given. */
  readonly stallTimeout?: number;
  /** Whether everybody is shown why a program failed, and not only clients on this machine. */
  readonly debug?: boolean;
  /** What programs are told of the server (SERVER_SOFTWARE); `pyserve` unless given. */
  readonly software?: string;
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
  return withoutPrograms(source, finderOf(source, options));
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
    methods: [], // what a program allows is its own affair, and other paths allow nothing more for it
    encodedSlashes: true, // PATH_INFO may have them
    contentOf: (source) => cgiContent(source, options),
    handler: ({ source, answer, index }) => {
      return cgi(source, { answer, ...options, index: [...options.index ?? [], ...index] });
    },
    end: endAllScripts,
  };
}

const MAX_BODY = 1024 ** 3;

/** Milliseconds that an answer waits for its end to come with its beginning. */
const BREATH_MS = 2;

/** Variables of the server that programs get: where to find others, and what time it is. */
const INHERITED = Deno.build.os === "windows"
  ? ["PATH", "PATHEXT", "SystemRoot", "COMSPEC", "WINDIR", "TEMP", "TMP", "TZ"]
  : ["PATH", "TZ"];

function finderOf(source: FileSource, options: CgiOptions): ScriptFinder {
  const { directories = ["/cgi-bin", "/htbin"], interpreters = {}, mounts = {} } = options;
  return new ScriptFinder(source, {
    directories: directories.map(rulePath),
    extensions: options.extensions ?? [],
    interpreters: new Map(Object.entries(interpreters)),
    mounts: Object.entries(mounts).map(([path, command]) => ({ path: rulePath(path), command })),
    index: options.index ?? [],
  });
}

class Programs {
  readonly #finder: ScriptFinder;
  readonly #options: CgiOptions;
  readonly #answer: Handler;
  readonly #limiter: Limiter;
  readonly #limits: ScriptLimits;
  readonly #maxBody: number | null;
  /** Programs that are part of the set-up, so that it is no fault of the client where one is not there. */
  readonly #ours: ReadonlySet<string>;
  #inherited: Record<string, string> | null = null;

  constructor(source: FileSource, options: CgiOptions, answer: Handler) {
    this.#finder = finderOf(source, options);
    this.#options = options;
    const { interpreters = {}, mounts = {} } = options;
    this.#ours = new Set([...Object.values(interpreters), ...Object.values(mounts)].map(([command]) => command));
    this.#answer = answer;
    this.#limiter = new Limiter({
      max: options.maxPrograms ?? Math.max(8, 4 * navigator.hardwareConcurrency),
      queueMs: options.queueTimeout ?? 10_000,
    });
    this.#limits = {
      headerMs: options.headerTimeout ?? 30_000,
      idleMs: options.idleTimeout ?? 60_000,
      lingerMs: options.lingerTimeout ?? 5_000,
      stallMs: options.stallTimeout ?? 300_000,
    };
    this.#maxBody = options.maxBody === undefined ? MAX_BODY : options.maxBody;
  }

  async answer(request: Request, context: Context): Promise<Response | null> {
    const program = await this.#finder.find(context);
    if (program === null) return null;
    this.#check(program);
    const input = await this.#takeIn(request);
    const exchange = new Exchange(request, context, program);
    const head = await exchange.start(this.#limiter, this.#startOf(exchange, input), this.#limits, this.#options.debug);
    if (head.localRedirect === null) return await exchange.respond(head);
    exchange.script.discard();
    return await followLocalRedirect(head.localRedirect, request, context, this.#answer);
  }

  #check({ command }: Program): void {
    try {
      checkExecutable(command);
    } catch (error) {
      if (!this.#ours.has(command)) throw error;
      throw new HttpError(500, "The program for this path cannot be run", { cause: error });
    }
  }

  /** The whole body, before a program is started for it. */
  async #takeIn(request: Request): Promise<Spooled | null> {
    if (request.body === null) return null;
    const max = this.#maxBody;
    if (max !== null && Number(request.headers.get("content-length")) > max) {
      throw new HttpError(413, `The body is longer than ${max} bytes`);
    }
    return await spool(request.body, { max });
  }

  #startOf({ request, context, program }: Exchange, input: Spooled | null): Parameters<typeof startScript>[0] {
    const { passAuth = false, software = "pyserve", env: extra = {}, user } = this.#options;
    const from = redirectedFrom(request)?.from;
    const bodyLength = input && input.length;
    const inherited = this.#inherited ??= inheritedVariables();
    return {
      command: program.command,
      args: [...program.args, ...indexedQueryWords(request.method, context.target.query)],
      cwd: program.directory,
      env: cgiEnvironment({
        ...{ request, context, program, bodyLength, software, passAuth, inherited, extra },
        ...(from !== undefined && { redirectUrl: from }),
      }),
      input,
      file: this.#ours.has(program.command) ? null : program.file,
      ...(user && { user }),
    };
  }
}

/** What a program prints next; null where it has ended. */
type Output = ReturnType<RunningScript["read"]>;

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

  /** Waits for a place, starts the program, and waits for its header. */
  async start(
    limiter: Limiter,
    start: Parameters<typeof startScript>[0],
    limits: ScriptLimits,
    debug = false,
  ): Promise<ScriptHead> {
    const left = new AbortController();
    using _watch = whenClientLeaves(redirectedFrom(this.request)?.original ?? this.request, () => {
      this.#isOver = true;
      left.abort(new HttpError(400, "The client has left"));
      this.#script?.kill();
    });
    const place = await enter(limiter, left.signal, start.input);
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
      const head = await readHead(this.#script, printed);
      this.#script.ended.then((status) => {
        if (!status.success) this.#end(ending(status));
      });
      return head;
    } catch (error) {
      this.#isOver = true;
      this.#script.kill();
      left.signal.throwIfAborted(); // nobody's failure
      const shown = debug || isFromHere(this.request, this.context);
      throw explained(error, await this.#script.postMortem(), printed, shown);
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

async function enter(limiter: Limiter, signal: AbortSignal, input: Spooled | null): Promise<Disposable> {
  try {
    return await limiter.enter(signal);
  } catch (error) {
    input?.[Symbol.dispose]();
    throw error;
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
  const isLoopback = remoteAddress.startsWith("127.") || remoteAddress === "::1";
  return isLoopback && !FORWARDED.some((name) => headers.has(name));
}

/** Looked up when the first program runs: without permission there is none, and no program is the worse for it. */
function inheritedVariables(): Record<string, string> {
  return Object.fromEntries(INHERITED.flatMap((name) => {
    try {
      const value = Deno.env.get(name);
      return value === undefined ? [] : [[name, value]];
    } catch {
      return [];
    }
  }));
}
