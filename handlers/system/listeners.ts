/**
 * Listening sockets by descriptor: inherits one from the parent process, and transfers one from one listener of the
 * runtime to another.
 *
 * Deno can only listen on a socket that it has created itself. The socket of a Deno listener is replaced with
 * `dup3(2)`: its descriptor then refers to another socket. Because the kernel drops the event registration of the
 * replaced socket, it is registered again with the same token, which `/proc/self/fdinfo` shows. Requires Linux and
 * `--allow-ffi`.
 *
 * @module
 */

import {
  AF_INET,
  AF_INET6,
  AF_UNIX,
  errnoOf,
  F_GETFL,
  F_SETFD,
  F_SETFL,
  FD_CLOEXEC,
  type Libc,
  O_CLOEXEC,
  O_NONBLOCK,
  O_RDONLY,
  openLibc,
  pinned,
  SO_ACCEPTCONN,
  SOCK_STREAM,
  SOL_SOCKET,
  uninterrupted,
} from "./libc.ts";
import { openDescriptors } from "./proc.ts";

/** Operations on the listening sockets of this process. Dispose of it to unload the library. */
export interface Listeners extends Disposable {
  /**
   * Runs a function that starts listening on one socket, and finds the descriptor of that socket.
   *
   * @throws {Deno.errors.NotSupported} If it cannot be found; what was opened is closed then.
   */
  opening<T>(open: () => T, close: (opened: T) => void): { readonly value: T; readonly descriptor: number };
  /** The descriptor listening on a port; null if there is none. */
  listeningOn(port: number): number | null;
  /** The address of a listening socket; null if the descriptor is not a listening TCP or Unix socket. */
  addressOf(descriptor: number): Deno.NetAddr | Deno.UnixAddr | null;
  /** The epoll instance in which the runtime waits for events of a descriptor; null if there is none. */
  epollOf(descriptor: number): number | null;
  /** Prepares a socket of the parent process: non-blocking, and closed in child processes. */
  adopt(descriptor: number): void;
  /** Keeps a socket open in child processes, with the same descriptor number. */
  keepInChildren(descriptor: number): void;
  /**
   * Makes the owner of one descriptor listen on the socket of another; from then on, both accept connections.
   *
   * @throws {Deno.errors.NotSupported} If the runtime manages its listeners in an unknown way; nothing has changed
   *   then.
   */
  share(from: number, to: number): void;
  /**
   * Makes the owner of a descriptor wait for connections that never arrive, without closing its existing ones. If there
   * is no descriptor left, the owner accepts up to one more connection.
   */
  silence(descriptor: number): void;
}

const CALLS = [
  ...["fcntl", "getsockopt", "getsockname", "dup3", "epoll_ctl", "__errno_location"] as const,
  ...["socket", "bind", "listen"] as const, // of the silent socket
  ...["open", "read", "close"] as const, // of files in /proc
];

/** The functions used. */
export type ListenerCalls = Libc<(typeof CALLS)[number]>;

const [EPOLL_CTL_ADD, EPOLL_CTL_DEL] = [1, 2] as const;

/** `sizeof(struct sockaddr_storage)`. */
const SOCKADDR_BYTES = 128;

/** How much of a file is read at a time. */
const PIECE_BYTES = 65_536;

/**
 * The operations, or null if unavailable (on platforms other than Linux, and without `--allow-ffi`).
 *
 * @param libc Tests give one with functions that fail.
 */
export function openListeners(libc: ListenerCalls | null = openListenerCalls()): Listeners | null {
  return libc && new LibcListeners(libc);
}

/** Opens the library. */
export function openListenerCalls(): ListenerCalls | null {
  return openLibc(...CALLS);
}

/** The registration of a descriptor in an epoll instance. */
interface Registration {
  readonly epoll: number;
  readonly events: number;
  readonly data: bigint;
}

class LibcListeners implements Listeners {
  readonly #libc: ListenerCalls;
  readonly #errno: () => number;
  readonly #value = pinned(new Int32Array(1));
  readonly #length = pinned(new Uint32Array(1));
  readonly #address = pinned(new Uint8Array(SOCKADDR_BYTES));
  readonly #piece = pinned(new Uint8Array(PIECE_BYTES));

  constructor(libc: ListenerCalls) {
    this.#libc = libc;
    this.#errno = errnoOf(libc);
  }

