/**
 * The feature for WebDAV.
 *
 * @module
 */

import { DAV_HEADERS, DAV_METHODS } from "../dav/dav_methods.ts";
import { type Feature, lazily } from "../serving/feature.ts";

/**
 * The feature of {@linkcode dav}: file managers show the files of a site; loaded on first use.
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
export function davFeature(): Feature {
  return {
    name: "dav",
    methods: Object.keys(DAV_METHODS),
    rights: DAV_METHODS,
    ownNamesOnly: false,
    optionsHeaders: DAV_HEADERS,
    handler: (site) => {
      const handler = lazily(async () => {
        const { handlerOf, placesOf } = await import("../dav/dav.ts");
        return handlerOf({ ...site, places: placesOf() });
      });
      return (request, context) => Object.hasOwn(DAV_METHODS, request.method) ? handler(request, context) : null;
    },
  };
}
