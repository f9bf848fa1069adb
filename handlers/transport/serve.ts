/**
 * The transport: serves a fetch function on a socket.
 *
 * @module
 */

import type { FetchFunction } from "../core/fetch.ts";
import { requireFunction } from "../core/origin.ts";
import { isSettled } from "../core/settle.ts";
import type { Handler } from "../core/types.ts";
import { Certificates, type TlsPair } from "./certificates.ts";
import { type Endpoint, endpointOf, inUse, removeStaleSocket } from "./endpoint.ts";
import { Generations } from "./generations.ts";
import type { RunningServer, ServeOptions } from "./types.ts";

export { Certificates, type Endpoint, removeStaleSocket, type RunningServer, type ServeOptions, type TlsPair };

/**
 * Listens and serves a fetch function. Binds before it returns, and resolves no name except the one to bind.
 *
 * An error thrown by the function is a 500 without details. When the process runs out of file descriptors, closes idle
 * connections and listens again as soon as possible. Prints nothing and installs no signal handlers. Listens at one
 * endpoint; for several, call it several times.
 *
 * On Linux with `--allow-ffi`, fixes two shortcomings of Deno.serve: sets TCP_NODELAY for HTTPS, where small responses
 * on a persistent connection otherwise wait 40 ms for the client's ACK, and disconnects clients that have read nothing
 * for `stallMs` or have vanished. Neither applies to Unix sockets.
 *
 * @throws Deno.errors.AddrInUse, AddrNotAvailable, PermissionDenied, NotCapable: system errors. For an inherited socket
 * BadResource if the descriptor is not a listening socket, NotSupported without `--allow-ffi` or not on Linux.
 * TypeError for TLS on a Unix socket.
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
 *
 * @example A Unix socket, for a proxy on the same machine
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, serve, toFetch } from "@x/pyserve";
 *
 * const directory = await Deno.makeTempDir();
 * const path = `${directory}/site.sock`;
 * const server = serve(toFetch(files(memory({ "a.txt": "hello" }))), { endpoint: { kind: "unix", path } });
 * using client = Deno.createHttpClient({ proxy: { transport: "unix", path } });
 * const response = await fetch("http://localhost/a.txt", { client });
 * assert(await response.text() === "hello");
 * await server.drain();
 * await Deno.remove(directory, { recursive: true });
 * ```
 *
 * @category Server
 */
export function serve(
  fetch: FetchFunction,
  options?: ServeOptions & { endpoint?: Extract<Endpoint, { kind: "tcp" }> },
): RunningServer;
/**
 * At any endpoint: the address is that of a TCP port or of a Unix socket.
 *
 * @category Server
 */
export function serve(fetch: FetchFunction, options: ServeOptions): RunningServer<Deno.NetAddr | Deno.UnixAddr>;
export function serve(fetch: FetchFunction, options: ServeOptions = {}): RunningServer<Deno.NetAddr | Deno.UnixAddr> {
  requireFunction(fetch, "what serve serves");
  if (isSettled(fetch as unknown as Handler)) {
    throw new TypeError("Cannot serve a handler: wrap it in toFetch(), as in serve(toFetch(handler))");
  }
  try {
    return new Generations(fetch, options);
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) throw inUse(error, endpointOf(options));
    throw error;
  }
}
