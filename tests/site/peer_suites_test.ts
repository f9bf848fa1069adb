/**
 * What the test suites of sirv, serve-handler, http-server and send exercise, as a table of our own: facts about requests,
 * written down anew. What our own tables have anyway is not repeated: ranges, preconditions, codings and names
 * (tests/conformance), clean URLs, single-page apps and pages for what is not found (pages_test.ts), policies and headers
 * (policies_test.ts), traversal and redirects (tests/advisories).
 *
 * Where pyserve differs, it is on purpose:
 *
 * - A precompressed file without its original is sent for it by an option only, because each 404 then costs a look at three
 *   more names; clients that do not accept the coding get 406 (sirv, http-server: 404).
 * - `NAME.br` is content of its own, without Content-Encoding (http-server has an option for it).
 * - Dotfiles of a single-page app are 404, not the app (sirv); there is no policy of 403 (send): it would tell that they exist.
 * - `bytes=2` is not a range (sirv takes it for `2-`); several ranges are answered with all of them (send: the whole file).
 * - A range after the end is 416, one that is backwards is ignored, as RFC 9110 says (serve-handler: 416 for both).
 * - Redirects are 301 (http-server: 302), relative, and without a page in their body (send).
 *
 * Not offered: other extensions than `.html` for clean URLs, redirects and rewrites by patterns, unlisted names, directories
 * with one file as that file, a robots.txt that nobody has written.
 */

import { assertEquals } from "@std/assert";
import { fileServer, type FileServerOptions, filtered, memory, serve, toFetch } from "@x/pyserve";
import { isVisible } from "@x/pyserve/sources";
import { serveClassic } from "../../handlers/python/transport.ts";
import { ask } from "../support/raw.ts";

const NUMBERS = "123456789";
const FILES = {
  "index.html": "home",
  "404.html": "our own page",
  "name.html": "a page",
  "name.txt": "a text",
  "numbers.txt": NUMBERS,
  "empty.txt": "",
  "do..ts.txt": "dots",
  "about/index.htm": "about",
  "pets/index.html": "pets",
  "pets/both.htm": "another index",
  "plain/a.txt": "a",
  "中文/index.html": "Chinese",
  "with space/index.html": "blank",
  "dir.html/a.txt": "a directory with an extension",
  "docs/page.html": "a page in a directory",
  "docs/page/a.txt": "a directory beside a page",
  "alone.js.br": "brotli",
  "alone.js.gz": "gzip",
  "both.js": "plain",
  "both.js.gz": "gzip",
  "sub/index.html": "plain index",
  "sub/index.html.br": "brotli index",
  "sub/index.html.gz": "gzip index",
  ".hidden.txt": "hidden",
  ".git/config": "hidden",
  "pets/.secret": "hidden",
  ".well-known/acme/token": "well known",
  ".well-known/.secret": "hidden",
};

/** A request; its status, and then the body, or the location of a redirect, or the beginnings of headers by name (null: none). */
type Row = readonly [request: string, status: number, ...is: (string | Readonly<Record<string, string | null>>)[]];

const HTML = "Accept: text/html";
const BROWSER = "Accept-Encoding: gzip, deflate, br";

