/**
 * Values that may have to be waited for.
 *
 * @module
 */

import type { Awaitable } from "./types.ts";

/** Goes on with a value: at once where it is there, so that nothing is awaited that need not be. */
export function then<T, R>(value: Awaitable<T>, next: (value: T) => Awaitable<R>): Awaitable<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
