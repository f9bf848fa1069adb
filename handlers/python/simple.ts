/**
 * Python's `SimpleHTTPRequestHandler`: files and listings, asked from the handlers that the command uses, too.
 *
 * @module
 */

import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { chain } from "../chain.ts";
import { failureOf, HttpError, NOT_KEPT, toHttpError } from "../errors.ts";
import { toFetch } from "../fetch.ts";
import { filesWith } from "../files.ts";
import { mediaType } from "../http/media_type.ts";
import { Refusal } from "../http/refusal.ts";
import { locationOf, parseTarget, rawTarget, SitePath, type Target } from "../http/target.ts";
import { listing } from "../listing.ts";
import type { Hosts } from "../own_hosts.ts";
import { ResponseCache } from "../response_cache.ts";
import { settle } from "../settle.ts";
import { slashRedirect } from "../slash_redirect.ts";
import { disk } from "../sources/disk.ts";
import { filtered, isVisible } from "../sources/filtered.ts";
import type { FileSource } from "../sources/types.ts";
import { type Context, derive, type Handler } from "../types.ts";
import { BaseHTTPRequestHandler } from "./base.ts";
import type { ClientAddress, Connection } from "./connection.ts";
import { infoOf, pythonHeaders, ReplyBody, requestOf, type SourceFile, urlOf } from "./exchange.ts";
import type { HTTPServer } from "./server.ts";
import type { ResponseWriter } from "./wfile.ts";

/** Headers that a 304 does not have, but for the policy. */
const OF_CONTENT = /^(?:content-(?!security-policy)|last-modified$)/i;

/** A pair of name and value. */
export type HeaderPair = readonly [name: string, value: string];

/** What {@linkcode SimpleHTTPRequestHandler} is given besides what every handler is. */
export interface SimpleHandlerOptions {
  /** The directory to serve; the current one unless given. Python: `directory`. */
  readonly directory?: string;
  /** Headers for files and listings. Python: `extra_response_headers`. */
  readonly extra_response_headers?: readonly HeaderPair[];
}

/**
 * Serves the files of a directory, with listings: Python's `SimpleHTTPRequestHandler`.
 *
 * It answers GET and HEAD, asks the same handlers as the command does, and sends what they say through `send_response`,
 * `send_header`, `end_headers` and `copyfile`, so that these can be overridden as in Python. So it has what the command
 * has: ranges, entity tags, preconditions, sorted listings in HTML, JSON and text, UTF-8 types; hidden files, links out
 * of the directory, FIFOs and `..` above the root are not there. It redirects to a path from the root, as Python does, where
 * the command sends a relative reference. Bound to the loopback interface it answers under names
 * of its own only (421 for others; see `hosts`). All other methods are 501, errors are Python's pages.
 *
 * Python: `class Handler(SimpleHTTPRequestHandler)`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { SimpleHTTPRequestHandler, ThreadingHTTPServer } from "@x/pyserve";
 *
 * const site = Deno.makeTempDirSync();
 *
 * class WithCors extends SimpleHTTPRequestHandler {
 *   override directory = site;
 *   override end_headers() {
 *     this.send_header("Access-Control-Allow-Origin", "*");
 *     super.end_headers();
 *   }
 *   override log_message() {}
 * }
 *
 * await using server = new ThreadingHTTPServer(["127.0.0.1", 0], WithCors);
 * server.serve_forever();
 * const response = await fetch(`http://127.0.0.1:${server.server_port}/`);
 * assert(response.headers.get("access-control-allow-origin") === "*");
 * await response.body?.cancel();
 * Deno.removeSync(site, { recursive: true });
 * ```
 */
export class SimpleHTTPRequestHandler extends BaseHTTPRequestHandler {
  /** Types by extension that go before all others, shared by all handlers. Python: `extensions_map`. */
  static readonly extensions_map: Record<string, string> = {
    ".gz": "application/gzip",
    ".Z": "application/octet-stream",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
  };

