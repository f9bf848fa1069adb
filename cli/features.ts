/**
 * What the command does besides files and listings: each feature is loaded where it was asked for.
 *
 * @module
 */

import type { Feature } from "../handlers/feature.ts";
import type { FeatureSettings } from "./settings.ts";

/** Loads the features that the settings ask for, in the order in which they are asked. */
export async function loadFeatures({ cgi, fastcgi }: FeatureSettings): Promise<Feature[]> {
  const features: Feature[] = [];
  if (cgi) features.push(await (await import("./cgi.ts")).cgiOf(cgi));
  if (fastcgi) features.push(...(await import("./fastcgi.ts")).fastCgiFeatures(fastcgi));
  return features;
}
