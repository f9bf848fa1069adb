/**
 * What the command does besides files and listings: each feature is loaded where it was asked for.
 *
 * @module
 */

import type { Feature } from "../handlers/feature.ts";
import type { FeatureSettings } from "./settings.ts";

/** Loads the features that the settings ask for, in the order in which they are asked. */
export async function loadFeatures({ upload }: FeatureSettings): Promise<Feature[]> {
  const uploads = upload ? (await import("../handlers/upload.ts")).uploadFeatures(upload) : [];
  return uploads;
}
