/**
 * Creates the features of proxies from their options; loaded on demand.
 *
 * @module
 */

import { proxyFeature } from "../handlers/upstream/proxy/proxy.ts";
import { parseUpstream } from "../handlers/upstream/proxy/upstream_url.ts";
import type { Feature } from "../handlers/serving/feature.ts";
import { withoutAbortWarning } from "./abort_warning.ts";
import type { Options } from "./options.ts";
import { requireConnectPermission } from "./run_check.ts";

/** Applications of one thread that wait for the next request of a connection have to wait 4 seconds at most. */
const IDLE_CONNECTIONS = 64;

/** One feature for each path, the longest first: `/api/v2` before `/api`. */
export function proxyFeatures(options: Options): Feature[] {
  const rules = options.proxy.toSorted((a, b) => b.path.length - a.path.length);
  return rules.map(({ path, upstream }) => {
    const parsed = parseUpstream(upstream);
    if (typeof parsed === "object") requireConnectPermission(parsed.address);
    const passAuth = options["proxy-pass-auth"] ? { passAuth: true } : {};
    const headerTimeout = options["proxy-timeout"];
    const given = { path, upstream, headerTimeout, idleConnections: IDLE_CONNECTIONS, ...passAuth };
    return withoutAbortWarning(proxyFeature(given));
  });
}
