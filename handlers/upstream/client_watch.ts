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

/**
 * Whether a client that leaves now is noticed at the first look later. With HTTP/2 the runtime tells only those who have
 * looked before. Nothing says which version a request has, but only one of HTTP/2 has no Host.
 */
function canBeSeenLater(request: Request): boolean {
  return request.headers.has("host");
}

/** Calls back once when the client leaves, until it is disposed of; do that when the answer begins. */
export function whenClientLeaves(request: Request, callback: () => void): Disposable {
  let signal: AbortSignal | null = null;
  const watch = () => {
    signal = request.signal;
    if (signal.aborted) callback();
    else signal.addEventListener("abort", callback, { once: true });
  };
  let timer: ReturnType<typeof setTimeout> | undefined;
  if (canBeSeenLater(request)) timer = setTimeout(watch, PATIENCE_MS);
  else watch();
  return {
    [Symbol.dispose]() {
      clearTimeout(timer);
      signal?.removeEventListener("abort", callback);
    },
  };
}
