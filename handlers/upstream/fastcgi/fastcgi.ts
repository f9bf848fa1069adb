/**
 * FastCGI: a long-running application, such as php-fpm, answers for some types of files.
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
import { whenClientLeaves } from "../../core/client_watch.ts";
import { cgiEnvironment } from "../environment.ts";
import { ScriptFinder } from "../find_script.ts";
import type { ScriptHead } from "../header_block.ts";
import { DEFAULT_LIMITS, shareOf } from "../limits.ts";
import { followLocalRedirect, redirectedFrom } from "../local_redirect.ts";
import type { Program } from "../program.ts";
import { hasBody, readHead, scriptResponse } from "../reply.ts";
import { spoolBody, type Spooled } from "../spool.ts";
import { StderrLines } from "../stderr_lines.ts";
import { withoutPrograms } from "../without_programs.ts";
import { ConnectionPool } from "../connection_pool.ts";
import { askFastCgi, type FastCgiExchange } from "./client.ts";
import type { UpstreamAddress } from "../connection.ts";
import { replyStream } from "../reply_stream.ts";

/** Options of {@linkcode fastcgi}. Times are in milliseconds. */
export interface FastCgiOptions {
  /** Where the application listens. It must see the files at the same paths. */
  readonly address: UpstreamAddress;
  /** Extensions (`.php`) of the files it answers for, case-insensitive. */
  readonly extensions: readonly string[];
  /** Index files that take precedence over all others; defaults to `index` with each of the extensions. */
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
   * How long a client may pause while sending a request body; defaults to 30 s. The whole body has this time plus one
   * second per KiB; then 408.
   */
  readonly bodyTimeout?: number;
  /** Maximum number of concurrent requests; defaults to 64. Ideally, the number of the application's workers. */
  readonly maxRequests?: number;
  /** How many of them one client may have; defaults to three quarters. See {@linkcode clientOf}. */
  readonly maxPerClient?: number;
  /** How long a request waits for its turn; defaults to 10 s, then 503. */
  readonly queueTimeout?: number;
  /** How long connecting may take; defaults to 5 s, then 504. */
  readonly connectTimeout?: number;
  /** How long the application may be silent before its header is complete; defaults to 30 s, then 504. */
  readonly headerTimeout?: number;
  /** How long it may be silent after that; defaults to 60 s, then the response is aborted. */
  readonly idleTimeout?: number;
  /** How long a client may stop reading while output is pending; defaults to 60 s, then the request is aborted. */
  readonly stallTimeout?: number;
  /** How long it may continue after a response without a body (HEAD, 204, 304); defaults to 5 s. */
  readonly lingerTimeout?: number;
  /**
   * Maximum number of idle connections to keep open; defaults to none. Each saves a fraction of a millisecond per
   * request, and occupies a worker of php-fpm while idle.
   */
  readonly idleConnections?: number;
  /** How long an idle connection is kept; defaults to 10 s. */
  readonly idleConnectionTimeout?: number;
  /**
   * Paths of directories that take uploads (`/incoming`); defaults to none. The application never answers for what is
   * in them, its source is never sent, and PATH_TRANSLATED never names it.
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

/** Appears only in the access log. */
const CLIENT_LEFT = new HttpError(400, "The client has disconnected");

/** Idempotent methods (RFC 9110 section 9.2.2). */
const IDEMPOTENT = ["GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"];

/**
 * Passes requests for files with some extensions to a FastCGI application (specification 1.0, responder role): PHP to
 * php-fpm.
 *
 * A path is matched after resolving symlinks, so that the source of a script is never served. The file must exist, the
 * rest of the path is PATH_INFO, and all methods are passed on. The request body is spooled first (up to 1 MiB in
 * memory, more in a temporary file) and the response is streamed, so that neither is held in memory as a whole. The
 * reply is treated like that of a CGI program, local redirects included. The application's standard error goes to the
 * log. If the client disconnects, the connection to the application is closed, which it notices.
 *
 * A request for the application must name one of the server's own hosts (`hosts` of `toFetch`); any other is refused
 * with 421.
 *
 * Responds 502 if the application cannot be reached or its reply is malformed or truncated, 503 if it is overloaded,
 * 504 if it is too slow; after the header, the response is aborted instead. It does not start an application, nor try
 * another one for the same request.
 *
 * @throws {TypeError} If an extension is invalid.
 *
 * @param source Contains the files. Only a source on disk has files that an application can open.
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
 *
 * @category Handlers
 */
export function fastcgi(source: FileSource, options: FastCgiOptions): Handler {
  const handler: Handler = (request, context) => application.answer(request, context);
  const application = new FastCgi(source, options, options.answer ?? chain(handler, files(source)));
  return handler;
}

/**
 * {@linkcode fastcgi} as a feature of a file server, which also answers for index files with its extensions.
 *
 * @throws {TypeError} If an extension is invalid.
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
 *
 * @category Features
 */
export function fastCgiFeature(options: FastCgiOptions): Feature {
  const { extensions, index = indexOf(extensions) } = options;
  return {
    name: "fastcgi",
    runsPrograms: true,
    methods: [], // scripts decide on their methods; other paths gain none
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
  readonly #pool: ConnectionPool;
  readonly #limiter: Limiter;

  constructor(source: FileSource, options: FastCgiOptions, answer: Handler) {
    const { extensions, index = indexOf(extensions) } = options;
    for (const extension of extensions) {
      if (!/^\.[^/\\]+$/.test(extension)) {
        throw new TypeError(`"${extension}" is not an extension such as .php`);
      }
    }
    this.#options = { ...DEFAULTS, ...options } as FastCgiOptions & typeof DEFAULTS;
    this.#answer = answer;
    this.#finder = finderOf(extensions, index, source, options.uploads);
    this.#pool = new ConnectionPool(this.#options);
    const { maxRequests, maxPerClient = shareOf(maxRequests), queueTimeout } = this.#options;
    this.#limiter = new Limiter({ max: maxRequests, maxPerClient, queueMs: queueTimeout });
  }

  async answer(request: Request, context: Context): Promise<Response | null> {
    const program = await this.#finder.find(context);
    if (program === null) return null;
    requireOwnHost(request, context);
    const head = await this.#begin(request, context, program);
    const { exchange, localRedirect } = head;
    for (const line of head.dropped) {
      context.log.error(`${program.name}: dropped a header without a name: ${line}`);
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

  /** Sends the request and reads the header of the reply. */
  async #begin(
    request: Request,
    context: Context,
    program: Program,
  ): Promise<ScriptHead & { exchange: FastCgiExchange }> {
    using resources = new DisposableStack();
    const { maxBody: max, bodyTimeout: stallMs } = this.#options;
    const body = resources.use(await spoolBody(request, { max, stallMs }));
    const stderr = new StderrLines((line) => context.log.error(`${program.name}: ${line}`));
    resources.defer(() => stderr.end());
    const left = new AbortController();
    using _watch = whenClientLeaves(redirectedFrom(request)?.original ?? request, () => left.abort(CLIENT_LEFT));
    resources.use(await this.#limiter.enter(clientOf(context.remoteAddress, request.headers), left.signal));
    const params = Object.entries(this.#params(request, context, program, body));
    const held = resources.move();
    const exchange = await askFastCgi(this.#pool, {
      params,
      body: body === null || body.length === 0 ? null : () => body.chunks(),
      idempotent: IDEMPOTENT.includes(request.method),
      signal: left.signal,
      onStderr: (bytes) => stderr.take(bytes),
      onOver: (appStatus) => {
        held.dispose();
        if (appStatus) context.log.error(`${program.name}: exit status ${appStatus}`);
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

  async #readHead(exchange: FastCgiExchange): Promise<ScriptHead> {
    try {
      return await readHead(() => exchange.read(this.#options.headerTimeout));
    } catch (error) {
      exchange.abort();
      throw error;
    }
  }

  /** Gives the application some time to finish a response whose body is not sent. */
  async #drain(exchange: FastCgiExchange): Promise<void> {
    const watchdog = new Watchdog();
    watchdog.set(this.#options.lingerTimeout, () => exchange.abort());
    try {
      while (await exchange.read(0) !== null);
    } catch {
      // The response has already been sent.
    }
    watchdog.stop();
  }
}
