/**
 * A connection of the native transport: reads requests, and sends responses in order.
 *
 * @module
 */

import { clientAddress } from "../../core/fetch.ts";
import { noteRequest } from "../../core/turns.ts";
import { isLoopback } from "../../http/own_host.ts";
import { InputBuffer } from "../../http1/input_buffer.ts";
import { type Head, parseHead } from "../../http1/head.ts";
import { Rejection } from "../../http1/rejection.ts";
import { EAGAIN } from "../../system/libc.ts";
import { FAILED, HALF_CLOSED, READABLE, WRITABLE } from "../../system/network.ts";
import { connectionOptions, mayHaveContent } from "./connection_options.ts";
import type { EventLoop, Watched } from "./event_loop.ts";
import { Exchange } from "./exchange.ts";
import { Outbox, type Sent } from "./outbox.ts";
import type { Known } from "./repeats.ts";
import type { ServedConnection, Shared } from "./shared.ts";

/** How much is read ahead of a handler, in bytes, before the client has to wait. */
const AHEAD_BYTES = 65_536;

/** Lingering close (RFC 9112 section 9.6): bytes and milliseconds of input that is discarded after the last response. */
const LINGER_BYTES = 1_048_576;
const LINGER_MS = 2_000;

/** What a connection is waiting for, with a limit in time. */
type Phase = "first" | "idle" | "head" | "exchange" | "linger";

/** Owns an accepted socket. */
export class Connection implements Watched, ServedConnection {
  /** What is listened for at first. */
  static readonly EVENTS: number = READABLE | HALF_CLOSED;
  readonly descriptor: number;
  /** The address of the client. */
  readonly remoteAddr: Deno.NetAddr | Deno.UnixAddr;
  /** What has arrived and has not been taken. */
  readonly input: InputBuffer = new InputBuffer();
  /** What is being sent. */
  readonly outbox: Outbox;
  /** What all connections of the server share. */
  readonly shared: Shared;
  /** Whether nothing more will arrive. */
  hasEnded = false;
  readonly #loop: EventLoop;
  #events = Connection.EVENTS;
  #exchange: Exchange | null = null;
  /** A request with content that has not begun. */
  #next: Head | null = null;
  #address: string | undefined;
  #isLocal: boolean | undefined;
  #isClosed = false;
  #isProcessing = false;
  /** How far the input has been searched for the end of a head. */
  #searched = 0;
  #lingered = 0;
  #phase: Phase = "first";
  /** When the phase began, or the client last did something in it. */
  #since: number;

