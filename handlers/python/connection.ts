/**
 * A connection with a client: what has arrived, what is to be sent, and how long it may take.
 *
 * @module
 */

import type { Deadlines } from "./deadlines.ts";
import { InputBuffer } from "../http1/input_buffer.ts";
import { setImmediate } from "node:timers";

/** Bytes that are put together before they are written: a head and a short body leave in one segment. */
const TOGETHER_BYTES = 65_536;

/** Bytes and seconds spent on what a client still sends when the connection ends, so that it reads the reply (RFC 9112, 9.6). */
const LINGER_BYTES = 1_048_576;
const LINGER_SECONDS = 2;

/** Bytes of a next request that are read ahead, to see whether the client leaves. */
const AHEAD_BYTES = 65_536;

/** What those are told who use a connection that this side has closed. Made once: an error takes time to look where it is. */
const CLOSED = new Deno.errors.ConnectionAborted("The connection was closed");

/**
 * Who is at the other end: host and port. For a Unix socket `["unix", 0]`.
 *
 * Python: `client_address`.
 */
export type ClientAddress = readonly [host: string, port: number];

/**
 * The connection of a request: Python's socket, as far as a handler needs one.
 *
 * `rfile` and `wfile` of a handler are the way to read a body and to write a reply. This is for those who speak another
 * protocol than HTTP from here on.
 */
export class Connection {
  /** Who is at the other end. */
  readonly client_address: ClientAddress;
  /** Whether it is encrypted. */
  readonly secure: boolean;
  /**
   * Whether the client may still be sending when the connection ends.
   *
   * @internal
   */
  unread = false;
  /**
   * Called when nothing happens on it: the last reply has been sent, and no further request has begun.
   *
   * @internal
   */
  onidle: () => void = () => {};
  /**
   * Called when it is closed.
   *
   * @internal
   */
  onclose: () => void = () => {};
  /**
   * What has arrived.
   *
   * @internal
   */
  readonly input: InputBuffer = new InputBuffer();
  readonly #conn: Deno.Conn;
  readonly #deadlines: Deadlines;
  #lost: Error | null = null;
  #late: Error | null = null;
  #giveUpReading: (error: Error) => void = () => {};
  #closed = false;
  #idle = false;
  #idleSince = 0;
  #ended = false;
  #reading: Promise<boolean> | null = null;
  #leaving: AbortController | null = null;
  #readBy = Infinity;
  #headBy = Infinity;
  #writeBy = Infinity;
  #writeSeconds: number | null = null;
  #writeRate: number | null = null;
  /** Seconds that may still be spent waiting for the client to read. */
  #patience = Infinity;
  #queue: Uint8Array[] = [];
  #queued = 0;
  /** Settles when all that is in the queue now has been sent. */
  #sent: PromiseWithResolvers<void> | null = null;
  #pumping: Promise<void> | null = null;
  #scheduled = false;

  /**
   * Takes over a connection that was accepted.
   *
   * @internal
   */
  constructor(conn: Deno.Conn, deadlines: Deadlines) {
    this.#conn = conn;
    this.#deadlines = deadlines;
    this.secure = "handshake" in conn;
    this.client_address = addressOf(conn.remoteAddr);
    if ("setNoDelay" in conn) withoutDelay(conn as Deno.TcpConn);
    deadlines.add(this);
  }

  /** The address of the other end, as the system says it. */
  get remoteAddr(): Deno.Addr {
    return this.#conn.remoteAddr;
  }

  /** Why nothing can be read or written any more, or null. */
  get lost(): Error | null {
    return this.#lost;
  }

  /**
   * The error of a read that has timed out, or null. What was written can still be sent.
   *
   * @internal
   */
  get late(): Error | null {
    return this.#late;
  }

  /** Bytes that are written and not sent yet. */
  get queued(): number {
    return this.#queued;
  }

  /**
   * Whether it was closed by this side, on purpose.
   *
   * @internal
   */
  get closedHere(): boolean {
    return this.#lost === CLOSED;
  }

  /**
   * Whether nothing has come since the last request, and nothing is left to send.
   *
   * @internal
   */
  get idle(): boolean {
    return this.#idle && this.#queued === 0;
  }

  /**
   * Seconds for which it has been idle; 0 where it is not.
   *
   * @internal
   */
  get idleSeconds(): number {
    return this.idle ? this.#deadlines.since(this.#idleSince) : 0;
  }

  /**
   * Whether there is a limit for the head of a request.
   *
   * @internal
   */
  get headLimited(): boolean {
    return this.#headBy !== Infinity;
  }

  /**
   * Limits how slowly the client may read.
   *
   * @param seconds Seconds without progress, and in total beyond what `rate` allows; null for no limit.
   * @param rate Bytes a second that the client has to read on average; null for any number.
   *
   * @internal
   */
  limitWrites(seconds: number | null, rate: number | null): void {
    this.#writeSeconds = seconds;
    this.#writeRate = rate;
    this.#patience = seconds ?? Infinity;
  }

