/**
 * A form and its result:
 *
 *     deno run --allow-net=127.0.0.1:8000 examples/form.ts 8000
 *
 * The classic first Python server, line by line:
 *
 *     class Handler(BaseHTTPRequestHandler):
 *         def do_POST(self):
 *             length = int(self.headers["Content-Length"])
 *             fields = parse_qs(self.rfile.read(length).decode())
 */

import { BaseHTTPRequestHandler, test, ThreadingHTTPServer } from "@x/pyserve/python";
import { escapeHtml } from "@x/pyserve/http";

/** Maximum size of a form in bytes. */
const MOST = 65_536;

class FormHandler extends BaseHTTPRequestHandler {
  do_GET() {
    this.page(`<form method="post"><label>Name <input name="name"></label> <button>Send</button></form>`);
  }

  async do_POST() {
    if (this.headers.get_content_type() !== "application/x-www-form-urlencoded") return this.send_error(415);
    if (Number(this.headers.get("Content-Length")) > MOST) return this.send_error(413);
    const fields = new URLSearchParams(new TextDecoder().decode(await this.rfile.read(MOST)));
    this.page(`<p>Hello, ${escapeHtml(fields.get("name") || "stranger")}!</p>`);
  }

  /** Sends a page. */
  page(body: string) {
    const content = new TextEncoder().encode(
      `<!DOCTYPE html>\n<meta charset="utf-8">\n<title>A form</title>\n${body}\n`,
    );
    this.send_response(200);
    this.send_header("Content-Type", "text/html; charset=utf-8");
    this.send_header("Content-Length", content.length);
    this.end_headers();
    this.wfile.write(content);
  }
}

const [port = "8000", address = "127.0.0.1"] = Deno.args;
await test(FormHandler, ThreadingHTTPServer, "HTTP/1.1", Number(port), address);
