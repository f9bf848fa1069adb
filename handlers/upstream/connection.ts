/**
 * A connection to an application, which may be idle between requests.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { urlHost } from "../http/host.ts";

/** Where an application listens: FastCGI, or HTTP. */
export type UpstreamAddress =
  | { readonly transport: "unix"; readonly path: string }
  | { readonly transport: "tcp"; readonly hostname: string; readonly port: number };

/** Initial read size: most pages are smaller, and each connection has its own buffer. */
const SMALL_BYTES = 16_384;

/** Read size once more data has arrived. */
const READ_BYTES = 65_536;

/** An open connection, until either side closes it. */
export class UpstreamConnection {
  readonly #conn: Deno.TcpConn | Deno.UnixConn | Deno.TlsConn;
  #buffer: Uint8Array<ArrayBuffer> = new Uint8Array();
  #size = SMALL_BYTES;
  /** A pending read on an idle connection: it detects that the other side closes it. */
  #ahead: Promise<Uint8Array<ArrayBuffer> | null> | null = null;
  /** Closes the connection if it is idle for too long; null while in use. */
  #resting: ReturnType<typeof setTimeout> | null = null;

  private constructor(conn: Deno.TcpConn | Deno.UnixConn | Deno.TlsConn) {
    this.#conn = conn;
  }

  /**
   * Opens a connection.
   *
   * @param tlsName The name that the certificate must have, for TLS; null for none.
   * @throws {HttpError} 504 on a timeout, 503 if the application's backlog is full, 502 if nothing listens or its
   * certificate is not trusted, 500 if this process may not connect.
   */
  static async open(
    address: UpstreamAddress,
    milliseconds: number,
    tlsName: string | null = null,
  ): Promise<UpstreamConnection> {
    const giveUp = new AbortController();
    const timer = setTimeout(() => giveUp.abort(), milliseconds);
    try {
      if (address.transport === "unix") return new UpstreamConnection(await Deno.connect(address));
      const conn = await Deno.connect({ ...address, signal: giveUp.signal });
      conn.setNoDelay();
      return new UpstreamConnection(tlsName === null ? conn : await secured(conn, tlsName, giveUp.signal));
    } catch (error) {
      throw giveUp.signal.aborted ? connectTimedOut(address, milliseconds) : connectError(address, error);
    } finally {
      clearTimeout(timer);
    }
  }

  /** The next bytes, owned by the caller; null at the end. */
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
    // Short reads are copied out of the buffer, which is then reused.
    if (count < SMALL_BYTES) return buffer.slice(0, count);
    this.#size = READ_BYTES;
    this.#buffer = new Uint8Array();
    return buffer.subarray(0, count);
  }

  /** Writes all bytes, at the pace of the other side. */
  async write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) at += await this.#conn.write(bytes.subarray(at));
  }

  /** Nothing more will be written. */
  async endWriting(): Promise<void> {
    await this.#conn.closeWrite();
  }

  /** Marks the connection as idle; it is closed on a timeout, if the other side closes it, or if it sends anything. */
  rest(milliseconds: number, onClosed: () => void): void {
    const leave = () => {
      if (this.#resting === null) return;
      this.close();
      onClosed();
    };
    const timer = setTimeout(leave, milliseconds);
    Deno.unrefTimer(timer);
    this.#resting = timer;
    if ("unref" in this.#conn) this.#conn.unref();
    this.#ahead = this.#read();
    this.#ahead.then(leave, leave);
  }

  /** Marks the connection as in use. */
  wake(): void {
    this.#endRest();
    if ("ref" in this.#conn) this.#conn.ref();
  }

  #endRest(): void {
    if (this.#resting !== null) clearTimeout(this.#resting);
    this.#resting = null;
  }

  /** Closes the connection, if still open; pending reads and writes fail. */
  close(): void {
    this.#endRest();
    this.#conn[Symbol.dispose]();
  }
}

/** Begins TLS, as a client of HTTP/1.1. */
async function secured(conn: Deno.TcpConn, hostname: string, signal: AbortSignal): Promise<Deno.TlsConn> {
  const secure = await Deno.startTls(conn, { hostname, alpnProtocols: ["http/1.1"] });
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const close = () => {
    secure[Symbol.dispose]();
    reject(signal.reason); // closing does not end a handshake in progress
  };
  signal.addEventListener("abort", close, { once: true });
  try {
    await Promise.race([secure.handshake(), aborted]);
    return secure;
  } catch (error) {
    close();
    throw error;
  } finally {
    signal.removeEventListener("abort", close);
  }
}

function connectTimedOut(address: UpstreamAddress, milliseconds: number): HttpError {
  const cause = `${placeOf(address)} has not answered within ${milliseconds / 1_000} s`;
  return new HttpError(504, "Connecting to the application timed out", { cause });
}

function connectError(address: UpstreamAddress, error: unknown): HttpError {
  if (error instanceof Deno.errors.NotCapable) return new HttpError(500, undefined, { cause: error });
  const cause = connectProblem(address, error);
  // On Linux, a Unix socket with a full backlog.
  if (error instanceof Deno.errors.WouldBlock) {
    return new HttpError(503, "The application is too busy", { cause, headers: { "retry-after": "1" } });
  }
  return new HttpError(502, "The application cannot be reached", { cause });
}

/** Why connecting failed, for the log: the address, and what to look at. */
function connectProblem(address: UpstreamAddress, error: unknown): string {
  const place = placeOf(address);
  if (error instanceof Deno.errors.ConnectionRefused) return `nothing listens at ${place}`;
  if (error instanceof Deno.errors.NotFound) return `there is no ${place}`;
  if (error instanceof Deno.errors.PermissionDenied) return `this user may not connect to ${place}`;
  if (error instanceof Deno.errors.WouldBlock) return `too many connections wait at ${place}`;
  const { message } = error as Error;
  if (/failed to lookup/.test(message)) return `the host name of ${place} cannot be resolved`;
  if (/invalid peer certificate/.test(message)) return `the certificate of ${place} is not trusted (${message})`;
  if (/InvalidContentType/.test(message)) return `${place} does not answer with TLS`;
  return `connecting to ${place} failed: ${message}`;
}

/** Why a connection has broken off, for the log. */
export function breakOf(address: UpstreamAddress, error: unknown): unknown {
  const isReset = error instanceof Deno.errors.ConnectionReset || error instanceof Deno.errors.UnexpectedEof;
  return isReset ? `${placeOf(address)} has reset the connection` : error;
}

/** An address for the log. */
export function placeOf(address: UpstreamAddress): string {
  if (address.transport === "unix") return `socket ${address.path}`;
  return `${urlHost(address.hostname)}:${address.port}`;
}
