/** Advisories about ranges, dates and other headers. */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { fileServer, headers, memory, toFetch } from "@x/pyserve";
import { runCommand, start } from "../support/command.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { assertAlive, assertAnswered, CODED, CONTENT, contentTree, SIZE, utf8 } from "./support.ts";

/** Range headers, each with the status, and the bytes of a single part or of the whole. */
const RANGES:
  readonly (readonly [id: string, range: string, status: number, bytes: readonly [number, number] | null])[] = [
    ["http-server: a suffix", "bytes=-5", 206, [995, 1000]],
    ["http-server, sirv: a suffix longer than the file", "bytes=-1001", 206, [0, 1000]],
    ["dufs #690: a suffix of nothing", "bytes=-0", 416, null],
    ["sirv 3.0: an order that ended its process", "bytes=9-5", 200, [0, 1000]],
    ["sirv 3.0: no numbers", "bytes=abc", 200, [0, 1000]],
    ["nothing but a hyphen", "bytes=-", 200, [0, 1000]],
    ["nothing", "bytes=", 200, [0, 1000]],
    ["two hyphens", "bytes=--5", 200, [0, 1000]],
    ["a hexadecimal number", "bytes=0x1-0x2", 200, [0, 1000]],
    ["an exponent", "bytes=1e0-1e1", 200, [0, 1000]],
    ["digits outside ASCII", utf8("bytes=１-２"), 200, [0, 1000]],
    ["serve, Caddy: an unknown unit", "items=0-5", 200, [0, 1000]],
    ["past the end", "bytes=1000-", 416, null],
    ["2^64, where an unsigned number wraps", "bytes=18446744073709551616-18446744073709551617", 416, null],
    ["2^63, where a signed number wraps", "bytes=0-9223372036854775808", 206, [0, 1000]],
    ["2^53, where doubles become equal", "bytes=9007199254740993-9007199254740992", 200, [0, 1000]],
    ["a suffix of 10^30", `bytes=-1${"0".repeat(30)}`, 206, [0, 1000]],
    ["ranges that overlap", "bytes=0-9,5-14", 206, [0, 15]],
    ["CVE-2025-62727 (Starlette): the whole, twice", "bytes=0-,0-", 200, [0, 1000]],
    ["CVE-2026-34826 (Rack): the whole, ten thousand times", `bytes=${"0-,".repeat(9_999)}0-`, 200, [0, 1000]],
    ["CVE-2026-34826: a byte, seven thousand times", `bytes=${"0-0,".repeat(6_999)}0-0`, 200, [0, 1000]],
    ["CVE-2025-62727: a hundred ranges in one", `bytes=${"0-9,".repeat(99)}0-9`, 206, [0, 10]],
    ["CVE-2018-25103 (lighttpd): two Range lines", "bytes=0-4\r\nRange: bytes=2-6", 200, [0, 1000]],
  ];

/** Requests that half of the comparable servers get wrong, advisory or not; each with its status and a header. */
const PROBE: readonly (readonly [
  name: string,
  request: readonly [method: string, target: string, ...lines: string[]],
  status: number,
  header?: readonly [name: string, value: string | null],
])[] = [
  ["If-Range with a wrong tag", ["GET", "/data.txt", "Range: bytes=0-4", 'If-Range: "x"'], 200],
  ["a range of an empty file", ["GET", "/empty.txt", "Range: bytes=0-"], 200, ["content-length", "0"]],
  ["HEAD and If-None-Match: *", ["HEAD", "/data.txt", "If-None-Match: *"], 304],
  ["If-None-Match: *", ["GET", "/data.txt", "If-None-Match: *"], 304],
  ["If-Match that fails", ["GET", "/data.txt", 'If-Match: "x"'], 412],
  ["If-Unmodified-Since that fails", ["GET", "/data.txt", "If-Unmodified-Since: Thu, 01 Jan 1970 00:00:00 GMT"], 412],
  ["HEAD and a range", ["HEAD", "/data.txt", "Range: bytes=0-4"], 200, ["content-length", String(SIZE)]],
  ["POST", ["POST", "/data.txt"], 405, ["allow", "GET, HEAD, OPTIONS"]],
  ["TRACE", ["TRACE", "/data.txt"], 405, ["allow", "GET, HEAD, OPTIONS"]],
  ["CVE-2026-61502 (HFS): DELETE", ["DELETE", "/data.txt"], 405, ["allow", "GET, HEAD, OPTIONS"]],
  ["an unknown method", ["FROB", "/data.txt"], 501],
  ["a method in lower case", ["get", "/data.txt"], 501],
  ["a path of 20 kB", ["GET", `/${"a".repeat(20_000)}`], 414],
  ["a name of 256 bytes", ["GET", `/${"a".repeat(256)}`], 404],
  ["bad UTF-8", ["GET", "/%ff%fe"], 400],
  ["gzip;q=0", ["GET", "/x.js", "Accept-Encoding: gzip;q=0"], 200, ["content-encoding", null]],
  ["identity first", ["GET", "/x.js", "Accept-Encoding: gzip;q=0.1, identity"], 200, ["content-encoding", null]],
  ["CVE-2025-24010 (Vite): any origin", ["GET", "/data.txt", "Origin: null"], 200, [
    "access-control-allow-origin",
    null,
  ]],
  ["CVE-2025-24010: preflight", ["OPTIONS", "/", "Origin: http://x"], 204, ["access-control-allow-origin", null]],
  ["CVE-2012-5533 (lighttpd): Connection", ["GET", "/data.txt", "Connection: TE,,Keep-Alive"], 200],
];

