/**
 * The socket of a server, which successive listeners of an engine share.
 *
 * @module
 */

import { type Listeners, openListeners } from "../system/listeners.ts";
import { openSockets, type Sockets } from "../system/sockets.ts";
import type { TlsPair } from "./certificates.ts";
import { sleep } from "./complain.ts";
import { SocketFile } from "./socket_file.ts";
import type { Endpoint, InheritedEndpoint, ServerAddr, TcpEndpoint, UnixEndpoint } from "./endpoint.ts";

/** The address for a listener of the runtime. */
export type ListenAddress =
  | { readonly hostname: string; readonly port: number }
  | { readonly path: string; readonly transport: "unix" };

/** Creates and closes listeners, of `Deno.serve` or of `Deno.listen`. */
export interface Engine<Listener> {
  readonly open: (place: ListenAddress) => Listener;
  readonly close: (listener: Listener) => void;
  readonly addressOf: (listener: Listener) => ServerAddr;
  /** Whether it encrypts, which the runtime does not do on Unix sockets. */
  readonly secure: boolean;
}

/** Owner and group may connect. */
export const SOCKET_MODE = 0o660;

/** A temporary address for a listener that is then given another socket: any free port. */
const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;

/** How long clients that have connected may take to send something before a drain, and how often that is looked at. */
const FIRST_REQUEST_MS = 1_000;
const LOOK_MS = 50;

const NEVER = new AbortController().signal;

/** Opens successive listeners at one endpoint. */
export class Binding<Listener> implements Disposable {
  readonly #endpoint: Endpoint;
  readonly #engine: Engine<Listener>;
  #listeners: Listeners | null = null;
  /** The descriptor of the current listener, if known. */
  #descriptor: number | null = null;
  #address: ServerAddr | null = null;
  #file: SocketFile | null = null;

  /** Does not open anything yet. */
  constructor(endpoint: Endpoint, engine: Engine<Listener>) {
    this.#endpoint = endpoint;
    this.#engine = engine;
  }

  /** The actual address; available once opened. */
  get address(): ServerAddr {
    return this.#address!;
  }

  /** Listens: the first time, and again after the listener has failed. Throws system errors. */
  open(): Listener {
    this.#descriptor = null;
    const endpoint = this.#endpoint;
    if (endpoint.kind === "inherited") return this.#openInherited(endpoint);
    const listener = endpoint.kind === "unix" ? this.#openUnix(endpoint) : this.#openTcp(endpoint);
    this.#address ??= endpoint.kind === "unix"
      ? { transport: "unix", path: endpoint.path }
      : this.#engine.addressOf(listener);
    return listener;
  }

  /**
   * Opens another listener on the socket of the current one, which accepts no further connections and keeps its
   * existing ones. No connection is refused in between: the socket stays open, with its backlog.
   *
   * @throws {Deno.errors.NotSupported} If that is not possible.
   */
  succeed(): Listener {
    const listeners = this.#library("Cannot exchange a listener");
    const current = this.#descriptor ?? ("port" in this.address ? listeners.listeningOn(this.address.port) : null);
    if (current === null) throw new Deno.errors.NotSupported("Cannot exchange a listener that is closed");
    const listener = this.#openOn(current);
    listeners.silence(current);
    return listener;
  }

  /**
   * Before a drain, leaves connections that wait in an inherited socket to the next process, and gives clients that
   * have just been accepted time for their request: the runtime closes connections on which it has read nothing. Null
   * if there is nothing to wait for.
   */
  quiesce(): Promise<void> | null {
    if (this.#endpoint.kind !== "inherited" || this.#descriptor === null) return null;
    this.#listeners!.silence(this.#descriptor);
    return this.#firstRequests();
  }

  async #firstRequests(): Promise<void> {
    using sockets = openSockets();
    const end = performance.now() + FIRST_REQUEST_MS;
    do await sleep(LOOK_MS, NEVER); while (performance.now() < end && this.#awaitsRequests(sockets));
  }

  #awaitsRequests(sockets: Sockets | null): boolean {
    if (sockets === null || "path" in this.address) return false;
    return sockets.connections(this.address.port).some((connection) => sockets.traffic(connection)?.received === 0);
  }

  /** Removes the file of a Unix socket, before its listener is closed. */
  withdraw(): void {
    this.#file?.remove();
  }

  /** Does not close listeners. */
  [Symbol.dispose](): void {
    this.withdraw();
    this.#listeners?.[Symbol.dispose]();
    this.#listeners = null;
  }

  #openTcp({ hostname, port }: TcpEndpoint): Listener {
    const address = this.#address;
    return this.#engine.open({ hostname, port: address && "port" in address ? address.port : port });
  }

  #openUnix({ path, mode = SOCKET_MODE }: UnixEndpoint): Listener {
    this.#requirePlain();
    this.#file ??= new SocketFile(path, mode);
    const { open, close } = this.#engine;
    return this.#file.open({ open: (path) => open({ transport: "unix", path }), close });
  }

  #openInherited({ fd }: InheritedEndpoint): Listener {
    const listeners = this.#library(`Cannot listen on descriptor ${fd}`);
    this.#address = listeners.addressOf(fd);
    if (this.#address === null) {
      throw new Deno.errors.BadResource(`Cannot listen on descriptor ${fd}: it is not a listening TCP or Unix socket`);
    }
    if ("path" in this.#address) this.#requirePlain();
    listeners.adopt(fd);
    return this.#openOn(fd);
  }

  /** Opens a listener at another address, then replaces its socket. */
  #openOn(socket: number): Listener {
    const listeners = this.#listeners!;
    const { open, close } = this.#engine;
    const { value, descriptor } = listeners.opening(() => open(elsewhere(this.address)), close);
    try {
      listeners.share(socket, descriptor);
    } catch (error) {
      this.#engine.close(value);
      throw error;
    }
    this.#descriptor = descriptor;
    return value;
  }

  #requirePlain(): void {
    if (this.#engine.secure) throw new TypeError("Cannot use TLS on a Unix socket");
  }

  #library(problem: string): Listeners {
    this.#listeners ??= openListeners();
    if (this.#listeners) return this.#listeners;
    throw new Deno.errors.NotSupported(`${problem}: this needs Linux and --allow-ffi`);
  }
}

/**
 * Throws what {@linkcode Binding.succeed} throws where no process of this program can exchange a listener, or where the
 * platform cannot use the certificate or its key.
 */
export function requireExchange({ cert, key }: TlsPair): void {
  const listeners = openListeners();
  if (listeners === null) throw new Deno.errors.NotSupported("Cannot exchange a listener");
  listeners[Symbol.dispose]();
  requireLoopback();
  Deno.listenTls({ ...LOOPBACK, cert, key }).close();
}

/** An address of the same family: the runtime parses client addresses as those of its own socket. */
function elsewhere({ transport }: ServerAddr): ListenAddress {
  if (transport === "unix") return { transport, path: `\0pyserve-${crypto.randomUUID()}` };
  requireLoopback();
  return LOOPBACK;
}

/** Never requests the permission: on a terminal, the runtime would prompt the operator while it serves. */
function requireLoopback(): void {
  const { state } = Deno.permissions.querySync({ name: "net", host: "127.0.0.1:0" });
  if (state === "granted") return;
  throw new Deno.errors.NotCapable('Requires net access to "127.0.0.1:0", run again with the --allow-net flag');
}
