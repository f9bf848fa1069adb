/**
 * The PROXY protocol in front of any engine.
 *
 * Deno.serve cannot be given a connection whose first bytes have been read. So this server accepts the connections,
 * reads their headers, and passes all other bytes on to an engine that listens on a port of the loopback address, where
 * the port of each connection tells whose it is. TLS and HTTP/2 pass unchanged. Each byte is copied once more in each
 * direction, and each client takes three descriptors.
 *
 * @module
 */

import type { ConnectionInfo, FetchFunction } from "../core/fetch.ts";
import { TrustedProxies } from "../http/forwarded.ts";
import { openSockets } from "../system/sockets.ts";
import { Binding } from "./binding.ts";
import { complainer, sleep } from "./complain.ts";
import { endpointOf, type ServerAddr } from "./endpoint.ts";
import { MAX_PROXY_HEADER, parseProxyHeader } from "./proxy_header.ts";
import { optionsOfListeners } from "./generations.ts";
import type { RunningServer, ServeOptions } from "./types.ts";

/** Time for a proxy to send the header, in milliseconds. */
const HEADER_MS = 10_000;

/** How long the rest of a request is read after the end of the response, so that the client gets that, in milliseconds. */
const LINGER_MS = 2_000;

/** Sizes of the buffer for each direction of a connection: at first, and once it has been full. */
const FIRST_BYTES = 4_096;
const MOST_BYTES = 65_536;

/** Initial delay in milliseconds before retrying a failed accept; doubled each time. */
const SHORTEST_PAUSE = 50;
const LONGEST_PAUSE = 1_000;

const LOOPBACK = "127.0.0.1";

/** Options of {@linkcode serveProxied}. */
export interface ProxiedServeOptions extends ServeOptions {
  /**
   * Addresses (`10.0.0.1`), networks (`10.0.0.0/8`) or `unix` of the proxies that send the header, as they must; all
   * others are clients, and must not.
   */
  readonly trustedProxies: readonly string[];
}

/** A function with the signature of `serve`. */
export type Engine = (fetch: FetchFunction, options: ServeOptions) => RunningServer<Deno.NetAddr | Deno.UnixAddr>;

/**
 * Serves behind proxies that speak the PROXY protocol, version 1 or 2: the address of the client, and with the TLS
 * record of version 2 its scheme, are those that the proxy names. A connection of a proxy without a valid header is
 * closed. Proxies of this kind do not look at the header fields of requests, so do not give `toFetch` the option
 * `trustedProxies`.
 *
 * @param engine Answers the requests: `serve`.
 *
 * @throws As the engine. NotCapable without the permission to connect to 127.0.0.1.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { serve, toFetch } from "@x/pyserve";
 * import { serveProxied } from "@x/pyserve/handlers";
 *
 * const fetch = toFetch((_request, { remoteAddress }) => new Response(remoteAddress));
 * const server = serveProxied(serve, fetch, { hostname: "127.0.0.1", port: 0, trustedProxies: ["127.0.0.1"] });
 * const proxy = await Deno.connect({ hostname: "127.0.0.1", port: (server.address as Deno.NetAddr).port });
 * const request = "PROXY TCP4 192.0.2.7 127.0.0.1 51000 80\r\nGET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
 * await proxy.write(new TextEncoder().encode(request));
 * assert((await new Response(proxy.readable).text()).endsWith("192.0.2.7"));
 * await server.drain();
 * ```
 *
 * @category Server
 */
export function serveProxied(
  engine: Engine,
  fetch: FetchFunction,
  options: ProxiedServeOptions,
): RunningServer<Deno.NetAddr | Deno.UnixAddr> {
  return new ProxiedServer(engine, fetch, options);
}

/** Who is at the other end of a connection. */
type Client = Pick<ConnectionInfo, "remoteAddr" | "secure">;