/** What is no date, for a field that wants one; `Date.parse` takes some of them. */
const NO_DATES = [
  ...[
    "",
    "0",
    "-1",
    "1e309",
    "NaN",
    "now",
    "Mon",
    "2038-01-19",
    "+275760-09-13T00:00:00.000Z",
    "%s%s%n",
    "{}",
    "\xff\xfe",
  ],
  ...["Mon, 99 Jan 2024 00:00:00 GMT", "Mon, 01 Jan 2024 99:99:99 GMT", "Thu, 01 Jan 1970 00:00:00 GMT".repeat(1_000)],
  ...["Mon, 01 Foo 2024 00:00:00 GMT", "Mon,".repeat(7_000), "9".repeat(30_000)],
];

Deno.test("advisories about ranges, dates and other headers", async (t) => {
  await using tree = await contentTree();
  await using command = await start([tree.path, "--precompressed"]);
  const { port } = command;

  for (const [id, range, status, bytes] of RANGES) {
    await t.step(`${id}: Range ${JSON.stringify(range.slice(0, 60))} is ${status}`, async () => {
      const response = await ask(port, "GET", "/data.txt", `Range: ${range}`);
      assertEquals([response.status, response.complete], [status, true]);
      const extent = response.headers.get("content-range");
      if (bytes) assertEquals(response.text, CONTENT.slice(...bytes));
      if (status === 206) assertEquals(extent, `bytes ${bytes![0]}-${bytes![1] - 1}/${SIZE}`);
      if (status === 416) assertEquals(extent, `bytes */${SIZE}`);
    });
  }
  for (const [name, [method, target, ...lines], status, header] of PROBE) {
    await t.step(`probe of peers: ${name} is ${status}`, async () => {
      const response = await ask(port, method, target, ...lines);
      assertEquals(response.status, status);
      if (header) assertEquals(response.headers.get(header[0]), header[1]);
    });
  }
  await t.step("CVE-2015-9242 (ecstatic): what is no date is ignored", async () => {
    for (const field of ["If-Modified-Since", "If-Unmodified-Since", "If-Range"]) {
      for (const date of NO_DATES) {
        const { status, text } = await ask(port, "GET", "/data.txt", `${field}: ${date}`, "Range: bytes=0-4");
        const whole = field === "If-Range"; // which is not ignored: the range is
        assertEquals([status, text], whole ? [200, CONTENT] : [206, CONTENT.slice(0, 5)], `${field}: ${date}`);
      }
    }
  });
  await t.step("CVE-2018-25103 (lighttpd): a folded header is refused or read, and ends nothing", async () => {
    const folded = "If-Modified-Since: Mon,\r\n 01 Jan 2024 00:00:00 GMT";
    assertAnswered(await ask(port, "GET", "/data.txt", folded), folded);
  });
  await t.step(
    "static-web-server 2.44, #722: coded bytes go to those who take them, whole and with a tag of their own",
    async () => {
      const plain = await ask(port, "GET", "/x.js");
      for (let round = 0; round < 3; round++) {
        const coded = await ask(port, "GET", "/x.js", "Accept-Encoding: gzip");
        assertEquals([coded.text, coded.headers.get("content-encoding"), coded.complete], [CODED, "gzip", true]);
        const again = await ask(port, "GET", "/x.js");
        assertEquals([again.text, again.headers.get("content-encoding"), again.complete], ["plain", null, true]);
        for (const { headers } of [coded, again]) assertEquals(headers.get("vary"), "accept-encoding");
        assert(coded.headers.get("etag") !== again.headers.get("etag"));
        assertEquals(again.headers.get("etag"), plain.headers.get("etag"));
      }
    },
  );
  await assertAlive(command);
});

