/**
 * Serves the current directory to scripts of other sites (CORS):
 *
 *     deno run --allow-net=127.0.0.1:8000 --allow-read=. examples/cors.ts 8000
 *
 * The Python original:
 *
 *     class CORSRequestHandler(SimpleHTTPRequestHandler):
 *         def end_headers(self):
 *             self.send_header("Access-Control-Allow-Origin", "*")
 *             super().end_headers()
 */

import { SimpleHTTPRequestHandler, test, ThreadingHTTPServer } from "@x/pyserve/python";

class CORSRequestHandler extends SimpleHTTPRequestHandler {
  override end_headers() {
    this.send_header("Access-Control-Allow-Origin", "*");
    super.end_headers();
  }

  /** The preflight request that browsers send before requests with custom headers. */
  do_OPTIONS() {
    this.send_response(204);
    this.send_header("Access-Control-Allow-Methods", "GET, HEAD, OPTIONS");
    this.send_header("Access-Control-Allow-Headers", "*");
    this.end_headers();
  }
}

const [port = "8000", address = "127.0.0.1"] = Deno.args;
await test(CORSRequestHandler, ThreadingHTTPServer, "HTTP/1.1", Number(port), address);
