/**
 * HTTPS at full speed.
 *
 * Deno.serve leaves Nagle's algorithm on under TLS, and Deno.listenTls has no way to turn it off: a response of two
 * segments waits some 45 ms for the client's delayed acknowledgement. So the connection is accepted bare, with
 * `setNoDelay`, TLS is node's, and what comes out goes to a Deno.serve behind it on the loopback interface. To be dropped
 * when the runtime sets the option.
 *
 * @module
 */

import type { Duplex } from "node:stream";
import type { SecureContext, TLSSocket } from "node:tls";
import type { ConnectionInfo, FetchFunction } from "./fetch.ts";
import { onDemand } from "./on_demand.ts";
import { type Complain, complainer, Generations, sleep } from "./serve_generations.ts";
import { join, streamOf } from "./serve_stream.ts";
import type { RunningServer, ServeOptions } from "./serve_types.ts";
import type { Awaitable } from "./types.ts";

// Nobody who serves without TLS waits for these.
const nodeStream = onDemand(() => import("node:stream"));
const nodeTls = onDemand(() => import("node:tls"));

/** Where the server behind listens. */
const LOOPBACK = "127.0.0.1";

/** Milliseconds for the handshake: a client that says nothing holds a descriptor no longer than this. */
const HANDSHAKE = 10_000;

/** Milliseconds until it accepts again after a failure; each time twice as long. */
const SHORTEST_PAUSE = 50;
const LONGEST_PAUSE = 1_000;

/** What Deno.serve tells of a connection; `completed` only there. */
type ServedInfo = ConnectionInfo & { readonly completed?: Promise<void> };

/** Options of a server with TLS. */
export type TlsServeOptions = ServeOptions & Required<Pick<ServeOptions, "tls">>;

/** Whether it may connect to the server behind; it never asks. */
export function mayBridge(): boolean {
  return Deno.permissions.querySync({ name: "net", host: LOOPBACK }).state === "granted";
}

/** A server that speaks HTTPS. */
export class TlsServer implements RunningServer {
  readonly address: Deno.NetAddr;
  readonly finished: Promise<void>;
  readonly #fetch: FetchFunction;
  readonly #behind: Generations;
  readonly #listener: Deno.TcpListener;
  readonly #complain: Complain;
  readonly #stopped = new AbortController();
  /** The clients, by the port from which the bridge connects for them. */
  readonly #clients = new Map<number, Deno.NetAddr>();
  readonly #open = new Set<Connection>();
  readonly #madeUp: string;
  #pause = SHORTEST_PAUSE;

  /** Binds. Throws what the system refuses, and what is wrong with the certificate or the key. */
  constructor(fetch: FetchFunction, { hostname = "0.0.0.0", port = 8000, tls, reusePort, log }: TlsServeOptions) {
    const place = { hostname, port, ...(reusePort && { reusePort }) };
    // Only to look at certificate and key: node would say that they do not match to each client, and to nobody else.
    Deno.listenTls({ ...place, ...tls }).close();
    this.#listener = Deno.listen(place);
    this.#fetch = fetch;
    this.#complain = complainer(log);
    try {
      const behind: FetchFunction = (request, info) => this.#answer(request, info);
      this.#behind = new Generations(behind, { hostname: LOOPBACK, port: 0 }, this.#complain);
    } catch (error) {
      this.#listener.close();
      throw error;
    }
    this.#madeUp = `http://localhost:${this.#behind.address.port}/`;
    this.address = this.#listener.addr;
    this.finished = this.#run(tls);
  }

