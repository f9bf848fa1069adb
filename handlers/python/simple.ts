/**
 * Python's `SimpleHTTPRequestHandler`: files and listings, based on the same handlers as the command.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { basename } from "@std/path/basename";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { chain } from "../core/chain.ts";
import { failureOf, HttpError, NOT_KEPT, toHttpError } from "../core/errors.ts";
import { toFetch } from "../core/fetch.ts";
import { filesWith } from "../files/files.ts";
import { mediaType } from "../http/media_type.ts";
import { Refusal } from "../http/refusal.ts";
import { locationOf, parseTarget, rawTarget, SitePath, type Target } from "../http/target.ts";
import { listing } from "../listing/listing.ts";
import type { Hosts } from "../core/own_hosts.ts";
import { resolve } from "../serving/resolve.ts";
import { CacheBudget, ResponseCache } from "../serving/response_cache.ts";
import { settle } from "../core/settle.ts";
import { slashRedirect } from "../serving/slash_redirect.ts";
import { disk } from "../sources/disk.ts";
import { filtered, isVisible } from "../sources/filtered.ts";
import type { FileSource } from "../sources/types.ts";
import { derive } from "../core/derive.ts";
import type { Handler } from "../core/types.ts";
import { BaseHTTPRequestHandler } from "./base.ts";
import type { ClientAddress, Connection } from "./connection.ts";
import { infoOf, pythonHeaders, ReplyBody, requestOf, type SourceFile, urlOf } from "./exchange.ts";
import type { HTTPServer } from "./server.ts";
import type { ResponseWriter } from "./wfile.ts";

/** Headers omitted from a 304, except policies. */
const OF_CONTENT = /^(?:content-(?!security-policy)|last-modified$)/i;

/** A name and value pair. */
export type HeaderPair = readonly [name: string, value: string];

/** Options of {@linkcode SimpleHTTPRequestHandler}. */
export interface SimpleHandlerOptions {
  /** The directory to serve; defaults to the current one. Python: `directory`. */
  readonly directory?: string;
  /** Headers for files and listings. Python: `extra_response_headers`. */
  readonly extra_response_headers?: readonly HeaderPair[];
}

/**
 * Serves the files of a directory, with listings: Python's `SimpleHTTPRequestHandler`.
 *
 * Handles GET and HEAD by calling the same handlers as the command, and sends their responses through `send_response`,
 * `send_header`, `end_headers` and `copyfile`, which can be overridden as in Python. So it has the features of the
 * command: ranges, entity tags, preconditions, sorted listings in HTML, JSON and text, UTF-8 types; dotfiles, symlinks
 * out of the directory, FIFOs and `..` above the root are treated as absent. Redirects use absolute paths, as in
 * Python, where the command sends relative references. Bound to the loopback interface, it only accepts its own host
 * names (421 for others; see `hosts`). All other methods are 501; error pages are Python's.
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
 *
 * @category Python
 */
export class SimpleHTTPRequestHandler extends BaseHTTPRequestHandler {
  /** Types by extension, with precedence over all other tables; shared by all handlers. Python: `extensions_map`. */
  static readonly extensions_map: Record<string, string> = {
    ".gz": "application/gzip",
    ".Z": "application/octet-stream",
    ".bz2": "application/x-bzip2",
    ".xz": "application/x-xz",
  };

  /** The first part of the Server header. Python: `server_version`. */
  override server_version = "SimpleHTTP";
  /** Types by extension, with precedence over all other tables; shared by all handlers. Python: `extensions_map`. */
  extensions_map: Record<string, string> = SimpleHTTPRequestHandler.extensions_map;
  /** Index file names, in order of precedence. Python: `index_pages`. */
  index_pages: readonly string[] = ["index.html", "index.htm"];
  /** The type for unknown extensions. Python: `default_content_type`. */
  default_content_type: string = "application/octet-stream";
  /** The directory to serve. Python: `directory`. */
  directory: string;
  /** Headers for files and listings, unless the response already has them. Python: `extra_response_headers`. */
  extra_response_headers: readonly HeaderPair[];
  /** Whether dotfiles are served. Python always does. */
  hidden: boolean = false;
  /** Whether symlinks that leave the directory are followed. Python always does. */
  follow_links: boolean = false;

  /**
   * Accepted host names, as `hosts` of `toFetch`; by default, any name if other machines can reach the server. Python
   * has no equivalent.
   */
  hosts: Hosts | null = null;

  #requested: RequestedSite | null = null;

  /**
   * Called by the server. To set the directory, override the field, or `finish_request` of the server.
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

  /** Sends the response headers for GET without content. Python: `do_HEAD`. */
  async do_HEAD(): Promise<void> {
    using _file = await this.send_head();
  }

  /**
   * Sends the response headers.
   *
   * @returns The content to be sent, or null if the response is complete.
   *
   * Python: `send_head`.
   */
  async send_head(): Promise<SourceFile | null> {
    const site = this.#site_of(this.path);
    const cache = this.#cache(site);
    let isDirectory = false;
    const look: Handler = async (_request, { target }) => {
      isDirectory = (await resolve(site.source, target)).kind === "listing";
      return null;
    };
    const options = {
      index: this.index_pages,
      fallback: this.default_content_type,
      // Only a type changed by this class is final; otherwise the document may declare its charset.
      typeOf: (name: string) => {
        const guessed = this.guess_type(name);
        return guessed === mediaType(name, { fallback: this.default_content_type }) ? undefined : guessed;
      },
      variant: this.#variant,
    };
    const found = chain(filesWith(site.source, options, cache), look);
    const response = await this.ask(withPythonLocation(cache ? cache.around(settle(found)) : site.within(found)));
    return isDirectory ? await this.list_directory(site.directory()) : await this.send_reply(response);
  }

