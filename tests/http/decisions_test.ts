/** Decisions of the protocol: dates, entity tags, preconditions, ranges, hosts, codings, types. */

import { assertEquals } from "@std/assert";
import { judgeHost } from "../../handlers/http/host.ts";
import {
  acceptedCodings,
  contentRange,
  encodeSegment,
  escapeHtml,
  escapeLog,
  escapeLogQuoted,
  evaluatePreconditions,
  formatHttpDate,
  ifRangeHolds,
  mediaType,
  parseEtags,
  parseHttpDate,
  type Precondition,
  selectRanges,
} from "@x/pyserve/http";

const NOW = Date.UTC(2026, 10, 22);
const TIME = Date.UTC(1994, 10, 6, 8, 49, 37);

Deno.test("parseHttpDate() reads the three forms and nothing else", async (t) => {
  const dates: readonly [text: string, time: number | null][] = [
    ["Sun, 06 Nov 1994 08:49:37 GMT", TIME],
    ["Sunday, 06-Nov-94 08:49:37 GMT", TIME],
    ["Sun Nov  6 08:49:37 1994", TIME],
    ["Monday, 01-Jan-76 00:00:00 GMT", Date.UTC(2076, 0, 1)],
    ["Monday, 01-Jan-77 00:00:00 GMT", Date.UTC(1977, 0, 1)],
    ["Thu, 29 Feb 2024 00:00:00 GMT", Date.UTC(2024, 1, 29)],
    ["Wed, 31 Dec 0001 00:00:00 GMT", new Date("0001-12-31T00:00:00Z").getTime()],
    ["Sat, 29 Feb 2025 00:00:00 GMT", null],
    ["Sun, 06 Nov 1994 24:00:00 GMT", null],
    ["Sun, 06 Nov 1994 08:49:37 +0000", null],
    ["Sun, 06 Nov 1994 08:49:37", null],
    ["sun, 06 nov 1994 08:49:37 gmt", null],
    ["Sun, 6 Nov 1994 08:49:37 GMT", null],
    ["1994-11-06T08:49:37Z", null],
    ["0", null],
    ["", null],
    ["Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT", null],
    ["Sun, 06 Nov 99999 08:49:37 GMT", null],
  ];
  for (const [text, time] of dates) await t.step(text, () => assertEquals(parseHttpDate(text, NOW), time));
  assertEquals(formatHttpDate(TIME + 999), "Sun, 06 Nov 1994 08:49:37 GMT");
});

Deno.test("parseEtags() reads lists as in RFC 9110 section 5.6.1", () => {
  assertEquals(parseEtags(" * "), "*");
  assertEquals(parseEtags('"a"'), ['"a"']);
  assertEquals(parseEtags(', "a,b" ,, W/"c"\t,""'), ['"a,b"', 'W/"c"', '""']);
  assertEquals(parseEtags('"a", b, "c"'), ['"a"']);
  assertEquals(parseEtags('w/"a"'), []);
  assertEquals(parseEtags('"a""b"'), []);
  assertEquals(parseEtags('"' + ",".repeat(30_000)), []);
});

Deno.test("evaluatePreconditions() follows the order of RFC 9110 section 13.2.2", async (t) => {
  const before = formatHttpDate(TIME - 1000);
  const same = formatHttpDate(TIME);
  const after = formatHttpDate(TIME + 1000);
  const rows: readonly [headers: Record<string, string>, verdict: Precondition, method?: string][] = [
    [{}, "proceed"],
    [{ "if-match": '"v"' }, "proceed"],
    [{ "if-match": '"x", "v"' }, "proceed"],
    [{ "if-match": "*" }, "proceed"],
    [{ "if-match": '"x"' }, "failed"],
    [{ "if-match": 'W/"v"' }, "failed"],
    [{ "if-match": '"v"', "if-unmodified-since": before }, "proceed"],
    [{ "if-unmodified-since": same }, "proceed"],
    [{ "if-unmodified-since": before }, "failed"],
    [{ "if-unmodified-since": "yesterday" }, "proceed"],
    [{ "if-none-match": '"v"' }, "not-modified"],
    [{ "if-none-match": 'W/"v"' }, "not-modified"],
    [{ "if-none-match": "*" }, "not-modified"],
    [{ "if-none-match": '"v"' }, "failed", "PUT"],
    [{ "if-none-match": '"x"' }, "proceed"],
    [{ "if-none-match": '"x"', "if-modified-since": after }, "proceed"],
    [{ "if-none-match": '"v"', "if-modified-since": before }, "not-modified"],
    [{ "if-modified-since": same }, "not-modified"],
    [{ "if-modified-since": after }, "not-modified"],
    [{ "if-modified-since": before }, "proceed"],
    [{ "if-modified-since": "0" }, "proceed"],
    [{ "if-modified-since": after }, "proceed", "POST"],
    [{ "if-match": '"x"', "if-none-match": '"v"' }, "failed"],
    [{ "if-match": '"v"', "if-none-match": '"v"' }, "not-modified"],
  ];
  const validators = { etag: '"v"', lastModified: TIME };
  for (const [headers, verdict, method = "GET"] of rows) {
    await t.step(`${method} ${JSON.stringify(headers)}`, () => {
      assertEquals(evaluatePreconditions(method, new Headers(headers), validators), verdict);
    });
  }
  const none = { etag: null, lastModified: null };
  assertEquals(evaluatePreconditions("GET", new Headers({ "if-modified-since": after }), none), "proceed");
  assertEquals(evaluatePreconditions("GET", new Headers({ "if-match": '"v"' }), none), "failed");
});

