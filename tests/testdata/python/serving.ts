/** Serves with `test`; the first argument is the protocol. */

import { test, ThreadingHTTPServer } from "@x/pyserve/python";
import { Echo } from "../../support/python.ts";

class Handler extends Echo {
  override log_message() {}
}

await test(Handler, ThreadingHTTPServer, Deno.args[0] ?? "HTTP/1.1", 0, "127.0.0.1");
