/** A line-by-line port of server.py: server.ts base|simple PORT ROOT. */

import { BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer } from "@x/pyserve/python";

const BODY = new TextEncoder().encode("x".repeat(1024));

class Base extends BaseHTTPRequestHandler {
  override protocol_version = "HTTP/1.1";

  do_GET(): void {
    this.send_response(200);
    this.send_header("Content-Type", "text/plain");
    this.send_header("Content-Length", BODY.length);
    this.end_headers();
    this.wfile.write(BODY);
  }
}

class Simple extends SimpleHTTPRequestHandler {
  override protocol_version = "HTTP/1.1";
  override directory = root;
}

const [kind, port, root] = Deno.args as [string, string, string];
const server = new ThreadingHTTPServer(["127.0.0.1", Number(port)], kind === "base" ? Base : Simple);
await server.serve_forever();
