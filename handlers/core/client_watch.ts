/**
 * Detects a client disconnect before the response has begun.
 *
 * @module
 */

/**
 * Delay in milliseconds before a request's signal is used: its first use makes the runtime print a warning, and most
 * responses are ready sooner.
 */
const PATIENCE_MS = 200;

/**
 * Whether a disconnect can still be detected if the signal is first used later. With HTTP/2, the runtime aborts only a
 * signal that is already in use. Deno does not expose the request's HTTP version, but only HTTP/2 requests lack a Host
 * header.
 */
function canBeSeenLater(request: Request): boolean {
  return request.headers.has("host");
}

/** Calls back once if the client disconnects. Dispose of it when the response begins. */
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
