/**
 * The transport: serves a fetch function on a socket.
 *
 * @module
 */

import type { FetchFunction } from "../core/fetch.ts";
import { Generations } from "./generations.ts";
import type { RunningServer, ServeOptions } from "./types.ts";

export type { RunningServer, ServeOptions };

/**
 * Listens and serves a fetch function. Binds before it returns, and resolves no name except the one to bind.
 *
 * An error thrown by the function is a 500 without details. When the process runs out of file descriptors, closes idle
 * connections and listens again as soon as possible. Prints nothing and installs no signal handlers.
 *
 * On Linux with `--allow-ffi`, fixes two shortcomings of Deno.serve: sets TCP_NODELAY for HTTPS, where small responses
 * on a persistent connection otherwise wait 40 ms for the client's ACK, and disconnects clients that have read nothing
 * for `stallMs` or have vanished.
 *
 * @throws Deno.errors.AddrInUse, AddrNotAvailable, PermissionDenied, NotCapable: system errors.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, serve, toFetch } from "@x/pyserve";
 *
 * const server = serve(toFetch(files(memory({ "a.txt": "hello" }))), { hostname: "127.0.0.1", port: 0 });
 * const response = await fetch(`http://127.0.0.1:${server.address.port}/a.txt`);
 * assert(await response.text() === "hello");
 * await server.drain();
 * ```
 */
export function serve(fetch: FetchFunction, options: ServeOptions = {}): RunningServer {
  return new Generations(fetch, options);
}
