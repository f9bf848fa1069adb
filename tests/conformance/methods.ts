/** Methods and status: RFC 9110 sections 9 and 15. */

import { assert, assertEquals } from "@std/assert";
import type { RawResponse } from "../support/raw.ts";
import { FILES, KINDS } from "./site.ts";
import {
  exchange,
  following,
  get,
  getEach,
  IMF_FIXDATE,
  type Row,
  row,
  send,
  sendEach,
  wire,
  words,
} from "./support.ts";

const ALLOW = { allow: "GET, HEAD, OPTIONS" };

export const METHODS: readonly Row[] = [
  row(32, "9110 9.3.2", "HEAD has the headers of GET and no content", {
    async check(port) {
      const headersOf = (response: RawResponse) => [...response.headers].filter(([name]) => name !== "date");
      for (const [status, target, ...lines] of KINDS) {
        const full = await exchange(port, send(`GET ${target}`, ...lines).gets(status));
        const head = await exchange(port, send(`HEAD ${target}`, ...lines).gets(status, {}, ""));
        assertEquals(headersOf(head), headersOf(full));
      }
    },
  }),
  row(33, "9110 9.1", "all that is served takes GET and HEAD", {
    asks: words("/ /hello.txt /dir/ /site/ /names/a%20b.txt /.well-known/security.txt").flatMap((target) => [
      send(`GET ${target}`).gets(200),
      send(`HEAD ${target}`).gets(200, { "content-length": /^\d+$/ }),
    ]),
  }),
  row(34, "9110 15.5.6", "a method that is not allowed is 405 with Allow, one that is not known is 501", {
    asks: ["/hello.txt", "/dir/", "/missing"].flatMap((target) => [
      ...words("POST PUT PATCH DELETE TRACE").map((method) => send(`${method} ${target}`).gets(405, ALLOW)),
      ...words("FROB PROPFIND MKCOL X").map((method) => send(`${method} ${target}`).gets(501)),
    ]),
  }),
  row(35, "9110 9.1", "names of methods are case-sensitive", {
    asks: words("get Get head options gET").map((method) => send(`${method} /hello.txt`).gets(501)),
  }),
  row(36, "9110 9.3.7", "OPTIONS tells what is allowed", {
    asks: words("/hello.txt /dir/ / /missing *").map((target) => send(`OPTIONS ${target}`).gets(204, ALLOW)),
  }),
  row(37, "9110 9.3.8", "TRACE tells nothing and CONNECT is refused", {
    asks: [
      send("TRACE /hello.txt", "Authorization: Basic c2VjcmV0").gets(405, ALLOW, /^(?!.*c2VjcmV0)/s),
      send("CONNECT localhost:80").gets(405, ALLOW),
      send("CONNECT /hello.txt").gets(400),
    ],
  }),
  row(38, "9110 9.3.4", "what is not done is not said to be done", {
    asks: words("POST PUT PATCH DELETE").flatMap((method) => [
      send(`${method} /hello.txt`, "Content-Length: 0").gets(405),
      wire([`${method} /new.txt HTTP/1.1`, "Host: localhost", "Connection: close", "Content-Length: 3"], "new").gets(
        405,
      ),
    ]),
    async check(port) {
      await exchange(port, send("GET /hello.txt").gets(200, { etag: "{etag}" }, FILES["hello.txt"]));
      await exchange(port, send("GET /new.txt").gets(404));
    },
  }),
  row(39, "9110 15.4", "a directory without its slash is a permanent redirect to a relative Location", {
    asks: [
      send("GET /dir").gets(301, { location: "dir/" }),
      send("HEAD /dir").gets(301, { location: "dir/" }),
      send("GET /site").gets(301, { location: "site/" }),
      send("GET /dir?a=1&b=%20").gets(301, { location: "dir/?a=1&b=%20" }),
    ],
  }),
  row(40, "9110 6.6.1", "every answer has a Date", {
    asks: [
      ...KINDS.map(([status, target, ...lines]) => send(`GET ${target}`, ...lines).gets(status, { date: IMF_FIXDATE })),
      send("GET /data.bin", "Range: bytes=0-9").gets(206, { date: IMF_FIXDATE }),
      send("GET /data.bin", "Range: bytes=200000-").gets(416, { date: IMF_FIXDATE }),
      send("OPTIONS /").gets(204, { date: IMF_FIXDATE }),
      send("POST /").gets(405, { date: IMF_FIXDATE }),
      wire(["GET / HTTP/1.1", "Connection: close"]).gets(400, { date: IMF_FIXDATE }),
    ],
    async check(port) {
      const { headers } = await get(port, "/hello.txt");
      const off = Math.abs(Date.parse(headers.get("date")!) - Date.now());
      assert(off < 60_000, `Date is ${off} ms off`);
    },
  }),
  row(41, "9110 8.6", "1xx and 204 have no length, and HTTP/1.0 gets no transfer coding", {
    asks: [
      send("OPTIONS /").gets(204, { "content-length": null, "transfer-encoding": null }),
      ...words("/hello.txt /data.bin /dir/ /missing").map((target) =>
        wire([`GET ${target} HTTP/1.0`, "Host: localhost"]).gets([200, 404], { "transfer-encoding": null })
      ),
    ],
    async check(port) {
      const request = ["GET /hello.txt HTTP/1.1", "Host: localhost", "Expect: 100-continue", "Content-Length: 2"];
      const first = await exchange(port, wire([...request, "Connection: close"], "hi").gets([100, 200]));
      assertEquals((first.status === 100 ? following(first) : first).status, 200);
    },
  }),
  row(42, "9110 15.6", "no client can cause a 5xx", {
    asks: [
      ...getEach(["/.env", "/.git/config", "/dir/.hidden/"], 404),
      ...getEach(
        [...words("/%00 /%ff%fe /hello.txt/x /%zz /~%c0%ae /\xff"), "/" + "a".repeat(300), "/" + "a/".repeat(5000)],
        [400, 404],
      ),
      ...sendEach("GET /hello.txt", "Range", ["\xff", "bytes=" + "0-0,".repeat(5000), "=", ";"]).get(200),
      ...sendEach("GET /hello.txt", "Accept", ["", ",", ";q=", "*/*;q=x", "\xff", "a".repeat(5000)]).get(200),
      ...sendEach("GET /dir/", "Accept", ["", ",", ";q=", "*/*;q=x", "\xff", "x/y", "*/*;q=0"]).get([200, 406]),
      ...sendEach("GET /hello.txt", "If-None-Match", ['"', "\xff", "W/", '"'.repeat(999), ",".repeat(9999)]).get(200),
      ...getEach(words("/dir/?sort=x /dir/?order=x /dir/?format=x /dir/?%zz=% /dir/?\xff"), [200, 400]),
    ],
  }),
];
