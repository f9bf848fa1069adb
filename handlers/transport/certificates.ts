/**
 * Certificates that can be replaced in running servers.
 *
 * @module
 */

import { certificateProblem } from "./certificate_check.ts";

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
 * refused in between. Does not watch files, and does not check names or signatures.
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

  /**
   * Takes the first pair. Errors in it are reported by the server that uses it.
   *
   * @throws {TypeError} If the certificate or the key is missing: a server without them would not encrypt.
   */
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
   * @throws {Error} If the certificate, its chain or the key is invalid, a certificate has expired, or the certificate and
   * the key do not match: nothing has changed then. A key that the platform cannot use is noticed if a server is running.
   * @throws {TypeError} If the certificate or the key is missing.
   * @throws {Deno.errors.NotSupported} If a running server cannot replace its certificate, which requires Linux and
   * `--allow-ffi`: it has to be restarted.
   */
  replace(pair: TlsPair): void {
    const [before, after] = [this.#pair, pairOf(pair)];
    const problem = certificateProblem(after.cert);
    if (problem !== null) throw new Error(`Cannot use the new certificate: ${problem}`);
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
  // Without them, the runtime would serve plain HTTP.
  if (typeof cert !== "string" || typeof key !== "string") {
    throw new TypeError("Cannot use TLS: both the certificate and its key must be given as PEM text");
  }
  return { cert, key };
}

/** The certificates given in the options. */
export function certificatesOf(tls: TlsPair | Certificates | undefined): Certificates | null {
  return tls === undefined ? null : tls instanceof Certificates ? tls : new Certificates(tls);
}
