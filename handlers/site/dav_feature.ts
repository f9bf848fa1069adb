/**
 * The feature for WebDAV.
 *
 * @module
 */

import type { DavOptions } from "../dav/dav.ts";
import {
  DAV_HEADERS,
  DAV_METHODS,
  fileMethods,
  isFileRequest,
  LOCK_METHODS,
  PROPERTY_METHODS,
} from "../dav/dav_methods.ts";
import { LockTable } from "../dav/lock_table.ts";
import { type Feature, lazily } from "../serving/feature.ts";

/**
 * The feature of {@linkcode dav}: file managers show the files of a site; loaded on first use.
 *
 * It tells the names in directories also without `listing`. For writing, give it and `uploadFeatures` the same options, and
 * list it first. For locks, without which many clients do not write, these have a {@linkcode lockTable} and the right to
 * change files.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch } from "@x/pyserve";
 * import { davFeature } from "@x/pyserve/handlers";
 *
 * const source = memory({ "a.txt": "hello" });
 * const fetch = toFetch(fileServer(source, { features: [davFeature()], log: false }));
 * const options = await fetch(new Request("http://localhost/", { method: "OPTIONS" }));
 * assert(options.headers.get("dav") === "1");
 * ```
 *
 * @category Features
 */
export function davFeature(options: DavOptions = {}): Feature {
  const { rights, locks } = options;
  const hasLocks = locks instanceof LockTable;
  const own = { ...DAV_METHODS, ...rights && PROPERTY_METHODS, ...hasLocks && LOCK_METHODS };
  const methods = { ...own, ...rights && fileMethods(rights) };
  return {
    name: "dav",
    methods: Object.keys(methods),
    // Everybody is told that there is WebDAV: otherwise clients stop before they are asked to log in.
    rights: Object.fromEntries(Object.entries(methods).filter(([method]) => method !== "PROPFIND")),
    isWriting: rights !== undefined,
    ownNamesOnly: rights !== undefined,
    optionsHeaders: { ...DAV_HEADERS, ...hasLocks && { dav: "1, 2" } },
    handler: (site) => {
      const handler = lazily(async () => (await import("../dav/dav.ts")).davOf(site, options));
      return (request, context) => {
        const { method, headers } = request;
        const isForFiles = rights !== undefined && (isFileRequest(method, context.target.query) || headers.has("if"));
        return Object.hasOwn(own, method) || isForFiles ? handler(request, context) : null;
      };
    },
  };
}
