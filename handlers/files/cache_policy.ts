/**
 * How long clients may use what they have got.
 *
 * @module
 */

import { isFingerprinted } from "../http/fingerprint.ts";
import type { SitePath } from "../http/target.ts";

const YEAR = 31_536_000;

/**
 * A value for the option `cacheControl` of {@linkcode files} and `fileServer`.
 *
 * `auto`: files whose name contains a hash of their content are immutable, and used for a year without asking; all others
 * are revalidated before each use. `off`: nothing may be stored. A number: so many seconds; 0 is revalidation.
 *
 * @throws {RangeError} For a number that is not a whole number of seconds.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { fileServer, memory, toFetch } from "@x/pyserve";
 * import { cachePolicy } from "@x/pyserve/handlers";
 *
 * const site = memory({ "app-5LRS2FJV.js": "", "index.html": "" });
 * const fetch = toFetch(fileServer(site, { cacheControl: cachePolicy("auto"), log: false }));
 * const policyOf = async (path: string) => {
 *   return (await fetch(new Request(`http://localhost${path}`, { method: "HEAD" }))).headers.get("cache-control");
 * };
 * assert(await policyOf("/app-5LRS2FJV.js") === "max-age=31536000, immutable");
 * assert(await policyOf("/") === "no-cache");
 * ```
 *
 * @category Handlers
 */
export function cachePolicy(policy: "auto" | "off" | number): string | ((path: SitePath) => string) {
  if (policy === "auto") return (path) => isFingerprinted(path.name) ? `max-age=${YEAR}, immutable` : "no-cache";
  if (policy === "off") return "no-store";
  if (!Number.isSafeInteger(policy) || policy < 0) throw new RangeError("cachePolicy takes a whole number of seconds");
  return policy === 0 ? "no-cache" : `max-age=${policy}`;
}
