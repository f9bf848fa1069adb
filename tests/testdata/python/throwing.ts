/** One handler throws; then the program ends by itself. */

import { BaseHTTPRequestHandler, HTTPServer } from "@x/pyserve/python";

class Throwing extends BaseHTTPRequestHandler {
  do_GET() {
    throw new Error("the cause");
  }
  override log_message() {}
}

const server = new HTTPServer(["127.0.0.1", 0], Throwing);
const asked = fetch(`http://127.0.0.1:${server.server_port}/`);
await server.handle_request();
await (await asked).body?.cancel();