  /** The first half of Server. Python: `server_version`. */
  override server_version = "SimpleHTTP";
  /** Types by extension that go before all others, shared by all handlers. Python: `extensions_map`. */
  extensions_map: Record<string, string> = SimpleHTTPRequestHandler.extensions_map;
  /** Names that stand for their directory, tried in turn. Python: `index_pages`. */
  index_pages: readonly string[] = ["index.html", "index.htm"];
  /** The type of files with an unknown extension. Python: `default_content_type`. */
  default_content_type: string = "application/octet-stream";
  /** The directory to serve. Python: `directory`. */
  directory: string;
  /** Headers for files and listings, unless the reply has one of that name. Python: `extra_response_headers`. */
  extra_response_headers: readonly HeaderPair[];
  /** Whether names with a dot in front are served. Python always does. */
  hidden: boolean = false;
  /** Whether links that lead out of the directory are followed. Python always does. */
  follow_links: boolean = false;

  /**
   * Names under which the server may be asked, as `hosts` of `toFetch`; unless given, any name where others than this
   * machine can reach it. Python knows no such thing.
   */
  hosts: Hosts | null = null;

  #asked: Asked | null = null;

  /**
   * Makes a handler; the server does. To give it a directory, override the field, or `finish_request` of the server.
   *
   * Python: `functools.partial(SimpleHTTPRequestHandler, directory="site")`.
   */
  constructor(
    request: Connection,
    client_address: ClientAddress,
    server: HTTPServer,
    { directory, extra_response_headers = [] }: SimpleHandlerOptions = {},
  ) {
    super(request, client_address, server);
    this.directory = directory ?? Deno.cwd();
    this.extra_response_headers = extra_response_headers;
  }

  /** Sends a file or a listing. Python: `do_GET`. */
  async do_GET(): Promise<void> {
    using file = await this.send_head();
    if (file) await this.copyfile(file, this.wfile);
  }

  /** Sends the head of what GET would. Python: `do_HEAD`. */
  async do_HEAD(): Promise<void> {
    using _file = await this.send_head();
  }

  /**
   * Sends the head of the reply.
   *
   * @returns What is to be sent behind it, or null where all has been said.
   *
   * Python: `send_head`.
   */
  async send_head(): Promise<SourceFile | null> {
    const asked = this.#ask_about(this.path);
    const cache = this.#cache(asked);
    let isDirectory = false;
    const look: Handler = async (_request, { target }) => {
      isDirectory = target.slash && (await asked.source.stat(target.path))?.kind === "directory";
      return null;
    };
    const options = {
      index: this.index_pages,
      fallback: this.default_content_type,
      // What is not decided here says itself which charset it is in, if it can.
      typeOf: (name: string) => {
        const guessed = this.guess_type(name);
        return guessed === mediaType(name, { fallback: this.default_content_type }) ? undefined : guessed;
      },
      variant: this.#variant,
    };
    const found = chain(filesWith(asked.source, options, cache), look);
    const response = await this.ask(withPythonLocation(cache ? cache.around(settle(found)) : asked.within(found)));
    return isDirectory ? await this.list_directory(asked.directory()) : await this.send_reply(response);
  }

  /**
   * Sends the head of a listing of the directory that the request asks for.
   *
   * @param _path Where the directory is on disk.
   * @returns The listing.
   *
   * Python: `list_directory(path)`.
   */
  async list_directory(_path: string): Promise<SourceFile | null> {
    const asked = this.#asked?.path === this.path ? this.#asked : this.#ask_about(this.path);
    return await this.send_reply(await this.ask(withPythonLocation(asked.within(asked.listing))));
  }

  /**
   * Says where on disk the target of a request is; with a slash at the end where the target has one.
   *
   * Override it to serve from elsewhere: what it returns is served as it is, links out of its directory not followed.
   * Unless overridden it is not asked: the way from a target to a file is the one of the command.
   *
   * @throws {HttpError} Where the target leads nowhere: NUL, a bad escape, `..` above the root.
   *
   * Python: `translate_path(path)`.
   */
  translate_path(path: string): string {
    const target = parseTarget(rawTarget(urlOf(this, path)));
    if (target instanceof Refusal) throw HttpError.from(target);
    return join(this.directory, ...target.path.segments) + (target.slash ? "/" : "");
  }