  /** Takes a socket that has just been accepted. */
  constructor(descriptor: number, shared: Shared) {
    this.descriptor = descriptor;
    this.shared = shared;
    this.#loop = shared.loop;
    this.#since = this.#loop.now;
    this.remoteAddr = this.#loop.network.peer();
    this.outbox = new Outbox(this.#loop.network, shared.stage, descriptor, () => this.#flush());
  }

  /** The address of the client as text. */
  get address(): string {
    return this.#address ??= clientAddress(this.remoteAddr);
  }

  /** Whether the client is on this machine. */
  get isLocal(): boolean {
    return this.#isLocal ??= isLoopback(this.address);
  }

  /** Whether it is not serving a request. */
  get isIdle(): boolean {
    return this.#phase === "idle" || this.#phase === "first";
  }

  /** Whether the first request has not begun. */
  get isNew(): boolean {
    return this.#phase === "first";
  }

  /** Whether it no longer speaks HTTP. */
  get isSwitched(): boolean {
    return this.#exchange?.isSwitched ?? false;
  }

  get isOpen(): boolean {
    return !this.#isClosed;
  }

  /** For how long it has been waiting, in milliseconds. */
  get waitedMs(): number {
    return this.#loop.now - this.#since;
  }

  ready(events: number): void {
    if ((events & WRITABLE) !== 0) this.#flush();
    if (this.#isClosed) return;
    if ((events & (READABLE | HALF_CLOSED)) !== 0 && !this.hasEnded) this.#receive();
    else if ((events & FAILED) !== 0) this.lose();
  }

  /** Closes it if its time is over. */
  expire(): void {
    const { limits: { headMs, idleMs } } = this.shared;
    const { waitedMs } = this;
    if (this.#phase === "exchange") this.#exchange!.expire(waitedMs);
    else if (waitedMs >= (this.#phase === "linger" ? LINGER_MS : this.#phase === "idle" ? idleMs : headMs)) {
      this.close();
    }
  }

  /** Begins to count time again. */
  touch(): void {
    this.#since = this.#loop.now;
  }

  /** The client has left. */
  lose(): void {
    this.abort(new Deno.errors.ConnectionReset("The client has disconnected"));
  }

  /** Closes it immediately; a request in progress is aborted. */
  abort(reason: Error): void {
    if (this.#isClosed) return;
    const exchange = this.#exchange;
    this.#exchange = null;
    this.close();
    exchange?.abort(reason);
  }

  failed(error: unknown): void {
    this.shared.log?.error("A connection has failed", error);
    this.abort(error instanceof Error ? error : new Error(String(error)));
  }

  /** Closes it. */
  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.outbox.drop();
    this.input.release();
    this.#loop.close(this);
    this.shared.closed(this);
  }

  /** Continues after something was sent, perhaps not completely. */
  settle(sent: Sent): void {
    if (sent === "lost") this.lose();
    else if (sent === "waits") {
      this.touch();
      this.listen();
    }
  }

  /** Listens for what it waits for. */
  listen(): void {
    if (this.#isClosed) return;
    const mayReceive = !this.hasEnded && (this.#exchange === null || this.input.length < AHEAD_BYTES);
    const mustSend = !this.outbox.isEmpty && !this.outbox.isReading;
    const events = (mayReceive ? READABLE | HALF_CLOSED : 0) | (mustSend ? WRITABLE : 0);
    if (events !== this.#events) this.#loop.change(this, this.#events = events);
  }

  /** The response has been sent, and the content of the request has been read. */
  finish({ isPersistent, hasUnread }: Parameters<ServedConnection["finish"]>[0]): void {
    this.#exchange = null;
    if (!isPersistent || this.shared.isStopping) return this.#end(hasUnread);
    this.#phase = "idle";
    this.#since = this.#loop.now;
    if (!this.#isProcessing) this.#process();
  }

  #flush(): void {
    const before = this.outbox.sent;
    const sent = this.outbox.flush();
    if (this.outbox.sent !== before) this.touch();
    if (sent === "lost") return this.lose();
    if (sent === "all") this.#exchange?.flushed();
    this.listen();
  }

  #receive(): void {
    const { loop: { network }, received } = this.shared;
    const count = network.receive(this.descriptor, received, 0, received.length);
    if (count === -EAGAIN) return;
    if (count < 0) return this.lose();
    if (count === 0) return this.#endOfInput();
    const arrived = received.bytes;
    if (this.#phase === "linger") return this.#discard(count);
    this.#isProcessing = true;
    let taken = 0;
    if (this.#exchange === null && this.input.length === 0) taken = this.#takeRequests(arrived, 0, count);
    this.#isProcessing = false;
    if (this.#isClosed) return;
    if (taken < count) this.input.append(arrived.subarray(taken, count));
    if (this.#exchange !== null) this.#exchange.advance();
    this.#process();
  }

  /** Handles the requests in the input. */
  #process(): void {
    this.#isProcessing = true;
    while (!this.#isClosed && this.#exchange === null) {
      if (this.#next !== null) {
        this.#begin(this.#next, null);
        continue;
      }
      const bytes = this.input.view();
      const taken = bytes.length === 0 ? 0 : this.#takeRequests(bytes, 0, bytes.length);
      if (this.#isClosed || (taken === 0 && this.#next === null)) break;
      this.input.drop(taken);
    }
    this.#isProcessing = false;
    this.#afterInput();
  }

  #afterInput(): void {
    if (this.#isClosed) return;
    if (this.#exchange === null && this.#phase !== "linger") {
      if (this.hasEnded) return this.close();
      const isWithin = this.input.length > 0;
      if (isWithin && this.#phase === "idle") this.touch();
      if (isWithin) this.#phase = "head";
    }
    this.listen();
  }

  /** Handles complete requests without content; returns how far. */
  #takeRequests(bytes: Uint8Array<ArrayBuffer>, from: number, until: number): number {
    let at = from;
    const { received, repeats } = this.shared;
    const isReceived = bytes === received.bytes;
    while (
      at < until && this.#exchange === null && this.#next === null && !this.#isClosed && this.#phase !== "linger"
    ) {
      if (isReceived && !this.shared.isStopping) {
        const known = repeats.find(received, at, until, this.isLocal);
        if (known !== null) {
          at += known.request.length;
          this.#repeat(known);
          continue;
        }
      }
      const head = parseHead(bytes, at, until, at + this.#searched);
      this.#searched = head === null ? until - at : 0;
      if (head === null) break;
      if (head instanceof Rejection) {
        this.#reject(head);
        return until;
      }
      const start = at;
      at = head.end;
      if (mayHaveContent(head)) this.#next = head; // what has arrived of it belongs into the input
      else this.#begin(head, head.method === "GET" && head.minor === 1 ? bytes.subarray(start, at) : null);
    }
    return at;
  }

  /** @param raw The head as received, if the response may be sent again. */
  #begin(head: Head, raw: Uint8Array | null): void {
    this.#next = null;
    this.#phase = "exchange";
    this.touch();
    const options = connectionOptions(head);
    if (options instanceof Rejection) return this.#reject(options);
    this.#exchange = new Exchange(this, head, options);
    this.#exchange.start(raw);
  }

  /** Sends a response again. */
  #repeat({ response, body, file, log, count, headLength }: Known): void {
    noteRequest();
    count?.();
    const { outbox } = this;
    const bodyFrom = outbox.sent + headLength;
    const sent = file !== null
      ? outbox.sendFileBehind(response, file.take())
      : body === null
      ? outbox.sendBlock(response, 0, response.length)
      : outbox.sendBlocks(response, response.length, body);
    if (sent === "all") {
      log?.(this.address, outbox.sent - bodyFrom, 0);
      this.#phase = "idle";
      return this.touch();
    }
    const begin = performance.now();
    this.#phase = "exchange";
    this.#exchange = Exchange.repeated(this, bodyFrom, (bytes) => {
      log?.(this.address, bytes, performance.now() - begin);
    });
    this.settle(sent);
  }

  /** Refuses a malformed request. What follows it cannot be understood. */
  #reject(rejection: Rejection): void {
    this.#phase = "exchange";
    this.#exchange = Exchange.ofMalformed(this);
    this.#exchange.refuse(rejection);
  }

  #endOfInput(): void {
    this.hasEnded = true;
    if (this.#exchange === null) return this.close();
    this.#exchange.leave();
    this.listen();
  }

  /** Closes it when the client has had the chance to read the last response. */
  #end(hasUnread: boolean): void {
    if (this.hasEnded) return this.close();
    const { loop: { network }, received } = this.shared;
    let unread = this.input.length;
    if (unread === 0) unread = network.receive(this.descriptor, received, 0, received.length);
    // Closing a socket with unread data would reset the connection, and discard what the client has not read.
    if (unread <= 0 && !(hasUnread && unread === -EAGAIN)) return this.close();
    network.endSending(this.descriptor);
    this.input.drop(Infinity);
    this.#phase = "linger";
    this.#lingered = 0;
    this.touch();
    this.listen();
  }

  #discard(count: number): void {
    this.#lingered += count;
    if (this.#lingered > LINGER_BYTES) this.close();
  }
}
