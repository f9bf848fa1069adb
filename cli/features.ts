/**
 * What the command does besides files and listings: each feature is loaded where it was asked for.
 *
 * @module
 */

import type { Feature } from "../handlers/feature.ts";
import { archives, checksums, searches } from "../handlers/reading_features.ts";
import type { FeatureSettings } from "./settings.ts";

/** Loads the features that the settings ask for, in the order in which they are asked. */
export async function loadFeatures(settings: FeatureSettings): Promise<Feature[]> {
  const { cgi, fastcgi, archive, search, checksum } = settings;
  const features: Feature[] = [];
  if (cgi) features.push(await (await import("./cgi.ts")).cgiOf(cgi));
  if (fastcgi) features.push(...(await import("./fastcgi.ts")).fastCgiFeatures(fastcgi));
  // Behind the programs, whose queries are their own; these load nothing before somebody asks for them.
  if (archive) features.push(archives(archive));
  if (search) features.push(searches(search));
  if (checksum) features.push(checksums());
  return features;
}
