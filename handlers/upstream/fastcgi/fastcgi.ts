/**
 * FastCGI: files of some kinds are answered by an application that runs all the time, such as php-fpm.
 *
 * @module
 */

import { chain } from "../../core/chain.ts";
import { Watchdog } from "../../core/watchdog.ts";
import { HttpError } from "../../core/errors.ts";
import type { Feature } from "../../serving/feature.ts";
import { files } from "../../files/files.ts";
import { clientOf } from "../../http/client.ts";
import { Limiter } from "../../core/limiter.ts";
import { requireOwnHost } from "../../core/own_hosts.ts";
import type { FileSource } from "../../sources/types.ts";
import { uploadPath } from "../../sources/writable_in.ts";
import type { Context, Handler } from "../../core/types.ts";
import { whenClientLeaves } from "../client_watch.ts";
import { cgiEnvironment } from "../environment.ts";
import { ScriptFinder } from "../find_script.ts";
import type { ScriptHead } from "../header_block.ts";
import { DEFAULT_LIMITS, shareOf } from "../limits.ts";
import { followLocalRedirect, redirectedFrom } from "../local_redirect.ts";
import { type Program, requireRun } from "../program.ts";
import { hasBody, readHead, scriptResponse } from "../reply.ts";
import { spoolBody, type Spooled } from "../spool.ts";
import { Lines } from "../stderr_lines.ts";
import { withoutPrograms } from "../without_programs.ts";
import { type Exchange, FastCgiClient } from "./client.ts";
import type { FastCgiAddress } from "./connection.ts";
import { replyStream } from "./reply_stream.ts";

export type { FastCgiAddress };

/** Options of {@linkcode fastcgi}. Times are in milliseconds. */
export interface FastCgiOptions {
  /** Where the application listens. It must see the files under the same paths. */
  readonly address: FastCgiAddress;
  /** Extensions (`.php`) of the files that it answers, case-insensitive. */
  readonly extensions: readonly string[];
  /** Index files that come before all others; defaults to `index` with each of the extensions. */
  readonly index?: readonly string[];
  /** Additional parameters, which override those of CGI. */
  readonly env?: Readonly<Record<string, string>>;
  /** Whether to pass the Authorization header, password included; defaults to false. */
  readonly passAuth?: boolean;
  /** SERVER_SOFTWARE; defaults to `pyserve`. */
  readonly software?: string;
  /** Maximum size of a request body in bytes (413), or null for unlimited; defaults to 1 GiB. */
  readonly maxBody?: number | null;
  /**
   * How long a client may send nothing of a request body; defaults to 30 s. The whole body has this time, too, and a second
   * more for each KiB; 408 after that.
   */
  readonly bodyTimeout?: number;
  /** Maximum number of concurrent requests; defaults to 64. Best is the number of the application's workers. */
  readonly maxRequests?: number;
  /** How many of them one client may have; defaults to three quarters. See {@linkcode clientOf}. */
  readonly maxPerClient?: number;
  /** How long a request waits for its turn; 10 s by default, then 503. */
  readonly queueTimeout?: number;
  /** How long a connection may take; 5 s by default, then 504. */
  readonly connectTimeout?: number;
  /** How long the application may be silent before its header is there; 30 s by default, then 504. */
  readonly headerTimeout?: number;
  /** How long it may be silent after that; 60 s by default, then the transfer is broken off. */
  readonly idleTimeout?: number;
  /** How long a client may read nothing of what is there for it; 60 s by default, then the request is given up. */
  readonly stallTimeout?: number;
  /** How long it may continue after a response without a body (HEAD, 204, 304); defaults to 5 s. */
  readonly lingerTimeout?: number;
  /**
   * How many connections are kept open between requests; none by default. Each saves a fraction of a millisecond, and
   * occupies a worker of php-fpm while it rests.
   */
  readonly idleConnections?: number;
  /** How long such a connection is kept; 10 s by default. */
  readonly idleConnectionTimeout?: number;
  /**
   * Paths of directories that take uploads (`/incoming`); defaults to none. The application never answers for what is in
   * them, its source is never sent, and PATH_TRANSLATED never names it.
   */
  readonly uploads?: readonly string[];
  /** The handler for local redirects; defaults to this handler, then `files`. */
  readonly answer?: Handler;
}