  /**
   * Sends the response headers for a listing of the requested directory.
   *
   * @param _path The path of the directory on disk.
   * @returns The listing.
   *
   * Python: `list_directory(path)`.
   */
  async list_directory(_path: string): Promise<SourceFile | null> {
    const site = this.#requested?.path === this.path ? this.#requested : this.#site_of(this.path);
    return await this.send_reply(await this.ask(withPythonLocation(site.within(site.listing))));
  }

  /**
   * Maps the request target to a path on disk; with a trailing slash if the target has one.
   *
   * Override it to serve from elsewhere: the returned path is served without following symlinks that leave its
   * directory. Unless it is overridden, it is not called: targets are resolved as in the command.
   *
   * @throws {HttpError} If the target is invalid: NUL, an invalid escape, `..` above the root.
   *
   * Python: `translate_path(path)`.
   */
  translate_path(path: string): string {
    const target = parseTarget(rawTarget(urlOf(this, path)));
    if (target instanceof Refusal) throw HttpError.from(target);
    return join(this.directory, ...target.path.segments) + (target.slash ? "/" : "");
  }

  /** Sends the content returned by `send_head`. Python: `copyfile(source, outputfile)`. */
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
   * Calls a handler of this package; 404 if it declines. Python has no equivalent.
   *
   * @param path The target to use in place of the request's.
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
   * Sends the headers of a `Response` of this package; for an error, the page of `send_error`. Python has no
   * equivalent.
   *
   * @returns The content, or null if the response is complete.
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

  /** Which files to exclude; null for none. */
  protected content_rules(): ContentRules | null {
    return null;
  }

  /** The source of the directory, including excluded files. */
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
    if (status !== 200 && status !== 206 && status !== 304) return; // caches update stored headers from a 304
    for (const [name, value] of this.extra_response_headers) {
      if (sent.has(name.toLowerCase()) || /^(?:server|date)$/i.test(name)) continue;
      if (status !== 304 || !OF_CONTENT.test(name)) this.send_header(name, value);
    }
  }

  /** The response cache; null if this class overrides something that may change from request to request. */
  #cache(site: RequestedSite): ResponseCache | null {
    if (this.#translates() || this.guess_type !== SimpleHTTPRequestHandler.prototype.guess_type) return null;
    return cacheOf(
      site,
      JSON.stringify([this.extensions_map, this.default_content_type, this.index_pages]),
    );
  }

  /** The cache key for options that affect how files and listings are sent. */
  get #variant(): string {
    return JSON.stringify(this.extra_response_headers);
  }

  #translates(): boolean {
    return this.translate_path !== SimpleHTTPRequestHandler.prototype.translate_path;
  }

  #site_of(path: string): RequestedSite {
    const { hidden, follow_links: followLinks } = this;
    const options = { hidden, followLinks, rules: this.content_rules(), variant: this.#variant };
    this.#requested = this.#translates() ? translatedSite(path, this.translate_path(path), options) : {
      path,
      directory: () => this.translate_path(path),
      within: (handler) => handler,
      ...siteOf(this.directory, options),
    };
    return this.#requested;
  }
}

/**
 * Redirects to an absolute path, as Python does and its tests require, where the command sends a relative reference.
 * Behind a proxy that strips a prefix, the proxy has to rewrite it (`proxy_redirect` in nginx).
 */
function withPythonLocation(handler: Handler): Handler {
  return (request, context) =>
    then(handler(request, context), (response) => {
      const { path, query } = context.target;
      if (response?.status === 301) response.headers.set("location", locationOf(path, { slash: true, query }));
      return response;
    });
}

/** Which files of a directory to exclude. */
export interface ContentRules {
  /** The cache key of these rules. */
  readonly key: string;
  /** Wraps a source to hide the excluded files. */
  readonly without: (source: FileSource) => FileSource;
}

/** A site: the source and its handlers. */
interface Site {
  readonly source: FileSource;
  readonly listing: Handler;
  /** Response caches, by the options for types and index files. */
  readonly caches: Map<string, ResponseCache>;
}

/** A site together with the current request. */
interface RequestedSite extends Site {
  /** The request target. */
  readonly path: string;
  /** The path on disk. */
  readonly directory: () => string;
  /** Adapts a handler to that path. */
  readonly within: (handler: Handler) => Handler;
}

interface SiteOptions {
  readonly hidden: boolean;
  readonly followLinks: boolean;
  readonly rules: ContentRules | null;
  readonly variant: string;
}

/** Sites shared by all handlers, because listings are cached in them. */
const sites = new Map<string, Site>();

/** Maximum number of cached sites: more than a program has classes. */
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

/** Cache size per directory. */
const CACHE_BYTES = 32 * 1024 * 1024;

function cacheOf({ caches }: Site, rules: string): ResponseCache {
  const known = caches.get(rules);
  if (known) return known;
  const made = new ResponseCache({ budget: new CacheBudget(CACHE_BYTES) });
  caches.clear(); // options rarely change in a program; this bounds the memory if they do
  caches.set(rules, made);
  return made;
}

/** A missing directory is an empty site, as with Python. */
function opened(directory: string, followLinks: boolean): FileSource {
  try {
    return disk(directory, { followLinks });
  } catch (error) {
    if (error instanceof TypeError) throw new HttpError(404);
    throw toHttpError(error);
  }
}

/** A site for a path returned by `translate_path`. */
function translatedSite(path: string, place: string, options: SiteOptions): RequestedSite {
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
    return false; // let the source report the error
  }
}
