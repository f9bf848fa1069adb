/**
 * What the command does besides files and listings: each feature is loaded where it was asked for.
 *
 * @module
 */

import type { Feature } from "../handlers/feature.ts";
import { archives, checksums, searches } from "../handlers/reading_features.ts";
import type { UploadOptions } from "../handlers/upload.ts";
import type { FeatureSettings, Settings } from "./settings.ts";

/** Loads the features that the settings ask for, in the order in which they are asked; `root` is what is served. */
export async function loadFeatures(settings: FeatureSettings, root: string): Promise<Feature[]> {
  const { cgi, fastcgi, upload, archive, search, checksum } = settings;
  const features: Feature[] = [];
  if (cgi) features.push(await (await import("./cgi.ts")).cgiOf(cgi, root));
  if (fastcgi) features.push(...(await import("./fastcgi.ts")).fastCgiFeatures(fastcgi));
  // Behind the programs, whose methods and queries are their own.
  if (upload) features.push(...await uploads(upload, settings, root));
  // These load nothing before somebody asks for them.
  if (archive) features.push(archives(archive));
  if (search) features.push(searches(search));
  if (checksum) features.push(checksums());
  return features;
}

/** The paths that serving and its features read, and those that they write to. */
export function neededPaths({ root, tls, features }: Settings): { readonly read: string[]; readonly write: string[] } {
  const read = [root, tls?.cert, tls?.key, tls?.password].filter((path) => typeof path === "string");
  return { read, write: features.upload ? [root] : [] };
}

async function uploads(
  options: UploadOptions,
  { uploadPlaces, cgi }: FeatureSettings,
  root: string,
): Promise<Feature[]> {
  const find = uploadPlaces && (await import("./upload_places.ts")).findUploadPlaces;
  const { requireWritable } = await import("./write_check.ts");
  for (const place of find ? find(uploadPlaces, root, cgi) : [root]) {
    requireWritable(place, options.rights?.change ?? false);
  }
  return (await import("../handlers/upload.ts")).uploadFeatures(options);
}
