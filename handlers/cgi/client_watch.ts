/**
 * Noticing that the client has left before there is an answer.
 *
 * @module
 */

/**
 * Milliseconds until a request is watched: the first look at the signal of a request makes the runtime print a warning, and
 * by far most answers are there before.
 */
const PATIENCE_MS = 200;

/** Calls back once when the client leaves, until it is disposed of; do that when the answer begins. */
export function whenClientLeaves(request: Request, callback: () => void): Disposable {
  let signal: AbortSignal | null = null;
  const timer = setTimeout(() => {
    signal = request.signal;
    if (signal.aborted) callback();
    else signal.addEventListener("abort", callback, { once: true });
  }, PATIENCE_MS);
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", callback);
    },
  };
}
