/**
 * Socket operations by descriptor, for which Deno has no API.
 *
 * Deno.serve exposes neither its listening socket nor its connections, so they are found among the descriptors of the
 * process: `getsockopt(2)` identifies listeners, `getsockname(2)` and `getpeername(2)` give the ports. Whether
 * `accept(2)` inherits options from the listening socket is verified for Linux only; on other platforms, without FFI,
 * and where a call fails, this module does nothing.
 *
 * @module
 */

import { AF_INET, AF_INET6, type Libc, openLibc, pinned, SO_ACCEPTCONN, SO_KEEPALIVE, SOL_SOCKET } from "./libc.ts";
import { openDescriptors } from "./proc.ts";

/** A connection that was accepted on a port. */
export interface AcceptedSocket {
  /** Its descriptor; only valid until the next turn of the event loop. */
  readonly descriptor: number;
  /** The remote port. */
  readonly peerPort: number;
}

/** Operations on the sockets of this process. Dispose of it to unload the library. */
export interface Sockets extends Disposable {
  /**
   * Sets options on the sockets listening on a port; connections accepted from then on inherit them. Returns whether
   * there was such a socket.
   */
  setOnListeners(port: number, options: readonly SocketOption[]): boolean;
  /** The accepted connections of a port. */
  connections(port: number): AcceptedSocket[];
  /** Traffic on a connection since it was opened; null if it is closed, or unknown. */
  traffic(connection: AcceptedSocket): Traffic | null;
  /** Resets a connection, discarding unread data; its owner sees an error. */
  reset(connection: AcceptedSocket): void;
}

/** Byte counts of a connection. */
export interface Traffic {
  /** Bytes received by the kernel. */
  readonly received: number;
  /** The part of these that has been read by the process. */
  readonly read: number;
  /** Bytes acknowledged by the peer. */
  readonly sent: number;
}

/** The arguments of `setsockopt(2)`. */
export type SocketOption = readonly [level: number, name: number, value: number];

const IPPROTO_TCP = 6;
const TCP_NODELAY = 1;
const TCP_KEEPIDLE = 4;
const TCP_INFO = 11;
const TCP_USER_TIMEOUT = 18;

/** `SIOCINQ` (tcp(7)): unread bytes in the receive buffer. */
const FIONREAD = 0x541Bn;

/** `TCP_NODELAY` (tcp(7)): disables Nagle's algorithm. */
export const NO_DELAY: SocketOption = [IPPROTO_TCP, TCP_NODELAY, 1];

/** `SO_KEEPALIVE` and `TCP_KEEPIDLE` (tcp(7)): probes idle connections. */
export function keepAlive(seconds: number): readonly SocketOption[] {
  return [[SOL_SOCKET, SO_KEEPALIVE, 1], [IPPROTO_TCP, TCP_KEEPIDLE, seconds]];
}

/**
 * `TCP_USER_TIMEOUT` (tcp(7)): closes a connection if the peer has not acknowledged sent data, or has kept its receive
 * window closed, for this long.
 */
export function userTimeout(milliseconds: number): SocketOption {
  return [IPPROTO_TCP, TCP_USER_TIMEOUT, milliseconds];
}

/** Offsets of `tcpi_bytes_acked` and `tcpi_bytes_received` in `struct tcp_info` (linux/tcp.h, since Linux 4.1). */
const BYTES_ACKED = 120;
const BYTES_RECEIVED = 128;
const TCP_INFO_BYTES = 256;

/** `sizeof(struct sockaddr)`. */
const SOCKADDR_BYTES = 16;

const CALLS = ["fcntl", "getsockopt", "setsockopt", "getsockname", "getpeername", "connect", "ioctl"] as const;

/** The functions used. */
export type SocketCalls = Libc<(typeof CALLS)[number]>;

/**
 * The operations, or null if unavailable (on platforms other than Linux, and without `--allow-ffi`).
 *
 * @param libc Tests give one with functions that fail.
 */
export function openSockets(libc: SocketCalls | null = openSocketCalls()): Sockets | null {
  return libc && new LibcSockets(libc);
}

/** Opens the library. */
export function openSocketCalls(): SocketCalls | null {
  return openLibc(...CALLS);
}

class LibcSockets implements Sockets {
  readonly #libc: SocketCalls;
  readonly #value = pinned(new Int32Array(1));
  readonly #length = pinned(new Uint32Array(1));
  readonly #address = pinned(new Uint8Array(128));
  readonly #info = pinned(new Uint8Array(TCP_INFO_BYTES));

  constructor(libc: SocketCalls) {
    this.#libc = libc;
  }

  setOnListeners(port: number, options: readonly SocketOption[]): boolean {
    const listeners = openDescriptors(this.#libc).filter((fd) =>
      this.#isListening(fd) && this.#portOf("getsockname", fd) === port
    );
    for (const descriptor of listeners) {
      for (const [level, name, value] of options) {
        this.#value.bytes[0] = value;
        this.#libc.setsockopt(descriptor, level, name, this.#value.at, 4);
      }
    }
    return listeners.length > 0;
  }

  connections(port: number): AcceptedSocket[] {
    return openDescriptors(this.#libc).flatMap((descriptor) => {
      const peerPort = this.#portOf("getpeername", descriptor);
      return peerPort !== null && this.#portOf("getsockname", descriptor) === port ? [{ descriptor, peerPort }] : [];
    });
  }

  traffic({ descriptor, peerPort }: AcceptedSocket): Traffic | null {
    if (this.#portOf("getpeername", descriptor) !== peerPort) return null;
    this.#length.bytes[0] = TCP_INFO_BYTES;
    if (this.#libc.getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, this.#info.at, this.#length.at) !== 0) return null;
    if (this.#length.bytes[0]! < BYTES_RECEIVED + 8) return null;
    const info = new DataView(this.#info.bytes.buffer);
    const bytesAt = (offset: number) => Number(info.getBigUint64(offset, true));
    const received = bytesAt(BYTES_RECEIVED);
    this.#value.bytes[0] = 0;
    if (this.#libc.ioctl(descriptor, FIONREAD, this.#value.at) !== 0) return null;
    return { received, read: received - this.#value.bytes[0]!, sent: bytesAt(BYTES_ACKED) };
  }

  reset({ descriptor, peerPort }: AcceptedSocket): void {
    if (this.#portOf("getpeername", descriptor) !== peerPort) return;
    // connect(2) to an AF_UNSPEC address dissolves the association; for TCP, that resets the connection.
    this.#address.bytes.fill(0, 0, SOCKADDR_BYTES);
    this.#libc.connect(descriptor, this.#address.at, SOCKADDR_BYTES);
  }

  [Symbol.dispose](): void {
    this.#libc[Symbol.dispose]();
  }

  #isListening(descriptor: number): boolean {
    this.#length.bytes[0] = 4;
    this.#value.bytes[0] = 0;
    const words = [SOL_SOCKET, SO_ACCEPTCONN, this.#value.at, this.#length.at] as const;
    return this.#libc.getsockopt(descriptor, ...words) === 0 && this.#value.bytes[0] === 1;
  }

  /** The local or remote port; null for anything but a connected TCP/IP socket. */
  #portOf(which: "getsockname" | "getpeername", descriptor: number): number | null {
    const { bytes, at } = this.#address;
    this.#length.bytes[0] = bytes.length;
    if (this.#libc[which](descriptor, at, this.#length.at) !== 0) return null;
    const family = bytes[0]! | bytes[1]! << 8;
    return family === AF_INET || family === AF_INET6 ? bytes[2]! << 8 | bytes[3]! : null;
  }
}
