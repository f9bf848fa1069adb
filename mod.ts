/**
 * Python's `http.server` family, grown up: a file server as a command and as a library of Web-standard handlers.
 *
 * Run it: `deno run -A jsr:@x/pyserve [directory] [port]`. Or build on it: a {@linkcode Handler} answers or declines,
 * {@linkcode chain} asks them in turn, {@linkcode wrap} puts layers around, {@linkcode toFetch} makes the function that
 * `Deno.serve`, `deno serve` and tests call. {@linkcode fileServer} is all of it put together.
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

export * from "./handlers/core/types.ts";
export * from "./handlers/core/chain.ts";
export * from "./handlers/core/fetch.ts";
export { settle, type SettledHandler } from "./handlers/core/settle.ts";
export * from "./handlers/core/mount.ts";
export { type Hosts, requireOwnHost } from "./handlers/core/own_hosts.ts";
export * from "./handlers/core/methods.ts";
export { type Feature, lazily, type Site } from "./handlers/serving/feature.ts";
export * from "./handlers/site/reading_features.ts";
export { archive, type ArchiveOptions } from "./handlers/archive/archive.ts";
export { type Checksum, checksum } from "./handlers/checksum/checksum.ts";
export {
  type Found,
  search,
  type SearchEnd,
  type SearchHead,
  type SearchOptions,
  type SearchResults,
  type SearchTail,
} from "./handlers/search/search.ts";
export {
  errorResponse,
  failureOf,
  HttpError,
  type HttpErrorOptions,
  isNotThere,
  markFailure,
  statusText,
  toHttpError,
} from "./handlers/core/errors.ts";
export { files, type FilesOptions, type RepresentationOptions } from "./handlers/files/files.ts";
export * from "./handlers/core/location.ts";
export * from "./handlers/serving/slash_redirect.ts";
export { listing, type ListingFormat, type ListingOptions } from "./handlers/listing/listing.ts";
export type { Listing, ListingEntry, ListingHead, ListingTotals, SortKey } from "./handlers/serving/listing_data.ts";
export { pageAssets } from "./handlers/page/assets.ts";
export * from "./handlers/upload/upload.ts";
export * from "./handlers/serving/content.ts";
export * from "./handlers/site/file_server.ts";
export {
  fastcgi,
  type FastCgiAddress,
  fastCgiFeature,
  type FastCgiOptions,
} from "./handlers/upstream/fastcgi/fastcgi.ts";
export * from "./handlers/transport/serve.ts";
export * from "./handlers/upstream/cgi/cgi.ts";
export type { Program } from "./handlers/upstream/program.ts";
export * from "./handlers/upstream/find_script.ts";
export * from "./handlers/upstream/environment.ts";
export * from "./handlers/upstream/cgi/indexed_query.ts";
export { CgiHeaderParser, type ScriptHead } from "./handlers/upstream/header_block.ts";
export { hasBody, scriptResponse } from "./handlers/upstream/reply.ts";
export { endAllScripts, type SystemUser } from "./handlers/upstream/cgi/process_group.ts";
export { accessLog, LOG_FORMATS, type LogFormat } from "./handlers/layers/access_log.ts";
export * from "./handlers/layers/error_pages.ts";
export * from "./handlers/layers/headers.ts";
export { environmentUser, type Token, type User, type Users } from "./handlers/identity/users.ts";
export { type FileUsers, userFile, UserFileError, type UserFileOptions } from "./handlers/identity/user_file.ts";
export { hashPassword, verifyPassword } from "./handlers/identity/password.ts";
export { type Denied, isDenied, Logins, type LoginsOptions } from "./handlers/identity/logins.ts";
export type { TokenGrant } from "./handlers/identity/token_line.ts";
export { USER_RIGHTS, type UserRight } from "./handlers/identity/user_rights.ts";
export { heldBody, type HeldBodyOptions } from "./handlers/core/held_body.ts";
export * from "./handlers/core/limiter.ts";
export { IncompleteBody } from "./handlers/core/request_body.ts";
export { spool, type Spooled, type SpoolOptions } from "./handlers/upstream/spool.ts";
export * from "./handlers/sources/types.ts";
export * from "./handlers/sources/disk.ts";
export * from "./handlers/sources/memory.ts";
export * from "./handlers/sources/filtered.ts";
export { writableIn } from "./handlers/sources/writable_in.ts";
export * from "./handlers/sources/windows.ts";
export * from "./handlers/sources/new_name.ts";
export * from "./handlers/sources/writer.ts";
export * from "./handlers/http/relative.ts";
export * from "./handlers/http/target.ts";
export * from "./handlers/http/client.ts";
export * from "./handlers/http/host.ts";
export * from "./handlers/http/own_host.ts";
export * from "./handlers/http/header_size.ts";
export * from "./handlers/http/refusal.ts";
export * from "./handlers/http/date.ts";
export * from "./handlers/http/etag.ts";
export * from "./handlers/http/preconditions.ts";
export * from "./handlers/http/range.ts";
export * from "./handlers/http/coding.ts";
export * from "./handlers/http/media_type.ts";
export * from "./handlers/http/declared_charset.ts";
export * from "./handlers/http/escape.ts";
export * from "./handlers/http/disposition.ts";
export * from "./handlers/python/mod.ts";

if (import.meta.main) {
  // Imported only now: whoever uses the library does not load the command, and cli.ts never imports this module.
  const { runAsProcess } = await import("./cli.ts");
  await runAsProcess();
}
