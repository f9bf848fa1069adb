/**
 * The entry point: turns handlers, which may decline or throw, into a function for Deno.serve, `deno serve` and tests.
 *
 * @module
 */

import { maskedLog } from "./masked_log.ts";
import { then } from "./awaitable.ts";
import { accessLogWriter, logClock, type LogFormat } from "./access_line.ts";
import { escapeLog } from "../http/escape.ts";
import { type Forwarded, type ForwardedBy, TrustedProxies } from "../http/forwarded.ts";
import { Refusal } from "../http/refusal.ts";
import { rawTarget, SitePath, type Target } from "../http/target.ts";
import { type Hosts, OwnHosts } from "./own_hosts.ts";
import { Judge } from "./judge.ts";
import { kindOf, requireFunction } from "./origin.ts";
import { readHead, type RequestHead } from "./request_head.ts";
import { noteRequest } from "./turns.ts";
import { type SettledHandler, settleLast, unchecked } from "./settle.ts";
import { isRepeatable, markRepeatable, type Repeat, type Transfer } from "./shortcuts.ts";
import {
  type ContextChanges,
  type InternalContext,
  internalsOf,
  type RequestNotes,
  type Visitor,
} from "./internals.ts";
import type { Awaitable, Context, Encoder, Handler, LocalAddress, Logger, Rewriter } from "./types.ts";

/** The fields of Deno.serve's connection info that pyserve uses. */
export interface ConnectionInfo {
  /** The address of the peer. */
  readonly remoteAddr?: Deno.Addr;
  /** The HTTP version of the request (`HTTP/1.0`), if known. */
  readonly protocol?: string;
  /**
   * Filled in if the response may be sent again to a request with the same head: for transports that do so.
   *
   * @internal
   */
  readonly repeat?: Repeat;
  /**
   * Whether the transport sends open files itself.
   *
   * @internal
   */
  readonly sendsFiles?: boolean;
  /**
   * The sending of the response.
   *
   * @internal
   */
  readonly transfer?: Transfer;
  /** That the client uses TLS, where the URL does not tell: TLS ends at a proxy that speaks the PROXY protocol. */
  readonly secure?: true;
}

/**
 * Options of {@linkcode toFetch}.
 *
 * @category Server
 */
export interface ToFetchOptions {
  /** Destination of log lines and error causes; defaults to the console (standard error). */
  readonly log?: Logger;
  /**
   * Host names under which the server may be requested, in addition to addresses, `localhost` and the machine's name
   * (if the permission `sys` is granted). Any other is refused with 421, so that a page of another site cannot become
   * same-origin (DNS rebinding). `*.example.org` includes all subdomains; `"any"` disables the check.
   *
   * By default, own names are required only if more than reading is possible (uploads, CGI, FastCGI, a {@linkcode
   * Feature} with unsafe methods), or if only this machine can reach the server: `localAddress` is a loopback address
   * or, without `localAddress`, the request comes from this machine.
   */
  readonly hosts?: Hosts;
  /**
   * Addresses (`10.0.0.1`), networks (`10.0.0.0/8`) or `unix` of proxies in front of this server. If one of them sends
   * a request, the client is the last address in X-Forwarded-For that is not one of them: in `context.remoteAddress`,
   * the log, and for all limits; and X-Forwarded-Proto says whether it uses HTTPS: in `context.secure`, for cookies,
   * programs and HSTS. Defaults to none. A proxy must append to these fields or replace them.
   */
  readonly trustedProxies?: readonly string[];
  /** Which fields these proxies set; defaults to `x-forwarded`. The other ones are ignored: a client may have sent them. */
  readonly forwardedBy?: ForwardedBy;
  /**
   * The log format for responses that no inner access log has logged, such as the 401 of a layer around `fileServer`;
   * false for none. Defaults to `python` if `log` is given, and to none otherwise. A `fileServer` with its log disabled
   * is not logged here either.
   */
  readonly accessLog?: LogFormat | false;
  /**
   * Returns the address the server listens on, for CGI programs and `hosts`. Called for each request, because port 0 is
   * resolved only once it listens.
   */
  readonly localAddress?: () => LocalAddress | null;
}

/**
 * A function for Deno.serve, `deno serve` and tests.
 *
 * @category Server
 */
export type FetchFunction = (request: Request, info?: ConnectionInfo) => Awaitable<Response>;

/**
 * Creates the function for Deno.serve, `deno serve` and tests.
 *
 * It validates Host, the target and the header size, creates the {@linkcode Context}, and responds if no handler does.
 * A request created by hand, without connection info, does not need a Host header.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(files(memory({ "hello.txt": "hello" })));
 * const response = await fetch(new Request("http://localhost/hello.txt"));
 * assert(await response.text() === "hello");
 * ```
 *
 * @category Server
 */
