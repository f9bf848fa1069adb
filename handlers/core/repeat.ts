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

/** Handlers without a layer that has to see each request. */
const repeatable = new WeakSet<Handler>();

/** Marks a handler that treats all requests with the same head alike, except for its log. */
export function markRepeatable(handler: Handler): Handler {
  repeatable.add(handler);
  return handler;
}

/** Whether a handler has been marked. */
export function isRepeatable(handler: Handler): boolean {
  return repeatable.has(handler);
}
