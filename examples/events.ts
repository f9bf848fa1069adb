/**
 * A page that shows the server's time, sent each second as a server-sent event:
 *
 *     deno run --allow-net=127.0.0.1:8000 examples/events.ts 8000
 *
 * The Python original, which streams over `wfile` as MJPEG cameras do:
 *
 *     self.send_header("Content-Type", "text/event-stream")
 *     self.end_headers()
 *     while True:
 *         self.wfile.write(f"data: {datetime.now()}\n\n".encode())
 *         time.sleep(1)
 */

import { BaseHTTPRequestHandler, test, ThreadingHTTPServer } from "@x/pyserve/python";

const PAGE = new TextEncoder().encode(`<!DOCTYPE html>
<meta charset="utf-8">
<title>The time</title>
<p id="time">
<script>
  new EventSource("/events").onmessage = ({ data }) => time.textContent = data;
</script>
`);

class EventHandler extends BaseHTTPRequestHandler {
  async do_GET() {
    if (this.path === "/events") return await this.events();
    if (this.path !== "/") return this.send_error(404);
    this.send_response(200);
    this.send_header("Content-Type", "text/html; charset=utf-8");
    this.send_header("Content-Length", PAGE.length);
    this.end_headers();
    this.wfile.write(PAGE);
  }

  /** Sends events until the client disconnects: then the pending write fails, and a line is logged. */
  async events() {
    this.send_response(200);
    this.send_header("Content-Type", "text/event-stream");
    this.send_header("Cache-Control", "no-store");
    this.end_headers();
    for (;;) {
      await this.wfile.write(`data: ${new Date().toISOString()}\n\n`);
      await new Promise((resolve) => setTimeout(resolve, 1_000));
    }
  }
}

const [port = "8000", address = "127.0.0.1"] = Deno.args;
await test(EventHandler, ThreadingHTTPServer, "HTTP/1.1", Number(port), address);