export function toFetch(handler: Handler, options: ToFetchOptions = {}): FetchFunction {
  requireFunction(handler, "the handler of toFetch");
  const settled = settleLast(unchecked(handler));
  const given = options.log ?? consoleLogger;
  requireLogger(given);
  const log = maskedLog(given);
  const whereLocal = options.localAddress ?? nowhere;
  const { trustedProxies = [], forwardedBy } = options;
  const proxies = trustedProxies.length > 0 ? new TrustedProxies(trustedProxies, forwardedBy) : null;
  const judge = new Judge(new OwnHosts(options.hosts, whereLocal), proxies);
  const format = options.accessLog ?? (options.log ? "python" : false);
  const answer = format ? loggedBy(format, settled) : settled;
  const fetch: FetchFunction = (request, info) => {
    noteRequest();
    return answer(request, new RequestContext(request, info, log, whereLocal, judge));
  };
  return isRepeatable(handler) && proxies === null ? markRepeatable(fetch) : fetch;
}

function requireLogger(log: Logger): void {
  if (typeof log?.access === "function" && typeof log.error === "function") return;
  throw new TypeError(
    `Cannot use the log of toFetch: it is ${kindOf(log)}, not a Logger with the methods access and error`,
  );
}

/** Logs a request unless an inner layer has logged it or has suppressed the line. */
function loggedBy(format: LogFormat, settled: SettledHandler): SettledHandler {
  const write = accessLogWriter(format);
  const now = logClock(format);
  return (request, context) => {
    const start = now();
    return then(settled(request, context), (response) => {
      if (!internalsOf(context).notes.logged) write(request, context, response, now() - start);
      return response;
    });
  };
}

/** The notes of a request, with its parsed target. */
interface Notes extends RequestNotes {
  target: Target | Refusal | undefined;
  url: string | undefined;
  requestTarget: string | undefined;
  head: RequestHead | undefined;
  address: string | undefined;
  forwarded: Forwarded | undefined;
}

const NO_ENCODERS: readonly Encoder[] = [];
const NO_REWRITERS: readonly Rewriter[] = [];

/** What {@linkcode derive} replaces in most cases. A client of which nothing is known has all rights. */
const ORIGINAL: Replaced = {
  user: null,
  may: () => true,
  view: "",
  visitor: null,
  base: SitePath.root,
  target: null,
  encoders: NO_ENCODERS,
  rewriters: NO_REWRITERS,
};

/** The fields that a context of the same class can replace; `target` is null unless a layer or a mount has replaced it. */
interface Replaced extends Pick<Context, "user" | "may" | "view" | "base" | "encoders" | "rewriters"> {
  readonly visitor: Visitor | null;
  readonly target: Target | null;
}

function isReplaceable(name: string): boolean {
  return Object.hasOwn(ORIGINAL, name);
}

function newNotes(): Notes {
  return {
    refusal: undefined,
    user: undefined,
    logged: false,
    finished: null,
    dressed: null,
    offer: null,
    absence: null,
    counts: null,
    target: undefined,
    url: undefined,
    requestTarget: undefined,
    head: undefined,
    address: undefined,
    forwarded: undefined,
  };
}

/**
 * The context of a request, computed lazily: most requests need only part of it.
 *
 * The fields are not `#private`, because a derived context has this object as its prototype and needs access to them.
 */
class RequestContext implements InternalContext {
  readonly base: SitePath;
  readonly encoders: readonly Encoder[];
  readonly rewriters: readonly Rewriter[];
  readonly user: string | null;
  readonly may: Context["may"];
  readonly view: string;
  readonly visitor: Visitor | null;
  readonly log: Logger;
  private readonly judge: Judge;
  private readonly request: Request;
  private readonly info: ConnectionInfo | undefined;
  private readonly whereLocal: () => LocalAddress | null;
  private readonly newTarget: Target | null;
  readonly notes: Notes;

  constructor(
    request: Request,
    info: ConnectionInfo | undefined,
    log: Logger,
    whereLocal: () => LocalAddress | null,
    judge: Judge,
    notes: Notes = newNotes(),
    replaced: Replaced = ORIGINAL,
  ) {
    this.notes = notes;
    this.user = replaced.user;
    this.may = replaced.may;
    this.view = replaced.view;
    this.visitor = replaced.visitor;
    this.base = replaced.base;
    this.newTarget = replaced.target;
    this.encoders = replaced.encoders;
    this.rewriters = replaced.rewriters;
    this.request = request;
    this.info = info;
    this.log = log;
    this.whereLocal = whereLocal;
    this.judge = judge;
  }

  derived(changes: ContextChanges): Context | null {
    if (Object.getPrototypeOf(this) !== RequestContext.prototype) return null;
    if (!Object.keys(changes).every(isReplaceable)) return null;
    const { request, info, log, whereLocal, judge, notes } = this;
    const { user, may, view, visitor, base, newTarget: target, encoders, rewriters } = this;
    const replaced = { user, may, view, visitor, base, target, encoders, rewriters, ...changes };
    return new RequestContext(request, info, log, whereLocal, judge, notes, replaced);
  }

