/**
 * The native transport: HTTP/1 in TypeScript, over the system calls of Linux.
 *
 * @module
 */

import type { FetchFunction } from "../../core/fetch.ts";
import { requireFunction } from "../../core/origin.ts";
import { isSettled } from "../../core/settle.ts";
import type { Handler } from "../../core/types.ts";
import { openNetworkCalls } from "../../system/network.ts";
import { type Endpoint, endpointOf, inUse } from "../endpoint.ts";
import type { RunningServer } from "../types.ts";
import { type NativeServeOptions, NativeServer } from "./server.ts";

export type { NativeServeOptions };

/** Whether this process can use it. */
export function isNativePossible(): boolean {
  const calls = openNetworkCalls();
  calls?.[Symbol.dispose]();
  return calls !== null;
}

export type { NativeLimits } from "./shared.ts";

/**
 * Serves a fetch function like `serve`, but without Deno.serve: plain HTTP/1 on Linux, with `--allow-ffi`.
 *
 * Small responses take half the CPU time, and clients are limited in time: for the head of a request, for its body,
 * when idle, and while they read. docs/speed.md has the figures, and the differences to `serve`.
 *
 * @throws Deno.errors.NotSupported without Linux or `--allow-ffi`; the errors of `serve`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { files, memory, toFetch } from "@x/pyserve";
 * import { serveNative } from "@x/pyserve/handlers";
 *
 * const server = serveNative(toFetch(files(memory({ "a.txt": "hello" }))), { hostname: "127.0.0.1", port: 0 });
 * const response = await fetch(`http://127.0.0.1:${server.address.port}/a.txt`);
 * assert(await response.text() === "hello");
 * await server.drain();
 * ```
 *
 * @category Server
 */
export function serveNative(
  fetch: FetchFunction,
  options?: NativeServeOptions & { endpoint?: Extract<Endpoint, { kind: "tcp" }> },
): RunningServer;
/**
 * At any endpoint: the address is that of a TCP port or of a Unix socket.
 *
 * @category Server
 */
export function serveNative(
  fetch: FetchFunction,
  options: NativeServeOptions,
): RunningServer<Deno.NetAddr | Deno.UnixAddr>;
export function serveNative(
  fetch: FetchFunction,
  options: NativeServeOptions = {},
): RunningServer<Deno.NetAddr | Deno.UnixAddr> {
  requireFunction(fetch, "what serveNative serves");
  if (isSettled(fetch as unknown as Handler)) {
    throw new TypeError("Cannot serve a handler: wrap it in toFetch(), as in serveNative(toFetch(handler))");
  }
  if ("tls" in options && options.tls !== undefined) throw new TypeError("Cannot use TLS with serveNative: use serve");
  try {
    return new NativeServer(fetch, options);
  } catch (error) {
    if (error instanceof Deno.errors.AddrInUse) throw inUse(error, endpointOf(options));
    throw error;
  }
}
