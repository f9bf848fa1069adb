/**
 * The idle connections to an application.
 *
 * @module
 */

import { type UpstreamAddress, UpstreamConnection } from "./connection.ts";

/** Options of {@linkcode ConnectionPool}. Times are in milliseconds. */
export interface ConnectionPoolOptions {
  readonly address: UpstreamAddress;
  /** The name that the certificate must have, for TLS; null, the default, for none. */
  readonly tlsName?: string | null;
  /** How long connecting may take. */
  readonly connectTimeout: number;
  /** Maximum number of idle connections; with 0, none is kept. */
  readonly idleConnections: number;
  /** How long a connection may be idle before it is closed. */
  readonly idleConnectionTimeout: number;
}

/** Opens connections, and keeps those that are returned for the next request. */
export class ConnectionPool {
  readonly #options: ConnectionPoolOptions;
  readonly #idle: UpstreamConnection[] = [];

  /** Does not connect yet. */
  constructor(options: ConnectionPoolOptions) {
    this.#options = options;
  }

  /** Where connections lead. */
  get address(): UpstreamAddress {
    return this.#options.address;
  }

  /** Whether connections are kept open. */
  get keeps(): boolean {
    return this.#options.idleConnections > 0;
  }

  /** The connection that was used last, since the application is the least likely to be closing it; null if there is none. */
  takeIdle(): UpstreamConnection | null {
    const connection = this.#idle.pop() ?? null;
    connection?.wake();
    return connection;
  }

  /** Opens a new connection. Throws like {@linkcode UpstreamConnection.open}. */
  open(): Promise<UpstreamConnection> {
    const { address, connectTimeout, tlsName = null } = this.#options;
    return UpstreamConnection.open(address, connectTimeout, tlsName);
  }

  /**
   * Keeps a connection between whose last response and the next request nothing is expected, or closes it if there are
   * enough.
   *
   * @param idleMs How long it may be idle at most; more than the option allows has no effect.
   */
  release(connection: UpstreamConnection, idleMs = Infinity): void {
    const { idleConnections, idleConnectionTimeout } = this.#options;
    const patience = Math.min(idleMs, idleConnectionTimeout);
    if (this.#idle.length >= idleConnections || patience <= 0) return connection.close();
    this.#idle.push(connection);
    connection.rest(patience, () => {
      this.#idle.splice(this.#idle.indexOf(connection), 1);
    });
  }
}
