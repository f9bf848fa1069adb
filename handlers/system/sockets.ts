/**
 * The sockets of this process, by number: what Deno has no call for.
 *
 * Deno.serve tells neither its listening socket nor those of its connections, so they are looked for among the descriptors
 * of the process: `getsockopt(2)` says which listen, `getsockname(2)` and `getpeername(2)` on which port. Only Linux has
 * been looked at for what `accept(2)` passes on from the listening socket; elsewhere, and without FFI, nothing is done.
 *
 * @module
 */

/** A connection that was accepted on a port. */
export interface Connection {
  /** Its descriptor; it means this connection only until the event loop goes on. */
  readonly descriptor: number;
  /** The port of the other end. */
  readonly peerPort: number;
}

/** What can be done with the sockets of this process. To be disposed of: a library stays loaded until then. */
export interface Sockets extends Disposable {
  /** Sets options on what listens on a port, and thereby on what is accepted from now on. Whether there was such a socket. */
  setOnListeners(port: number, options: readonly SocketOption[]): boolean;
  /** The connections that were accepted on a port. */
  connections(port: number): Connection[];
  /** What has gone over a connection since it was opened, or null where it has gone itself. */
  traffic(connection: Connection): Traffic | null;
  /** Resets a connection at once, and drops what has come and was not read; its owner sees an error. */
  reset(connection: Connection): void;
}

/** Bytes that have gone over a connection. */
export interface Traffic {
  /** Bytes that have come. */
  readonly received: number;
  /** Those of them that have been read. */
  readonly read: number;
  /** Bytes that the other end has acknowledged. */
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

/** `SIOCINQ` (tcp(7)): bytes that wait to be read. */
const FIONREAD = 0x541Bn;

/** `TCP_NODELAY` (tcp(7)): small segments are sent at once, whatever has not been acknowledged yet. */
export const NO_DELAY: SocketOption = [IPPROTO_TCP, TCP_NODELAY, 1];

/** `SO_KEEPALIVE` and `TCP_KEEPIDLE` (tcp(7)): a silent client is asked after a while whether it is still there. */
export function keepAlive(seconds: number): readonly SocketOption[] {
  return [[SOL_SOCKET, SO_KEEPALIVE, 1], [IPPROTO_TCP, TCP_KEEPIDLE, seconds]];
}

/**
 * `TCP_USER_TIMEOUT` (tcp(7)): a connection is closed whose client has not acknowledged what was sent, or has taken nothing
 * of what waits to be sent, for so long.
 */
export function userTimeout(milliseconds: number): SocketOption {
  return [IPPROTO_TCP, TCP_USER_TIMEOUT, milliseconds];
}

/** Where `tcpi_bytes_acked` and `tcpi_bytes_received` are in `struct tcp_info` (linux/tcp.h, since Linux 4.1). */
const BYTES_ACKED = 120;
const BYTES_RECEIVED = 128;
const TCP_INFO_BYTES = 256;

/** Descriptors are numbered from below: behind so many that are not open, none is. */
const LARGEST_GAP = 1_024;

/** glibc, then musl. */
const LIBC = ["libc.so.6", `libc.musl-${Deno.build.arch}.so.1`, "libc.so"];

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

/** The sockets, or null where they cannot be had: anywhere but on Linux, and without `--allow-ffi`. Takes a millisecond. */
export function openSockets(): Sockets | null {
  if (Deno.build.os !== "linux") return null;
  const { state, partial } = Deno.permissions.querySync({ name: "ffi" });
  const libc = state === "granted" && !partial ? load() : null;
  return libc && new LibcSockets(libc);
}

function load(): Libc | null {
  for (const name of LIBC) {
    try {
      return Deno.dlopen(name, SYMBOLS);
    } catch {
      // Not under this name.
    }
  }
  return null;
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

  connections(port: number): Connection[] {
    return this.#open().flatMap((descriptor) => {
      const peerPort = this.#portOf("getpeername", descriptor);
      return peerPort !== null && this.#portOf("getsockname", descriptor) === port ? [{ descriptor, peerPort }] : [];
    });
  }

  traffic({ descriptor, peerPort }: Connection): Traffic | null {
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

  reset({ descriptor, peerPort }: Connection): void {
    if (this.#portOf("getpeername", descriptor) !== peerPort) return;
    // connect(2): an address of the family AF_UNSPEC dissolves the association; tcp(7) sockets are reset by it.
    this.#libc.connect(descriptor, new Uint8Array(16), 16);
  }

  [Symbol.dispose](): void {
    this.#library.close();
  }

  /** The descriptors that are open; fcntl(2) knows without looking into /proc, which takes more permissions. */
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

  /** The port of this end or of the other, or null for what is no socket of the Internet or has no other end. */
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