  urlOf(request: Request): string {
    // A layer may pass on another request.
    return request === this.request ? this.notes.url ??= request.url : request.url;
  }

  targetOf(request: Request): string {
    return request === this.request ? this.requestTarget : rawTarget(request.url);
  }

  headOf(request: Request): RequestHead {
    return request === this.request ? this.notes.head ??= readHead(request) : readHead(request);
  }

  get retargeted(): boolean {
    return this.newTarget !== null;
  }

  get target(): Target {
    if (this.newTarget !== null) return this.newTarget;
    const parsed = this.refusal === null ? this.parse() : null;
    if (parsed !== null && !(parsed instanceof Refusal)) return parsed;
    return { raw: this.requestTarget, path: SitePath.nowhere, slash: false, query: "" };
  }

  private parse(): Target | Refusal {
    return this.notes.target ??= this.judge.parse(this.requestTarget);
  }

  get requestTarget(): string {
    return this.notes.requestTarget ??= rawTarget(this.urlOf(this.request));
  }

  get hosts(): OwnHosts {
    return this.judge.hosts;
  }

  get refusal(): Refusal | null {
    if (this.notes.refusal !== undefined) return this.notes.refusal;
    return this.notes.refusal = this.refusedHead() ?? this.refusedTarget();
  }

  private refusedHead(): Refusal | null {
    const { request, info, judge } = this;
    const head = this.headOf(request);
    const isUsual = request.method === "GET" && !head.isUnusual;
    return isUsual && judge.accepts(this.urlOf(request), head, false, this)
      ? null
      : judge.refusalOf(request, info, this);
  }

  accepts(url: string, head: RequestHead, ownNamesOnly: boolean): boolean {
    if (this.notes.refusal) return false;
    return this.judge.accepts(url, head, ownNamesOnly, this);
  }

  private refusedTarget(): Refusal | null {
    const parsed = this.parse();
    return parsed instanceof Refusal ? parsed : null;
  }

  get remoteAddress(): string {
    return this.notes.address ??= this.client();
  }

  private client(): string {
    return this.judge.proxies === null ? addressOf(this.info) : this.forwarded(this.judge.proxies).address;
  }

  private forwarded(proxies: TrustedProxies): Forwarded {
    return this.notes.forwarded ??= proxies.read(addressOf(this.info), this.request.headers);
  }

  get remotePort(): number | null {
    const address = this.info?.remoteAddr;
    const isClient = this.judge.proxies === null || this.remoteAddress === addressOf(this.info);
    return isClient && address !== undefined && "port" in address ? address.port : null;
  }

  get secure(): boolean {
    const { proxies } = this.judge;
    const named = proxies === null ? null : this.forwarded(proxies).secure;
    return named ?? this.info?.secure ?? this.urlOf(this.request).startsWith("https:");
  }

  get repeat(): Repeat | null {
    return this.info?.repeat ?? null;
  }

  get transfer(): Transfer | null {
    return this.info?.transfer ?? null;
  }

  get sendsFiles(): boolean {
    return this.info?.sendsFiles ?? false;
  }

  get protocol(): string | null {
    return this.info?.protocol ?? null;
  }

  get local(): LocalAddress | null {
    return this.whereLocal();
  }

  get cutsAtLength(): boolean {
    // HTTP/2 has no Host header, and requests created by hand need none.
    return this.info !== undefined && this.headOf(this.request).host !== null;
  }
}

function nowhere(): null {
  return null;
}

function addressOf(info: ConnectionInfo | undefined): string {
  return clientAddress(info?.remoteAddr);
}

/** The address of a client as text; `""` if unknown. */
export function clientAddress(address: Deno.Addr | undefined): string {
  if (address === undefined) return "";
  if ("hostname" in address) return withoutMapping(address.hostname);
  return address.transport === "unix" ? "unix" : "";
}

/** An IPv4 client of a socket listening on `::` appears as `::ffff:192.0.2.1`. */
function withoutMapping(hostname: string): string {
  return hostname.startsWith("::ffff:") ? hostname.replace(/^::ffff:(?=\d+\.)/, "") : hostname;
}

/** For library users who pass no logger: writes to standard error, as the command and Python do. */
const consoleLogger: Logger = {
  access(line) {
    // deno-lint-ignore no-console
    console.error(line);
  },
  error(message, cause) {
    const line = escapeLog(message);
    // deno-lint-ignore no-console
    if (cause === undefined) console.error(line);
    // deno-lint-ignore no-console
    else console.error(`${line}:`, typeof cause === "string" ? escapeLog(cause) : cause);
  },
};
