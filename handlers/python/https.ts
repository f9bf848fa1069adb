/**
 * Python's `HTTPSServer` and `ThreadingHTTPSServer`.
 *
 * @module
 */

import { createPrivateKey } from "node:crypto";
import type { ClientAddress, Connection } from "./connection.ts";
import { HTTPServer, type RequestHandlerClass, type ServerAddress } from "./server.ts";

/** Where certificate and key are. */
export interface HTTPSServerOptions {
  /** The file of the certificate chain, PEM; it may hold the key, too. */
  readonly certfile: string;
  /** The file of the private key, PEM; `certfile` unless given. */
  readonly keyfile?: string | null;
  /** The password of the private key. */
  readonly password?: string | null;
  /** Protocols for ALPN; `http/1.1` unless given. */
  readonly alpn_protocols?: readonly string[] | null;
}

/**
 * {@linkcode HTTPServer} over TLS: Python's `HTTPSServer`.
 *
 * A client that connects and says nothing holds up nobody, where Python waits for it in `accept`.
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
 */
export class HTTPSServer extends HTTPServer {
  readonly #options: HTTPSServerOptions;

  /**
   * Makes a server, and listens.
   *
   * @throws What the system refuses, and what is wrong with certificate or key.
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

  /** Makes the listener. */
  protected override listen(address: ServerAddress): Deno.Listener {
    if (typeof address === "string") throw new TypeError("Cannot serve HTTPS on a Unix socket");
    const { certfile, keyfile, password, alpn_protocols } = this.#options;
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

/** {@linkcode HTTPSServer} that handles connections at the same time. Python: `ThreadingHTTPSServer`. */
export class ThreadingHTTPSServer extends HTTPSServer {
  /** Handles a connection beside others. Python: `process_request`. */
  override process_request(request: Connection, client_address: ClientAddress): Promise<void> {
    this.process_request_thread(request, client_address);
    return Promise.resolve();
  }
}

/** The TLS library of the runtime takes no password. */
function decrypted(pem: string, passphrase: string | null): string {
  const key = /-----BEGIN ((?:[A-Z]+ )?PRIVATE KEY)-----[\s\S]*?-----END \1-----/.exec(pem)?.[0];
  if (key === undefined) throw new TypeError("Cannot serve HTTPS: the file holds no PEM private key");
  if (!key.includes("ENCRYPTED")) return key + "\n";
  if (passphrase === null) throw new TypeError("Cannot serve HTTPS: the private key has a password");
  try {
    return createPrivateKey({ key, passphrase }).export({ type: "pkcs8", format: "pem" }) as string;
  } catch (cause) {
    throw new TypeError("Cannot serve HTTPS: the password of the private key is wrong, or its cipher not known", {
      cause,
    });
  }
}
