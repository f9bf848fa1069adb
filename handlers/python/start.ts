/**
 * Python's `http.server.test`: what `python -m http.server` calls, and many scripts do.
 *
 * @module
 */

import { BaseHTTPRequestHandler } from "./base.ts";
import { ThreadingHTTPSServer } from "./https.ts";
import { type HTTPServer, type RequestHandlerClass, ThreadingHTTPServer } from "./server.ts";

/** What {@linkcode test} may be told besides. */
export interface TestOptions {
  /** The file of the certificate: then it speaks HTTPS. Python: `tls_cert`. */
  readonly tls_cert?: string | null;
  /** The file of the private key. Python: `tls_key`. */
  readonly tls_key?: string | null;
  /** The password of the private key. Python: `tls_password`. */
  readonly tls_password?: string | null;
}

/**
 * Serves until it is interrupted, says where, and ends the process with 0.
 *
 * @param HandlerClass The class of the handlers.
 * @param ServerClass The class of the server; it is not asked where there is a certificate.
 * @param protocol The version of the replies.
 * @param port The port; 0 for any that is free.
 * @param bind The address; all of IPv4 unless given.
 *
 * Python: `test(HandlerClass, ServerClass, protocol, port, bind)`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { SimpleHTTPRequestHandler, test, ThreadingHTTPServer } from "@x/pyserve";
 *
 * const serve = () => test(SimpleHTTPRequestHandler, ThreadingHTTPServer, "HTTP/1.0", 8000, "127.0.0.1");
 * assert(typeof serve === "function");
 * ```
 */
export async function test(
  HandlerClass: RequestHandlerClass = BaseHTTPRequestHandler,
  ServerClass: typeof HTTPServer = ThreadingHTTPServer,
  protocol: string = "HTTP/1.0",
  port: number = 8000,
  bind: string | null = null,
  { tls_cert = null, tls_key = null, tls_password = null }: TestOptions = {},
): Promise<never> {
  class Handler extends HandlerClass {
    override protocol_version = protocol;
  }
  const address = [bind ?? "", port] as const;
  const tls = tls_cert === null ? null : { certfile: tls_cert, keyfile: tls_key, password: tls_password };
  const server = tls ? new ThreadingHTTPSServer(address, Handler, true, tls) : new ServerClass(address, Handler);
  const { server_name: host } = server;
  const url = `${tls ? "https" : "http"}://${host.includes(":") ? `[${host}]` : host}:${server.server_port}/`;
  print(`Serving ${tls ? "HTTPS" : "HTTP"} on ${host} port ${server.server_port} (${url}) ...\n`);
  Deno.addSignalListener("SIGINT", () => {
    print("\nKeyboard interrupt received, exiting.\n");
    Deno.exit(0);
  });
  await server.serve_forever();
  Deno.exit(0);
}

/** Written at once, also into a pipe: scripts wait for it. */
function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
