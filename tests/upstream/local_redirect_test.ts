/** Local redirects, end to end: a program names a path of the site, whose response is sent. */

import { assertEquals, assertStringIncludes } from "@std/assert";
import { ask, raw, type RawResponse } from "../support/raw.ts";
import { cgiSite } from "./cgi/support.ts";

const ignore = Deno.build.os === "windows";

function sendsTo(location: string, more = ""): string {
  return `#!/bin/sh\nprintf 'Location: ${location}\\n${more}\\n'\n`;
}

const SHOW = `#!/bin/sh
printf 'Content-Type: text/plain\\n\\n'
for name in REQUEST_METHOD SCRIPT_NAME PATH_INFO QUERY_STRING REQUEST_URI REDIRECT_URL CONTENT_LENGTH CONTENT_TYPE; do
  eval "echo $name=\\\${$name-none}"
done
cat
`;

/** Redirects locally as many times as its query says. */
const HOPS = `#!/bin/sh
if [ "$QUERY_STRING" -gt 0 ]; then printf 'Location: /cgi-bin/hops?%s\\n\\n' $((QUERY_STRING - 1))
else printf 'Content-Type: text/plain\\n\\narrived'; fi
`;

const FILES = {
  "a.txt": "content",
  "é.txt": "accent",
  "d/index.html": "index",
  ".hidden": "hidden",
  "cgi-bin/show": SHOW,
  "cgi-bin/hops": HOPS,
  "cgi-bin/circle": sendsTo("/cgi-bin/circle"),
  "cgi-bin/to-file": sendsTo("/a.txt"),
  "cgi-bin/to-accent": sendsTo("/é.txt"),
  "cgi-bin/to-show": sendsTo("/cgi-bin/show/x//y?a=b&c#fragment"),
  "cgi-bin/to-directory": sendsTo("/d"),
  "cgi-bin/to-index": sendsTo("/d/"),
  "cgi-bin/to-nothing": sendsTo("/nothing"),
  "cgi-bin/to-hidden": sendsTo("/.hidden"),
  "cgi-bin/to-outside": sendsTo("/../../etc/passwd"),
  "cgi-bin/to-encoded": sendsTo("/%%2e%%2e/x"),
  "cgi-bin/to-nul": sendsTo("/a.txt%%00"),
  "cgi-bin/to-host": sendsTo("//other.example/x"),
  "cgi-bin/with-cookie": sendsTo("/a.txt", "Set-Cookie: a=b\\n"),
  "cgi-bin/long": `#!/bin/sh\nprintf 'Location: /'; head -c 20000 /dev/zero | tr '\\0' a; printf '\\n\\n'\n`,
};

const GET: readonly (readonly [name: string, expected: string])[] = [
  ["to-file", "200 content"],
  ["to-accent", "200 accent"],
  ["to-directory", "301 ../d/"],
  ["to-index", "200 index"],
  ["to-nothing", "404"],
  ["to-hidden", "404"],
  ["to-outside", "502"],
  ["to-encoded", "502"],
  ["to-nul", "502"],
  ["long", "502"],
  ["to-host", "302 //other.example/x"],
  ["with-cookie", "302 /a.txt"],
  ["hops?10", "200 arrived"],
  ["hops?11", "502"],
  ["circle", "502"],
];

function summary({ status, headers, text }: RawResponse): string {
  if (status >= 400) return String(status);
  return `${status} ${headers.get("location") ?? text}`;
}

Deno.test({
  name: "the response of the named path replaces the program's, for every kind of request",
  ignore,
  async fn(t) {
    await using site = await cgiSite(FILES, ["--cgi", "--cgi-max=1"]);
    for (const [name, expected] of GET) {
      await t.step(`${name}: ${expected}`, async () => {
        assertEquals(summary(await ask(site.port, "GET", `/cgi-bin/${name}`)), expected);
        const head = await ask(site.port, "HEAD", `/cgi-bin/${name}`);
        assertEquals([head.status, head.body.length], [Number(expected.slice(0, 3)), 0]);
      });
    }
    assertEquals((await ask(site.port, "GET", "/cgi-bin/to-file", "Range: bytes=0-2")).text, "con");
    assertEquals((await ask(site.port, "GET", "/cgi-bin/with-cookie")).headers.get("set-cookie"), "a=b");
  },
});

Deno.test({
  name: "the next program gets a GET without a body, and REDIRECT variables",
  ignore,
  async fn() {
    await using site = await cgiSite(FILES);
    const expected = [
      "REQUEST_METHOD=GET",
      "SCRIPT_NAME=/cgi-bin/show",
      "PATH_INFO=/x//y",
      "QUERY_STRING=a=b&c",
      "REQUEST_URI=/cgi-bin/show/x//y?a=b&c",
      "REDIRECT_URL=/cgi-bin/to-show",
      "CONTENT_LENGTH=none",
      "CONTENT_TYPE=none",
      "",
    ].join("\n");
    assertEquals((await ask(site.port, "GET", "/cgi-bin/to-show?query")).text, expected);
    const head =
      "POST /cgi-bin/to-show HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: text/plain\r\n";
    assertEquals((await raw(site.port, `${head}Content-Length: 3\r\n\r\nabc`)).text, expected);
    assertStringIncludes((await ask(site.port, "GET", "/cgi-bin/show")).text, "REDIRECT_URL=none");
  },
});
