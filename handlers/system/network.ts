/**
 * The system calls of the native transport: sockets, epoll, sendfile.
 *
 * All of its addresses are here and in `block.ts`: callers pass blocks and ranges. Results are counts and descriptors,
 * or the negated `errno(3)`. Interrupted calls are repeated.
 *
 * @module
 */

import { Block } from "./block.ts";
import {
  AF_INET,
  AF_INET6,
  EINTR,
  errnoOf,
  F_DUPFD_CLOEXEC,
  type Libc,
  O_CLOEXEC,
  O_NONBLOCK,
  openLibc,
} from "./libc.ts";

const CALLS = [
  ...["accept4", "epoll_create1", "epollControl", "epoll_wait", "epoll_waitLater", "eventfd", "read", "write"] as const,
  ...["recv", "send", "sendmsg", "sendfile", "preadLater", "shutdown", "memcmp", "memfd_create"] as const,
  ...["fcntl", "setsockopt", "close", "__errno_location"] as const,
];

/** The functions used. */
export type NetworkCalls = Libc<(typeof CALLS)[number]>;

/** Opens the library; null where it is unavailable. */
export function openNetworkCalls(): NetworkCalls | null {
  return openLibc(...CALLS);
}

/** Events of epoll(7). */
export const READABLE = 0x1;
export const WRITABLE = 0x4;
export const FAILED = 0x8 | 0x10;
export const HALF_CLOSED = 0x2000;

const [ADD, MODIFY] = [1, 3] as const;

/** `struct epoll_event` is packed on x86-64 only. */
const IS_PACKED = Deno.build.arch === "x86_64";
const EVENT_BYTES = IS_PACKED ? 12 : 16;
const DATA_AT = IS_PACKED ? 4 : 8;

/** The most events taken at once. */
const MAX_EVENTS = 256;

/** The flags of send(2): no SIGPIPE, never wait; and that more follows, so that it is sent together. */
const NO_SIGNAL = 0x4040;
const MORE = 0x8000;

/** `sizeof(struct sockaddr_storage)`. */
const SOCKADDR_BYTES = 128;

/** A signed 32-bit count, and a whole number of pages. */
const MAX_COUNT = 0x4000_0000;

const SHUT_WR = 1;

const MFD_CLOEXEC = 1;

/** The calls on one thread. Dispose of it to close what it has opened. */
export class Network implements Disposable {
  /** The functions of the C library: tests replace some by ones that fail. */
  readonly calls: NetworkCalls;
  readonly #errno: () => number;
  readonly #epoll: number;
  readonly #bell: number;
  readonly #events = Block.allocate(EVENT_BYTES * MAX_EVENTS);
  readonly #eventsView = viewOf(this.#events);
  readonly #event = Block.allocate(16);
  readonly #eventView = viewOf(this.#event);
  readonly #address = Block.allocate(SOCKADDR_BYTES);
  readonly #length = Block.allocate(8);
  readonly #lengthView = viewOf(this.#length);
  readonly #message = new Message();
  readonly #discarded = Block.allocate(DISCARD_BYTES);
  readonly #reading = new Set<Promise<number>>();
  readonly #name = Block.copyOf(new TextEncoder().encode("pyserve\0"));