Deno.test("ifRangeHolds() compares strongly", () => {
  const strong = { etag: '"v"', lastModified: TIME };
  assertEquals(ifRangeHolds(null, strong), true);
  assertEquals(ifRangeHolds('"v"', strong), true);
  assertEquals(ifRangeHolds('"x"', strong), false);
  assertEquals(ifRangeHolds('W/"v"', strong), false);
  assertEquals(ifRangeHolds(formatHttpDate(TIME), strong), true);
  assertEquals(ifRangeHolds(formatHttpDate(TIME + 1000), strong), false);
  assertEquals(ifRangeHolds("yesterday", strong), false);
  const weak = { etag: 'W/"v"', lastModified: TIME };
  assertEquals(ifRangeHolds('W/"v"', weak), false);
  assertEquals(ifRangeHolds(formatHttpDate(TIME), weak), false);
});

Deno.test("selectRanges() takes satisfiable ranges and ignores malformed headers", async (t) => {
  const rows: readonly [header: string | null, result: string, size?: number][] = [
    [null, "whole"],
    ["bytes=0-4", "0-5"],
    ["BYTES=0-4", "0-5"],
    ["bytes=5-", "5-10"],
    ["bytes=-3", "7-10"],
    ["bytes=-100", "0-10"],
    ["bytes=8-100", "8-10"],
    ["bytes=9-9", "9-10"],
    ["bytes= 0-1 , ,8-9,", "0-2 8-10"],
    ["bytes=8-9,0-1", "8-10 0-2"],
    ["bytes=0-3,2-5", "0-6"],
    ["bytes=6-7,0-3,2-4", "0-5 6-8"],
    ["bytes=0-0,100-", "0-1"],
    ["bytes=0-,0-", "whole"],
    ["bytes=10-", "unsatisfiable"],
    ["bytes=-0", "unsatisfiable"],
    ["bytes=10-20,-0", "unsatisfiable"],
    ["bytes=99999999999999999999999-", "unsatisfiable"],
    ["bytes=0-99999999999999999999999", "0-10"],
    ["bytes=99999999999999999999999-99999999999999999999998", "whole"],
    ["bytes=-99999999999999999999999", "0-10"],
    ["bytes=5-4", "whole"],
    ["bytes=0-1,5-4", "whole"],
    ["bytes=", "whole"],
    ["bytes=-", "whole"],
    ["bytes=a-b", "whole"],
    ["bytes=+1-2", "whole"],
    ["bytes=0x1-2", "whole"],
    ["bytes=1.5-2", "whole"],
    ["bytes 0-1", "whole"],
    ["items=0-1", "whole"],
    ["bytes=0-0" + ",0-0".repeat(100), "whole", 1000],
    ["bytes=0-", "whole", 0],
    ["bytes=-5", "whole", 0],
  ];
  for (const [header, result, size = 10] of rows) {
    await t.step(`${header?.slice(0, 60)} of ${size}`, () => {
      const verdict = selectRanges(header, size);
      const text = typeof verdict === "string" ? verdict : verdict.map(({ start, end }) => `${start}-${end}`).join(" ");
      assertEquals(text, result);
    });
  }
  assertEquals(contentRange(null, 10), "bytes */10");
});

Deno.test("selectRanges() never selects bytes past the end", () => {
  let seed = 1;
  const random = (below: number) => (seed = (seed * 48271) % 2147483647) % below;
  for (let round = 0; round < 20_000; round++) {
    const size = random(50);
    const specs = Array.from({ length: 1 + random(4) }, () => {
      const [a, b] = [random(60), random(60)];
      return [`${a}-${b}`, `${a}-`, `-${b}`][random(3)]!;
    });
    const verdict = selectRanges(`bytes=${specs.join(",")}`, size);
    if (typeof verdict === "string") continue;
    let total = 0;
    for (const { start, end } of verdict) {
      total += end - start;
      assertEquals(start >= 0 && start < end && end <= size, true, `${specs} of ${size}`);
    }
    assertEquals(total <= size, true, `${specs} of ${size}`);
  }
});

