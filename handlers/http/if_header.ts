/**
 * The If header (RFC 4918 section 10.4): parsing and evaluation. Pure functions.
 *
 * @module
 */

/** A condition on the state of a resource. */
export interface StateCondition {
  /** Whether it begins with `Not`. */
  readonly isNegated: boolean;
  /** Whether the value is the token of a lock, or an entity tag. */
  readonly kind: "token" | "etag";
  /** The token without `<>`; an entity tag with its quotes and `W/`. */
  readonly value: string;
}

/** A list holds if all of its conditions do. */
export interface ConditionList {
  /** The URL of the resource as sent; null for the target of the request. */
  readonly resource: string | null;
  /** At least one condition. */
  readonly conditions: readonly StateCondition[];
}

/** A parsed If header, which holds if any of its lists does. */
export interface IfHeader {
  /** The lists in the order in which they were sent. */
  readonly lists: readonly ConditionList[];
  /** All lock tokens in it: these are the submitted ones, even those of lists that do not hold. */
  readonly tokens: readonly string[];
}

/** What the conditions are judged by. */
export interface ResourceStates {
  /** Whether a resource is in the scope of the lock with this token. */
  hasToken(resource: string | null, token: string): boolean | Promise<boolean>;
  /** Whether a resource has this entity tag. */
  hasEtag(resource: string | null, etag: string): boolean | Promise<boolean>;
}

/** Clients name a handful of resources; each condition may cost a look at a file. */
const MAX_LENGTH = 8_192;
const MAX_CONDITIONS = 256;

/** Bounds the files that one request can make the server look at. */
const MAX_RESOURCES = 32;

/** One symbol, after blanks; entity tags may have blanks in them, as in the examples of the RFC. Sticky, and each match consumes input: linear time on any input. */
const SYMBOL = /[\t ]*(?:([()])|<([^<>\s]+)>|\[[\t ]*((?:W\/)?"[^"]*")[\t ]*\]|(not)(?=[\t <[]))/iy;

type Kind = "(" | ")" | "url" | "etag" | "not";

interface Mark {
  readonly kind: Kind;
  readonly value: string;
}

/**
 * Parses an If header; null if it is malformed, has more than 8 KiB, or is unreasonably complex.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * const header = parseIf('<http://localhost/a> (<urn:uuid:1> ["5-1"]) (Not <DAV:no-lock>)');
 * assert(header?.lists.length === 2 && header.lists[1]!.conditions[0]!.isNegated);
 * assert(header.tokens.includes("urn:uuid:1"));
 * assert(parseIf("(<urn:uuid:1>") === null);
 * ```
 */
export function parseIf(header: string): IfHeader | null {
  const symbols = header.length > MAX_LENGTH ? null : symbolsOf(header);
  if (symbols === null) return null;
  const lists: ConditionList[] = [];
  let resource: string | null = null;
  for (let at = 0; at < symbols.length;) {
    const { kind, value } = symbols[at]!;
    if (kind === "url") {
      if (lists.length > 0 && resource === null) return null; // untagged and tagged lists cannot be mixed
      if (++at === symbols.length) return null;
      resource = value;
    }
    if (symbols[at]!.kind !== "(") return null;
    const start = ++at;
    while (at < symbols.length && symbols[at]!.kind !== ")") at += 1;
    const conditions = at < symbols.length ? conditionsOf(symbols.slice(start, at++)) : null;
    if (conditions === null) return null;
    lists.push({ resource, conditions });
  }
  return lists.length === 0 || isTooComplex(lists) ? null : { lists, tokens: tokensOf(lists) };
}

/**
 * Whether an If header holds.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * const header = parseIf('(<urn:uuid:1>) (["5-1"])')!;
 * assert(await ifHolds(header, { hasToken: () => false, hasEtag: (_, etag) => etag === '"5-1"' }));
 * ```
 */
export async function ifHolds({ lists }: IfHeader, states: ResourceStates): Promise<boolean> {
  for (const list of lists) if (await listHolds(list, states)) return true;
  return false;
}

async function listHolds({ resource, conditions }: ConditionList, states: ResourceStates): Promise<boolean> {
  for (const { isNegated, kind, value } of conditions) {
    const has = await (kind === "token" ? states.hasToken(resource, value) : states.hasEtag(resource, value));
    if (has === isNegated) return false;
  }
  return true;
}

/** The symbols of a header; null if something else is in it. */
function symbolsOf(header: string): Mark[] | null {
  const symbols: Mark[] = [];
  const end = header.trimEnd().length;
  SYMBOL.lastIndex = 0;
  for (let at = 0; at < end; at = SYMBOL.lastIndex) {
    const match = SYMBOL.exec(header);
    if (match === null) return null;
    const [, mark, url, etag, not] = match;
    const kind = (mark ?? (url !== undefined ? "url" : etag !== undefined ? "etag" : "not")) as Kind;
    symbols.push({ kind, value: url ?? etag ?? mark ?? not! });
  }
  return symbols;
}

/** The conditions in the parentheses of a list; null if they are none. */
function conditionsOf(symbols: readonly Mark[]): StateCondition[] | null {
  const conditions: StateCondition[] = [];
  let isNegated = false;
  for (const { kind, value } of symbols) {
    if (kind === "not" && !isNegated) isNegated = true;
    else if (kind === "url" || kind === "etag") {
      conditions.push({ isNegated, kind: kind === "url" ? "token" : "etag", value });
      isNegated = false;
    } else return null;
  }
  return isNegated || conditions.length === 0 ? null : conditions;
}

function isTooComplex(lists: readonly ConditionList[]): boolean {
  const count = lists.reduce((sum, { conditions }) => sum + conditions.length, 0);
  return count > MAX_CONDITIONS || new Set(lists.map(({ resource }) => resource)).size > MAX_RESOURCES;
}

function tokensOf(lists: readonly ConditionList[]): string[] {
  const tokens = lists.flatMap(({ conditions }) => conditions.filter(({ kind }) => kind === "token"));
  return [...new Set(tokens.map(({ value }) => value))];
}