const DEFAULTS = {
  env: {},
  passAuth: false,
  software: "pyserve",
  ...DEFAULT_LIMITS,
  maxRequests: 64,
  connectTimeout: 5_000,
  idleConnections: 0,
  idleConnectionTimeout: 10_000,
} as const;

/** Seen only in the access log. */
const CLIENT_LEFT = new HttpError(400, "The client has left");

/** Methods of which doing it twice does no more than doing it once (RFC 9110 section 9.2.2). */
const IDEMPOTENT = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"];

/**
 * Has files with some extensions answered by a FastCGI application (specification 1.0, as a responder): PHP by php-fpm.
 *
 * Which file a path leads to decides, symlinks resolved, so that its source is never sent; the file must exist, the rest of
 * the path is PATH_INFO, and any method is passed on. The request body is spooled first (in memory up to 1 MiB, then in a
 * temporary file), and the response is streamed, so that neither is in memory as a whole. An answer is that of a CGI program, local redirects included. What the application writes to its standard error
 * goes to the log. Where the client leaves, the connection is closed, which the application notices.
 *
 * A request for the application must name an own host of the server (`hosts` of `toFetch`): any other is 421.
 *
 * 502 for an application that cannot be reached, answers garbage or breaks off, 503 where it is overloaded, 504 where it
 * is too slow; after its header the transfer is broken off instead. It starts no application, and asks no other for the
 * same request.
 *
 * @throws {TypeError} Where an extension is none.
 *
 * @param source Where the files are; only one on disk has any that an application could open.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, disk, fastcgi, files, toFetch } from "@x/pyserve";
 *
 * const root = await Deno.makeTempDir();
 * await Deno.writeTextFile(`${root}/a.php`, "<?php echo 'hello';");
 * const address = { transport: "unix", path: `${root}/none.sock` } as const;
 * const source = disk(root);
 * const fetch = toFetch(chain(fastcgi(source, { address, extensions: [".php"] }), files(source)));
 * const response = await fetch(new Request("http://localhost/a.php"));
 * assert(response.status === 502); // as long as no application listens there
 * await response.body?.cancel();
 * await Deno.remove(root, { recursive: true });
 * ```
 */
export function fastcgi(source: FileSource, options: FastCgiOptions): Handler {
  const handler: Handler = (request, context) => application.answer(request, context);
  const application = new FastCgi(source, options, options.answer ?? chain(handler, files(source)));
  return handler;
}

/**
 * {@linkcode fastcgi} as a feature of a file server, whose index files it answers, too, where they are for it.
 *
 * @throws {TypeError} Where an extension is none.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fastCgiFeature, fileServer, memory, toFetch } from "@x/pyserve";
 *
 * const php = fastCgiFeature({ address: { transport: "unix", path: "/run/php/php-fpm.sock" }, extensions: [".php"] });
 * const fetch = toFetch(fileServer(memory({ "a.txt": "no PHP" }), { features: [php], log: false }));
 * const response = await fetch(new Request("http://localhost/a.txt"));
 * assert(await response.text() === "no PHP");
 * ```
 */
export function fastCgiFeature(options: FastCgiOptions): Feature {
  const { extensions, index = indexOf(extensions) } = options;
  return {
    runsPrograms: true,
    methods: [], // what a script allows is its own affair, and other paths allow nothing more for it
    encodedSlashes: true,
    contentOf: (source, others) => withoutPrograms(source, finderOf(extensions, index, source), [...index, ...others]),
    handler: ({ source, answer, index: others, uploads: given }) => {
      const uploads = [...given, ...options.uploads ?? []];
      return fastcgi(source, { answer, ...options, index: [...index, ...others], uploads });
    },
  };
}

function indexOf(extensions: readonly string[]): readonly string[] {
  return extensions.map((extension) => `index${extension}`);
}

function finderOf(
  extensions: readonly string[],
  index: readonly string[],
  source: FileSource,
  uploads: readonly string[] = [],
): ScriptFinder {
  const none = { directories: [], interpreters: new Map(), mounts: [] };
  return new ScriptFinder(source, { ...none, extensions, index, uploads: uploads.map(uploadPath) });
}

class FastCgi {
  readonly #options: FastCgiOptions & typeof DEFAULTS;
  readonly #answer: Handler;
  readonly #finder: ScriptFinder;
  readonly #client: FastCgiClient;
  readonly #limiter: Limiter;

