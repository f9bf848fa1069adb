/**
 * The transport: from a fetch function to a socket.
 *
 * @module
 */

import type { FetchFunction } from "./fetch.ts";
import { Generations } from "./serve_generations.ts";
import type { RunningServer, ServeOptions } from "./serve_types.ts";

export type { RunningServer, ServeOptions };

/**
 * Listens, and answers with a fetch function. It binds before it returns, and looks up no name but the one to bind.
 *
 * An error that the function throws all the same is a 500 without detail. When the process runs out of file descriptors
 * it closes idle connections and listens again as soon as it can. It prints nothing and knows no signals.
 *
 * On Linux and with `--allow-ffi` it does what Deno.serve does not: small responses over HTTPS go out at once, where they
 * otherwise wait 40 ms for the client's acknowledgement on a connection that is kept open; and a client that takes nothing
 * for `stallMs`, or has vanished, is disconnected.
 *
 * @throws Deno.errors.AddrInUse, AddrNotAvailable, PermissionDenied, NotCapable: what the system refuses.
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
