"""What Python's classes answer: server.py base|simple|base-buffered|simple-buffered PORT ROOT."""

import functools
import sys
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer

BODY = b"x" * 1024


class Base(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "text/plain")
        self.send_header("Content-Length", str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)


class Simple(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"


kind, port, root = sys.argv[1:]
if kind.endswith("-buffered"):
    # Head and body in one write: two of them wait for the client's delayed acknowledgement (Nagle's algorithm).
    Base.wbufsize = Simple.wbufsize = -1
handler = Base if kind.startswith("base") else functools.partial(Simple, directory=root)
ThreadingHTTPServer(("127.0.0.1", int(port)), handler).serve_forever()
