/**
 * Creates FastCGI features from their options; loaded on demand.
 *
 * @module
 */

import { fastCgiFeature } from "../handlers/upstream/fastcgi/fastcgi.ts";
import type { Feature } from "../handlers/serving/feature.ts";
import { withoutAbortWarning } from "./abort_warning.ts";
import type { Options } from "./options.ts";
import { programOptionsOf } from "./program_options.ts";
import { requireConnectPermission } from "./run_check.ts";

/** One feature for each application, because its limits apply to the application as a whole. */
export function fastCgiFeatures(options: Options): Feature[] {
  const given = options.fastcgi;
  for (const { address } of given) requireConnectPermission(address);
  const applications = Map.groupBy(given, ({ address }) => JSON.stringify(address));
  return [...applications.values()].map((each) => {
    const extensions = each.map(({ extension }) => extension);
    return withoutAbortWarning(fastCgiFeature({ ...programOptionsOf(options), address: each[0]!.address, extensions }));
  });
}
