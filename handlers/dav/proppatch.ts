/**
 * PROPPATCH: sets and removes dead properties (RFC 4918 section 9.2).
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { Context } from "../core/types.ts";
import { answered } from "../upload/refusals.ts";
import { operationsFor } from "../upload/rights.ts";
import type { UploadSite } from "../upload/upload_site.ts";
import type { DeadProperties, PropertyTable } from "./dead_properties.ts";
import { multistatus } from "./multistatus.ts";
import { DAV, hrefOf, isLive } from "./properties.ts";
import { keyOf, property, propstat } from "./property_report.ts";
import { readXml, type XmlElement } from "./xml.ts";
import { escapeXml, formatElement } from "./xml_text.ts";

/** A store whose files have properties. */
export interface PropertyStore extends UploadSite {
  /** The properties. */
  readonly properties: PropertyTable;
}

/** One instruction: the element to set, or to remove. */
interface Instruction {
  readonly element: XmlElement;
  readonly isSet: boolean;
}

/** Dates and attributes that Windows sets on each file that it writes: accepted, but not kept. */
const WINDOWS = "urn:schemas-microsoft-com:";

/** Follows all instructions, or none. */
export async function proppatch(site: PropertyStore, request: Request, context: Context): Promise<Response> {
  const { path, slash } = context.target;
  const instructions = instructionsIn(await readXml(request.body, { stallMs: site.settings.stallMs }));
  const isForgotten = instructions.every(({ element }) => element.namespace === WINDOWS);
  const operations = operationsFor(site, request, context);
  const right = isForgotten ? "create" : "change"; // Windows writes files only where it can set these
  await answered(path, () => operations.requireRight(path, { enabled: right, right }));
  const stat = await operations.known("read").stat(path);
  if (stat === null || stat.kind === "other" || (slash && stat.kind !== "directory")) throw new HttpError(404);
  await answered(path, () => operations.requireNotes(path, right)); // later, because it tells what is locked
  const href = `<D:href>${escapeXml(hrefOf({ path, stat }, context.base))}</D:href>`;
  const refused = instructions.filter(({ element }) => isLive(element));
  if (refused.length > 0) return multistatus(`<D:response>${href}${refusal(instructions)}</D:response>`);
  const kept = instructions.filter(({ element }) => element.namespace !== WINDOWS);
  if (kept.length > 0) site.properties.change(path, (properties) => changed(properties, kept));
  return multistatus(`<D:response>${href}${propstat(names(instructions), "200 OK")}</D:response>`);
}

/** The instructions in their order. */
function instructionsIn(root: XmlElement | null): Instruction[] {
  if (root?.namespace !== DAV || root.name !== "propertyupdate") {
    throw new HttpError(400, "The body is not a DAV: propertyupdate");
  }
  const instructions = root.children.flatMap(({ namespace, name, children }) => {
    if (namespace !== DAV || (name !== "set" && name !== "remove")) return [];
    const props = children.filter((each) => each.namespace === DAV && each.name === "prop");
    return props.flatMap((prop) => prop.children.map((element) => ({ element, isSet: name === "set" })));
  });
  if (instructions.length === 0) throw new HttpError(400, "A propertyupdate sets or removes a property");
  return instructions;
}

function changed(properties: DeadProperties, instructions: readonly Instruction[]): DeadProperties {
  const after = new Map(Object.entries(properties));
  for (const { element, isSet } of instructions) {
    const key = keyOf(element);
    if (isSet) after.set(key, formatElement(element));
    else after.delete(key);
  }
  return Object.fromEntries(after);
}

/** If one cannot be followed, none is. */
function refusal(instructions: readonly Instruction[]): string {
  const [live, others] = [true, false].map((is) => instructions.filter(({ element }) => isLive(element) === is));
  const failed = propstat(names(others!), "424 Failed Dependency");
  return propstat(names(live!), "403 Forbidden", "cannot-modify-protected-property") +
    (others!.length > 0 ? failed : "");
}

function names(instructions: readonly Instruction[]): string {
  const distinct = new Map(instructions.map(({ element }) => [keyOf(element), element]));
  return [...distinct.values()].map((element) => property(element, "")).join("");
}
