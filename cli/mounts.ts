/**
 * Several directories, archives and object stores as one site; loaded if there are any.
 *
 * @module
 */

import { disk } from "../handlers/sources/disk.ts";
import { filtered, isVisible } from "../handlers/sources/filtered.ts";
import type { FileSource } from "../handlers/sources/types.ts";
import { readOnly, union } from "../handlers/sources/union.ts";
import { zip, ZipError } from "../handlers/sources/zip.ts";
import { SitePath } from "../handlers/http/target.ts";
import type { SiteSettings } from "./settings.ts";
import { StartError } from "./start_error.ts";
import { isStoreUrl, type MountPoint } from "./values.ts";

/**
 * The source of a site with mounts, of an archive, or in an object store. Throws {@linkcode StartError}.
 *
 * @param points Mounts that are only entries of its directories.
 */
export async function sourceOf(
  { root, isDirectory, mounts, server, features }: SiteSettings,
  points: readonly MountPoint[],
): Promise<FileSource> {
  const { hidden = false, followLinks = false } = server;
  if (!isDirectory && !isStoreUrl(root) && Deno.statSync(root).isFile) {
    throw new StartError(`Cannot mount anything beside the single file "${root}": serve a directory instead`);
  }
  const own = await opened(root, followLinks, `Cannot serve "${root}"`);
  if (features.upload && !own.openWriter) {
    throw new StartError(`Cannot take uploads: "${root}" is an archive; serve a directory instead`);
  }
  if (features.upload && isStoreUrl(root)) {
    await (await import("./object_store.ts")).requireUploads(own, features.upload);
  }
  const others: [string, FileSource][] = [];
  const whole: readonly MountPoint[] = mounts.filter(({ site }) => site === null);
  for (const mount of [...mounts, ...points]) {
    const source = readOnly(await mounted(mount, followLinks));
    others.push([mount.prefix, whole.includes(mount) ? source : filtered(source, isRoot)]);
  }
  const source = others.length === 0 ? own : union({ "/": own, ...Object.fromEntries(others) });
  return hidden ? source : filtered(source, isVisible);
}

/** A mount that another site answers is only an entry of the directory around it: what it shows is up to that site. */
function isRoot({ parent }: SitePath): boolean {
  return parent === null;
}

async function mounted({ prefix, path }: MountPoint, followLinks: boolean): Promise<FileSource> {
  try {
    return await opened(path, followLinks, `Cannot mount "${path}" at ${prefix}`);
  } catch (error) {
    if (!(error instanceof StartError) || !isThere(`${prefix}=${path}`)) throw error;
    throw new StartError(`${error.message}; to serve "${prefix}=${path}", use --directory`);
  }
}

async function opened(path: string, followLinks: boolean, what: string): Promise<FileSource> {
  if (isStoreUrl(path)) return await (await import("./object_store.ts")).openStore(path, what);
  try {
    if (Deno.statSync(path).isDirectory) {
      if (Deno.build.os !== "windows") Deno.openSync(path).close();
      return disk(path, { followLinks });
    }
    const source = zip(path);
    await source.stat(SitePath.root); // reads it
    return source;
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    if (error instanceof ZipError) throw new StartError(`${what}: ${error.message}`);
    const isNeither = error instanceof TypeError;
    throw new StartError(`${what}: ${isNeither ? "it is neither a directory nor a file" : StartError.reason(error)}`);
  }
}

function isThere(path: string): boolean {
  try {
    Deno.lstatSync(path);
    return true;
  } catch {
    return false;
  }
}