/** Settings, the suites that exercise them, and what holds. */
const TABLE: readonly (readonly [about: string, options: FileServerOptions, rows: readonly Row[]])[] = [
  ["files and names: all", {}, [
    ["GET /empty.txt", 200, "", { "content-length": "0" }],
    ["GET /do..ts.txt", 200, "dots"],
    ["GET /name.txt/", 404],
    ["GET /name.txt/a", 404],
    ["GET /%E0%A4%A", 400],
    ["GET /some%99thing.txt", 400],
    ["GET /some%00thing.txt", 400],
    [`GET /${"foobar".repeat(99)}`, 404],
    ["GET /pets/../name.txt", 200, "a text"],
    ["GET /../../name.txt", 404],
    ["GET /about%2Findex.htm", 404],
    ["GET /name.txt?%0Cfoo", 200, "a text"],
    ["GET /name.txt?foo=bar.ext", 200, "a text"],
    ["POST /name.txt", 405],
  ]],
  ["index files: sirv, send, http-server", {}, [
    ["GET /about/", 200, "about"],
    ["GET /pets/?a=b", 200, "pets"],
    ["GET /dir.html", 301, "dir.html/"],
    ["GET /pets", 301, "pets/"],
    ["GET /pets?foo=bar", 301, "pets/?foo=bar"],
    ["GET //pets", 301, "../pets/"],
    ["GET /%E4%B8%AD%E6%96%87?%E5%A4%AB=%E5%B7%B4", 301, "%E4%B8%AD%E6%96%87/?%E5%A4%AB=%E5%B7%B4"],
    ["GET /with%20space", 301, "with%20space/"],
    ["GET /with%20space/", 200, "blank"],
  ]],
  ["several index files, the first that exists: send", { index: ["default.htm", "both.htm"] }, [
    ["GET /pets/", 200, "another index"],
    ["GET /?format=text", 200],
  ]],
  ["no index files and no listing: send, serve-handler, http-server", { index: [], listing: false }, [
    ["GET /pets/", 404],
    [`GET /pets/ ${HTML}`, 404, "our own page"],
    [`GET /plain/ ${HTML}`, 404, "our own page"],
    ["GET /pets", 301, "pets/"],
  ]],
  ["a page for what is not found: http-server, serve-handler", {}, [
    [`GET /404.html ${HTML}`, 200, "our own page"],
    [`GET /nothing ${HTML}`, 404, "our own page"],
    [`GET /nothing.json ${HTML}`, 404, "our own page"],
    ["GET /nothing Accept: application/json", 404, { "content-type": "application/problem+json" }],
    [`GET /plain/ ${HTML}`, 200], // the page does not take the place of a listing
  ]],
  ["extensions: send, sirv, http-server, serve-handler", { cleanUrls: true }, [
    ["GET /name", 200, "a page"],
    ["GET /name?foo=bar.ext", 200, "a page"],
    ["GET /name.html", 301, "name"],
    ["GET /name.txt", 200, "a text"],
    ["GET /nobody", 404],
    ["GET /dir", 404],
    ["GET /dir.html", 301, "dir.html/"],
    ["GET /docs/page", 200, "a page in a directory"],
    ["GET /empty", 404],
    ["GET /index", 301, "./"],
    ["GET //evil.example/index", 404],
    [`GET /404 ${HTML}`, 200, "our own page"],
  ]],
  ["trailing slashes: serve-handler", { cleanUrls: true, trailingSlash: "always" }, [
    ["GET /name", 301, "name/"],
    ["GET /name//////", 200, "a page"],
    ["GET /pets", 301, "pets/"],
  ]],
  ["single-page apps: sirv", { spa: "/about/index.htm" }, [
    [`GET /about ${HTML}`, 301, "about/"],
    [`GET /foo/bar ${HTML}`, 200, "about"],
    [`GET /about/foobar ${HTML}`, 200, "about"],
    [`GET /foo/bar/baz.bat ${HTML}`, 404, "our own page"],
    [`GET /.hidden.txt ${HTML}`, 404, "our own page"],
    [`GET /pets/.secret ${HTML}`, 404, "our own page"],
  ]],
  ["dotfiles: sirv, send", {}, [
    ["GET /.hidden.txt", 404],
    ["GET /.git/config", 404],
    ["GET /.git/", 404],
    ["GET /pets/.secret", 404],
    ["GET /.nothing", 404],
    ["GET /.well-known/acme/token", 200, "well known"],
    ["GET /.well-known/.secret", 404],
  ]],
  ["precompressed files: sirv, http-server", { precompressed: true }, [
    [`GET /sub/ ${BROWSER}`, 200, "brotli index", {
      "content-encoding": "br",
      "content-type": "text/html; charset=utf-8",
    }],
    ["GET /sub/ Accept-Encoding: gzip, deflate", 200, "gzip index", { "content-encoding": "gzip" }],
    ["GET /sub/ Accept-Encoding:", 200, "plain index", { "content-encoding": null }],
    [`GET /sub/index.html.br ${BROWSER}`, 200, "brotli index", { "content-encoding": null }],
    [`GET /both.js ${BROWSER}`, 200, "gzip", { "content-type": "text/javascript; charset=utf-8" }],
    [`GET /alone.js ${BROWSER}`, 404],
    ["GET /alone.js", 404],
    [`GET /alone.js.br ${BROWSER}`, 200, "brotli", { "content-encoding": null }],
  ]],
  ["precompressed files without originals: sirv, http-server", { precompressedOnly: true }, [
    [`GET /alone.js ${BROWSER}`, 200, "brotli", {
      "content-encoding": "br",
      "content-type": "text/javascript; charset=utf-8",
      "content-length": "6",
      vary: "accept-encoding",
    }],
    ["GET /alone.js Accept-Encoding: gzip, br;q=0.5", 200, "gzip", { "content-encoding": "gzip" }],
    [`HEAD /alone.js ${BROWSER}`, 200, "", { "content-encoding": "br", "content-length": "6" }],
    ["GET /alone.js", 406, { vary: "accept-encoding" }],
    ["GET /alone.js Accept-Encoding: zstd", 406],
    ["POST /alone.js", 405],
    [`GET /alone.js/ ${BROWSER}`, 404],
    [`GET /both.js ${BROWSER}`, 200, "gzip"],
    ["GET /both.js", 200, "plain"],
    [`GET /nothing.js ${BROWSER}`, 404],
  ]],
  ["not compressed: http-server", { precompressed: false }, [
    [`GET /sub/ ${BROWSER}`, 200, "plain index", { "content-encoding": null, vary: null }],
  ]],
  ["ranges: send, sirv, serve-handler", {}, [
    ["GET /numbers.txt Range: bytes=2", 200, NUMBERS],
    ["GET /numbers.txt Range: bytes=5-2", 200, NUMBERS],
    ["GET /numbers.txt Range: items=0-4", 200, NUMBERS],
    ["GET /numbers.txt Range: asdf", 200, NUMBERS],
    ["GET /numbers.txt Range: bytes=2-50", 206, "3456789", { "content-range": "bytes 2-8/9", "content-length": "7" }],
    ["GET /numbers.txt Range: bytes=9-50", 416, { "content-range": "bytes */9" }],
    ["GET /numbers.txt Range: bytes=1-2,3-5", 206, { "content-type": "multipart/byteranges" }],
    ["GET /numbers.txt", 200, NUMBERS, { "content-range": null, "accept-ranges": "bytes" }],
  ]],
  ["ranges turned off: send", { ranges: false }, [
    ["GET /numbers.txt Range: bytes=0-2", 200, NUMBERS, { "accept-ranges": null, "content-range": null }],
  ]],
  [
    "headers of all responses: serve-handler, sirv, http-server",
    { headers: [["who", "me"], ["cache-control", null]] },
    [
      ["GET /name.txt", 200, { who: "me", "cache-control": null }],
      ["GET /nothing", 404, { who: "me" }],
      ["GET /pets", 301, { who: "me" }],
      ["GET /name.txt If-None-Match: *", 304, { who: "me", "content-type": null, "content-length": null }],
    ],
  ],
];

