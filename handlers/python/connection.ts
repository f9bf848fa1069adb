/**
 * A client connection: input buffer, output queue, timeouts.
 *
 * @module
 */

import type { Deadlines } from "./deadlines.ts";
import { InputBuffer } from "../http1/input_buffer.ts";

/** Writes are coalesced up to this size, so that the head and a short body are sent in one segment. */
const TOGETHER_BYTES = 65_536;

/**
 * Lingering close: bytes and seconds spent on reading input after the response, so that the client receives it (RFC
 * 9112 section 9.6).
 */
const LINGER_BYTES = 1_048_576;
const LINGER_SECONDS = 2;

/** Maximum read-ahead in bytes, used to detect a disconnect. */
const AHEAD_BYTES = 65_536;

/** Thrown on use of a connection closed by this side. Created once, because capturing a stack trace is slow. */
const CLOSED = new Deno.errors.ConnectionAborted("The connection was closed");

/**
 * The client's address: host and port; `["unix", 0]` for a Unix socket.
 *
 * Python: `client_address`.
 */
export type ClientAddress = readonly [host: string, port: number];

/**
 * The connection of a request: the part of Python's socket API that handlers need.
 *
 * To read a body and write a response, use a handler's `rfile` and `wfile`. This class is for switching to a protocol
 * other than HTTP.
 */
export class Connection {
  /** The client's address. */
  readonly client_address: ClientAddress;
  /** Whether it uses TLS. */
  readonly secure: boolean;
  /**
   * Whether the client may still be sending when the connection is closed.
   *
   * @internal
   */
  unread = false;
  /**
   * Called when the connection becomes idle: the last response has been sent, and no request has begun.
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
   * The input buffer.
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
  /** The remaining time, in seconds, to wait for the client to read. */
  #patience = Infinity;
  #queue: Uint8Array[] = [];
  #queued = 0;
  /** Resolves when everything now in the queue has been sent. */
  #sent: PromiseWithResolvers<void> | null = null;
  #pumping: Promise<void> | null = null;
  #scheduled = false;

  /**
   * Takes ownership of an accepted connection.
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

  /** The client's address, as reported by the system. */
  get remoteAddr(): Deno.Addr {
    return this.#conn.remoteAddr;
  }

  /** Why the connection can no longer be used, or null. */
  get lost(): Error | null {
    return this.#lost;
  }

  /**
   * The timeout error of a read, or null. Writing is still possible.
   *
   * @internal
   */
  get late(): Error | null {
    return this.#late;
  }

  /** The number of bytes not yet sent. */
  get queued(): number {
    return this.#queued;
  }

  /**
   * Whether it was closed deliberately by this side.
   *
   * @internal
   */
  get closedHere(): boolean {
    return this.#lost === CLOSED;
  }

  /**
   * Whether nothing has been received since the last request and nothing is left to send.
   *
   * @internal
   */
  get idle(): boolean {
    return this.#idle && this.#queued === 0;
  }

  /**
   * How long it has been idle, in seconds; 0 if it is not.
   *
   * @internal
   */
  get idleSeconds(): number {
    return this.idle ? this.#deadlines.since(this.#idleSince) : 0;
  }

  /**
   * Whether a header timeout is running.
   *
   * @internal
   */
  get headLimited(): boolean {
    return this.#headBy !== Infinity;
  }

  /**
   * Limits how slowly the client may read.
   *
   * @param seconds Timeout without progress, and total time beyond what `rate` allows; null for no limit.
   * @param rate Minimum average rate in bytes per second; null for none.
   *
   * @internal
   */
  limitWrites(seconds: number | null, rate: number | null): void {
    this.#writeSeconds = seconds;
    this.#writeRate = rate;
    this.#patience = seconds ?? Infinity;
  }

  /**
   * Starts the header timeout, in seconds; null for none.
   *
   * @internal
   */
  limitHead(seconds: number | null): void {
    this.#headBy = this.#deadlines.after(seconds);
  }

