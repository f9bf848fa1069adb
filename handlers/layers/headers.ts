/**
 * Custom headers.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { makesLayers, passedByErrors } from "../core/chain.ts";
import { kindOf, requireArray } from "../core/origin.ts";
import type { Context, Layer } from "../core/types.ts";
import type { Target } from "../http/target.ts";
import { varyBy } from "../http/vary.ts";

/** A header to set; with null, one to remove. */
export type HeaderField = readonly [name: string, value: string | null];

/** Headers for some paths, made by `headersFor`. */
export interface HeaderRule {
  /** The patterns of the paths. */
  readonly patterns: readonly string[];
  /** The headers. */
  readonly fields: readonly HeaderField[];
  /** Whether it applies to the target of a request. */
  appliesTo(target: Pick<Target, "path" | "slash">): boolean;
}

/** Sets headers on a response, in place. */
export type Put = (response: Response, context: Context) => Response;

/**
 * A layer that sets headers on every response, including errors and redirects.
 *
 * Replaces existing headers of the same name; a name given twice is sent twice. Names and values are validated when the
 * layer is created: an invalid one throws TypeError. `Vary` is never replaced, only extended: a cache would otherwise
 * send one client what was meant for another.
 *
 * @param fields Name and value pairs, as in Python's `--header NAME VALUE`; null as the value removes the header. Rules
 * made by `headersFor` apply after all pairs, in their order.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, headers, memory, toFetch, wrap } from "@x/pyserve";
 *
 * const fetch = toFetch(wrap(files(memory({ "a.txt": "a" })), headers([["cache-control", "max-age=60"]])));
 * const response = await fetch(new Request("http://localhost/a.txt", { method: "HEAD" }));
 * assert(response.headers.get("cache-control") === "max-age=60");
 * ```
 *
 * @category Layers
 */
export function headers(fields: readonly (HeaderField | HeaderRule)[]): Layer {
  const put = putter(fields);
  return passedByErrors("headers", (next) => (request, context) => {
    return then(next(request, context), (response) => response && put(response, context));
  });
}
makesLayers(headers);

/** Returns a function that sets headers on a response, in place. */
export function putter(fields: readonly (HeaderField | HeaderRule)[]): Put {
  requireFields(fields);
  const rules = fields.filter(isRule).map((rule) => ({ rule, put: pairPutter(rule.fields) }));
  const put = pairPutter(fields.filter(isPair));
  if (rules.length === 0) return (response) => inPlace(response, put);
  return (response, { target }) => {
    const all = [put, ...rules.filter(({ rule }) => rule.appliesTo(target)).map((each) => each.put)];
    return inPlace(response, (response) => all.forEach((put) => put(response)));
  };
}

/** Whether it is a header for all paths rather than a rule. */
export function isPair(field: HeaderField | HeaderRule): field is HeaderField {
  return !isRule(field);
}

function isRule(field: HeaderField | HeaderRule): field is HeaderRule {
  return "appliesTo" in field;
}

function pairPutter(fields: readonly HeaderField[]): (response: Response) => void {
  // Validates only: Headers throws on invalid names and values, but would merge duplicate names.
  new Headers(fields.map(([name, value]) => [name, value ?? ""]));
  const others = fields.filter((field) => !isVary(field));
  const names = new Set(others.map(([name]) => name.toLowerCase()));
  const set = others.filter((field): field is [string, string] => field[1] !== null);
  const varied = fields.filter(isVary);
  return ({ headers }) => {
    for (const name of names) headers.delete(name);
    for (const [name, value] of set) headers.append(name, value);
    for (const [, value] of varied) varyBy(headers, value);
  };
}

function isVary(field: HeaderField): field is readonly [string, string] {
  return field[1] !== null && field[0].toLowerCase() === "vary";
}

/** Changes the headers of a response; returns another one only if they are immutable. */
export function inPlace(response: Response, change: (response: Response) => void): Response {
  try {
    change(response);
    return response;
  } catch (error) {
    // The headers of Response.redirect() and of what fetch() returned are immutable.
    if (!(error instanceof TypeError)) throw error;
    const copy = new Response(response.body, response);
    change(copy);
    return copy;
  }
}

function requireFields(fields: readonly unknown[]): void {
  requireArray(fields, "the headers", "pairs of name and value");
  for (const [position, field] of fields.entries()) {
    if (Array.isArray(field) && field.length === 2) continue;
    if (typeof field === "object" && field !== null && "appliesTo" in field) continue;
    throw new TypeError(
      `Cannot use header ${position + 1}: it is ${kindOf(field)}, not a pair such as ["x-name", "value"]`,
    );
  }
}
