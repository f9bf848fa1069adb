/**
 * The listening socket of the native transport.
 *
 * The runtime opens it: so it resolves names, checks its permissions, and throws its errors. The descriptor is then
 * duplicated, and the runtime's listener, which accepts nothing, is closed.
 *
 * @module
 */

import type { Network } from "../../system/network.ts";
import { type Listeners, openListeners } from "../../system/listeners.ts";
import { SOCKET_MODE } from "../binding.ts";
import type { Endpoint, InheritedEndpoint, ServerAddr, TcpEndpoint, UnixEndpoint } from "../endpoint.ts";
import { SocketFile } from "../socket_file.ts";

/** How many connections may wait to be accepted; the system may allow fewer. */
const BACKLOG = 1_024;

/** A listening socket. */
export interface Listening {
  readonly descriptor: number;
  readonly address: ServerAddr;
  /** The epoll instance in which the runtime waits; null if it was not found. */
  readonly runtime: number | null;
  /** Removes the file of a Unix socket. */
  withdraw(): void;
  /** Closes what is left open besides the descriptor. */
  close(): void;
}

/** Opens the socket of an endpoint. Throws system errors. */
export function openListening(endpoint: Endpoint, network: Network, reusePort: boolean): Listening {
  using listeners = openListeners()!;
  if (endpoint.kind === "inherited") return inherited(endpoint, listeners, network);
  return endpoint.kind === "unix" ? unix(endpoint, listeners, network) : tcp(endpoint, listeners, network, reusePort);
}

function tcp(
  { hostname, port }: TcpEndpoint,
  listeners: Listeners,
  network: Network,
  reusePort: boolean,
): Listening {
  const options = { hostname, port, tcpBacklog: BACKLOG, ...(reusePort && { reusePort }) };
  const { value, descriptor } = listeners.opening(() => Deno.listen(options), close);
  using _closing = { [Symbol.dispose]: () => value.close() };
  return {
    descriptor: duplicated(network, descriptor),
    address: value.addr as Deno.NetAddr,
    runtime: listeners.epollOf(descriptor),
    withdraw() {},
    close() {},
  };
}

function unix({ path, mode = SOCKET_MODE }: UnixEndpoint, listeners: Listeners, network: Network): Listening {
  const file = new SocketFile(path, mode);
  const listen = (path: string) => Deno.listen({ transport: "unix", path });
  const { value, descriptor } = listeners.opening(() => file.open({ open: listen, close }), (listener) => {
    file.remove();
    listener.close();
  });
  return {
    descriptor: duplicated(network, descriptor),
    address: { transport: "unix", path },
    runtime: listeners.epollOf(descriptor),
    withdraw: () => file.remove(),
    close: () => value.close(), // the runtime removes the file that it has made, if it has kept its first name
  };
}

function inherited({ fd }: InheritedEndpoint, listeners: Listeners, network: Network): Listening {
  const address = listeners.addressOf(fd);
  if (address === null) {
    throw new Deno.errors.BadResource(`Cannot listen on descriptor ${fd}: it is not a listening TCP or Unix socket`);
  }
  listeners.adopt(fd);
  return { descriptor: duplicated(network, fd), address, runtime: runtimeEpoll(listeners), withdraw() {}, close() {} };
}

/** The epoll instance of the runtime, by a listener that is opened for that. */
function runtimeEpoll(listeners: Listeners): number | null {
  const { state } = Deno.permissions.querySync({ name: "net", host: "127.0.0.1:0" });
  if (state !== "granted") return null;
  const { value, descriptor } = listeners.opening(() => Deno.listen({ hostname: "127.0.0.1", port: 0 }), close);
  using _closing = { [Symbol.dispose]: () => value.close() };
  return listeners.epollOf(descriptor);
}

function duplicated(network: Network, descriptor: number): number {
  const duplicate = network.duplicate(descriptor);
  if (duplicate >= 0) return duplicate;
  throw Object.assign(new Error("Too many open files"), { code: "EMFILE" });
}

function close(listener: Deno.Listener): void {
  listener.close();
}
