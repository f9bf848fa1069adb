/**
 * Detects mistakes in what a file server is given: programs that run without type checks.
 *
 * @module
 */

import { nearest } from "../core/nearest.ts";
import { kindOf } from "../core/origin.ts";
import { requireFeatures } from "../serving/feature.ts";
import { isSource } from "../sources/require_source.ts";
import type { FileServerOptions } from "./options.ts";

/** The names of all options; the type keeps them complete. */
const NAMES: Readonly<Record<keyof FileServerOptions, true>> = {
  cacheControl: true,
  cacheSize: true,
  charset: true,
  cleanUrls: true,
  contentType: true,
  etag: true,
  fallback: true,
  features: true,
  followLinks: true,
  headers: true,
  hidden: true,
  index: true,
  lastModified: true,
  layers: true,
  listing: true,
  log: true,
  notFound: true,
  precompressed: true,
  precompressedOnly: true,
  ranges: true,
  sandbox: true,
  spa: true,
  spaIgnore: true,
  trailingSlash: true,
  typeOf: true,
  types: true,
  uploadBesidePrograms: true,
  variant: true,
};

/** Throws a TypeError for a root that is neither a path nor a source. */
export function requireRoot(root: unknown): void {
  if (typeof root === "string" || isSource(root)) return;
  if (root instanceof Request) {
    throw new TypeError('Cannot serve a request with fileServer itself: use toFetch(fileServer("./public"))');
  }
  throw new TypeError(`Cannot serve the root: it is ${kindOf(root)}, not a path or a FileSource`);
}

/** Throws a TypeError for options that do not exist, and for features that are not any. */
export function requireKnown(options: FileServerOptions): void {
  const names = Object.keys(NAMES);
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown === undefined) return requireFeatures(options.features ?? []);
  const meant = nearest(unknown, names);
  const hint = meant === null ? "" : `; did you mean "${meant}"?`;
  throw new TypeError(`Cannot use the option "${unknown}" of fileServer: there is none${hint}`);
}