Deno.test("judgeHost() accepts valid hosts and refuses everything else", async (t) => {
  const rows: readonly [host: string | null, url: string, status: number | null][] = [
    ["localhost", "http://localhost/", null],
    ["example.org:8000", "http://example.org:8000/", null],
    ["[::1]:8000", "http://[::1]:8000/", null],
    ["a_b", "http://a_b/", null],
    ["", "http://localhost:8000/", 400],
    ["a/b", "http://a/b/x", 400],
    ["a?b", "http://a?b/x", 400],
    ["u@h", "http://u@h/x", 400],
    ["a b", "http://a b/x", 400],
    ["<script>", "http://<script>/x", 400],
    ["a:b", "http://a:b/", 400],
    ["a:999999", "http://a:999999/", 400],
    ["\xfc", "http://localhost/", 400],
    [null, "http://localhost:8000/x", 400],
    [null, "http://example.org/x", null],
    [null, "https://localhost:8000/x", null],
    ["a", "ftp://o/p", 400],
    ["a", "HTTPS://o/p", null],
    ["a", "http://u@o/p", 400],
    ["a", "http://u:p@o?x", 400],
    ["a", "http://o/p@q", null],
    ["a", "http+unix://%2Ftmp%2Fs/p", null],
  ];
  for (const [host, url, status] of rows) {
    await t.step(`${host} ${url}`, () => assertEquals(judgeHost(host, url)?.status ?? null, status));
  }
});

Deno.test("acceptedCodings() ranks the codings that the client accepts", async (t) => {
  const rows: readonly [header: string | null, codings: string][] = [
    [null, ""],
    ["", ""],
    ["gzip", "gzip"],
    ["GZIP, Br", "br gzip"],
    ["x-gzip", "gzip"],
    ["gzip, deflate, br, zstd", "br zstd gzip"],
    ["gzip;q=1, br;q=0.5", "gzip br"],
    ["gzip;q=0", ""],
    ["*", "br zstd gzip"],
    ["*;q=0", ""],
    ["*;q=0.5, br;q=0", "zstd gzip"],
    ["identity;q=1, gzip;q=0.5", ""],
    ["identity;q=0, gzip;q=0.1", "gzip"],
    ["gzip;q=2", ""],
    ["gzip;q=abc", ""],
  ];
  for (const [header, codings] of rows) {
    await t.step(`${header}`, () => assertEquals(acceptedCodings(header).join(" "), codings));
  }
});

Deno.test("mediaType() knows the types that browsers need", async (t) => {
  const rows: readonly [name: string, type: string][] = [
    ["index.html", "text/html; charset=utf-8"],
    ["INDEX.HTM", "text/html; charset=utf-8"],
    ["a.css", "text/css; charset=utf-8"],
    ["a.js", "text/javascript; charset=utf-8"],
    ["a.mjs", "text/javascript; charset=utf-8"],
    ["a.ts", "text/typescript; charset=utf-8"],
    ["a.json", "application/json"],
    ["a.map", "application/json"],
    ["a.wasm", "application/wasm"],
    ["a.webmanifest", "application/manifest+json"],
    ["a.svg", "image/svg+xml"],
    ["a.png", "image/png"],
    ["a.webp", "image/webp"],
    ["a.avif", "image/avif"],
    ["a.ico", "image/vnd.microsoft.icon"],
    ["a.woff2", "font/woff2"],
    ["a.txt", "text/plain; charset=utf-8"],
    ["a.md", "text/markdown; charset=utf-8"],
    ["a.csv", "text/csv; charset=utf-8"],
    ["a.pdf", "application/pdf"],
    ["a.zip", "application/zip"],
    ["a.tar", "application/x-tar"],
    ["a.tar.gz", "application/gzip"],
    ["a.tgz", "application/gzip"],
    ["a.Z", "application/octet-stream"],
    ["a.bz2", "application/x-bzip2"],
    ["a.xz", "application/x-xz"],
    ["a.mp4", "video/mp4"],
    ["a.mp3", "audio/mpeg"],
    ["a.vtt", "text/vtt; charset=utf-8"],
    ["a.docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"],
    ["README", "application/octet-stream"],
    [".html", "application/octet-stream"],
    ["a.", "application/octet-stream"],
    ["a.constructor", "application/octet-stream"],
    ["a.html.unknown-extension", "application/octet-stream"],
    ["a.html/b", "application/octet-stream"],
  ];
  for (const [name, type] of rows) await t.step(name, () => assertEquals(mediaType(name), type));
  assertEquals(mediaType("README", { fallback: "text/plain" }), "text/plain");
  assertEquals(mediaType("a.TXT", { types: { txt: "text/x-mine" } }), "text/x-mine");
});

Deno.test("escaping leaves nothing that its context would interpret", () => {
  assertEquals(escapeHtml(`<a b="c" d='e'>&`), "&lt;a b=&quot;c&quot; d=&#39;e&#39;&gt;&amp;");
  assertEquals(encodeSegment("a/b ?#%:'()*!~.-_é\ud800"), "a%2Fb%20%3F%23%25%3A%27%28%29%2A%21~.-_%C3%A9%EF%BF%BD");
  assertEquals(escapeLog("a\n\x1b[31m\x9b\\\u2028é\"'"), "a\\x0a\\x1b[31m\\x9b\\\\\\u2028é\"'");
  assertEquals(escapeLogQuoted('"\\'), '\\"\\\\');
});
