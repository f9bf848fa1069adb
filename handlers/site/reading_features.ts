/**
 * Features for readers besides files: each is loaded on first use.
 *
 * @module
 */

import type { ArchiveOptions } from "../archive/archive.ts";
import { type Feature, lazily } from "../serving/feature.ts";
import type { SearchOptions } from "../search/search.ts";
import { withNode } from "../system/node.ts";

const METHODS = ["GET", "HEAD"];

/**
 * The feature of {@linkcode archive}: downloads of directories, with `?archive=zip`, `tar` or `tar.gz`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { archives, fileServer, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(fileServer(memory({ "a.txt": "hello" }), { features: [archives()], log: false }));
 * const response = await fetch(new Request("http://localhost/?archive=tar"));
 * assert((await response.bytes()).length % 512 === 0);
 * ```
 *
 * @category Features
 */
export function archives(options: ArchiveOptions = {}): Feature {
  return {
    // Allow does not list POST, which takes nothing but a long list of names.
    methods: METHODS,
    queries: ["archive"],
    abilities: ["archive"],
    handler: ({ source, index }) => {
      return lazily(async () => {
        return (await withNode(() => import("../archive/archive.ts"))).archive(source, { index, ...options });
      });
    },
  };
}

/**
 * The feature of {@linkcode checksum}: checksums of files, with `?sha256`, `?sha512`, `?sha1` or `?md5`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { checksums, fileServer, memory, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(fileServer(memory({ "a.txt": "hello" }), { features: [checksums()], log: false }));
 * const response = await fetch(new Request("http://localhost/a.txt?md5"));
 * assert(await response.text() === "5d41402abc4b2a76b9719d911017c592  a.txt\n");
 * ```
 *
 * @category Features
 */
export function checksums(): Feature {
  return {
    methods: METHODS,
    queries: ["sha256", "sha512", "sha1", "md5"],
    abilities: ["checksum"],
    handler: ({ source }) => {
      return lazily(async () => (await withNode(() => import("../checksum/checksum.ts"))).checksum(source));
    },
  };
}

/**
 * The feature of {@linkcode search}: names below a directory, with `?q=TEXT`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, searches, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(fileServer(memory({ "docs/a.txt": "hello" }), { features: [searches()], log: false }));
 * const response = await fetch(new Request("http://localhost/?q=*.txt&format=text"));
 * assert(await response.text() === "docs/a.txt\n");
 * ```
 *
 * @category Features
 */
export function searches(options: SearchOptions = {}): Feature {
  return {
    methods: METHODS,
    queries: ["q"],
    abilities: ["search"],
    handler: ({ source, index }) => {
      return lazily(async () => (await import("../search/search.ts")).search(source, { index, ...options }));
    },
  };
}

/** The query parameters of this package's features. */
const QUERIES = ["archive", "q", "upload", "manage", "watch", "sha256", "sha512", "sha1", "md5"];

/** What people ask for in place of the checksums that there are. */
const NO_CHECKSUMS = [
  ..."md4 MD5 md5sum SHA1 sha-1 sha1sum sha224 sha-224 SHA256 sha-256 sha256sum sha265 sha3 sha384 sha-384".split(" "),
  ..."SHA512 sha-512 sha512sum sha521 crc32 blake3 checksum".split(" "),
];

/**
 * A feature that answers the queries of the missing ones with 404: otherwise, a script would take the file for its
 * checksum, or the listing for an archive. Directories that are not listed may belong to an application.
 */
export function missingFeatures(features: readonly Feature[], isListed: boolean): Feature {
  const present = new Set(features.flatMap(({ queries = [] }) => queries));
  const missing = new Set([...QUERIES, ...NO_CHECKSUMS].filter((name) => !present.has(name)));
  return {
    name: "missing features",
    methods: [],
    queries: [...missing],
    handler: ({ source }) => {
      return lazily(async () => (await import("./missing_queries.ts")).missingQueries(source, missing, isListed));
    },
  };
}