  async drain(): Promise<void> {
    this.#stop();
    for (const connection of this.#open) if (!connection.bridged) connection.cut();
    await this.#behind.drain();
    await this.finished;
  }

  async abort(): Promise<void> {
    this.#stop();
    for (const connection of this.#open) connection.cut();
    await this.#behind.abort();
    await this.finished;
  }

  #stop(): void {
    if (this.#stopped.signal.aborted) return;
    this.#stopped.abort();
    this.#listener.close();
  }

  async #run(tls: TlsServeOptions["tls"]): Promise<void> {
    const { Duplex } = await nodeStream();
    const { createSecureContext, TLSSocket } = await nodeTls();
    const context = createSecureContext(tls);
    const node: Node = { Duplex, secure: (stream) => secured(stream, context, TLSSocket) };
    while (!this.#stopped.signal.aborted) {
      const conn = await this.#accept();
      if (conn) this.#take(new Connection(conn, node));
    }
    await this.#behind.finished;
    await Promise.all([...this.#open].map(({ ended }) => ended));
  }

  /** Null where it was stopped, or where the next try may succeed. */
  async #accept(): Promise<Deno.TcpConn | null> {
    try {
      const conn = await this.#listener.accept();
      this.#pause = SHORTEST_PAUSE;
      return conn;
    } catch (error) {
      if (this.#stopped.signal.aborted) return null;
      this.#complain(error);
      this.#behind.renew(error); // which closes connections that are idle: their descriptors are needed
      await sleep(this.#pause, this.#stopped.signal);
      this.#pause = Math.min(this.#pause * 2, LONGEST_PAUSE);
      return null;
    }
  }

  #take(connection: Connection): void {
    this.#open.add(connection);
    connection.ended.then(() => this.#open.delete(connection));
    this.#bridge(connection).catch((error) => {
      connection.cut();
      // Descriptors, in all likelihood; a client that is gone does not come here.
      if (!this.#stopped.signal.aborted) this.#behind.renew(error);
    });
  }

  async #bridge(connection: Connection): Promise<void> {
    if (!await connection.handshake()) return;
    await this.#behind.whenListening();
    if (this.#stopped.signal.aborted) return connection.cut();
    const inner = await Deno.connect({ hostname: LOOPBACK, port: this.#behind.address.port });
    const { port } = inner.localAddr;
    // Before the first byte, so that no request comes from a port that is not known.
    this.#clients.set(port, connection.remoteAddr);
    await connection.bridge(inner, () => this.#clients.delete(port));
  }

  #answer(request: Request, info?: ServedInfo): Awaitable<Response> {
    const client = this.#clientOf(info?.remoteAddr);
    // Somebody on this machine has found the port, and would pass for another client.
    if (client === undefined) return new Response(null, { status: 403 });
    // What Deno.serve makes up where there is no Host; over HTTP/2 it would have to be a port that no client knows.
    const isMadeUp = request.url.startsWith(this.#madeUp) && !request.headers.has("host");
    if (isMadeUp) return this.#fetch(request, { remoteAddr: client });
    // The URL that it would have without the bridge. Not a new Request: that costs more than all the rest of this.
    Object.defineProperty(request, "url", { value: request.url.replace(/^http:/i, "https:") });
    return this.#fetch(request, new SecureInfo(client, info));
  }

  #clientOf(address: Deno.Addr | undefined): Deno.NetAddr | undefined {
    return address?.transport === "tcp" && address.hostname === LOOPBACK ? this.#clients.get(address.port) : undefined;
  }
}

/** What Deno.serve would tell of the connection. */
class SecureInfo implements ServedInfo {
  readonly secure = true;
  readonly remoteAddr: Deno.NetAddr;
  readonly #info: ServedInfo | undefined;

  constructor(remoteAddr: Deno.NetAddr, info: ServedInfo | undefined) {
    this.remoteAddr = remoteAddr;
    this.#info = info;
  }

  get completed(): Promise<void> {
    return this.#info?.completed ?? Promise.resolve();
  }
}

/** The parts of node that a connection is made of. */
interface Node {
  readonly Duplex: typeof Duplex;
  readonly secure: (stream: Duplex) => TLSSocket;
}

function secured(stream: Duplex, secureContext: SecureContext, Socket: typeof TLSSocket): TLSSocket {
  return new Socket(stream, { isServer: true, secureContext, ALPNProtocols: ["h2", "http/1.1"] });
}

/** A connection with a client, from accept to its end. */
class Connection {
  readonly remoteAddr: Deno.NetAddr;
  /** Resolves at its end. */
  readonly ended: Promise<void>;
  readonly #node: Node;
  readonly #stream: Duplex;
  readonly #socket: TLSSocket;
  #bridged = false;

  constructor(conn: Deno.TcpConn, node: Node) {
    conn.setNoDelay(true);
    this.remoteAddr = conn.remoteAddr;
    this.#node = node;
    this.#stream = streamOf(conn, node.Duplex);
    this.#socket = node.secure(this.#stream);
    this.ended = new Promise((resolve) => this.#stream.once("close", () => resolve()));
    // What a client does wrong, and what a network does, is nobody's business.
    this.#stream.on("error", () => this.cut());
    this.#socket.on("error", () => this.cut());
    this.#socket.once("close", () => this.cut());
  }

  /** Whether the server behind knows of it, and ends it. */
  get bridged(): boolean {
    return this.#bridged;
  }

  /** Whether it comes to an end within the time for it. */
  async handshake(): Promise<boolean> {
    const timer = setTimeout(() => this.cut(), HANDSHAKE);
    const secure = new Promise<boolean>((resolve) => this.#socket.once("secure", () => resolve(true)));
    const done = await Promise.race([secure, this.ended]);
    clearTimeout(timer);
    return done === true;
  }

  /** Joins it with a connection to the server behind, and lets it go at the end. */
  async bridge(inner: Deno.TcpConn, release: () => void): Promise<void> {
    this.#bridged = true;
    inner.setNoDelay(true);
    const server = streamOf(inner, this.#node.Duplex);
    server.once("close", release); // from then on somebody else can have the port
    await join(this.#socket, server);
  }

  cut(): void {
    this.#socket.destroy();
    this.#stream.destroy();
  }
}
