/**
 * Python's `HTTPSServer` and `ThreadingHTTPSServer`.
 *
 * @module
 */

import { nodeCrypto } from "../core/node.ts";
import type { ClientAddress, Connection } from "./connection.ts";
import { HTTPServer, type RequestHandlerClass, type ServerAddress } from "./server.ts";

/** TLS options. */
export interface HTTPSServerOptions {
  /** The certificate chain (PEM file); may also contain the key. */
  readonly certfile: string;
  /** The private key (PEM file); defaults to `certfile`. */
  readonly keyfile?: string | null;
  /** The passphrase of the private key. */
  readonly password?: string | null;
  /** ALPN protocols; defaults to `http/1.1`. */
  readonly alpn_protocols?: readonly string[] | null;
}

/**
 * {@linkcode HTTPServer} over TLS: Python's `HTTPSServer`.
 *
 * The TLS handshake does not block other clients; in Python, it happens in `accept`.
 *
 * Python: `HTTPSServer(("", 4443), Handler, certfile="cert.pem", keyfile="key.pem")`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { HTTPSServer, SimpleHTTPRequestHandler } from "@x/pyserve";
 *
 * let reason: unknown;
 * try {
 *   new HTTPSServer(["127.0.0.1", 0], SimpleHTTPRequestHandler, true, { certfile: "not-there.pem" });
 * } catch (error) {
 *   reason = error;
 * }
 * assert(reason instanceof Deno.errors.NotFound);
 * ```
 *
 * @category Python
 */
export class HTTPSServer extends HTTPServer {
  readonly #options: HTTPSServerOptions;

  /**
   * Binds and listens, unless told otherwise.
   *
   * @throws System errors, and an error if the certificate or key is invalid.
   */
  constructor(
    server_address: ServerAddress,
    RequestHandlerClass: RequestHandlerClass,
    bind_and_activate: boolean,
    options: HTTPSServerOptions,
  ) {
    super(server_address, RequestHandlerClass, false);
    this.#options = options;
    if (bind_and_activate) this.server_bind();
  }

  /** Creates the TLS listener. */
  protected override listen(address: ServerAddress): Deno.Listener {
    if (typeof address === "string") throw new TypeError("Cannot serve HTTPS on a Unix socket");
    const { certfile, keyfile, password, alpn_protocols } = this.#options;
    if (typeof certfile !== "string") throw new TypeError("Cannot serve HTTPS: certfile is missing");
    const cert = Deno.readTextFileSync(certfile);
    const key = decrypted(keyfile ? Deno.readTextFileSync(keyfile) : cert, password ?? null);
    return Deno.listenTls({
      hostname: address[0] || "0.0.0.0",
      port: address[1],
      tcpBacklog: this.request_queue_size,
      cert,
      key,
      alpnProtocols: [...alpn_protocols ?? ["http/1.1"]],
    });
  }
}

/**
 * Concurrent {@linkcode HTTPSServer}. Python: `ThreadingHTTPSServer`.
 *
 * @category Python
 */
export class ThreadingHTTPSServer extends HTTPSServer {
  /** Handles a connection concurrently. Python: `process_request`. */
  override process_request(request: Connection, client_address: ClientAddress): Promise<void> {
    this.process_request_thread(request, client_address);
    return Promise.resolve();
  }
}

/** The runtime's TLS library does not support encrypted keys. */
function decrypted(pem: string, passphrase: string | null): string {
  const key = /-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/.exec(pem)?.[0];
  if (key === undefined) throw new TypeError("Cannot serve HTTPS: the file contains no PEM private key");
  if (!key.includes("ENCRYPTED")) return key + "\n";
  if (passphrase === null) throw new TypeError("Cannot serve HTTPS: the private key is encrypted and needs a password");
  try {
    return nodeCrypto().createPrivateKey({ key, passphrase }).export({ type: "pkcs8", format: "pem" }) as string;
  } catch (cause) {
    throw new TypeError("Cannot serve HTTPS: the password of the private key is wrong or its cipher is not supported", {
      cause,
    });
  }
}