  opening<T>(open: () => T, close: (opened: T) => void): { value: T; descriptor: number } {
    const before = new Set(this.#listening());
    const value = open();
    const descriptor = this.#listening().find((each) => !before.has(each));
    if (descriptor !== undefined) return { value, descriptor };
    close(value);
    throw new Deno.errors.NotSupported("Cannot find the descriptor of a listener");
  }

  listeningOn(port: number): number | null {
    const found = this.#listening().find((descriptor) => {
      const address = this.addressOf(descriptor);
      return address?.transport === "tcp" && address.port === port;
    });
    return found ?? null;
  }

  addressOf(descriptor: number): Deno.NetAddr | Deno.UnixAddr | null {
    if (!this.#isListening(descriptor)) return null;
    this.#length.bytes[0] = SOCKADDR_BYTES;
    if (this.#libc.getsockname(descriptor, this.#address.at, this.#length.at) !== 0) return null;
    return addressIn(this.#address.bytes.slice(0, this.#length.bytes[0]));
  }

  epollOf(descriptor: number): number | null {
    return this.#registrationOf(descriptor)?.epoll ?? null;
  }

  adopt(descriptor: number): void {
    this.#libc.fcntl(descriptor, F_SETFL, this.#libc.fcntl(descriptor, F_GETFL, 0) | O_NONBLOCK);
    this.#libc.fcntl(descriptor, F_SETFD, FD_CLOEXEC);
  }

  keepInChildren(descriptor: number): void {
    this.#libc.fcntl(descriptor, F_SETFD, 0);
  }

  share(from: number, to: number): void {
    const registration = this.#registrationOf(to);
    if (registration === null) throw new Deno.errors.NotSupported("Cannot replace the socket of a listener");
    if (!this.#replace(from, to)) throw new Deno.errors.NotSupported("Cannot duplicate a socket");
    const { epoll, events, data } = registration;
    if (this.#libc.epoll_ctl(epoll, EPOLL_CTL_ADD, to, epollEvent(events, data)) < 0) {
      throw new Deno.errors.NotSupported("Cannot register a socket");
    }
  }

  silence(descriptor: number): void {
    // The socket may be open under other descriptors, so closing this one does not end its registration.
    const registration = this.#registrationOf(descriptor);
    if (registration) this.#libc.epoll_ctl(registration.epoll, EPOLL_CTL_DEL, descriptor, epollEvent(0, 0n));
    // A pending accept finds no connection on this socket, and waits.
    const silent = this.#libc.socket(AF_UNIX, SOCK_STREAM | O_NONBLOCK | O_CLOEXEC, 0);
    if (silent < 0) return;
    this.#libc.bind(silent, new Uint8Array(new Uint16Array([AF_UNIX]).buffer), 2); // autobind: a unique abstract name
    this.#libc.listen(silent, 1);
    this.#replace(silent, descriptor);
    this.#libc.close(silent);
  }

  [Symbol.dispose](): void {
    this.#libc[Symbol.dispose]();
  }

  #replace(from: number, to: number): boolean {
    return uninterrupted(() => this.#libc.dup3(from, to, O_CLOEXEC), this.#errno) >= 0;
  }

  #listening(): number[] {
    return openDescriptors(this.#libc).filter((descriptor) => this.#isListening(descriptor));
  }

  #isListening(descriptor: number): boolean {
    this.#length.bytes[0] = 4;
    this.#value.bytes[0] = 0;
    const words = [SOL_SOCKET, SO_ACCEPTCONN, this.#value.at, this.#length.at] as const;
    return this.#libc.getsockopt(descriptor, ...words) === 0 && this.#value.bytes[0] === 1;
  }

  #registrationOf(descriptor: number): Registration | null {
    for (const epoll of openDescriptors(this.#libc)) {
      const registration = registrationIn(this.#read(`/proc/self/fdinfo/${epoll}`), descriptor);
      if (registration) return { epoll, ...registration };
    }
    return null;
  }

  /** Reads a file of /proc, for which Deno.readTextFileSync needs more permissions. Empty if it cannot be opened. */
  #read(path: string): string {
    const { bytes, at } = this.#piece;
    new TextEncoder().encodeInto(`${path}\0`, bytes);
    const descriptor = uninterrupted(() => this.#libc.open(at, O_RDONLY | O_CLOEXEC), this.#errno);
    if (descriptor < 0) return "";
    let text = "";
    for (let count = -1; count !== 0;) {
      count = Math.max(0, uninterrupted(() => this.#libc.read(descriptor, at, PIECE_BYTES), this.#errno));
      text += new TextDecoder().decode(bytes.subarray(0, count));
    }
    this.#libc.close(descriptor);
    return text;
  }
}

/** Finds a descriptor in the fdinfo of an epoll instance (proc_pid_fdinfo(5)). */
export function registrationIn(text: string, descriptor: number): { events: number; data: bigint } | null {
  const line = new RegExp(`^tfd: +${descriptor} events: +([0-9a-f]+) data: +([0-9a-f]+)`, "m");
  const [, events, data] = line.exec(text) ?? [];
  return events === undefined ? null : { events: parseInt(events, 16), data: BigInt(`0x${data}`) };
}

/** `struct epoll_event`, which is packed on x86_64 only. */
function epollEvent(events: number, data: bigint): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(16));
  view.setUint32(0, events, true);
  view.setBigUint64(Deno.build.arch === "x86_64" ? 4 : 8, data, true);
  return new Uint8Array(view.buffer);
}

/** `struct sockaddr`; null for an unsupported address family. */
function addressIn(bytes: Uint8Array): Deno.NetAddr | Deno.UnixAddr | null {
  const family = bytes[0]! | bytes[1]! << 8;
  const port = bytes[2]! << 8 | bytes[3]!;
  if (family === AF_INET) return { transport: "tcp", hostname: bytes.subarray(4, 8).join("."), port };
  if (family === AF_INET6) return { transport: "tcp", hostname: ipv6(bytes.subarray(8, 24)), port };
  if (family !== AF_UNIX) return null;
  return { transport: "unix", path: new TextDecoder().decode(bytes.subarray(2)).replace(/(?<=.)\0+$/s, "") };
}

/** The URL parser compresses zeros as in RFC 5952. */
function ipv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, at) => (bytes[2 * at]! << 8 | bytes[2 * at + 1]!).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
