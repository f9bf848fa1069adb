/**
 * Code written once that runs either synchronously or asynchronously.
 *
 * Synchronous file system calls are ten times cheaper, but a hung one would block the whole server (see pace.ts). The
 * steps are agnostic: they `yield*` the {@linkcode result} of a call that may return a promise.
 *
 * @module
 */

import type { Awaitable } from "../core/types.ts";

/** A computation that may or may not await its calls. */
export type Steps<T> = Generator<Awaitable<unknown>, T, unknown>;

/** The result of a call, awaited if necessary. */
export function* result<T>(value: Awaitable<T>): Steps<T> {
  return (yield value) as T;
}

/** Runs all steps synchronously; no call may return a promise. */
export function doNow<T>(steps: Steps<T>): T {
  let step = steps.next();
  while (!step.done) step = steps.next(step.value);
  return step.value;
}

/** Runs all steps asynchronously. */
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
