/**
 * The cases of CPython's test_httpservers for BaseHTTPRequestHandler, over a raw socket: BaseHTTPServerTestCase and
 * BaseHTTPRequestHandlerTestCase, under their names.
 */

import { assert, assertEquals, assertMatch, assertStringIncludes } from "@std/assert";
import { BaseHTTPRequestHandler, HTTPServer } from "@x/pyserve/python";
import { latin1, parseResponse } from "../support/raw.ts";
import { exchange, type Serving, serving } from "../support/python.ts";

/** BaseHTTPServerTestCase.request_handler. */
class RequestHandler extends BaseHTTPRequestHandler {
  override protocol_version = "HTTP/1.1";
  override default_request_version = "HTTP/1.1";

  do_TEST() {
    this.send_response(204);
    this.send_header("Content-Type", "text/html");
    this.send_header("Connection", "close");
    this.end_headers();
  }

  do_KEEP() {
    this.send_response(204);
    this.send_header("Content-Type", "text/html");
    this.send_header("Connection", "keep-alive");
    this.end_headers();
  }

  do_KEYERROR() {
    this.send_error(999);
  }

  do_NOTFOUND() {
    this.send_error(404);
  }

  do_EXPLAINERROR() {
    this.send_error(999, "Short Message", "This is a long \n explanation");
  }

  do_CUSTOM() {
    this.send_response(999);
    this.send_header("Content-Type", "text/html");
    this.send_header("Connection", "close");
    this.end_headers();
  }

  do_LATINONEHEADER() {
    this.send_response(999);
    this.send_header("X-Special", "Dängerous Mind");
    this.send_header("Connection", "close");
    this.end_headers();
    this.wfile.write(this.headers.get("x-special-incoming", ""));
  }

  do_SEND_ERROR() {
    this.send_error(Number(this.path.slice(1)));
  }

  do_HEAD() {
    this.send_error(Number(this.path.slice(1)));
  }
}

/** Sends a request as http.client does. */
async function ask(server: Serving, line: string, ...headers: string[]) {
  const heard = await exchange(server.port, [line, "Host: 127.0.0.1", ...headers, "", ""].join("\r\n"), { end: true });
  const { status, head, headers: fields, body } = parseResponse(latin1(heard));
  return {
    status,
    head,
    fields,
    body: new TextDecoder().decode(body),
    any: Number(/^HTTP\/1\.1 (\d+)/.exec(heard)?.[1]),
  };
}

Deno.test("BaseHTTPServerTestCase", async (t) => {
  await using server = serving(RequestHandler, HTTPServer);
  const STATUSES: Readonly<Record<string, readonly [line: string, status: number, header?: string]>> = {
    test_command: ["GET / HTTP/1.1", 501],
    test_request_line_trimming: ["XYZBOGUS / HTTP/1.1\n", 501],
    test_version_bogus: ["GET / FUBAR", 400],
    test_version_digits: ["GET / HTTP/9.9.9", 400],
    test_version_signs_and_underscores: ["GET / HTTP/-9_9_9.+9_9_9", 400],
    test_major_version_number_too_long: ["GET / HTTP/909876543210.0", 400],
    test_minor_version_number_too_long: ["GET / HTTP/1.909876543210", 400],
    test_version_none_get: ["GET / ", 501],
    test_version_none: ["CUSTOM / ", 400],
    test_version_invalid: ["GET / HTTP/9.9", 505],
    test_send_blank: [" / ", 400],
    test_header_close: ["GET / HTTP/1.1", 501, "Connection: close"],
    test_header_keep_alive: ["GET / HTTP/1.1", 501, "Connection: keep-alive"],
    test_handler: ["TEST / HTTP/1.1", 204],
    test_internal_key_error: ["KEYERROR / HTTP/1.1", 999],
    test_return_custom_status: ["CUSTOM / HTTP/1.1", 999],
  };
  for (const [name, [line, status, ...headers]] of Object.entries(STATUSES)) {
    await t.step(name, async () => assertEquals((await ask(server, line, ...headers as string[])).any, status));
  }
  await t.step("test_return_header_keep_alive", async () => {
    const heard = await exchange(server.port, "KEEP / HTTP/1.1\r\n\r\nTEST / HTTP/1.1\r\n\r\n");
    assertMatch(
      heard,
      /^HTTP\/1\.1 204 [^]*\r\nConnection: keep-alive\r\n\r\nHTTP\/1\.1 204 [^]*\r\nConnection: close\r\n/,
    );
  });
  await t.step("test_return_explain_error", async () => {
    const { any, head, fields } = await ask(server, "EXPLAINERROR / HTTP/1.1");
    assertEquals(any, 999);
    assertStringIncludes(head, "HTTP/1.1 999 Short Message\r\n");
    assert(Number(fields.get("content-length")) > 0);
  });
  await t.step("test_latin1_header", async () => {
    const { head, body } = await ask(server, "LATINONEHEADER / HTTP/1.1", "X-Special-Incoming: \xc4rger mit Unicode");
    assertStringIncludes(head, "X-Special: Dängerous Mind\r\n");
    assertEquals(body, "Ärger mit Unicode");
  });
  await t.step("test_error_content_length", async () => {
    const { status, fields, body } = await ask(server, "NOTFOUND / HTTP/1.1");
    assertEquals([status, Number(fields.get("content-length"))], [404, body.length]);
  });
  for (const code of [204, 304, 102, 205, 101]) {
    await t.step(`test_send_error ${code}`, async () => {
      const { status, fields, body } = await ask(server, `SEND_ERROR /${code} HTTP/1.1`);
      assertEquals(status, code);
      for (const name of ["content-length", "content-type", "transfer-encoding"]) assertEquals(fields.get(name), null);
      assertEquals(body, "");
    });
  }
  for (const code of [200, 204, 304, 205, 101]) {
    await t.step(`test_head_via_send_error ${code}`, async () => {
      const { status, fields, body } = await ask(server, `HEAD /${code} HTTP/1.1`);
      assertEquals([status, body], [code, ""]);
      assertEquals(Number(fields.get("content-length")) > 0, code === 200);
      assertEquals(fields.get("content-type"), code === 200 ? "text/html;charset=utf-8" : null);
      assertEquals(fields.get("transfer-encoding"), null);
    });
  }
});

