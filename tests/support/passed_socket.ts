/** A socket that this process opens for others, as systemd does. */

import { openListeners } from "../../handlers/system/listeners.ts";

/** A listening socket that this process never serves. */
export interface PassedSocket extends Disposable {
  /** Its descriptor, here and in child processes. */
  readonly fd: number;
  /** Its port; 0 for a Unix socket. */
  readonly port: number;
}

/** Opens a socket: on a free port of 127.0.0.1, or at a path. */
export function passedSocket(path?: string): PassedSocket {
  const listeners = openListeners()!;
  const open = (): Deno.Listener => {
    return path === undefined
      ? Deno.listen({ hostname: "127.0.0.1", port: 0 })
      : Deno.listen({ transport: "unix", path });
  };
  const { value, descriptor } = listeners.opening(open, (listener) => listener.close());
  listeners.keepInChildren(descriptor);
  return {
    fd: descriptor,
    port: "port" in value.addr ? value.addr.port : 0,
    [Symbol.dispose]() {
      value.close();
      listeners[Symbol.dispose]();
    },
  };
}
