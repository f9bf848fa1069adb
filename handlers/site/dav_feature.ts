/**
 * The feature for WebDAV.
 *
 * @module
 */

import { chain } from "../core/chain.ts";
import { DAV_HEADERS, DAV_METHODS, LOCK_METHODS } from "../dav/dav_methods.ts";
import { LockTable } from "../dav/lock_table.ts";
import type { UploadOptions } from "../upload/upload.ts";
import { type Feature, lazily } from "../serving/feature.ts";

/**
 * The feature of {@linkcode dav}: file managers show the files of a site; loaded on first use.
 *
 * For locks, give it and `uploadFeatures` the same options, with a {@linkcode lockTable} and the right to change files:
 * many clients write only where they can lock.
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
export function davFeature(options: UploadOptions = {}): Feature {
  const locks = options.locks instanceof LockTable ? options.locks : undefined;
  const methods = { ...DAV_METHODS, ...locks && LOCK_METHODS };
  return {
    name: "dav",
    methods: Object.keys(methods),
    rights: methods,
    ownNamesOnly: locks !== undefined,
    optionsHeaders: { ...DAV_HEADERS, ...locks && { dav: "1, 2" } },
    handler: (site) => {
      const handler = lazily(async () => {
        const { handlerOf, placesOf } = await import("../dav/dav.ts");
        const reading = handlerOf({ ...site, ...locks && { locks }, places: placesOf() });
        if (locks === undefined) return reading;
        const { lockHandler } = await import("../dav/lock_methods.ts");
        const { uploadSiteOf } = await import("../upload/upload.ts");
        return chain(lockHandler({ ...uploadSiteOf(site, options), locks }), reading);
      });
      const isAsked = ({ method, headers }: Request) => Object.hasOwn(methods, method) || (locks && headers.has("if"));
      return (request, context) => isAsked(request) ? handler(request, context) : null;
    },
  };
}
