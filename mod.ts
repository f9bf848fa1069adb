/**
 * Python's `http.server` family, grown up: a file server as a command and as a library of Web-standard handlers.
 *
 * Run it: `deno run -A jsr:@x/pyserve [directory] [port]`. Or build on it: a {@linkcode Handler} answers or declines,
 * {@linkcode chain} tries them in turn, {@linkcode wrap} adds layers, {@linkcode toFetch} makes the function that
 * `Deno.serve`, `deno serve` and tests call. {@linkcode fileServer} is all of it put together.
 *
 * - Server: `fileServer`, `serve`, `toFetch`, `CacheBudget`
 * - Composition: `chain`, `wrap`, `mount`, `hosts`, `settle`, `derive`, `HttpError`
 * - Sources: `disk`, `memory`, `filtered`, `union`
 * - Handlers: `files`, `serveFile`, `listing`, `search`, `archive`, `checksum`, `upload`, `cgi`, `fastcgi`,
 *   `proxy`
 * - Features: `archives`, `checksums`, `searches`, `uploadFeatures`, `cgiFeature`, `fastCgiFeature`,
 *   `proxyFeature`
 * - Layers: `accessLog`, `errorPages`, `headers`
 * - Python: `HTTPServer`, `BaseHTTPRequestHandler`, `SimpleHTTPRequestHandler`, `CGIHTTPRequestHandler` and the
 *   threading and HTTPS servers
 *
 * Options and result types, and what authors of handlers, layers and sources need, are in the sub-paths: `/handlers`,
 * `/layers`, `/identity` (users, passwords, tokens), `/sources`, `/store` (operations on files), `/http` (decisions about
 * the protocol, without I/O), `/python` (Python's classes with their types, and `test`) and `/cli`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(fileServer(memory({ "index.html": "<h1>Hello</h1>" }), { log: false }));
 * const response = await fetch(new Request("http://localhost/"));
 * assert(await response.text() === "<h1>Hello</h1>");
 * ```
 *
 * @module
 */

// Server: a directory as a whole, sockets, and the function in between
export { CacheBudget } from "./handlers/serving/response_cache.ts";
export { fileServer, type FileServerOptions } from "./handlers/site/file_server.ts";
export {
  Certificates,
  type Endpoint,
  type RunningServer,
  serve,
  type ServeOptions,
} from "./handlers/transport/serve.ts";
export { type FetchFunction, toFetch, type ToFetchOptions } from "./handlers/core/fetch.ts";

// Composition: what handlers and layers are, and what combines them
export type { Context, Handler, Layer, Logger, Right } from "./handlers/core/types.ts";
export { derive } from "./handlers/core/derive.ts";
export { chain, wrap } from "./handlers/core/chain.ts";
export { mount } from "./handlers/core/mount.ts";
export { hosts } from "./handlers/core/hosts.ts";
export { settle, type SettledHandler } from "./handlers/core/settle.ts";
export { HttpError, type HttpErrorOptions } from "./handlers/core/errors.ts";
export { SitePath, type Target } from "./handlers/http/target.ts";

// Sources: where files come from
export { disk } from "./handlers/sources/disk.ts";
export { memory } from "./handlers/sources/memory.ts";
export { filtered } from "./handlers/sources/filtered.ts";
export { union } from "./handlers/sources/union.ts";
export type { FileSource } from "./handlers/sources/types.ts";

// Handlers: each serves from a source, or declines
export { files } from "./handlers/files/files.ts";
export { serveFile } from "./handlers/files/serve_file.ts";
export { listing } from "./handlers/listing/listing.ts";
export { search } from "./handlers/search/search.ts";
export { archive } from "./handlers/archive/archive.ts";
export { checksum } from "./handlers/checksum/checksum.ts";
export { upload } from "./handlers/upload/upload.ts";
export { cgi } from "./handlers/upstream/cgi/cgi.ts";
export { fastcgi } from "./handlers/upstream/fastcgi/fastcgi.ts";
export { proxy } from "./handlers/upstream/proxy/proxy.ts";

// Features: the same handlers as options of `fileServer`
export type { Feature } from "./handlers/serving/feature.ts";
export { archives, checksums, searches } from "./handlers/site/reading_features.ts";
export { uploadFeatures } from "./handlers/upload/upload.ts";
export { cgiFeature } from "./handlers/upstream/cgi/cgi.ts";
export { fastCgiFeature } from "./handlers/upstream/fastcgi/fastcgi.ts";
export { proxyFeature } from "./handlers/upstream/proxy/proxy.ts";

// Layers: what wraps a handler
export { accessLog } from "./handlers/layers/access_log.ts";
export { errorPages } from "./handlers/layers/error_pages.ts";
export { headers } from "./handlers/layers/headers.ts";

// Python: its classes, under their own names
export { HTTPServer, ThreadingHTTPServer } from "./handlers/python/server.ts";
export { HTTPSServer, ThreadingHTTPSServer } from "./handlers/python/https.ts";
export { BaseHTTPRequestHandler } from "./handlers/python/base.ts";
export { SimpleHTTPRequestHandler } from "./handlers/python/simple.ts";
export { CGIHTTPRequestHandler } from "./handlers/python/cgi.ts";

if (import.meta.main) {
  // Imported dynamically, so that library users do not load the command; cli.ts never imports this module.
  const { runAsProcess } = await import("./cli.ts");
  await runAsProcess();
}
