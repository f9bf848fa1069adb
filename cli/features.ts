/**
 * What the command does besides files and listings: each feature is loaded where it was asked for.
 *
 * @module
 */

import type { Feature } from "../handlers/feature.ts";
import { archives, checksums, searches } from "../handlers/reading_features.ts";
import type { FeatureSettings } from "./settings.ts";

/** Loads the features that the settings ask for, in the order in which they are asked. */
export async function loadFeatures({ upload, archive, search, checksum }: FeatureSettings): Promise<Feature[]> {
  return [
    ...upload ? (await import("../handlers/upload.ts")).uploadFeatures(upload) : [],
    // These load nothing before the first request for them.
    ...archive ? [archives(archive)] : [],
    ...search ? [searches(search)] : [],
    ...checksum ? [checksums()] : [],
  ];
}