Deno.test("ETag concatenation (Caddy, 2026): size and time that read the same in a row make two tags", async () => {
  await using tree = await tempTree({ "alive.txt": "alive", "a.txt": "" });
  await using command = await start([tree.path]);
  const tags: (string | null)[] = [];
  // Without a separator, 0x1 and 0x12345 read as 0x11 and 0x2345.
  for (const [size, time] of [[0x1, 0x12345], [0x11, 0x2345]] as const) {
    await Deno.writeTextFile(tree.at("a.txt"), "a".repeat(size));
    await Deno.utime(tree.at("a.txt"), new Date(time), new Date(time));
    tags.push((await ask(command.port, "GET", "/a.txt")).headers.get("etag"));
  }
  assert(tags[0] && tags[1] && tags[0] !== tags[1], tags.join(" "));
});

Deno.test("gh-142533 (Python): a header with CR, LF or NUL cannot be set", async () => {
  for (const value of ["a\r\nX: y", "a\nb", "a\rb", "a\0b"]) {
    assertThrows(() => headers([["x-a", value]]), TypeError);
    assertThrows(() => headers([[value, "a"]]), TypeError);
    if (value.includes("\0")) continue; // no word of a command line has one
    assertEquals((await runCommand(["-H", "x-a", value])).code, 2);
  }
});

const HTTP_DATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

/** Seconds since 1970 that a disk may have room for. */
const TIMES = [
  0,
  -1,
  -86_400,
  -62_135_596_800,
  -99_999_999_999,
  4_102_444_800,
  253_402_300_800,
  8_640_000_000_001,
  9e14,
];

async function checkDated(ask: (target: string) => Promise<{ status: number; headers: Headers; text: string }>) {
  const { status, headers, text } = await ask("/dated.txt");
  assertEquals([status, text], [200, "dated"]);
  const date = headers.get("last-modified");
  if (date !== null) assertMatch(date, HTTP_DATE);
  assert(date === null || Date.parse(date) <= Date.now(), "Last-Modified lies in the future");
  assertMatch(headers.get("etag") ?? "", /^(?:W\/)?"[\x21\x23-\x7e]+"$/);
  for (const format of ["html", "json", "text"]) {
    const page = await ask(`/?format=${format}&sort=modified`);
    assert(page.status === 200 && page.text.includes("dated.txt"), page.text);
    assert(!/NaN|Invalid|undefined/.test(page.text), page.text);
  }
}

Deno.test("CVE-2020-25691, CVE-2024-23770 (darkhttpd): a file of any time is served and listed", async (t) => {
  await using tree = await tempTree({ "alive.txt": "alive", "dated.txt": "dated" });
  await using command = await start([tree.path]);
  for (const time of TIMES) {
    await t.step(`${time} seconds since 1970, on disk as far as the disk goes`, async () => {
      await Deno.utime(tree.at("dated.txt"), time, time);
      await checkDated((target) => ask(command.port, "GET", target));
    });
  }
  for (const time of [...TIMES, NaN]) {
    await t.step(`${time} seconds since 1970, from a source`, async () => {
      const fetch = toFetch(fileServer(memory({ "dated.txt": "dated" }, { modified: time * 1000 }), { log: false }));
      await checkDated(async (target) => {
        const response = await fetch(new Request(`http://localhost${target}`));
        return { status: response.status, headers: response.headers, text: await response.text() };
      });
    });
  }
  await assertAlive(command);
});
