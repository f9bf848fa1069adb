/** Logs two requests; then the program ends by itself. */

import { ThreadingHTTPServer } from "@x/pyserve/python";
import { Echo, exchange } from "../../support/python.ts";

await using server = new ThreadingHTTPServer(["127.0.0.1", 0], Echo);
server.serve_forever();
await exchange(server.server_port, "GET /a\x1b[2J HTTP/1.1\r\nConnection: close\r\n\r\n");
await exchange(server.server_port, "FOO\x9b /a HTTP/1.1\r\n\r\n");