  /** Sends what `send_head` has returned. Python: `copyfile(source, outputfile)`. */
  async copyfile(source: SourceFile, outputfile: ResponseWriter): Promise<void> {
    if (source instanceof ReplyBody) return await source.writeTo(outputfile, () => this.connection.leaving);
    for await (const chunk of source.readable) await outputfile.writeOwned(chunk);
  }

  /** The type of a file, by the last extension of its name or path. Python: `guess_type(path)`. */
  guess_type(path: string): string {
    const extension = /[^/]\.[^./]+$/.exec(path)?.[0].slice(1) ?? "";
    return this.extensions_map[extension] ?? this.extensions_map[extension.toLowerCase()] ??
      mediaType(path, { fallback: this.default_content_type });
  }

  /**
   * Asks a handler of this package about the request; 404 where it declines. Python has no such thing.
   *
   * @param path What to ask for, in place of the target of the request.
   */
  async ask(handler: Handler, path: string = this.path): Promise<Response> {
    const error = (message: string, cause?: unknown) => {
      this.log_error("%s%s", message, cause === undefined ? "" : `: ${cause}`);
    };
    const { server_name: hostname, server_port: port, server_address, bound_name: name } = this.server;
    const local = typeof server_address === "string" ? null : { hostname, port, name };
    const hosts = this.hosts && { hosts: this.hosts };
    const fetch = toFetch(handler, {
      accessLog: false,
      log: { access() {}, error },
      localAddress: () => local,
      ...hosts,
    });
    return await fetch(requestOf(this, path), infoOf(this));
  }

  /**
   * Sends the head of a response of this package; of an error, the page of `send_error`. Python has no such thing.
   *
   * @returns The body, or null where all has been said.
   */
  async send_reply(response: Response): Promise<SourceFile | null> {
    const failure = failureOf(response);
    if (failure) {
      await response.body?.cancel();
      this.send_error(failure.status, failure.message, null, { ...NOT_KEPT, ...failure.headers });
      return null;
    }
    const body = await ReplyBody.of(response);
    if (/\bclose\b/i.test(response.headers.get("connection") ?? "")) this.close_connection = true;
    this.send_response(response.status);
    this.#send_headers(response);
    this.end_headers();
    return body;
  }

  /** What of the directory is not to be sent; null for nothing. */
  protected content_rules(): ContentRules | null {
    return null;
  }

  /** The files of the directory, those included that are not to be sent. */
  protected site_source(): FileSource {
    return siteOf(this.directory, { hidden: this.hidden, followLinks: this.follow_links, rules: null, variant: "" })
      .source;
  }

  #send_headers({ status, headers }: Response): void {
    const sent = new Set<string>();
    for (const [name, value] of pythonHeaders(headers)) {
      sent.add(name.toLowerCase());
      this.send_header(name, value);
    }
    if (status !== 200 && status !== 206 && status !== 304) return; // what a cache has takes over those of a 304
    for (const [name, value] of this.extra_response_headers) {
      if (sent.has(name.toLowerCase()) || /^(?:server|date)$/i.test(name)) continue;
      if (status !== 304 || !OF_CONTENT.test(name)) this.send_header(name, value);
    }
  }

  /** What keeps files that are asked for again; null where this class may say something else of them each time. */
  #cache(asked: Asked): ResponseCache | null {
    if (this.#translates() || this.guess_type !== SimpleHTTPRequestHandler.prototype.guess_type) return null;
    return cacheOf(
      asked,
      JSON.stringify([this.extensions_map, this.default_content_type, this.index_pages]),
    );
  }

  /** What decides how files and listings are sent, besides what they are. */
  get #variant(): string {
    return JSON.stringify(this.extra_response_headers);
  }

  #translates(): boolean {
    return this.translate_path !== SimpleHTTPRequestHandler.prototype.translate_path;
  }

  #ask_about(path: string): Asked {
    const { hidden, follow_links: followLinks } = this;
    const options = { hidden, followLinks, rules: this.content_rules(), variant: this.#variant };
    this.#asked = this.#translates() ? translatedSite(path, this.translate_path(path), options) : {
      path,
      directory: () => this.translate_path(path),
      within: (handler) => handler,
      ...siteOf(this.directory, options),
    };
    return this.#asked;
  }
}

