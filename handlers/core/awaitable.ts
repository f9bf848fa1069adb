/**
 * Continues with a value that may be a promise.
 *
 * @module
 */

import type { Awaitable } from "./types.ts";

/** Calls the function synchronously if the value is not a promise, so that nothing is awaited needlessly. */
export function then<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
