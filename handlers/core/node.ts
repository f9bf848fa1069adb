/**
 * Modules of Node, loaded by the first call that needs one. A static import of the first of them costs every program that
 * imports the library 14 ms of CPU time and 4 MiB, whether it hashes anything or not.
 *
 * Only for modules that `import "@x/pyserve"` loads and that are needed by synchronous code. The rest import statically.
 *
 * @module
 */

import type * as Crypto from "node:crypto";
import type * as Zlib from "node:zlib";

/** What `process.getBuiltinModule` returns: https://nodejs.org/api/process.html#processgetbuiltinmoduleid */
interface Builtin {
  readonly "node:crypto": typeof Crypto;
  readonly "node:zlib": typeof Zlib;
}

function load<Name extends keyof Builtin>(name: Name): Builtin[Name] {
  const { process } = globalThis as unknown as { process: { getBuiltinModule(name: Name): Builtin[Name] } };
  return process.getBuiltinModule(name);
}

let crypto: typeof Crypto | undefined;
let zlib: typeof Zlib | undefined;

/** Loads `node:crypto`. */
export const nodeCrypto = (): typeof Crypto => crypto ??= load("node:crypto");

/** Loads `node:zlib`. */
export const nodeZlib = (): typeof Zlib => zlib ??= load("node:zlib");