  /**
   * Waits for more input, with an optional timeout in seconds.
   *
   * @returns False at the end of input.
   * @throws The system's error if the connection is lost; Deno.errors.TimedOut.
   */
  async fill(seconds: number | null): Promise<boolean> {
    if (this.#lost) throw this.#lost;
    if (this.#ended) return false;
    const reading = this.#reading ??= this.#read();
    if (seconds === null) return await reading;
    this.#readBy = this.#deadlines.after(seconds);
    try {
      // The idle timeout closes the connection, which ends the read.
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
   * Aborted when the client disconnects or half-closes the connection, which cannot be told apart. Use it only after
   * the request body has been read: from then on, the connection is read ahead.
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
      if (this.#ended) leaving.abort(new Deno.errors.ConnectionReset("The client has disconnected"));
    } catch {
      // The connection is lost, and its listeners have been notified.
    }
  }

  /** Only one read at a time: concurrent callers wait for the same one. */
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
   * Waits for the next request. A disconnect or timeout at this point is normal.
   *
   * @returns Whether there is a request.
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

  /** Receives up to `size` bytes; empty at the end of input. Python: `recv`. */
  async recv(size: number): Promise<Uint8Array<ArrayBuffer>> {
    if (this.input.length === 0) await this.fill(null);
    return this.input.take(size);
  }

  /**
   * Queues bytes for sending. Awaiting is optional, but do not modify the bytes before the promise resolves. Python:
   * `sendall`.
   */
  sendall(bytes: Uint8Array): Promise<void> {
    this.#enqueue(bytes);
    if (this.#lost) return rejected(this.#lost);
    if (this.#sent === null) {
      this.#sent = Promise.withResolvers();
      this.#sent.promise.catch(() => {}); // a caller that does not await it does not want the error
    }
    this.#start();
    return this.#sent.promise;
  }

  /**
   * Queues bytes and delays sending until the end of the current event loop turn, so that they are coalesced with
   * further writes.
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

  /** Waits until everything queued has been sent. */
  async flush(): Promise<void> {
    if (this.#queue.length > 0) this.#start();
    await this.#pumping;
    if (this.#lost) throw this.#lost;
  }

  /**
   * Flushes, then closes. If the client may still be sending, lingers: data received after close triggers a TCP reset,
   * by which the client could lose the response.
   *
   * @internal
   */
  async end(): Promise<void> {
    if (this.#closed) return;
    try {
      await this.flush();
      if (this.unread || this.input.length > 0) await this.#linger();
    } catch {
      // The client has disconnected.
    }
    this.close();
  }

  /**
   * Closes it at server shutdown. A response already written is flushed first, for up to 2 seconds.
   *
   * @internal
   */
  async cut(): Promise<void> {
    if (this.#queued > 0) {
      const patience = setTimeout(() => this.close(), LINGER_SECONDS * 1000);
      await this.flush().catch(() => {}); // the client has disconnected
      clearTimeout(patience);
    }
    this.close();
  }

  /** Closes immediately; pending operations fail. Python: `close`. */
  close(): void {
    if (this.#closed) return;
    this.#closed = true;
    this.lose(CLOSED);
    this.#deadlines.delete(this);
    try {
      this.#conn.close();
    } catch {
      // Already closed by the runtime.
    }
    if (this.#reading === null) this.input.release();
    this.onclose();
  }

  /**
   * Closes it after a write timeout, or, once all output has been sent, a header timeout. A body read that times out
   * only fails, so that an error response can be sent.
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
   * Performs the TLS handshake, if any, and waits for the first bytes; returns whether there are any.
   *
   * @internal
   */
  async greet(): Promise<boolean> {
    this.#idle = true; // before its first byte, a connection can be closed like an idle one
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

  /** Starts sending in the next microtask, so that consecutive writes are coalesced. */
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
   * Records why the connection can no longer be used; the first reason wins.
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
    // Already disconnected, which the first read reports.
  }
}

/** Coalesces short pieces; passes long ones through. */
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
