/**
 * Certificates that can be replaced in running servers.
 *
 * @module
 */

/** A certificate chain and its private key in PEM format; the key must not be encrypted. */
export interface TlsPair {
  /** The certificate, followed by its chain. */
  readonly cert: string;
  /** The private key of the certificate. */
  readonly key: string;
}

/**
 * Makes a server use a pair for new connections; throws if that is not possible, in which case the server keeps the old
 * one.
 */
export type UsePair = (pair: TlsPair) => void;

/**
 * A certificate and its key, shared with the servers that use them: {@linkcode Certificates.replace} changes them
 * without closing a connection.
 *
 * New connections get the new certificate as soon as `replace` returns; existing ones keep theirs, and no connection is
 * refused in between. Does not watch files, and does not check names or dates.
 *
 * @example
 * ```ts
 * import { Certificates, fileServer, serve, toFetch } from "@x/pyserve";
 *
 * const read = () => ({ cert: Deno.readTextFileSync("cert.pem"), key: Deno.readTextFileSync("key.pem") });
 *
 * function start() {
 *   const certificates = new Certificates(read());
 *   serve(toFetch(fileServer("site")), { port: 8443, tls: certificates });
 *   setInterval(() => certificates.replace(read()), 24 * 60 * 60 * 1000);
 * }
 * ```
 *
 * @category Server
 */
export class Certificates {
  #pair: TlsPair;
  readonly #users = new Set<UsePair>();

  /** Takes the first pair. Errors in it are reported by the server that uses it. */
  constructor(pair: TlsPair) {
    this.#pair = pairOf(pair);
  }

  /** The pair for new connections. */
  current(): TlsPair {
    return this.#pair;
  }

  /**
   * Replaces the pair.
   *
   * @throws {Error} If the certificate or the key is invalid, or they do not match: nothing has changed then.
   * @throws {Deno.errors.NotSupported} If a running server cannot replace its certificate, which requires Linux and
   * `--allow-ffi`: it has to be restarted.
   */
  replace(pair: TlsPair): void {
    const [before, after] = [this.#pair, pairOf(pair)];
    const done: UsePair[] = [];
    try {
      for (const use of this.#users) {
        use(after);
        done.push(use);
      }
    } catch (error) {
      for (const use of done) use(before);
      throw error;
    }
    this.#pair = after;
  }

  /**
   * Registers a server; returns a function that removes it.
   *
   * @internal
   */
  usedBy(use: UsePair): () => void {
    this.#users.add(use);
    return () => void this.#users.delete(use);
  }
}

/** Without other properties, which the runtime could interpret as options. */
function pairOf({ cert, key }: TlsPair): TlsPair {
  return { cert, key };
}

/** The certificates given in the options. */
export function certificatesOf(tls: TlsPair | Certificates | undefined): Certificates | null {
  return tls === undefined ? null : tls instanceof Certificates ? tls : new Certificates(tls);
}
