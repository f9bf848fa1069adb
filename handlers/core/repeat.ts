/**
 * Responses that a transport may send again without asking a handler: to a request whose head is the same, byte for byte,
 * so that whatever a response depends on is the same as well.
 *
 * @module
 */

import type { Handler } from "./types.ts";

/** Filled in by whoever knows, while a request is answered from the cache. */
export interface Repeat {
  /** Whether the response is still what the handlers would send; null if it must not be sent again. */
  isFresh: (() => boolean) | null;
  /** Logs the response to another client, by its address; null for no log. */
  log: ((address: string) => void) | null;
}

/** Handlers and fetch functions of which nothing outside has to see each request. */
const repeatable = new WeakSet<Handler | FetchLike>();

type FetchLike = (request: Request) => unknown;

/**
 * Marks a handler, or the fetch function of one, that treats all requests with the same head alike, except for its log. A
 * function around it is not marked, and so sees each request.
 */
export function markRepeatable<Marked extends Handler | FetchLike>(handler: Marked): Marked {
  repeatable.add(handler);
  return handler;
}

/** Whether a handler or a fetch function has been marked. */
export function isRepeatable(handler: Handler | FetchLike): boolean {
  return repeatable.has(handler);
}
