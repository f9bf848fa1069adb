/**
 * Custom headers.
 *
 * @module
 */

import { then } from "../core/awaitable.ts";
import { makesLayers, passedByErrors } from "../core/chain.ts";
import { kindOf, requireArray } from "../core/origin.ts";
import type { Layer } from "../core/types.ts";

/** A header to set; with null, one to remove. */
export type HeaderField = readonly [name: string, value: string | null];

/**
 * A layer that sets headers on every response, including errors and redirects.
 *
 * Replaces existing headers of the same name; a name given twice is sent twice. Names and values are validated when the
 * layer is created: an invalid one throws TypeError.
 *
 * @param fields Name and value pairs, as in Python's `--header NAME VALUE`; null as the value removes the header.
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
export function headers(fields: readonly HeaderField[]): Layer {
  const put = putter(fields);
  return passedByErrors("headers", (next) => (request, context) => {
    return then(next(request, context), (response) => response && put(response));
  });
}
makesLayers(headers);

/** Returns a function that sets headers on a response, in place. */
export function putter(fields: readonly HeaderField[]): (response: Response) => Response {
  requirePairs(fields);
  // Validates only: Headers throws on invalid names and values, but would merge duplicate names.
  new Headers(fields.map(([name, value]) => [name, value ?? ""]));
  const names = new Set(fields.map(([name]) => name.toLowerCase()));
  const set = fields.filter((field): field is [string, string] => field[1] !== null);
  const put = (response: Response) => {
    for (const name of names) response.headers.delete(name);
    for (const [name, value] of set) response.headers.append(name, value);
  };
  return (response) => inPlace(response, put);
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

function requirePairs(fields: readonly unknown[]): void {
  requireArray(fields, "the headers", "pairs of name and value");
  for (const [position, field] of fields.entries()) {
    if (Array.isArray(field) && field.length === 2) continue;
    throw new TypeError(
      `Cannot use header ${position + 1}: it is ${kindOf(field)}, not a pair such as ["x-name", "value"]`,
    );
  }
}
