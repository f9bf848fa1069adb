/**
 * What is served: checks it, and makes the handler.
 *
 * @module
 */

import type { Handler, Layer } from "../handlers/core/types.ts";
import { fileServer, type FileServerOptions } from "../handlers/site/file_server.ts";
import type { CacheBudget } from "../handlers/serving/response_cache.ts";
import type { Feature } from "../handlers/serving/feature.ts";
import { loadFeatures } from "./features.ts";
import type { SiteSettings } from "./settings.ts";
import { StartError } from "./start_error.ts";
import { isStoreUrl, type MountPoint } from "./values.ts";

/** What the options load for the file server. */
export type ServerParts = FileServerOptions & Required<Pick<FileServerOptions, "features" | "layers">>;

/** A site that has been checked and loaded. */
export interface OpenSite {
  readonly settings: SiteSettings;
  readonly parts: ServerParts;
  /** Its features, and those of its mounts, to be ended with the server. */
  readonly features: readonly Feature[];
}

/** What all sites of a run have in common. */
export interface SharedParts {
  /** Makes the layer that knows the users of a site; null without users. */
  readonly layerFor: ((site: SiteSettings) => Layer) | null;
  /** Where locks are kept; null for memory. */
  readonly lockState: string | null;
  /** The memory for all their caches. */
  readonly cacheSize: CacheBudget;
}

/** Loads what a site consists of. Throws {@linkcode StartError}. */
export async function openSite(settings: SiteSettings, shared: SharedParts): Promise<OpenSite> {
  const { layerFor, lockState, cacheSize } = shared;
  const features = await loadFeatures(settings.features, { root: settings.root, lockState });
  const { policies: given, server } = settings;
  const policies = given && (await import("./policies.ts")).policiesOf(given, server);
  const hasSites = settings.mounts.some(({ site }) => site !== null);
  const mounted = hasSites ? await (await import("./mounted_sites.ts")).openMounts(settings.mounts, shared) : null;
  const layers = [
    ...policies?.outer ?? [],
    ...(mounted ? [mounted.layer] : []),
    ...(layerFor ? [layerFor(settings)] : []),
    ...policies?.inner ?? [],
  ];
  return {
    settings,
    parts: { features, layers, cacheSize, ...policies?.server },
    features: [...features, ...mounted?.features ?? []],
  };
}

/**
 * Makes the handler of a site, below `base` if it is not null. Throws {@linkcode StartError} for what cannot be served.
 *
 * @param points Mounts below it that the site around it answers: here, only entries of directories.
 */
export async function handlerFor(
  { settings, parts }: OpenSite,
  base: string | null,
  points: readonly MountPoint[] = [],
): Promise<Handler> {
  const { root, isDirectory, mounts } = settings;
  if (!isStoreUrl(root)) checkRoot(root);
  const isSeveral = mounts.length + points.length > 0 || isStoreUrl(root) || isDirectory && Deno.statSync(root).isFile;
  const source = isSeveral ? await (await import("./mounts.ts")).sourceOf(settings, points) : root;
  const options = { ...settings.server, ...parts };
  const site = fileServer(source, options);
  return base === null ? site : (await import("./base.ts")).below(base, site, options);
}

function checkRoot(root: string): void {
  try {
    const info = Deno.statSync(root);
    if (info.isFile || info.isDirectory) {
      // Fail now rather than at each request. Windows cannot open a directory this way and reports it like a permission
      // error.
      if (info.isFile || Deno.build.os !== "windows") Deno.openSync(root).close();
      return;
    }
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    throw new StartError(`Cannot serve "${root}": ${StartError.reason(error)}${hintFor(root, error)}`);
  }
  throw new StartError(`Cannot serve "${root}": it is neither a directory nor a file`);
}

/** A hint on a root that does not exist. */
function hintFor(root: string, error: unknown): string {
  if (!(error instanceof Deno.errors.NotFound)) return "";
  if (root.startsWith("~")) {
    return `; the shell does not expand "~" in quotes: use "$HOME"`;
  }
  // The runtime replaces the bytes of a name that is not UTF-8 with U+FFFD, which names another file.
  if (root.includes("\uFFFD")) return "; a name that is not UTF-8 cannot be served: rename it";
  if (isHost(root)) return `; to listen on this address, use --bind ${root}`;
  return "";
}

/** Whether it can only be an address: a host name might as well be the name of a directory. */
function isHost(word: string): boolean {
  return word === "localhost" || /^\d{1,3}(\.\d{1,3}){3}$/.test(word) || /^[0-9a-f]*:[0-9a-f:]+$/i.test(word);
}