/** What {@linkcode Socketless} saw of the last request. */
let seen: BaseHTTPRequestHandler | null = null;
let getCalled = false;

/** SocketlessRequestHandler, with a socket. */
class Socketless extends BaseHTTPRequestHandler {
  override protocol_version = "HTTP/1.1";

  override setup() {
    seen = this;
    getCalled = false;
    return super.setup();
  }

  do_GET() {
    getCalled = true;
    this.send_response(200);
    this.send_header("Content-Type", "text/html");
    this.end_headers();
    this.wfile.write("<html><body>Data</body></html>\r\n");
  }
}

class Rejecting extends Socketless {
  override handle_expect_100() {
    this.send_error(417);
    return false;
  }
}

Deno.test("BaseHTTPRequestHandlerTestCase", async (t) => {
  await using server = serving(Socketless);
  /** send_typical_request: the lines of the reply. */
  const lines = async (sent: string, { port } = server) => {
    return (await exchange(port, sent, { end: true })).split(/(?<=\r\n)/);
  };
  const verifyHeaders = (headers: readonly string[]) => {
    for (const name of ["Server: ", "Date: ", "Content-Type: "]) {
      assertEquals(headers.filter((line) => line.startsWith(name)).length, 1, name);
    }
  };
  const DATA = "<html><body>Data</body></html>\r\n";
  for (const version of ["HTTP/1.1", "HTTP/1.0"]) {
    await t.step(`test_${version}`, async () => {
      const result = await lines(`GET / ${version}\r\n\r\n`);
      assertMatch(result[0]!, /^HTTP\/1\.\d+ 200 OK/);
      verifyHeaders(result.slice(1, -1));
      assertEquals([getCalled, result.at(-1)], [true, DATA]);
      const { requestline, command, path, request_version, headers } = seen!;
      assertEquals([requestline, command, path, request_version], [`GET / ${version}`, "GET", "/", version]);
      assertEquals(headers.items(), []);
    });
  }
  await t.step("test_http_0_9", async () => {
    assertEquals([await lines("GET / HTTP/0.9\r\n\r\n"), getCalled], [[DATA], true]);
  });
  await t.step("test_extra_space", async () => {
    const result = await lines("GET /spaced out HTTP/1.1\r\nHost: dummy\r\n\r\n");
    assert(result[0]!.startsWith("HTTP/1.1 400 "));
    verifyHeaders(result.slice(1, result.indexOf("\r\n")));
    assert(!getCalled);
  });
  await t.step("test_with_continue_1_0", async () => {
    const result = await lines("GET / HTTP/1.0\r\nExpect: 100-continue\r\n\r\n");
    assertMatch(result[0]!, /^HTTP\/1\.\d+ 200 OK/);
    assertEquals([result.at(-1), getCalled], [DATA, true]);
    assertEquals(seen!.headers.items(), [["Expect", "100-continue"]]);
  });
  await t.step("test_with_continue_1_1, test_header_unbuffered_when_continue", async () => {
    const result = await lines("GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n");
    assertEquals(result.slice(0, 3), ["HTTP/1.1 100 Continue\r\n", "\r\n", "HTTP/1.1 200 OK\r\n"]);
    verifyHeaders(result.slice(2, -1));
    assertEquals([result.at(-1), getCalled], [DATA, true]);
    assertEquals(seen!.headers.items(), [["Expect", "100-continue"]]);
  });
  await t.step("test_with_continue_rejected", async () => {
    await using rejecting = serving(Rejecting);
    const result = await lines("GET / HTTP/1.1\r\nExpect: 100-continue\r\n\r\n", rejecting);
    assertEquals(result[0], "HTTP/1.1 417 Expectation Failed\r\n");
    verifyHeaders(result.slice(1, -1));
    assert(!getCalled);
    assertEquals(result.filter((line) => line === "Connection: close\r\n").length, 1);
  });
  await t.step("test_request_length", async () => {
    const result = await lines(`GET ${"x".repeat(65_537)}`);
    assertEquals(result[0], "HTTP/1.1 414 URI Too Long\r\n");
    assertEquals([getCalled, seen!.requestline], [false, ""]);
  });
  await t.step("test_header_length", async () => {
    const result = await lines(`GET / HTTP/1.1\r\nX-Foo: bar${"r".repeat(65_537)}\r\n\r\n`);
    assertEquals(result[0], "HTTP/1.1 431 Line too long\r\n");
    assertEquals([getCalled, seen!.requestline], [false, "GET / HTTP/1.1"]);
  });
  await t.step("test_too_many_headers", async () => {
    const result = await lines(`GET / HTTP/1.1\r\n${"X-Foo: bar\r\n".repeat(101)}\r\n`);
    assertEquals(result[0], "HTTP/1.1 431 Too many headers\r\n");
    assertEquals([getCalled, seen!.requestline], [false, "GET / HTTP/1.1"]);
  });
  await t.step("test_html_escape_on_error", async () => {
    const result = (await lines('<script>alert("hello")</script> / HTTP/1.1\r\n\r\n')).join("");
    assertStringIncludes(result, '&lt;script&gt;alert("hello")&lt;/script&gt;');
    assert(!/<script>/.test(result.slice(result.indexOf("\r\n\r\n"))));
  });
});

