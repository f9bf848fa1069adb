/**
 * Python's `http.server.test`, which `python -m http.server` and many scripts call.
 *
 * @module
 */

import { urlHost } from "../http/host.ts";
import { BaseHTTPRequestHandler } from "./base.ts";
import { ThreadingHTTPSServer } from "./https.ts";
import { type HTTPServer, type RequestHandlerClass, ThreadingHTTPServer } from "./server.ts";

/** Additional options of {@linkcode test}. */
export interface TestOptions {
  /** The certificate file; enables HTTPS. Python: `tls_cert`. */
  readonly tls_cert?: string | null;
  /** The private key file. Python: `tls_key`. */
  readonly tls_key?: string | null;
  /** The passphrase of the private key. Python: `tls_password`. */
  readonly tls_password?: string | null;
}

/**
 * Serves until interrupted, prints the address, and exits with status 0.
 *
 * @param HandlerClass The handler class.
 * @param ServerClass The server class; ignored if there is a certificate.
 * @param protocol The HTTP version of responses.
 * @param port The port; 0 for any free port.
 * @param bind The address; defaults to all IPv4 addresses.
 *
 * Python: `test(HandlerClass, ServerClass, protocol, port, bind)`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { SimpleHTTPRequestHandler, ThreadingHTTPServer } from "@x/pyserve";
 * import { test } from "@x/pyserve/python";
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
  const url = `${tls ? "https" : "http"}://${urlHost(host)}:${server.server_port}/`;
  print(`Serving ${tls ? "HTTPS" : "HTTP"} on ${host} port ${server.server_port} (${url}) ...\n`);
  Deno.addSignalListener("SIGINT", () => {
    print("\nKeyboard interrupt received, exiting.\n");
    Deno.exit(0);
  });
  await server.serve_forever();
  Deno.exit(0);
}

/** Unbuffered, even into a pipe: scripts wait for this line. */
function print(text: string): void {
  Deno.stdout.writeSync(new TextEncoder().encode(text));
}
