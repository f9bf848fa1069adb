/**
 * The nouns of the transport.
 *
 * @module
 */

import type { Logger } from "./types.ts";

/** Where `serve` listens. */
export interface ServeOptions {
  /** The address or name to bind; `0.0.0.0`, all of IPv4, unless given. */
  readonly hostname?: string;
  /** The port; 0 for any that is free; 8000 unless given. */
  readonly port?: number;
  /** Certificate chain and private key, both PEM: then it speaks HTTPS, with HTTP/2 by ALPN. */
  readonly tls?: { readonly cert: string; readonly key: string };
  /** Whether other processes may listen on the same port and share its connections; Linux only. */
  readonly reusePort?: boolean;
  /**
   * Milliseconds in which a client may take nothing of what is sent to it before it is disconnected; 60,000 unless given.
   * The default engine: Linux only, and with `--allow-ffi`.
   */
  readonly stallMs?: number;
  /** Told when the server cannot accept connections for a while; nobody unless given. */
  readonly log?: Logger;
}

/** A server that runs. */
export interface RunningServer {
  /** Where it really listens. */
  readonly address: Deno.NetAddr;
  /** Settles when it has ended, and rejects when it ended by itself. */
  readonly finished: Promise<void>;
  /** Stops listening, lets running exchanges come to their end, and resolves when the last has. */
  drain(): Promise<void>;
  /**
   * Stops at once: running exchanges are cut.
   *
   * Not those that the runtime lets nobody cut: over plain HTTP, those that ran when {@linkcode drain} was called or when
   * the descriptors ran out. They end with their client or with the process.
   */
  abort(): Promise<void>;
}
