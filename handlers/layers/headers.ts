/**
 * Headers of one's own.
 *
 * @module
 */

import type { Layer } from "../types.ts";

/**
 * A layer that puts headers on every response, errors and redirects included.
 *
 * A name that the response has already is replaced; a name given twice is sent twice. It checks names and values now, and
 * not at the first request: a bad one is a TypeError.
 *
 * @param fields Pairs of name and value, as Python's `--header NAME VALUE`.
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
 */
export function headers(fields: readonly (readonly [name: string, value: string])[]): Layer {
  const put = putter(fields);
  return (next) => (request, context) => {
    const answer = next(request, context);
    if (answer instanceof Promise) return answer.then((late) => late && put(late));
    return answer && put(answer);
  };
}

/** What puts headers on a response, in place. */
export function putter(
  fields: readonly (readonly [name: string, value: string])[],
): (response: Response) => Response {
  // Headers throws at names and values that cannot be sent; the pairs are kept, because it joins what is given twice.
  new Headers(fields.map(([name, value]) => [name, value]));
  const names = new Set(fields.map(([name]) => name.toLowerCase()));
  return (response) => {
    for (const name of names) response.headers.delete(name);
    for (const [name, value] of fields) response.headers.append(name, value);
    return response;
  };
}
