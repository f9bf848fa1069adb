/**
 * Loads the C library.
 *
 * @module
 */

/** glibc, then musl. */
const NAMES = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`, "libc.so"];

/**
 * Opens the C library with the given functions; null if unavailable (on platforms other than Linux, and without
 * `--allow-ffi`). Takes a millisecond.
 */
export function openLibc<const Symbols extends Deno.ForeignLibraryInterface>(
  symbols: Symbols,
): Deno.DynamicLibrary<Symbols> | null {
  if (Deno.build.os !== "linux") return null;
  const { state, partial } = Deno.permissions.querySync({ name: "ffi" });
  if (state !== "granted" || partial) return null;
  for (const name of NAMES) {
    try {
      return Deno.dlopen(name, symbols);
    } catch {
      // Try the next name.
    }
  }
  return null;
}
