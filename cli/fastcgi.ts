/**
 * From the options of FastCGI to features; loaded where one of them is given.
 *
 * @module
 */

import { fastCgiFeature } from "../handlers/fastcgi.ts";
import type { Feature } from "../handlers/feature.ts";
import { withoutAbortWarning } from "./abort_warning.ts";
import { fastCgiOf } from "./values.ts";
import type { Given } from "./parse.ts";
import { programOptionsOf } from "./program_options.ts";
import { requireConnectPermission } from "./run_check.ts";

/** The features that the options ask for: one for each application, whose bounds are for all that it answers. */
export function fastCgiFeatures(values: Given["values"]): Feature[] {
  const given = (values.get("fastcgi") ?? []).map((text) => fastCgiOf(text)!);
  for (const { address } of given) requireConnectPermission(address);
  const applications = Map.groupBy(given, ({ address }) => JSON.stringify(address));
  return [...applications.values()].map((each) => {
    const extensions = each.map(({ extension }) => extension);
    return withoutAbortWarning(fastCgiFeature({ ...programOptionsOf(values), address: each[0]!.address, extensions }));
  });
}
