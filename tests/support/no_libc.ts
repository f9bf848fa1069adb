/** Loaded by `--preload`: no library can be opened, as where the C library has another name. */

Deno.dlopen = () => {
  throw new Error("Could not open library");
};
