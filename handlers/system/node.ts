/**
 * Node's modules, which Deno 2.9 cannot load if /proc is not mounted: it aborts the process.
 *
 * @module
 */

let known: boolean | undefined;

/** Whether they can be loaded. Deno reads the size of its memory in /proc, and needs no permission for it. */
export function hasNode(): boolean {
  return known ??= Deno.build.os !== "linux" || Deno.memoryUsage().rss > 0;
}

/**
 * Loads a module that imports one of them.
 *
 * @throws Deno.errors.NotSupported if they cannot be loaded.
 */
export async function withNode<T>(load: () => Promise<T>): Promise<T> {
  requireNode();
  return await load();
}

/**
 * Throws if they cannot be loaded; Deno.execPath aborts the process then, too.
 *
 * @throws Deno.errors.NotSupported
 */
export function requireNode(): void {
  if (!hasNode()) {
    throw new Deno.errors.NotSupported("/proc is not mounted; without it, Deno cannot load Node's modules");
  }
}

/** Loads `node:fs` synchronously; `import()` would have to be awaited. */
export function nodeFs(): typeof import("node:fs") {
  requireNode();
  const { process } = globalThis as unknown as {
    process: { getBuiltinModule(name: "node:fs"): typeof import("node:fs") };
  };
  return process.getBuiltinModule("node:fs");
}
