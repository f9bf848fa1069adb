/**
 * What PROPFIND reports of each resource.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { SitePath } from "../http/target.ts";
import type { DeadProperties } from "./dead_properties.ts";
import type { LockProperties } from "./lock_answers.ts";
import { DAV, hrefOf, LIVE_NAMES, liveValue, type PropertySite, type Resource } from "./properties.ts";
import type { XmlElement } from "./xml.ts";
import { escapeXml } from "./xml_text.ts";

/** The name of a property. */
export interface PropertyName {
  /** The URI of its namespace; `""` for none. */
  readonly namespace: string;
  /** The name, without a prefix. */
  readonly name: string;
}

/** What a client asks for: all properties, the names of all, or some. */
export type RequestedProperties =
  | { readonly kind: "all"; readonly names: readonly PropertyName[] }
  | { readonly kind: "names" }
  | { readonly kind: "some"; readonly names: readonly PropertyName[] };

/** More would only make the response long: clients ask for some twenty. */
const MAX_NAMES = 100;

/** Parses the body of PROPFIND; without one, all properties are asked for. Throws 400. */
export function requestedProperties(root: XmlElement | null): RequestedProperties {
  if (root === null) return { kind: "all", names: [] };
  if (root.namespace !== DAV || root.name !== "propfind") throw new HttpError(400, "The body is not a DAV: propfind");
  const known = root.children.filter(({ namespace }) => namespace === DAV);
  const [prop, all, names, include] = ["prop", "allprop", "propname", "include"].map((name) =>
    known.find((child) => child.name === name)
  );
  if ([prop, all, names].filter((each) => each !== undefined).length !== 1) {
    throw new HttpError(400, "A propfind has one of prop, allprop and propname");
  }
  if (prop) return { kind: "some", names: namesIn(prop) };
  return names ? { kind: "names" } : { kind: "all", names: include ? namesIn(include) : [] };
}

function namesIn({ children }: XmlElement): PropertyName[] {
  const distinct = new Map(children.map((each) => [keyOf(each), each]));
  if (distinct.size > MAX_NAMES) throw new HttpError(400, `A propfind may name ${MAX_NAMES} properties at most`);
  return [...distinct.values()];
}

/** Options of {@linkcode PropertyReport}. */
export interface ReportOptions {
  /** The prefix of all paths. */
  readonly base: SitePath;
  /** The properties of locks; null without locks. */
  readonly locks?: LockProperties | null;
  /** The properties that clients have set; null if there are none. */
  readonly dead: ReadonlyMap<string, DeadProperties> | null;
  /** Whether to leave out what a resource does not have (RFC 8144 section 2.1). */
  readonly isMinimal: boolean;
}

/** Writes the `response` elements of one request. */
export class PropertyReport {
  readonly #site: PropertySite;
  readonly #asked: RequestedProperties;
  readonly #options: ReportOptions;
  readonly #names: readonly PropertyName[];

  constructor(site: PropertySite, asked: RequestedProperties, options: ReportOptions) {
    this.#site = site;
    this.#asked = asked;
    this.#options = options;
    const all = [...LIVE_NAMES, ...options.locks?.names ?? []].map((name) => ({ namespace: DAV, name }));
    const others = asked.kind === "all" ? asked.names.filter((each) => !all.some((one) => isSame(one, each))) : [];
    this.#names = asked.kind === "some" ? asked.names : [...all, ...others];
  }

  /** The `response` element of a resource. */
  of(resource: Resource): string {
    let [found, missing] = ["", ""];
    const dead = this.#options.dead?.get(resource.path.text) ?? {};
    for (const name of this.#names) {
      const value = this.#valueOf(name, resource);
      const set = dead[keyOf(name)];
      if (value !== null) found += property(name, this.#asked.kind === "names" ? "" : value);
      else if (set !== undefined && this.#asked.kind === "some") found += set;
      else if (this.#asked.kind === "some" && !this.#options.isMinimal) missing += property(name, "");
    }
    if (this.#asked.kind !== "some") {
      found += Object.entries(dead).map(([key, xml]) => this.#asked.kind === "names" ? named(key) : xml).join("");
    }
    const href = `<D:href>${escapeXml(hrefOf(resource, this.#options.base))}</D:href>`;
    const ok = found !== "" || missing === "" ? propstat(found, "200 OK") : "";
    return `<D:response>${href}${ok}${missing === "" ? "" : propstat(missing, "404 Not Found")}</D:response>`;
  }

  #valueOf({ namespace, name }: PropertyName, resource: Resource): string | null {
    if (namespace !== DAV) return null;
    const { locks } = this.#options;
    return locks?.names.includes(name) ? locks.valueOf(name, resource.path) : liveValue(name, resource, this.#site);
  }
}

/** The key of a property in `DeadProperties`. */
export function keyOf({ namespace, name }: PropertyName): string {
  return `{${namespace}}${name}`;
}

/** The element of a key, without a value. */
function named(key: string): string {
  const end = key.lastIndexOf("}");
  return property({ namespace: key.slice(1, end), name: key.slice(end + 1) }, "");
}

/** A property with a value, as XML within a multi-status. */
export function property({ namespace, name }: PropertyName, value: string): string {
  const [start, end] = namespace === DAV
    ? [`D:${name}`, `D:${name}`]
    : [`${name} xmlns="${escapeXml(namespace)}"`, name];
  return value === "" ? `<${start}/>` : `<${start}>${value}</${end}>`;
}

/** Properties with the same status. */
export function propstat(properties: string, status: string, condition?: string): string {
  const error = condition === undefined ? "" : `<D:error><D:${condition}/></D:error>`;
  return `<D:propstat><D:prop>${properties}</D:prop><D:status>HTTP/1.1 ${status}</D:status>${error}</D:propstat>`;
}

function isSame(one: PropertyName, other: PropertyName): boolean {
  return one.namespace === other.namespace && one.name === other.name;
}
