/** Logs a request with the token of a share link, and an exception that has it; then the program ends by itself. */

import { ThreadingHTTPServer } from "@x/pyserve/python";
import { Echo, exchange } from "../../support/python.ts";

const LINK = `/.pyserve/share/pnb1jS699niM.eyJwYXRocyI6WyIvZG9jcyJdfQ.${"c".repeat(32)}/`;

class Throwing extends Echo {
  override do_GET(): Promise<void> {
    throw new Error(this.path);
  }
}

await using server = new ThreadingHTTPServer(["127.0.0.1", 0], Throwing);
server.serve_forever();
await exchange(server.server_port, `GET ${LINK} HTTP/1.1\r\nConnection: close\r\n\r\n`);
await exchange(server.server_port, `FOO ${LINK} HTTP/1.1\r\nConnection: close\r\n\r\n`);