  constructor(source: FileSource, options: FastCgiOptions, answer: Handler) {
    const { extensions, index = indexOf(extensions) } = options;
    for (const extension of extensions) {
      if (!/^\.[^/\\]+$/.test(extension)) {
        throw new TypeError(`Cannot have "${extension}" answered: it is no extension`);
      }
    }
    this.#options = { ...DEFAULTS, ...options } as FastCgiOptions & typeof DEFAULTS;
    this.#answer = answer;
    this.#finder = finderOf(extensions, index, source, options.uploads);
    this.#client = new FastCgiClient(options.address, this.#options);
    const { maxRequests, maxPerClient = shareOf(maxRequests), queueTimeout } = this.#options;
    this.#limiter = new Limiter({ max: maxRequests, maxPerClient, queueMs: queueTimeout });
  }

  async answer(request: Request, context: Context): Promise<Response | null> {
    const program = await this.#finder.find(context);
    if (program === null) return null;
    requireOwnHost(request, context);
    requireRun(program, context);
    const head = await this.#begin(request, context, program);
    const { exchange, localRedirect } = head;
    for (const line of head.dropped) {
      context.log.error(`${program.name}: a header without a name was left out: ${line}`);
    }
    if (localRedirect !== null) {
      this.#drain(exchange);
      return await followLocalRedirect(localRedirect, request, context, this.#answer);
    }
    if (!hasBody(request, head)) {
      this.#drain(exchange);
      return scriptResponse(request, head, null);
    }
    const { idleTimeout, stallTimeout } = this.#options;
    const broken = (error: unknown) =>
      context.log.error(`Cannot finish ${request.method} ${context.target.raw}`, error);
    return scriptResponse(request, head, replyStream(exchange, head.rest, { idleTimeout, stallTimeout, broken }));
  }

  /** Sends the request, and reads the header of the reply. */
  async #begin(request: Request, context: Context, program: Program): Promise<ScriptHead & { exchange: Exchange }> {
    using resources = new DisposableStack();
    const { maxBody: max, bodyTimeout: stallMs } = this.#options;
    const body = resources.use(await spoolBody(request, { max, stallMs }));
    const stderr = new Lines((line) => context.log.error(`${program.name}: ${line}`));
    resources.defer(() => stderr.end());
    const left = new AbortController();
    using _watch = whenClientLeaves(redirectedFrom(request)?.original ?? request, () => left.abort(CLIENT_LEFT));
    resources.use(await this.#limiter.enter(clientOf(context.remoteAddress, request.headers), left.signal));
    const params = Object.entries(this.#params(request, context, program, body));
    const held = resources.move();
    const exchange = await this.#client.ask({
      params,
      body: body === null || body.length === 0 ? null : () => body.chunks(),
      idempotent: IDEMPOTENT.includes(request.method),
      signal: left.signal,
      onStderr: (bytes) => stderr.take(bytes),
      onOver: (appStatus) => {
        held.dispose();
        if (appStatus) context.log.error(`${program.name}: ended with status ${appStatus}`);
      },
    });
    return { ...await this.#readHead(exchange), exchange };
  }

  #params(request: Request, context: Context, program: Program, body: Spooled | null): Record<string, string> {
    const { env: extra, passAuth, software } = this.#options;
    const bodyLength = body === null ? null : body.length;
    const redirectUrl = redirectedFrom(request)?.from;
    const given = { request, context, program, bodyLength, software, passAuth, inherited: {}, extra };
    return cgiEnvironment({ ...given, ...(redirectUrl !== undefined && { redirectUrl }) });
  }

  async #readHead(exchange: Exchange): Promise<ScriptHead> {
    try {
      return await readHead(() => exchange.read(this.#options.headerTimeout));
    } catch (error) {
      exchange.abort();
      throw error;
    }
  }

  /** Lets the application finish a response whose body is not sent, for a while. */
  async #drain(exchange: Exchange): Promise<void> {
    const watchdog = new Watchdog();
    watchdog.set(this.#options.lingerTimeout, () => exchange.abort());
    try {
      while (await exchange.read(0) !== null);
    } catch {
      // The response has been sent already.
    }
    watchdog.stop();
  }
}
