/**
 * Socket operations by descriptor, for which Deno has no API.
 *
 * Deno.serve exposes neither its listening socket nor its connections, so they are found among the descriptors of the
 * process: `getsockopt(2)` identifies listeners, `getsockname(2)` and `getpeername(2)` give the ports. Whether
 * `accept(2)` inherits options from the listening socket is verified for Linux only; on other platforms, and without
 * FFI, this module does nothing.
 *
 * @module
 */

import { openLibc } from "./libc.ts";

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
  /** Traffic on a connection since it was opened; null if it is closed. */
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

const SOL_SOCKET = 1;
const SO_ACCEPTCONN = 30;
const SO_KEEPALIVE = 9;
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

/** Descriptors are allocated lowest first: after a gap this large, there are no more. */
const LARGEST_GAP = 1_024;

const SYMBOLS = {
  getsockopt: { parameters: ["i32", "i32", "i32", "buffer", "buffer"], result: "i32" },
  setsockopt: { parameters: ["i32", "i32", "i32", "buffer", "u32"], result: "i32" },
  getsockname: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  getpeername: { parameters: ["i32", "buffer", "buffer"], result: "i32" },
  connect: { parameters: ["i32", "buffer", "u32"], result: "i32" },
  ioctl: { parameters: ["i32", "usize", "buffer"], result: "i32" },
  fcntl: { parameters: ["i32", "i32"], result: "i32" },
} as const;

type Libc = Deno.DynamicLibrary<typeof SYMBOLS>;

/**
 * Opens the library; null if unavailable (on platforms other than Linux, and without `--allow-ffi`). Takes a
 * millisecond.
 */
export function openSockets(): Sockets | null {
  const libc = openLibc(SYMBOLS);
  return libc && new LibcSockets(libc);
}

class LibcSockets implements Sockets {
  readonly #library: Libc;
  readonly #libc: Libc["symbols"];
  readonly #value = new Int32Array(1);
  readonly #length = new Uint32Array(1);
  readonly #address = new Uint8Array(128);
  readonly #info = new DataView(new ArrayBuffer(TCP_INFO_BYTES));

  constructor(library: Libc) {
    this.#library = library;
    this.#libc = library.symbols;
  }

  setOnListeners(port: number, options: readonly SocketOption[]): boolean {
    const listeners = this.#open().filter((fd) => this.#isListening(fd) && this.#portOf("getsockname", fd) === port);
    for (const descriptor of listeners) {
      for (const [level, name, value] of options) {
        this.#value[0] = value;
        this.#libc.setsockopt(descriptor, level, name, this.#value, 4);
      }
    }
    return listeners.length > 0;
  }

  connections(port: number): AcceptedSocket[] {
    return this.#open().flatMap((descriptor) => {
      const peerPort = this.#portOf("getpeername", descriptor);
      return peerPort !== null && this.#portOf("getsockname", descriptor) === port ? [{ descriptor, peerPort }] : [];
    });
  }

  traffic({ descriptor, peerPort }: AcceptedSocket): Traffic | null {
    if (this.#portOf("getpeername", descriptor) !== peerPort) return null;
    this.#length[0] = TCP_INFO_BYTES;
    const bytes = new Uint8Array(this.#info.buffer);
    if (this.#libc.getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, bytes, this.#length) !== 0) return null;
    if (this.#length[0]! < BYTES_RECEIVED + 8) return null;
    const bytesAt = (offset: number) => Number(this.#info.getBigUint64(offset, true));
    const received = bytesAt(BYTES_RECEIVED);
    this.#value[0] = 0;
    this.#libc.ioctl(descriptor, FIONREAD, bytesOf(this.#value));
    return { received, read: received - this.#value[0]!, sent: bytesAt(BYTES_ACKED) };
  }

  reset({ descriptor, peerPort }: AcceptedSocket): void {
    if (this.#portOf("getpeername", descriptor) !== peerPort) return;
    // connect(2) to an AF_UNSPEC address dissolves the association; for TCP, that resets the connection.
    this.#libc.connect(descriptor, new Uint8Array(16), 16);
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }

  /** The open descriptors. fcntl(2) needs fewer permissions than listing /proc. */
  #open(): number[] {
    const open: number[] = [];
    for (let fd = 0; fd - (open.at(-1) ?? 0) <= LARGEST_GAP; fd++) {
      if (this.#libc.fcntl(fd, F_GETFD) >= 0) open.push(fd);
    }
    return open;
  }

  #isListening(descriptor: number): boolean {
    this.#length[0] = 4;
    this.#value[0] = 0;
    const failed = this.#libc.getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, bytesOf(this.#value), this.#length);
    return failed === 0 && this.#value[0] === 1;
  }

  /** The local or remote port; null for anything but a connected TCP/IP socket. */
  #portOf(which: "getsockname" | "getpeername", descriptor: number): number | null {
    this.#length[0] = this.#address.length;
    if (this.#libc[which](descriptor, this.#address, this.#length) !== 0) return null;
    const family = new Uint16Array(this.#address.buffer, 0, 1)[0];
    return family === AF_INET || family === AF_INET6 ? this.#address[2]! << 8 | this.#address[3]! : null;
  }
}

const F_GETFD = 1;
const AF_INET = 2;
const AF_INET6 = 10;

function bytesOf(array: Int32Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  return new Uint8Array(array.buffer);
}
