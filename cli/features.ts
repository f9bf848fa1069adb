/**
 * Optional features of the command; each is loaded only if it is enabled.
 *
 * @module
 */

import type { Feature } from "../handlers/serving/feature.ts";
import { archives, checksums, searches } from "../handlers/site/reading_features.ts";
import type { UploadOptions } from "../handlers/upload/upload.ts";
import { environmentOfProcess } from "./environment.ts";
import { stateDirectoryOf } from "./state_directory.ts";
import { StartError } from "./start_error.ts";
import { isStoreUrl } from "./values.ts";
import { allSites, type FeatureSettings, type Settings } from "./settings.ts";

/** What a site is loaded with. */
export interface FeatureWorld {
  /** The directory served. */
  readonly root: string;
  /** Where locks are kept; null for memory. */
  readonly lockState: string | null;
}

/** Loads the enabled features in the order in which they handle requests. */
export async function loadFeatures(settings: FeatureSettings, { root, lockState }: FeatureWorld): Promise<Feature[]> {
  const { cgi, fastcgi, proxy, upload, archive, search, checksum, watch, dav } = settings;
  const features: Feature[] = [];
  if (isStoreUrl(root) && (cgi || fastcgi)) {
    throw new StartError(`Cannot run programs in "${root}": they have to be on disk`);
  }
  if (cgi) features.push(await (await import("./cgi.ts")).cgiOf(cgi, root));
  if (fastcgi) features.push(...(await import("./fastcgi.ts")).fastCgiFeatures(fastcgi));
  if (proxy) features.push(...(await import("./proxy.ts")).proxyFeatures(proxy));
  const tables = dav && upload?.rights?.change
    ? await (await import("./dav_tables.ts")).davTablesOf(root, lockState)
    : null;
  const writing = upload && { ...upload, ...tables && { locks: tables.locks, followers: tables.properties } };
  if (dav) {
    const feature = (await import("../handlers/site/dav_feature.ts")).davFeature(writing ?? {});
    features.push(writing ? (await import("./abort_warning.ts")).withoutAbortWarning(feature) : feature);
  }
  // After the programs, which own their methods and queries.
  if (writing) features.push(...await uploads(writing, settings, root));
  // These load their implementation on first use.
  if (archive) features.push(archives(archive));
  if (search) features.push(searches(search));
  if (checksum) features.push(checksums());
  if (watch) features.push((await import("../handlers/watch/watching.ts")).watching({ ignore: watch }));
  return features;
}

/** The paths that serving and its features read, and those that they write to. */
export function neededPaths(settings: Settings): { readonly read: string[]; readonly write: string[] } {
  const { tls, identity } = settings;
  const files = tls !== null && "cert" in tls ? [tls.cert, tls.key, tls.password] : [];
  const state = stateDirectoryOf(settings, environmentOfProcess());
  const sites = allSites(settings);
  const served = sites.flatMap(({ root, mounts }) => [root, ...mounts.map(({ path }) => path)]);
  const read = [...new Set(served), ...files, identity?.file, state];
  const write = [...sites.map(({ root, features }) => features.upload ? root : null), state];
  return { read: read.filter(isPath), write: write.filter(isPath) };
}

function isPath(path: string | null | undefined): path is string {
  return typeof path === "string" && !isStoreUrl(path);
}

async function uploads(
  options: UploadOptions,
  { uploadPlaces, cgi }: FeatureSettings,
  root: string,
): Promise<Feature[]> {
  const find = uploadPlaces && (await import("./upload_places.ts")).findUploadPlaces;
  const { requireWritable } = await import("./write_check.ts");
  const places = find ? find(uploadPlaces, root, cgi) : [root];
  // An object store is asked when it is opened.
  for (const place of places.filter(isPath)) requireWritable(place, options.rights?.change ?? false);
  const { withoutAbortWarning } = await import("./abort_warning.ts");
  return (await import("../handlers/upload/upload.ts")).uploadFeatures(options).map(withoutAbortWarning);
}
