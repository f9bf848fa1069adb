/**
 * Combines handlers: in sequence, and as layers.
 *
 * @module
 */

import type { Handler, Layer } from "./types.ts";

/**
 * Tries handlers in order until one responds; declines if none does.
 *
 * Synchronous responses are returned synchronously: nothing is awaited needlessly.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { chain, files, listing, memory, toFetch } from "@x/pyserve";
 *
 * const source = memory({ "docs/a.txt": "a" });
 * const response = await toFetch(chain(files(source), listing(source)))(new Request("http://localhost/docs/"));
 * assert((await response.text()).includes("a.txt"));
 * ```
 */
export function chain(...handlers: readonly Handler[]): Handler {
  const ask = (from: number): Handler => (request, context) => {
    for (let i = from; i < handlers.length; i++) {
      const answer = handlers[i]!(request, context);
      if (answer instanceof Promise) return answer.then((late) => late ?? ask(i + 1)(request, context));
      if (answer !== null) return answer;
    }
    return null;
  };
  return ask(0);
}

/**
 * Wraps a handler in layers; the first is outermost and sees the request first.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { errorPages, files, headers, memory, settle, toFetch, wrap } from "@x/pyserve";
 *
 * const site = wrap(settle(files(memory({}))), headers([["x-site", "mine"]]), errorPages());
 * const response = await toFetch(site)(new Request("http://localhost/nothing"));
 * assert(response.status === 404 && response.headers.get("x-site") === "mine");
 * await response.body?.cancel();
 * ```
 */
export function wrap(handler: Handler, ...layers: readonly Layer[]): Handler {
  return layers.reduceRight((inner, layer) => layer(inner), handler);
}
