/**
 * Modules that are loaded on first use, one at a time.
 *
 * Two imports that are under way at once, while requests are answered, can make Deno 2.9.6 panic ("RefCell already
 * borrowed" in its map of modules) and end the server. So every `import()` of a server that runs goes through here.
 *
 * @module
 */

/** The end of the last load that was begun. */
let last: Promise<unknown> = Promise.resolve();

/**
 * Makes a function that loads once, when it is first called, and not while another load is under way. A load that fails
 * is tried again by the next call.
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