type Server = { readonly address: Deno.NetAddr; abort(): Promise<unknown> };
const LOOPBACK = { hostname: "127.0.0.1", port: 0 } as const;
const DOORS: Readonly<Record<string, (fetch: ReturnType<typeof toFetch>) => Server>> = {
  "Deno.serve": (fetch) => serve(fetch, LOOPBACK),
  "the engine of -p HTTP/1.0": (fetch) => serveClassic(fetch, LOOPBACK),
};

for (const [door, open] of Object.entries(DOORS)) {
  Deno.test(`the cases of other servers' test suites, through ${door}`, async (t) => {
    for (const [about, options, rows] of TABLE) {
      await t.step(about, async () => {
        const server = open(toFetch(fileServer(filtered(memory(FILES), isVisible), { log: false, ...options })));
        const wrong: unknown[] = [];
        for (const row of [...rows, ...rows]) wrong.push(...await difference(server.address.port, row));
        await server.abort();
        assertEquals(wrong, []);
      });
    }
  });
}

/** Sends a request; what is not as the row says. */
async function difference(port: number, [request, status, ...is]: Row): Promise<unknown[]> {
  const [, method, target, line] = /^(\S+) (\S+) ?(.*)$/.exec(request)!;
  const response = await ask(port, method!, target!, ...line ? [line] : []);
  const wrong: unknown[] = response.status === status ? [] : [response.status];
  for (const expected of is) {
    if (typeof expected === "string") {
      const actual = status === 301 ? response.headers.get("location") : response.text;
      if (actual !== expected) wrong.push(actual);
      continue;
    }
    for (const [name, value] of Object.entries(expected)) {
      const actual = response.headers.get(name);
      if (value === null ? actual !== null : !actual?.startsWith(value)) wrong.push(`${name}: ${actual}`);
    }
  }
  return wrong.length > 0 ? [request, ...wrong] : [];
}