  /**
   * Seconds from now until the head of a request must have arrived; null for any time.
   *
   * @internal
   */
  limitHead(seconds: number | null): void {
    this.#headBy = this.#deadlines.after(seconds);
  }

  /**
   * Waits for more bytes of the client; at most some seconds, if given.
   *
   * @returns Whether there are any; false where the client has sent its last.
   * @throws What the system says when the client is gone; Deno.errors.TimedOut.
   */
  async fill(seconds: number | null): Promise<boolean> {
    if (this.#lost) throw this.#lost;
    if (this.#ended) return false;
    const reading = this.#reading ??= this.#read();
    if (seconds === null) return await reading;
    this.#readBy = this.#deadlines.after(seconds);
    try {
      // A connection that is idle for too long is closed, which ends the read.
      return await (this.#idle ? reading : this.#orLate(reading));
    } finally {
      this.#readBy = Infinity;
    }
  }

  #orLate(reading: Promise<boolean>): Promise<boolean> {
    const { promise, reject } = Promise.withResolvers<never>();
    this.#giveUpReading = reject;
    return Promise.race([reading, promise]);
  }

  /**
   * Aborted when the client has left, or said that it will send no more, which looks the same. To be asked for when the
   * body of the request has been read: from then on the connection is read ahead.
   */
  get leaving(): AbortSignal {
    if (this.#leaving === null) {
      this.#leaving = new AbortController();
      this.#listen(this.#leaving);
    }
    return this.#leaving.signal;
  }

  async #listen(leaving: AbortController): Promise<void> {
    try {
      while (!this.#ended && this.input.length < AHEAD_BYTES) await (this.#reading ??= this.#read());
      if (this.#ended) leaving.abort(new Deno.errors.ConnectionReset("The client has left"));
    } catch {
      // Then it is lost, and whoever listens has been told.
    }
  }

  /** One at a time: whoever wants to read while another reads waits for the same bytes. */
  async #read(): Promise<boolean> {
    try {
      const count = await this.#conn.read(this.input.room());
      if (count === null) this.#ended = true;
      else this.input.filled(count);
      return count !== null;
    } catch (error) {
      throw this.lose(error);
    } finally {
      this.#reading = null;
    }
  }

  /**
   * Waits for a next request. A client that leaves now, or says nothing for too long, has done nothing wrong.
   *
   * @returns Whether there is one.
   * @internal
   */
  async wait(seconds: number | null): Promise<boolean> {
    this.#idle = true;
    this.#idleSince = this.#deadlines.now;
    if (this.#queued === 0) this.onidle();
    else this.#start();
    try {
      return await this.fill(seconds);
    } catch {
      return false;
    } finally {
      this.#idle = false;
    }
  }

  /** At most `size` bytes of what the client sends, none at its end. Python: `recv`. */
  async recv(size: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.input.length === 0) await this.fill(null);
    return this.input.take(size);
  }

  /**
   * Sends bytes behind all that was written before. Not awaiting it is harmless; but do not change the bytes before it
   * resolves. Python: `sendall`.
   */
  sendall(bytes: Uint8Array): Promise<void> {
    this.#enqueue(bytes);
    if (this.#lost) return rejected(this.#lost);
    if (this.#sent === null) {
      this.#sent = Promise.withResolvers();
      this.#sent.promise.catch(() => {}); // who has not awaited it does not want to know
    }
    this.#start();
    return this.#sent.promise;
  }

  /**
   * Sends bytes together with what is written next, but no later than the other events that wait now.
   *
   * @internal
   */
  sendSoon(bytes: Uint8Array): void {
    this.#enqueue(bytes);
    if (this.#scheduled || this.#pumping) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      if (this.#queue.length > 0) this.#start();
    });
  }

  /** Waits until all that was written has been sent. */
  async flush(): Promise<void> {
    if (this.#queue.length > 0) this.#start();
    await this.#pumping;
    if (this.#lost) throw this.#lost;
  }

  /**
   * Sends what was written, and closes. Where the client may still be sending it waits a little: what arrives at a closed
   * socket is answered with a reset, and the client might lose the reply.
   *
   * @internal
   */
  async end(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.flush();
      if (this.unread || this.input.length > 0) await this.#linger();
    } catch {
      // The client is gone.
    }
    this.close();
  }

  /**
   * Closes it because the server ends. A reply that has been written is flushed first, for 2 seconds at most.
   *
   * @internal
   */
  async cut(): Promise<void> {
    if (this.#queued > 0) {
      const patience = setTimeout(() => this.close(), LINGER_SECONDS * 1000);
      await this.flush().catch(() => {}); // the client is gone
      clearTimeout(patience);
    }
    this.close();
  }

  /** Closes at once. What waits is told so. Python: `close`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.lose(CLOSED);
    this.#deadlines.delete(this);
    try {
      this.#conn.close();
    } catch {
      // The runtime has closed it.
    }
    if (this.#reading === null) this.input.release();
    this.onclose();
  }

  /**
   * Closes it when a write, or, once all that was written has been sent, the head of a request has timed out. A read of a
   * body that times out fails, so that it can be answered.
   *
   * @internal
   */
  expire(now: number): void {
    const isSent = this.#queued === 0;
    const isHeadLate = now >= this.#headBy || (this.#idle && now >= this.#readBy);
    if (now >= this.#writeBy || (isHeadLate && isSent)) {
      this.lose(new Deno.errors.TimedOut("timed out"));
      return this.close();
    }
    if (now < this.#readBy || !isSent) return;
    this.#late ??= new Deno.errors.TimedOut("timed out");
    this.#giveUpReading(this.#late);
  }

  /**
   * Comes to an agreement with a client that wants encryption, and waits for its first bytes; whether there are any.
   *
   * @internal
   */
  async greet(): Promise<boolean> {
    this.#idle = true; // what has said nothing yet can be closed like what has nothing more to say
    this.#idleSince = this.#deadlines.now;
    try {
      if ("handshake" in this.#conn) await (this.#conn as Deno.TlsConn).handshake();
      return await this.fill(null);
    } catch {
      return false;
    } finally {
      this.#idle = false;
    }
  }

  async #linger(): Promise<void> {
    await this.#conn.closeWrite();
    const patience = setTimeout(() => this.close(), LINGER_SECONDS * 1000);
    try {
      for (let left = LINGER_BYTES - this.input.drop(Infinity); left > 0;) {
        if (!await this.fill(LINGER_SECONDS)) return;
        left -= this.input.drop(Infinity);
      }
    } finally {
      clearTimeout(patience);
    }
  }

  #enqueue(bytes: Uint8Array): void {
    if (this.#lost) return;
    this.#queue.push(bytes);
    this.#queued += bytes.length;
  }

  /** Begins to send, in the next microtask: what is written in one go leaves together. */
  #start(): void {
    this.#pumping ??= Promise.resolve().then(() => this.#pump());
  }

  async #pump(): Promise<void> {
    let sent: PromiseWithResolvers<void> | null = null;
    try {
      while (this.#queue.length > 0) {
        const batch = this.#queue;
        sent = this.#sent;
        [this.#queue, this.#sent] = [[], null];
        for (const bytes of together(batch)) await this.#writeAll(bytes);
        sent?.resolve();
      }
    } catch (error) {
      sent?.reject(this.lose(error));
    } finally {
      this.#pumping = null;
      if (this.idle) this.onidle();
    }
  }

  async #writeAll(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const start = this.#deadlines.now;
      this.#writeBy = this.#deadlines.after(this.#writeSeconds === null ? null : Math.max(0, this.#patience));
      const count = await this.#conn.write(at === 0 ? bytes : bytes.subarray(at));
      at += count;
      this.#queued -= count;
      this.#countWrite(count, this.#deadlines.since(start));
    }
    this.#writeBy = Infinity;
  }

  #countWrite(bytes: number, seconds: number): void {
    if (this.#writeSeconds === null) return;
    const earned = this.#writeRate === null ? Infinity : this.#patience - seconds + bytes / this.#writeRate;
    this.#patience = Math.min(this.#writeSeconds, earned);
  }

  /**
   * Says why nothing can be read or written any more; the first reason counts.
   *
   * @internal
   */
  lose(error: unknown): Error {
    this.#lost ??= error instanceof Error ? error : new Error(String(error));
    this.#queue = [];
    this.#queued = 0;
    this.#sent?.reject(this.#lost);
    this.#sent = null;
    this.#leaving?.abort(this.#lost);
    return this.#lost;
  }
}

function withoutDelay(conn: Deno.TcpConn): void {
  try {
    conn.setNoDelay(true);
  } catch {
    // The client is gone already, which the first read says.
  }
}

/** Short pieces as one, long ones as they are. */
function* together(pieces: readonly Uint8Array[]): Iterable<Uint8Array> {
  if (pieces.length === 1) return yield pieces[0]!;
  let gathered: Uint8Array[] = [];
  let length = 0;
  for (const piece of pieces) {
    if (length > 0 && length + piece.length > TOGETHER_BYTES) {
      yield joined(gathered, length);
      [gathered, length] = [[], 0];
    }
    gathered.push(piece);
    length += piece.length;
  }
  if (length > 0) yield joined(gathered, length);
}

function joined(pieces: readonly Uint8Array[], length: number): Uint8Array {
  if (pieces.length === 1) return pieces[0]!;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

function rejected(error: Error): Promise<never> {
  const promise = Promise.reject(error);
  promise.catch(() => {});
  return promise;
}

function addressOf(address: Deno.Addr): ClientAddress {
  return "hostname" in address ? [address.hostname, address.port] : ["unix", 0];
}