/**
 * Sends clients on to a path from the root, as Python does and its tests demand, where the command sends a relative one.
 * Behind a proxy that takes a prefix off, the proxy has to mend it (`proxy_redirect` in nginx).
 */
function withPythonLocation(handler: Handler): Handler {
  const mended = (response: Response | null, { target: { path, query } }: Context) => {
    if (response?.status === 301) response.headers.set("location", locationOf(path, { slash: true, query }));
    return response;
  };
  return (request, context) => {
    const answer = handler(request, context);
    return answer instanceof Promise ? answer.then((late) => mended(late, context)) : mended(answer, context);
  };
}

/** What of a directory is not to be sent. */
export interface ContentRules {
  /** Tells these rules from others. */
  readonly key: string;
  /** Takes it out of a source. */
  readonly without: (source: FileSource) => FileSource;
}

/** What is served, and by what. */
interface Site {
  readonly source: FileSource;
  readonly listing: Handler;
  /** Files that are asked for again, by what decides their types and index pages. */
  readonly caches: Map<string, ResponseCache>;
}

/** The part of it that a request is about. */
interface Asked extends Site {
  /** The target of the request. */
  readonly path: string;
  /** Where it is on disk. */
  readonly directory: () => string;
  /** Makes a handler find it. */
  readonly within: (handler: Handler) => Handler;
}

interface SiteOptions {
  readonly hidden: boolean;
  readonly followLinks: boolean;
  readonly rules: ContentRules | null;
  readonly variant: string;
}

/** What handlers serve: one for all of them, because listings are kept in it. */
const sites = new Map<string, Site>();

/** Directories that are remembered at a time: more than a program has classes. */
const MOST_SITES = 100;

function siteOf(directory: string, { hidden, followLinks, rules, variant }: SiteOptions): Site {
  const place = directory.startsWith("/") ? directory : `${Deno.cwd()}/${directory}`;
  const key = `${hidden} ${followLinks} ${rules?.key ?? ""} ${variant} ${place}`;
  const known = sites.get(key);
  if (known) return known;
  const source = opened(directory, followLinks);
  const seen = hidden ? source : filtered(source, isVisible);
  const visible = rules ? rules.without(seen) : seen;
  const site = { source: visible, listing: listing(visible, { variant }), caches: new Map() };
  if (sites.size >= MOST_SITES) sites.clear();
  sites.set(key, site);
  return site;
}

/** Bytes of memory for the files of a directory that are asked for again. */
const CACHE_BYTES = 32 * 1024 * 1024;

function cacheOf({ caches }: Site, rules: string): ResponseCache {
  const known = caches.get(rules);
  if (known) return known;
  const made = new ResponseCache({ maxBytes: CACHE_BYTES });
  caches.clear(); // the rules of a program seldom change, and the memory is not for each of them
  caches.set(rules, made);
  return made;
}

/** A directory that is not there has no files, as with Python. */
function opened(directory: string, followLinks: boolean): FileSource {
  try {
    return disk(directory, { followLinks });
  } catch (error) {
    if (error instanceof TypeError) throw new HttpError(404);
    throw toHttpError(error);
  }
}

/** Somewhere on disk where the target of a request is said to be. */
function translatedSite(path: string, place: string, options: SiteOptions): Asked {
  const isDirectory = isDirectorySync(place);
  const site = siteOf(isDirectory ? place : dirname(place), options);
  const found = isDirectory ? SitePath.root : SitePath.root.child(basename(place));
  const within = (handler: Handler): Handler => (request, context) => {
    if (found === null) return null;
    if (isDirectory) {
      const redirect = slashRedirect(context);
      if (redirect) return redirect;
    }
    const target: Target = { ...context.target, path: found };
    return handler(request, derive(context, isDirectory ? { target, base: context.target.path } : { target }));
  };
  return { ...site, path, within, directory: () => place };
}

function isDirectorySync(place: string): boolean {
  try {
    return Deno.statSync(place).isDirectory;
  } catch {
    return false; // which the source then says better
  }
}
