/**
 * Properties that follow from a file itself ("live" properties, RFC 4918 section 15).
 *
 * @module
 */

import { encodeSegment } from "../http/escape.ts";
import { formatHttpDate } from "../http/date.ts";
import type { SitePath } from "../http/target.ts";
import type { FileStat } from "../sources/types.ts";
import { escapeXml } from "./xml_text.ts";

/** The namespace of WebDAV's own elements. */
export const DAV = "DAV:";

/** A file or directory. */
export interface Resource {
  /** Its path in the source. */
  readonly path: SitePath;
  /** Its metadata. */
  readonly stat: FileStat;
}

/** What the properties of files follow from, besides their metadata. */
export interface PropertySite {
  /** The entity tag a file is served with. */
  readonly etagOf: (path: SitePath, stat: FileStat) => string;
  /** The Content-Type a file is served with; `""` for none. */
  readonly typeOf: (path: SitePath) => string;
}

/** The value of a property as XML to be put into its element; null if the resource has none. */
type Value = (resource: Resource, site: PropertySite) => string | null;

/** The live properties in the namespace `DAV:`, by name. */
const LIVE: Readonly<Record<string, Value>> = {
  resourcetype: ({ stat }) => stat.kind === "directory" ? "<D:collection/>" : "",
  displayname: ({ path }) => path.parent && escapeXml(path.name),
  getlastmodified: ({ stat: { modified } }) => date(modified, formatHttpDate),
  // When it was created is not known on every file system; not later than this, unless its date was set.
  creationdate: ({ stat: { modified } }) => date(modified, (time) => new Date(time).toISOString().replace(".000", "")),
  getcontentlength: ({ stat }) => stat.kind === "file" ? String(stat.size) : null,
  getcontenttype: ({ path, stat }, { typeOf }) => stat.kind === "file" ? escapeXml(typeOf(path)) || null : null,
  getetag: ({ path, stat }, { etagOf }) => stat.kind === "file" ? escapeXml(etagOf(path, stat)) : null,
};

/** The names of the live properties. */
export const LIVE_NAMES: readonly string[] = Object.keys(LIVE);

/** Whether clients cannot set a property. */
export function isLive({ namespace, name }: { readonly namespace: string; readonly name: string }): boolean {
  return namespace === DAV && (Object.hasOwn(LIVE, name) || PROTECTED.includes(name));
}

/** Protected properties that are only sometimes there. */
const PROTECTED = ["lockdiscovery", "supportedlock", "quota-available-bytes", "quota-used-bytes"];

/** The value of a live property as XML; null if the resource has none. */
export function liveValue(name: string, resource: Resource, site: PropertySite): string | null {
  return Object.hasOwn(LIVE, name) ? LIVE[name]!(resource, site) : null;
}

/** The path of a resource as a URL reference; a directory ends in a slash. */
export function hrefOf({ path, stat }: Resource, base: SitePath): string {
  const href = [...base.segments, ...path.segments].map((segment) => `/${encodeSegment(segment)}`).join("");
  return stat.kind === "directory" ? `${href}/` : href;
}

/** Dates are in whole seconds; those that a calendar of four-digit years does not have are not shown. */
function date(modified: number | null, format: (time: number) => string): string | null {
  const time = modified === null ? NaN : Math.floor(modified / 1000) * 1000;
  return time >= 0 && time < 253_402_300_800_000 ? format(time) : null;
}