  /** Creates an epoll instance. Throws if the system refuses. */
  constructor(libc: NetworkCalls) {
    this.calls = libc;
    this.#errno = errnoOf(libc);
    this.#epoll = libc.epoll_create1(O_CLOEXEC);
    this.#bell = libc.eventfd(0, O_CLOEXEC | O_NONBLOCK);
    if (this.#epoll >= 0 && this.#bell >= 0 && this.watch(this.#bell, READABLE) >= 0) return;
    const code = this.#errno();
    this[Symbol.dispose]();
    throw Object.assign(new Error(`Cannot create an epoll instance: errno ${code}`), { errno: code });
  }

  [Symbol.dispose](): void {
    for (const descriptor of [this.#epoll, this.#bell]) if (descriptor >= 0) this.calls.close(descriptor);
    this.calls[Symbol.dispose]();
  }

  /** Begins to report events of a descriptor. */
  watch(descriptor: number, events: number): number {
    return this.#control(ADD, descriptor, events);
  }

  /** Reports other events of it. */
  change(descriptor: number, events: number): number {
    return this.#control(MODIFY, descriptor, events);
  }

  #control(operation: number, descriptor: number, events: number): number {
    this.#eventView.setUint32(0, events, true);
    this.#eventView.setInt32(DATA_AT, descriptor, true);
    return this.#result(this.calls.epollControl(this.#epoll, operation, descriptor, this.#event.range(0, 16)));
  }

  /** Waits for events for up to some milliseconds; returns their number. */
  wait(milliseconds: number): number {
    const { length } = this.#events;
    const at = this.#events.range(0, length);
    return Math.max(0, this.calls.epoll_wait(this.#epoll, at, MAX_EVENTS, milliseconds));
  }

  /**
   * Waits on another thread, until there are events or {@linkcode ring} is called. What it sees is reported by the next
   * `wait`. The runtime holds the buffer until it has returned.
   */
  async waitAway(milliseconds: number): Promise<void> {
    const seen = Block.allocate(EVENT_BYTES);
    await this.calls.epoll_waitLater(this.#epoll, seen.range(0, EVENT_BYTES), 1, milliseconds);
    seen.bytes[0] = 0; // a reference until here
  }

  /** Ends a wait on another thread. */
  ring(): void {
    this.#lengthView.setBigUint64(0, 1n, true);
    this.calls.write(this.#bell, this.#length.range(0, 8), 8);
  }

  /** Ends the event of {@linkcode ring}. */
  silenceBell(): void {
    this.calls.read(this.#bell, this.#length.range(0, 8), 8);
  }

  /** The descriptor of an event of the last `wait`. */
  descriptorAt(index: number): number {
    return this.#eventsView.getInt32(index * EVENT_BYTES + DATA_AT, true);
  }

  /** The events of a descriptor of the last `wait`. */
  eventsAt(index: number): number {
    return this.#eventsView.getUint32(index * EVENT_BYTES, true);
  }

  /** Whether a descriptor is the bell of {@linkcode ring}. */
  isBell(descriptor: number): boolean {
    return descriptor === this.#bell;
  }

  /** Accepts a connection; {@linkcode peer} then tells where it comes from. */
  accept(listener: number): number {
    this.#lengthView.setUint32(0, SOCKADDR_BYTES, true);
    const [address, length] = [this.#address.range(0, SOCKADDR_BYTES), this.#length.range(0, 4)];
    let result: number;
    do result = this.#result(this.calls.accept4(listener, address, length, O_CLOEXEC | O_NONBLOCK)); while (
      result === -EINTR
    );
    return result;
  }

  /** The address of the last connection. */
  peer(): Deno.NetAddr | Deno.UnixAddr {
    const { bytes } = this.#address;
    const family = bytes[0]! | bytes[1]! << 8;
    const port = bytes[2]! << 8 | bytes[3]!;
    if (family === AF_INET) {
      return { transport: "tcp", hostname: `${bytes[4]}.${bytes[5]}.${bytes[6]}.${bytes[7]}`, port };
    }
    if (family === AF_INET6) return { transport: "tcp", hostname: ipv6(bytes.subarray(8, 24)), port };
    return { transport: "unix", path: "" };
  }

  /** Receives into a range of a block: the number of bytes, 0 at the end. */
  receive(descriptor: number, into: Block, from: number, until: number): number {
    const at = into.range(from, until);
    let result: number;
    do result = this.#result(this.calls.recv(descriptor, at, until - from, 0)); while (result === -EINTR);
    return result;
  }

  /** Sends a range of a block. */
  send(descriptor: number, block: Block, from: number, until: number, more: boolean): number {
    const at = block.range(from, until);
    const flags = more ? NO_SIGNAL | MORE : NO_SIGNAL;
    let result: number;
    do result = this.#result(this.calls.send(descriptor, at, Math.min(until - from, MAX_COUNT), flags)); while (
      result === -EINTR
    );
    return result;
  }

  /** Sends ranges of two blocks with one call. */
  sendBoth(
    descriptor: number,
    first: Block,
    from: number,
    until: number,
    second: Block,
    secondFrom: number,
    more: boolean,
  ): number {
    const at = this.#message.of(first, from, until, second, secondFrom);
    const flags = more ? NO_SIGNAL | MORE : NO_SIGNAL;
    let result: number;
    do result = this.#result(this.calls.sendmsg(descriptor, at, flags)); while (result === -EINTR);
    return result;
  }

  /** Sends up to some bytes of a file. */
  sendFile(descriptor: number, file: number, offset: number, count: number): number {
    this.#lengthView.setBigUint64(0, BigInt(offset), true);
    const at = this.#length.range(0, 8);
    let result: number;
    do result = this.#result(this.calls.sendfile(descriptor, file, at, Math.min(count, MAX_COUNT))); while (
      result === -EINTR
    );
    return result;
  }

  /**
   * Reads a part of a file into the page cache, on another thread; returns how much was tried. The file must stay open
   * until it has.
   */
  async readAhead(file: number, offset: number, count: number): Promise<number> {
    const length = Math.min(count, DISCARD_BYTES);
    const reading = this.calls.preadLater(file, this.#discarded.range(0, length), length, BigInt(offset));
    this.#reading.add(reading);
    await reading;
    this.#reading.delete(reading);
    return length;
  }

  /** Waits for what runs on other threads, before it is disposed of. */
  async settled(): Promise<void> {
    while (this.#reading.size > 0) await Promise.all(this.#reading);
  }

  /** Copies bytes into a file in memory (memfd_create(2)), from which they are sent without another copy. */
  memoryFile(bytes: Block): number {
    const descriptor = this.#result(this.calls.memfd_create(this.#name.range(0, this.#name.length), MFD_CLOEXEC));
    for (let at = 0; descriptor >= 0 && at < bytes.length;) {
      const count = this.#result(this.calls.write(descriptor, bytes.range(at, bytes.length), bytes.length - at));
      if (count > 0) at += count;
      else if (count !== -EINTR) {
        this.close(descriptor);
        return count < 0 ? count : -1;
      }
    }
    return descriptor;
  }

  /** Ends the sending direction. */
  endSending(descriptor: number): void {
    this.calls.shutdown(descriptor, SHUT_WR);
  }

  /** Duplicates a descriptor. */
  duplicate(descriptor: number): number {
    return this.#result(this.calls.fcntl(descriptor, F_DUPFD_CLOEXEC, 0));
  }

  /** Sets a numeric option. */
  setOption(descriptor: number, level: number, name: number, value: number): void {
    this.#lengthView.setInt32(0, value, true);
    this.calls.setsockopt(descriptor, level, name, this.#length.range(0, 4), 4);
  }

  /** Closes a descriptor. Never repeated: after `EINTR`, it is closed. */
  close(descriptor: number): void {
    this.calls.close(descriptor);
  }

  /** Whether the beginning of one block is the same as that of another. */
  isSame(one: Block, from: number, other: Block, length: number): boolean {
    return this.calls.memcmp(one.range(from, from + length), other.range(0, length), length) === 0;
  }

  #result(result: number): number {
    return result < 0 ? -this.#errno() : result;
  }
}

/** How much is read ahead at once; what is read is overwritten by the next. */
const DISCARD_BYTES = 262_144;

/** `struct msghdr` with two of `struct iovec`. */
class Message {
  readonly #header = Block.allocate(56);
  readonly #vectors = Block.allocate(32);
  readonly #words = new BigUint64Array(this.#vectors.bytes.buffer, this.#vectors.bytes.byteOffset, 4);

  constructor() {
    const header = viewOf(this.#header);
    header.setBigUint64(16, this.#vectors.address(0, 32), true);
    header.setBigUint64(24, 2n, true);
  }

  /** The message that consists of a range of one block and the rest of another: for one call. */
  of(first: Block, from: number, until: number, second: Block, secondFrom: number): Deno.PointerObject {
    this.#words[0] = first.address(from, until);
    this.#words[1] = BigInt(until - from);
    this.#words[2] = second.address(secondFrom, second.length);
    this.#words[3] = BigInt(second.length - secondFrom);
    return this.#header.range(0, 56);
  }
}

function viewOf({ bytes }: Block): DataView {
  return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The URL parser compresses zeros as in RFC 5952. */
function ipv6(bytes: Uint8Array): string {
  const groups = Array.from({ length: 8 }, (_, at) => (bytes[2 * at]! << 8 | bytes[2 * at + 1]!).toString(16));
  return new URL(`http://[${groups.join(":")}]`).hostname.slice(1, -1);
}
