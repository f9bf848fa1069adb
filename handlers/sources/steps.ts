/**
 * Work in steps that is written once and done either at once or in the background.
 *
 * Asking the file system at once is ten times cheaper, but one that hangs would stop the whole server (see pace.ts). The
 * steps do not know which it is: they `yield*` {@linkcode result} of a call that may return a promise.
 *
 * @module
 */

import type { Awaitable } from "../types.ts";

/** Work that waits between its steps, or does not. */
export type Steps<T> = Generator<Awaitable<unknown>, T, unknown>;

/** The result of a call, when it is there. */
export function* result<T>(value: Awaitable<T>): Steps<T> {
  return (yield value) as T;
}

/** Does all steps at once; none of their calls may return a promise. */
export function doNow<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) step = steps.next(step.value);
  return step.value;
}

/** Does all steps in the background. */
export async function doLater<T>(steps: Steps<T>): Promise<T> {
  let step = steps.next();
  while (!step.done) step = await resumed(steps, step.value);
  return step.value;
}

async function resumed<T>(steps: Steps<T>, value: Awaitable<unknown>): Promise<IteratorResult<Awaitable<unknown>, T>> {
  let settled: unknown;
  try {
    settled = await value;
  } catch (error) {
    return steps.throw(error);
  }
  return steps.next(settled);
}
