/**
 * A connection to an application, which may be idle between requests.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";

/** Where an application listens. */
export type FastCgiAddress =
  | { readonly transport: "unix"; readonly path: string }
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number };

/** Bytes that are read at once at first: most pages are smaller, and each connection has a buffer of its own. */
const SMALL_BYTES = 16_384;

/** Bytes that are read at once when more has come. */
const READ_BYTES = 65_536;

/** A connection that is open until it is closed from either side. */
export class Connection {
  readonly #conn: Deno.TcpConn | Deno.UnixConn;
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array();
  #size = SMALL_BYTES;
  /** A read on an idle connection: it notices that the other side closes. */
  #ahead: Promise<Uint8Array<ArrayBuffer> | null> | null = null;
  /** Ends the rest when it has taken too long; null where it does not rest. */
  #resting: ReturnType<typeof setTimeout> | null = null;

  private constructor(conn: Deno.TcpConn | Deno.UnixConn) {
    this.#conn = conn;
  }

  /**
   * Connects.
   *
   * @throws {HttpError} 504 where that takes too long, 503 where the application is too busy to be connected to, 502
   * where nothing listens, 500 where this process may not connect.
   */
  static async open(address: FastCgiAddress, milliseconds: number): Promise<Connection> {
    const giveUp = new AbortController();
    const timer = setTimeout(() => giveUp.abort(), milliseconds);
    try {
      if (address.transport === "unix") return new Connection(await Deno.connect(address));
      const conn = await Deno.connect({ ...address, signal: giveUp.signal });
      conn.setNoDelay();
      return new Connection(conn);
    } catch (error) {
      throw giveUp.signal.aborted
        ? new HttpError(504, "The application could not be connected to in time", { cause: error })
        : connectError(error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The next bytes, which are the caller's from then on; null at the end. */
  read(): Promise<Uint8Array<ArrayBuffer> | null> {
    const ahead = this.#ahead;
    this.#ahead = null;
    return ahead ?? this.#read();
  }

  async #read(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#buffer.length === 0) this.#buffer = new Uint8Array(this.#size);
    const buffer = this.#buffer;
    const count = await this.#conn.read(buffer);
    if (count === null) return null;
    // The little that comes is copied out of the buffer, which is then used again.
    if (count < SMALL_BYTES) return buffer.slice(0, count);
    this.#size = READ_BYTES;
    this.#buffer = new Uint8Array();
    return buffer.subarray(0, count);
  }

  /** Writes all of it, as fast as the other side takes it. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Lets it rest; it is closed when that takes too long, when the other side closes it or says something unasked. */
  rest(milliseconds: number, onClosed: () => void): void {
    const leave = () => {
      if (this.#resting === null) return;
      this.close();
      onClosed();
    };
    const timer = setTimeout(leave, milliseconds);
    Deno.unrefTimer(timer);
    this.#resting = timer;
    this.#conn.unref();
    this.#ahead = this.#read();
    this.#ahead.then(leave, leave);
  }

  /** Ends the rest. */
  wake(): void {
    this.#endRest();
    this.#conn.ref();
  }

  #endRest(): void {
    if (this.#resting !== null) clearTimeout(this.#resting);
    this.#resting = null;
  }

  /** Closes it, also where it is closed; what is being read or written fails. */
  close(): void {
    this.#endRest();
    this.#conn[Symbol.dispose]();
  }
}

function connectError(error: unknown): HttpError {
  if (error instanceof Deno.errors.NotCapable) return new HttpError(500, undefined, { cause: error });
  // Linux says so of a Unix socket at which too many wait to be accepted.
  const busy = error instanceof Deno.errors.WouldBlock;
  const headers: Record<string, string> = busy ? { "retry-after": "1" } : {};
  const message = busy ? "The application is too busy" : "The application cannot be reached";
  return new HttpError(busy ? 503 : 502, message, { cause: error, headers });
}
