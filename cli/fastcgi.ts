/**
 * From the options of FastCGI to features; loaded where one of them is given.
 *
 * @module
 */

import { fastCgiFeature } from "../handlers/upstream/fastcgi/fastcgi.ts";
import type { Feature } from "../handlers/feature.ts";
import { withoutAbortWarning } from "./abort_warning.ts";
import type { Options } from "./options.ts";
import { programOptionsOf } from "./program_options.ts";
import { requireConnectPermission } from "./run_check.ts";

/** The features that the options ask for: one for each application, whose bounds are for all that it answers. */
export function fastCgiFeatures(options: Options): Feature[] {
  const given = options.fastcgi;
  for (const { address } of given) requireConnectPermission(address);
  const applications = Map.groupBy(given, ({ address }) => JSON.stringify(address));
  return [...applications.values()].map((each) => {
    const extensions = each.map(({ extension }) => extension);
    return withoutAbortWarning(fastCgiFeature({ ...programOptionsOf(options), address: each[0]!.address, extensions }));
  });
}
