/**
 * Handlers with their options and results, features of a file server, and the parts for handlers of your own.
 *
 * @module
 */

// One file, and the files of a source
export {
  files,
  type FilesOptions,
  type RepresentationOptions,
  type TrailingSlash,
  type UrlStyle,
} from "./files/files.ts";
export { serveFile, type ServeFileOptions } from "./files/serve_file.ts";
export { cachePolicy } from "./files/cache_policy.ts";
export { spa, type SpaOptions } from "./files/spa.ts";
export { precompressedOnly } from "./files/precompressed_only.ts";
export { notFoundPage, type NotFoundPageOptions } from "./files/not_found_page.ts";
export { listing, type ListingFormat, type ListingOptions } from "./listing/listing.ts";
export type { Listing, ListingEntry, ListingHead, ListingTotals, SortKey } from "./serving/listing_data.ts";
export { pageAssets } from "./page/assets.ts";

// Search, archives, checksums
export {
  type Found,
  search,
  type SearchEnd,
  type SearchFormat,
  type SearchHead,
  type SearchOptions,
  type SearchResults,
  type SearchTail,
} from "./search/search.ts";
export { archive, type ArchiveOptions } from "./archive/archive.ts";
export { type Checksum, checksum } from "./checksum/checksum.ts";

// Live reload
export { watching, type WatchOptions } from "./watch/watching.ts";
export type { WatchEvent } from "./watch/event_stream.ts";

// Uploads
export { type TransferLimits, upload, uploadFeatures, type UploadOptions } from "./upload/upload.ts";

// WebDAV
export { dav, type DavOptions } from "./dav/dav.ts";
export { propertyTable } from "./dav/dead_properties.ts";

// Programs
export { cgi, cgiContent, cgiFeature, type CgiOptions, type CommandWords } from "./upstream/cgi/cgi.ts";
export { endAllScripts, type SystemUser } from "./upstream/cgi/process_group.ts";
export { fastcgi, fastCgiFeature, type FastCgiOptions } from "./upstream/fastcgi/fastcgi.ts";
export type { UpstreamAddress as FastCgiAddress } from "./upstream/connection.ts";
export type { Program } from "./upstream/program.ts";
export type { ScriptMount, ScriptRules } from "./upstream/find_script.ts";

// Applications over HTTP
export { proxy, proxyFeature, type ProxyOptions } from "./upstream/proxy/proxy.ts";

// Features of a file server
export { type Feature, lazily, type Site } from "./serving/feature.ts";
export { archives, checksums, searches } from "./site/reading_features.ts";
export { lockTable } from "./dav/lock_file.ts";
export { davFeature } from "./site/dav_feature.ts";

// For servers of your own
export { removeStaleSocket, type TlsPair } from "./transport/serve.ts";
export { type NativeLimits, type NativeServeOptions, serveNative } from "./transport/native/serve_native.ts";
export { type Engine, type ProxiedServeOptions, serveProxied } from "./transport/proxy_protocol.ts";
export { type LocalTls, localTls, type LocalTlsOptions } from "./transport/local_tls.ts";

// For handlers of your own
export { type CodedContent, type Content, sendContent, type SendOptions } from "./serving/content.ts";
export { slashRedirect } from "./serving/slash_redirect.ts";
export { locationFor } from "./core/location.ts";
export { allow } from "./core/methods.ts";
export { heldBody, type HeldBodyOptions } from "./core/held_body.ts";
export { errorResponse, failureOf, isNotThere, statusText, toHttpError } from "./core/errors.ts";
export { type Hosts, requireOwnHost } from "./core/own_hosts.ts";
export type { ConnectionInfo } from "./core/fetch.ts";
export type { Awaitable, HostNames, LocalAddress } from "./core/types.ts";
