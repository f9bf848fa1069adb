/**
 * Notices that the client disconnects before there is a response.
 *
 * @module
 */

/**
 * Milliseconds until a request is watched: the first use of a request's signal makes the runtime print a warning, and most
 * responses are ready before.
 */
const PATIENCE_MS = 200;

/**
 * Whether a disconnect is noticed although the signal is used only later. With HTTP/2 the runtime aborts only a signal that is
 * in use already. Nothing says which version a request has, but only those of HTTP/2 have no Host.
 */
function canBeSeenLater(request: Request): boolean {
  return request.headers.has("host");
}

/** Calls back once when the client disconnects. Dispose of it when the response begins. */
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
