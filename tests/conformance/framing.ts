/** Framing and connections: RFC 9112. */

import { assert, assertEquals } from "@std/assert";
import { latin1, raw } from "../support/raw.ts";
import { FILES } from "./site.ts";
import { CLOSE, exchange, following, type Row, row, send, wire, words } from "./support.ts";

const GET_HELLO = "GET /hello.txt HTTP/1.1";

const BAD_HOSTS = [
  "",
  "a b",
  "a/b",
  "x/dir",
  "a?b",
  "a#b",
  "u@h",
  "x\\y",
  "a:b",
  "a:80:80",
  "a:999999",
  "[::1",
  "<a>",
  'a"b',
  "a|b",
  "\xe4",
  "http://a",
];

const BAD_LENGTHS = ["x", "-1", "+5", "5 5", "0x5", "5.0", "5, 6", "", "99999999999999999999999", "1e1"];

/** A request with invalid framing, followed by a valid one that must not be answered. */
const unsound = (...lines: readonly string[]) =>
  wire(["POST /hello.txt HTTP/1.1", "Host: localhost", ...lines], `0\r\n\r\n${GET_HELLO}\r\nHost: localhost\r\n\r\n`);

export const FRAMING: readonly Row[] = [
  row(51, "9112 3.2", "a request without one good Host is 400", {
    asks: [
      wire([GET_HELLO, CLOSE]).gets(400),
      wire([GET_HELLO, "Host: a", "Host: b", CLOSE]).gets(400),
      wire([GET_HELLO, "Host: a", "Host: a", CLOSE]).gets(400),
      ...BAD_HOSTS.map((host) => wire([GET_HELLO, `Host: ${host}`, CLOSE]).gets(400)),
      // The Host must not move the path either.
      wire(["GET /file.txt HTTP/1.1", "Host: x/dir", CLOSE]).gets(400),
      ...words("a a.example:80 a: 127.0.0.1:8000 [::1] [::1]:8000 xn--nxasmq6b a_b").map((host) =>
        wire([GET_HELLO, `Host: ${host}`, CLOSE]).gets(200)
      ),
    ],
  }),
  row(52, "9112 3.2", "each form of target is taken where it belongs", {
    asks: [
      send("GET http://other.example/hello.txt").gets(200, {}, FILES["hello.txt"]),
      send("GET http://other.example:80/dir/file.txt?x").gets(200, {}, FILES["dir/file.txt"]),
      send("GET HTTP://other.example/hello.txt").gets(200),
      send("GET http://other.example").gets(200, {}, /Directory listing/),
      send("GET http://other.example/dir").gets(301, { location: "dir/" }),
      send("GET http://other.example/../www-private/secret.txt").gets(404),
      send("GET ftp://other.example/hello.txt").gets(400),
      send("GET file:///etc/passwd").gets([400, 404]),
      send("OPTIONS *").gets(204),
      ...words("* hello.txt localhost:80 ?x ../hello.txt").map((target) => send(`GET ${target}`).gets(400)),
    ],
  }),
  row(53, "9112 3", "spaces in the target are not repaired", {
    asks: ["/hello .txt", "/names/a b.txt", "/hello.txt ", "/hello\t.txt", "/hello\x0b.txt"].map((target) =>
      send(`GET ${target}`).gets(400)
    ),
  }),
  row(54, "9112 3", "8000 bytes of target are taken; too much is 414 or 431", {
    asks: [
      send(`GET /hello.txt?${"a".repeat(8000)}`).gets(200),
      send(`GET /${"a".repeat(8000)}`).gets(404),
      send(`GET /hello.txt?${"a".repeat(16_384 - 11)}`).gets(200),
      send(`GET /hello.txt?${"a".repeat(16_385 - 11)}`).gets(414),
      send(`GET /${"a".repeat(40_000)}`).gets(414),
      send("GET /hello.txt", `X-Long: ${"a".repeat(30_000)}`).gets(200),
      send("GET /hello.txt", `X-Long: ${"a".repeat(33_000)}`).gets(431),
      // Beyond 64 KiB or about 100 fields Deno.serve itself answers, always with 400.
      send(`GET /${"a".repeat(70_000)}`).gets([400, 414]),
      send("GET /hello.txt", `X-Long: ${"a".repeat(70_000)}`).gets([400, 431]),
      send("GET /hello.txt", ...Array(1000).fill("X: a")).gets([400, 431]),
    ],
  }),
  row(55, "9112 5", "fields that could be read in two ways are refused", {
    asks: [
      ["Host : x"],
      ["Host: localhost", "X : a"],
      ["Host: localhost", "X\t: a"],
      ["Host: localhost", "X: a", " b"],
      [" X: a", "Host: localhost"],
      ["Host: localhost", "X: a\rb"],
      ["Host: localhost", "X: a\0b"],
      ["Host: localhost", "nocolon"],
      ["Host: localhost", ": a"],
      ["Host: localhost", "X(y): a"],
    ].map((lines) => wire([GET_HELLO, ...lines, CLOSE]).gets(400)),
  }),
  row(56, "9112 6.3", "a Content-Length that is no length is 400, and the end of the connection", {
    async check(port) {
      const lengths = BAD_LENGTHS.map((length) => [`Content-Length: ${length}`]);
      for (const lines of [...lengths, ["Content-Length: 5", "Content-Length: 6"]]) {
        // `complete` says that nothing follows.
        const { send } = await unsound(...lines).gets(400);
        await exchange(port, { send, status: 400, headers: { connection: /close/i }, body: undefined });
        assert(await endsByItself(port, send), `The connection stays open: ${lines}`);
      }
    },
  }),
  row(57, "9112 6.1", "no two readings of where a message ends", {
    asks: [
      unsound("Transfer-Encoding: chunked", "Content-Length: 5").gets(400),
      unsound("Content-Length: 5", "Transfer-Encoding: chunked").gets(400),
      unsound("Transfer-Encoding: chunked, foo").gets(400),
      unsound("Transfer-Encoding: foo").gets([400, 501]),
      unsound("Transfer-Encoding: identity").gets([400, 501]),
      unsound("Transfer-Encoding: chunked, chunked").gets([400, 501]),
      ...["foo, chunked", "gzip, chunked"].map((codings) =>
        wire(["POST /hello.txt HTTP/1.1", "Host: localhost", CLOSE, `Transfer-Encoding: ${codings}`], "0\r\n\r\n").gets(
          501,
        )
      ),
      wire(["POST /hello.txt HTTP/1.0", "Host: localhost", "Transfer-Encoding: chunked"], "0\r\n\r\n").gets(400),
    ],
  }),
  row(58, "9112 9.3", "the content of a request is never the next request", {
    async check(port) {
      const inner = "GET /missing HTTP/1.1\r\nHost: localhost\r\n\r\n";
      const next = `GET /dir/file.txt HTTP/1.1\r\nHost: localhost\r\n${CLOSE}\r\n\r\n`;
      const chunk = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
      for (const method of words("GET POST FROB OPTIONS")) {
        const head = `${method} /hello.txt HTTP/1.1\r\nHost: localhost\r\n`;
        await nextIsNext(port, `${head}Content-Length: ${inner.length}\r\n\r\n${inner}${next}`);
        await nextIsNext(port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${next}`);
        const long = inner.repeat(10_000);
        await nextIsNext(port, `${head}Content-Length: ${long.length}\r\n\r\n${long}${next}`);
      }
    },
  }),
  row(59, "9112 7.1.2", "trailers are not merged into the header", {
    asks: ['If-Match: "nope"', "Range: bytes=0-1", "If-None-Match: *"].map((line) =>
      wire([GET_HELLO, "Host: localhost", CLOSE, "Transfer-Encoding: chunked"], `0\r\n${line}\r\n\r\n`)
        .gets(200, {}, FILES["hello.txt"])
    ),
  }),
  row(60, "9112 9.6", "connections end when they are told to, and else go on", {
    asks: [wire([GET_HELLO, "Host: localhost", "Connection: Close"]).gets(200, { connection: /close/i })],
    async check(port) {
      const request = `${GET_HELLO}\r\nHost: localhost\r\n`;
      for (const target of words("/hello.txt /data.bin /dir/ /missing")) {
        assert(await endsByItself(port, `GET ${target} HTTP/1.1\r\nHost: localhost\r\n${CLOSE}\r\n\r\n`), target);
        assert(await endsByItself(port, `GET ${target} HTTP/1.0\r\nHost: localhost\r\n\r\n`), target);
      }
      const first = await raw(port, `${request}\r\n${request}Connection: TE,,close\r\n\r\n`);
      assertEquals([first.status, first.headers.get("connection")], [200, null]);
      assertEquals(following(first).status, 200);
      assert(following(first).complete);
    },
  }),
  row(61, "9110 10.1.1", "Expect: 100-continue is answered, other expectations are ignored or 417", {
    async check(port) {
      const lines = ["Host: localhost", CLOSE, "Content-Length: 5", "Expect: 100-continue"];
      for (const [method, status] of [["GET", 200], ["PUT", 405], ["FROB", 501]] as const) {
        const first = await exchange(
          port,
          wire([`${method} /hello.txt HTTP/1.1`, ...lines], "hello").gets([100, 417, status]),
        );
        if (first.status === 100) assertEquals(following(first).status, status);
      }
      await exchange(port, send("GET /hello.txt", "Expect: miracles").gets([200, 417]));
    },
  }),
  row(62, "9112 2.2", "an empty line in front is skipped, and other versions are refused in order", {
    asks: [
      wire(["", GET_HELLO, "Host: localhost", CLOSE]).gets(200, {}, FILES["hello.txt"]),
      wire(["", "", GET_HELLO, "Host: localhost", CLOSE]).gets(200),
      wire(["GET /hello.txt HTTP/1.2", "Host: localhost", CLOSE]).gets([200, 400]),
      ...["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"].map((version) =>
        wire([`GET /hello.txt ${version}`, "Host: localhost", CLOSE]).gets([400, 505])
      ),
      ...words("http/1.1 HTTP/11 HTTP/1.1.1 FTP/1.1").map((version) =>
        wire([`GET /hello.txt ${version}`, "Host: localhost", CLOSE]).gets(400)
      ),
    ],
  }),
];

/** Good in itself, but not told from HTTP/1.1 by every engine; see the head of conformance_test.ts. */
export function oldRequest(status: 200 | 400): Row {
  return row(51, "9112 3.2", `a request of HTTP/1.0 without Host is ${status}`, {
    asks: [wire(["GET /hello.txt HTTP/1.0"]).gets(status)],
  });
}

/** Whether the server closes the connection of its own accord. */
async function endsByItself(port: number, request: string): Promise<boolean> {
  const connection = await Deno.connect({ hostname: "127.0.0.1", port });
  const timer = setTimeout(() => connection.close(), 20_000);
  try {
    await connection.write(latin1(request));
    const buffer = new Uint8Array(65_536);
    while (await connection.read(buffer) !== null);
    connection.close();
    return true;
  } catch (error) {
    // A reset counts as an end, too; a connection closed by the timer does not.
    if (!(error instanceof Deno.errors.ConnectionReset)) return false;
    connection.close();
    return true;
  } finally {
    clearTimeout(timer);
  }
}

/** One response, then either that to the next request or the end. */
async function nextIsNext(port: number, request: string): Promise<void> {
  const first = await raw(port, request);
  const next = following(first);
  const what = `${request.slice(0, 80)}\n-> ${first.status}, ${next.status}`;
  assert([200, 204, 405, 501].includes(first.status), what);
  if (next.status === 0) return assertEquals(first.complete, true, what);
  assertEquals([next.status, next.text, next.complete], [200, FILES["dir/file.txt"], true], what);
}
