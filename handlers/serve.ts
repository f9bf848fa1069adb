/**
 * The transport: from a fetch function to a socket.
 *
 * @module
 */

import type { FetchFunction } from "./fetch.ts";

/** Where {@linkcode serve} listens. */
export interface ServeOptions {
  /** The address or name to bind; `0.0.0.0`, all of IPv4, unless given. */
  readonly hostname?: string;
  /** The port; 0 for any that is free; 8000 unless given. */
  readonly port?: number;
  /** Certificate chain and private key, both PEM: then it speaks HTTPS, with HTTP/2 by ALPN. */
  readonly tls?: { readonly cert: string; readonly key: string };
}

/** A server that runs. */
export interface RunningServer {
  /** Where it really listens. */
  readonly address: Deno.NetAddr;
  /** Settles when it has ended, and rejects when it ended by itself. */
  readonly finished: Promise<void>;
  /** Stops listening, lets running exchanges come to their end, and resolves when the last has. */
  drain(): Promise<void>;
  /** Stops at once: running exchanges are cut. */
  abort(): Promise<void>;
}

/**
 * Listens, and answers with a fetch function. It binds before it returns, and looks up no name but the one to bind.
 *
 * An error that the function throws all the same is a 500 without detail. It prints nothing and knows no signals.
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
  const { hostname = "0.0.0.0", port = 8000, tls } = options;
  const aborting = new AbortController();
  const server = Deno.serve({
    hostname,
    port,
    ...tls,
    signal: aborting.signal,
    onListen() {},
    onError: () => new Response(null, { status: 500 }),
  }, fetch);
  return {
    address: server.addr,
    finished: server.finished,
    drain: () => server.shutdown(),
    async abort() {
      aborting.abort();
      await server.finished;
    },
  };
}
