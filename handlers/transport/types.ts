/**
 * Types of the transport.
 *
 * @module
 */

import type { Logger } from "../core/types.ts";
import type { Certificates, TlsPair } from "./certificates.ts";
import type { Endpoint } from "./endpoint.ts";

/**
 * Options of `serve`.
 *
 * @category Server
 */
export interface ServeOptions {
  /** Where to listen: a TCP port, a Unix socket, or a socket inherited from the parent process. */
  readonly endpoint?: Endpoint;
  /** Short for a TCP endpoint: the address or name to bind; defaults to `0.0.0.0`, all IPv4 addresses. */
  readonly hostname?: string;
  /** Short for a TCP endpoint: the port; 0 for any free port. Defaults to 8000. */
  readonly port?: number;
  /**
   * Certificate chain and private key in PEM format; enables HTTPS, with HTTP/2 by ALPN. {@linkcode Certificates} can be
   * replaced while the server runs. Not for Unix sockets.
   */
  readonly tls?: TlsPair | Certificates;
  /** Whether other processes may listen on the same port and share its connections (SO_REUSEPORT); Linux only. */
  readonly reusePort?: boolean;
  /**
   * How long a client may read nothing before it is disconnected, in milliseconds; defaults to 60,000. With the default
   * engine, for TCP only, on Linux and with `--allow-ffi`.
   */
  readonly stallMs?: number;
  /** Notified when the server temporarily cannot accept connections; none by default. */
  readonly log?: Logger;
}

/**
 * A running server.
 *
 * @category Server
 */
export interface RunningServer<Address extends Deno.Addr = Deno.NetAddr> {
  /** The actual address. */
  readonly address: Address;
  /** Resolves when the server has stopped; rejects if it failed. */
  readonly finished: Promise<void>;
  /** Stops listening, and resolves when all active requests have finished. */
  drain(): Promise<void>;
  /**
   * Stops immediately and aborts active requests.
   *
   * Exception, which the runtime cannot abort: plain HTTP requests that were active when {@linkcode drain} was called
   * or when descriptors ran out. They end with their client or with the process.
   */
  abort(): Promise<void>;
}