class ProxiedServer implements RunningServer<ServerAddr> {
  readonly address: ServerAddr;
  readonly finished: Promise<void>;
  readonly #options: ProxiedServeOptions;
  readonly #proxies: TrustedProxies;
  readonly #inner: RunningServer<ServerAddr>;
  readonly #port: number;
  readonly #binding: Binding<Deno.Listener>;
  readonly #stopped = new AbortController();
  /** The clients, by the port of the connection to the engine. */
  readonly #clients = new Map<number, Client>();
  readonly #open = new Set<Deno.Conn>();
  /** Those of them whose header is awaited. */
  readonly #silent = new Set<Deno.Conn>();
  readonly #running = new Set<Promise<void>>();
  #listener: Deno.Listener;

  constructor(engine: Engine, fetch: FetchFunction, options: ProxiedServeOptions) {
    const { endpoint: _endpoint, hostname: _hostname, port: _port, reusePort, trustedProxies, ...rest } = options;
    this.#options = options;
    this.#proxies = new TrustedProxies(trustedProxies);
    this.#binding = new Binding<Deno.Listener>(endpointOf(options), {
      open: (place) =>
        "path" in place ? Deno.listen(place) : Deno.listen({ ...place, ...(reusePort && { reusePort }) }),
      close: (listener) => listener.close(),
      addressOf: ({ addr }) => addr as ServerAddr,
      secure: false, // the engine encrypts
    });
    this.#listener = this.#binding.open();
    this.address = this.#binding.address;
    try {
      requireConnections();
      this.#inner = engine((request, info) => this.#answer(fetch, request, info), {
        ...rest,
        endpoint: { kind: "tcp", hostname: LOOPBACK, port: 0 },
      });
    } catch (error) {
      this.#close();
      throw error;
    }
    this.#port = (this.#inner.address as Deno.NetAddr).port;
    this.#watch();
    const accepting = this.#accept();
    this.finished = Promise.all([accepting, this.#inner.finished]).then(() => {});
    this.finished.catch(() => {});
    this.#inner.finished.catch(() => this.abort()).catch(() => {});
  }

  async drain(): Promise<void> {
    const quiet = this.#binding.quiesce();
    if (quiet) await quiet;
    this.#stop();
    await this.#inner.drain();
    await Promise.all(this.#running);
    await this.finished;
  }

  async abort(): Promise<void> {
    this.#stop();
    await this.#inner.abort();
    for (const conn of this.#open) closed(conn);
    await Promise.all(this.#running);
    await this.finished;
  }

  /** Clients that have vanished, or read nothing, are disconnected as they are without a proxy. */
  #watch(): void {
    using sockets = openSockets();
    if ("port" in this.address) sockets?.setOnListeners(this.address.port, optionsOfListeners(this.#options));
  }

  #stop(): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    this.#close();
    for (const conn of this.#silent) closed(conn);
  }

  #close(): void {
    this.#binding.withdraw();
    this.#listener.close();
    this.#binding[Symbol.dispose]();
  }

  #answer(fetch: FetchFunction, request: Request, info: ConnectionInfo | undefined) {
    const address = info?.remoteAddr;
    const client = address && "port" in address ? this.#clients.get(address.port) : undefined;
    // Another process of this machine has connected to the port of the engine.
    if (client === undefined) return new Response(null, { status: 403, headers: { connection: "close" } });
    return fetch(request, { ...info, ...client });
  }

  async #accept(): Promise<void> {
    const { signal } = this.#stopped;
    const complain = complainer(this.#options.log);
    for (let pause = SHORTEST_PAUSE; !signal.aborted;) {
      try {
        const conn = await this.#listener.accept();
        pause = SHORTEST_PAUSE;
        const bridged = this.#bridge(conn).catch(() => {}).finally(() => this.#running.delete(bridged));
        this.#running.add(bridged);
      } catch (error) {
        if (signal.aborted) return;
        complain(error);
        await sleep(pause, signal);
        pause = Math.min(2 * pause, LONGEST_PAUSE);
      }
    }
  }

  /** Serves one connection. */
  async #bridge(conn: Deno.Conn): Promise<void> {
    this.#open.add(conn);
    let inner: Deno.TcpConn | null = null;
    try {
      const start = await this.#start(conn);
      if (start === null) return;
      inner = await Deno.connect({ hostname: LOOPBACK, port: this.#port });
      this.#open.add(inner);
      this.#clients.set(inner.localAddr.port, start.client);
      for (const each of [conn, inner]) if ("setNoDelay" in each) (each as Deno.TcpConn).setNoDelay(true);
      await writeAll(inner, start.rest);
      await exchange(conn, inner);
    } finally {
      if (inner) this.#clients.delete(inner.localAddr.port);
      for (const each of [conn, inner]) {
        if (each === null) continue;
        closed(each);
        this.#open.delete(each);
      }
    }
  }

  /** The client, and the bytes after the header; null if a proxy has sent none. */
  async #start(conn: Deno.Conn): Promise<{ readonly client: Client; readonly rest: Uint8Array } | null> {
    const { remoteAddr } = conn;
    const peer = "hostname" in remoteAddr ? remoteAddr.hostname.replace(/^::ffff:(?=\d+\.)/, "") : "unix";
    if (!this.#proxies.trusts(peer)) return { client: { remoteAddr }, rest: new Uint8Array(0) };
    this.#silent.add(conn);
    const timer = setTimeout(() => closed(conn), HEADER_MS);
    const read = await readHeader(conn).catch(() => null);
    clearTimeout(timer);
    this.#silent.delete(conn);
    if (read === "nothing" || this.#stopped.signal.aborted) return null;
    if (read === null) {
      this.#options.log?.error(`Closed a connection of the proxy ${peer}: it does not begin with a PROXY header`);
      return null;
    }
    const { header: { client, secure }, rest } = read;
    return { client: { remoteAddr: client ?? remoteAddr, ...(secure && { secure }) }, rest };
  }
}

/** The header, and the bytes after it; null if there is no valid one; `"nothing"` for a check that only connects. */
async function readHeader(conn: Deno.Conn) {
  const buffer = new Uint8Array(MAX_PROXY_HEADER);
  for (let size = 0; size < buffer.length;) {
    const count = await conn.read(buffer.subarray(size));
    if (count === null) return size === 0 ? "nothing" : null;
    size += count;
    const header = parseProxyHeader(buffer.subarray(0, size));
    if (header === "invalid") return null;
    if (header !== null) return { header, rest: buffer.subarray(header.length, size) };
  }
  return null;
}

/** Copies in both directions until both have ended. */
async function exchange(conn: Deno.Conn, inner: Deno.TcpConn): Promise<void> {
  const sent = copy(conn, inner);
  sent.catch(() => closed(inner)); // the client has disconnected
  await copy(inner, conn);
  const timer = setTimeout(() => closed(conn), LINGER_MS);
  await sent.catch(() => {});
  clearTimeout(timer);
}

async function copy(from: Deno.Conn, to: Deno.Conn): Promise<void> {
  let buffer = new Uint8Array(FIRST_BYTES);
  for (let count = await from.read(buffer); count !== null; count = await from.read(buffer)) {
    await writeAll(to, buffer.subarray(0, count));
    if (count === buffer.length && count < MOST_BYTES) buffer = new Uint8Array(MOST_BYTES);
  }
  await to.closeWrite();
}

async function writeAll(conn: Deno.Conn, bytes: Uint8Array): Promise<void> {
  for (let at = 0; at < bytes.length;) at += await conn.write(bytes.subarray(at));
}

function closed(conn: Deno.Conn): void {
  try {
    conn.close();
  } catch {
    // It is closed already.
  }
}

/** Never requests the permission: on a terminal, the runtime would prompt the operator while it serves. */
function requireConnections(): void {
  if (Deno.permissions.querySync({ name: "net", host: LOOPBACK }).state === "granted") return;
  throw new Deno.errors.NotCapable(`Requires net access to "${LOOPBACK}", run again with the --allow-net flag`);
}
