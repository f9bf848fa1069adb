/**
 * Loads modules on first use, one at a time.
 *
 * Two concurrent imports in a running server can make Deno 2.9.6 panic ("RefCell already borrowed" in its module map)
 * and crash. Every `import()` of a running server therefore goes through here.
 *
 * @module
 */

/** Resolves when the most recent load ends. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Returns a function that loads on its first call, never concurrently with another load. A failed load is retried by
 * the next call.
 */
export function onDemand<T>(load: () => Promise<T>): () => Promise<T> {
  let loaded: Promise<T> | null = null;
  return () => {
    if (loaded !== null) return loaded;
    const loading = last.then(load, load);
    loaded = loading;
    last = loading.catch(() => {
      loaded = null;
    });
    return loading;
  };
}
