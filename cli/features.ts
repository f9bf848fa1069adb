/**
 * What the command does besides files and listings: each feature is loaded where it was asked for.
 *
 * @module
 */

import type { Feature } from "../handlers/feature.ts";
import type { UploadOptions } from "../handlers/upload.ts";
import type { FeatureSettings } from "./settings.ts";

/** Loads the features that the settings ask for, in the order in which they are asked. */
export async function loadFeatures({ upload }: FeatureSettings, root: string): Promise<Feature[]> {
  return [...upload ? await loadUploads(upload, root) : []];
}

async function loadUploads(options: UploadOptions, root: string): Promise<Feature[]> {
  (await import("./write_permission.ts")).requireWritePermission(root);
  return (await import("../handlers/upload.ts")).uploadFeatures(options);
}
