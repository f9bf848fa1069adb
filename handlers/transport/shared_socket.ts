/**
 * A socket that child processes listen on together.
 *
 * @module
 */

import { openListeners } from "../system/listeners.ts";
import { Binding, type Engine } from "./binding.ts";
import type { InheritedEndpoint, ServerAddr, UnixEndpoint } from "./endpoint.ts";

/** A socket that child processes inherit with the same descriptor number. Dispose of it to close it. */
export interface SharedSocket extends Disposable {
  /** The number of the descriptor. */
  readonly fd: number;
  /** Its address. */
  readonly address: ServerAddr;
}

/**
 * Opens a socket that is served by this process's children, each through its inherited endpoint.
 *
 * @throws System errors; Deno.errors.BadResource and NotSupported like `serve` for an inherited socket.
 */
export function openShared(endpoint: UnixEndpoint | InheritedEndpoint): SharedSocket {
  const listeners = openListeners();
  if (listeners === null) throw new Deno.errors.NotSupported("Cannot share a socket: this needs Linux and --allow-ffi");
  using resources = new DisposableStack();
  resources.use(listeners);
  if (endpoint.kind === "inherited") {
    const address = listeners.addressOf(endpoint.fd);
    if (address === null) throw new Deno.errors.BadResource(`Descriptor ${endpoint.fd} is not a listening socket`);
    listeners.keepInChildren(endpoint.fd);
    return { fd: endpoint.fd, address, [Symbol.dispose]() {} };
  }
  const binding = new Binding(endpoint, ENGINE);
  const close = (listener: Deno.Listener) => {
    binding.withdraw();
    listener.close();
  };
  const { value, descriptor } = listeners.opening(() => binding.open(), close);
  listeners.keepInChildren(descriptor);
  return { fd: descriptor, address: binding.address, [Symbol.dispose]: () => close(value) };
}

const ENGINE: Engine<Deno.Listener> = {
  open: (place) => "path" in place ? Deno.listen(place) : Deno.listen(place),
  close: (listener) => listener.close(),
  addressOf: ({ addr }) => addr as ServerAddr,
  secure: false,
};