/** A handler without a connection, to call its methods. */
function handler(sent: string[]): BaseHTTPRequestHandler {
  const connection = {
    sendSoon: (bytes: Uint8Array) => void sent.push(new TextDecoder("latin1").decode(bytes)),
    sendall: (bytes: Uint8Array) => Promise.resolve(void sent.push(new TextDecoder("latin1").decode(bytes))),
  };
  class Silent extends BaseHTTPRequestHandler {
    override log_message() {}
    override protocol_version = "HTTP/1.1";
    override request_version = "HTTP/1.1";
  }
  return new Silent(...([connection, ["127.0.0.1", 1337], {}] as unknown as ConstructorParameters<typeof Silent>));
}

Deno.test("test_header_buffering: headers are sent in one piece, and not before they end", () => {
  const sent: string[] = [];
  handler(sent).send_error(418);
  assertEquals(sent.length, 2);
  const only: string[] = [];
  const second = handler(only);
  second.send_response_only(418);
  assertEquals(only, []);
  second.end_headers();
  assertEquals(only.length, 1);
  const headers: string[] = [];
  const third = handler(headers);
  third.send_header("Foo", "foo");
  third.send_header("bar", "bar");
  assertEquals(headers, []);
  third.end_headers();
  assertEquals(headers, ["Foo: foo\r\nbar: bar\r\n\r\n"]);
});

Deno.test("test_close_connection: requests are handled until the connection is to be closed", async () => {
  for (const values of [[true], [false, false, true]]) {
    const each = handler([]);
    const left = [...values];
    // deno-lint-ignore require-await
    each.handle_one_request = async () => void (each.close_connection = left.shift()!);
    await each.handle();
    assertEquals(left, []);
  }
});

Deno.test("test_date_time_string", () => {
  const each = handler([]);
  assertEquals(each.date_time_string(1_672_531_199.9), "Sat, 31 Dec 2022 23:59:59 GMT");
  assertMatch(each.date_time_string(), /^\w{3}, \d\d \w{3} \d{4} \d\d:\d\d:\d\d GMT$/);
  assertMatch(each.log_date_time_string(), /^\d\d\/\w{3}\/\d{4} \d\d:\d\d:\d\d$/);
});

Deno.test("send_error sends Python's page, byte for byte", async () => {
  class Failing extends BaseHTTPRequestHandler {
    do_GET() {
      this.send_error(404, "File not found");
    }
    do_UNICODE() {
      this.send_error(404, "没有");
    }
  }
  await using server = serving(Failing);
  const heard = await exchange(server.port, "GET / HTTP/1.1\r\n\r\n");
  assertMatch(
    heard,
    /^HTTP\/1\.0 404 File not found\r\nServer: BaseHTTP Deno\/[\d.]+\r\nDate: [^\r]+ GMT\r\nConnection: close\r\nContent-Type: text\/html;charset=utf-8\r\nContent-Length: 460\r\n\r\n/,
  );
  assertEquals(
    heard.slice(heard.indexOf("\r\n\r\n") + 4),
    `<!DOCTYPE HTML>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <style type="text/css">
            :root {
                color-scheme: light dark;
            }
        </style>
        <title>Error response</title>
    </head>
    <body>
        <h1>Error response</h1>
        <p>Error code: 404</p>
        <p>Message: File not found.</p>
        <p>Error code explanation: 404 - Nothing matches the given URI.</p>
    </body>
</html>
`,
  );
  assertEquals(server.log.lines.slice(0, 2), ["code 404, message File not found", '"GET / HTTP/1.1" 404 -']);
  const unicode = parseResponse(latin1(await exchange(server.port, "UNICODE / HTTP/1.1\r\n\r\n")));
  assertStringIncludes(unicode.head, "404 Not Found\r\n");
  assertStringIncludes(unicode.text, "<p>Message: 没有.</p>");
});
