/**
 * What the RFCs ask of a static origin server, row by row, asked of the running command over raw sockets.
 *
 * The rows are those of our notes on RFC 9110, 9111, 9112 and 3986; each step names its row and the section. Left out:
 *
 * - Row 5, "412 otherwise": If-None-Match can only fail with 412 on methods that the server does not have.
 * - Row 51, HTTP/1.0 without Host: it is good, but answered 400, because Deno.serve does not tell the version and for
 *   HTTP/1.1 it has to be 400. What is asserted is the 400.
 * - Row 51, an absolute-form target without Host: it has to be 400, but Deno.serve shows it just as it shows HTTP/2,
 *   where there is no Host. Nothing is asserted.
 * - Row 62: Deno.serve refuses HTTP/1.2, which should be served. What is asserted is that it is refused in order.
 * - Rows 66 and 68, drive letters, devices and `::$DATA`: they mean something on Windows only, and would need files
 *   there that a test has not made. What is asserted is that nothing has such a name here.
 */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { type RunningCommand, start, startProcess } from "./support/command.ts";
import { ROOT } from "./support/paths.ts";
import { missing } from "./support/programs.ts";
import { latin1, parseResponse, raw, type RawResponse } from "./support/raw.ts";
import { settleTimes, tempTree } from "./support/tree.ts";

// The language of the tables.

/** What is sent, as it goes over the wire but for `{etag}` and its like, and what has to come back. */
interface Exchange {
  readonly send: string;
  readonly status: number | readonly number[];
  /** Headers it has to have, or, with null, must not have. */
  readonly headers: Readonly<Record<string, string | RegExp | null>>;
  readonly body: string | RegExp | undefined;
}

/** How a row is checked: by exchanges, by code, or by both. */
interface Checks {
  readonly asks?: readonly Exchange[];
  readonly check?: (port: number) => Promise<void>;
  readonly ignore?: boolean;
}

/** A row of the notes. */
interface Row extends Checks {
  readonly row: number;
  readonly rfc: string;
  readonly says: string;
}

function row(row: number, rfc: string, says: string, checks: Checks): Row {
  return { row, rfc, says, ...checks };
}

/** Bytes on the wire: the lines of a head and a body, and nothing that was not given. */
function wire(lines: readonly string[], body = "") {
  const send = lines.join("\r\n") + "\r\n\r\n" + body;
  return {
    gets: (status: Exchange["status"], headers: Exchange["headers"] = {}, body?: Exchange["body"]): Exchange => ({
      send,
      status,
      headers,
      body,
    }),
  };
}

/** A whole request: method and target, and the lines that matter. */
function send(request: string, ...lines: readonly string[]) {
  return wire([`${request} HTTP/1.1`, "Host: localhost", "Connection: close", ...lines]);
}

/** `send` for many values of one header, all with the same answer. */
function sendEach(request: string, name: string, values: readonly string[]) {
  return {
    get: (...answer: Parameters<ReturnType<typeof wire>["gets"]>): Exchange[] =>
      values.map((value) => send(request, `${name}: ${value}`).gets(...answer)),
  };
}

/** A list of what has no spaces in it. */
function words(text: string): string[] {
  return text.trim().split(/\s+/);
}

/** `send` for many targets, all with the same answer. */
function getEach(targets: readonly string[], ...answer: Parameters<ReturnType<typeof wire>["gets"]>): Exchange[] {
  return targets.map((target) => send(`GET ${target}`).gets(...answer));
}

async function run(t: Deno.TestContext, rows: readonly Row[], port: number): Promise<void> {
  for (const { row, rfc, says, asks = [], check, ignore = false } of rows) {
    await t.step({
      name: `row ${row}: ${says} (RFC ${rfc})`,
      ignore,
      fn: async () => {
        for (const each of asks) await exchange(port, each);
        await check?.(port);
      },
    });
  }
}

function conformance(section: string, rows: readonly Row[], ...flags: readonly string[]): void {
  Deno.test(`conformance: ${section}`, async (t) => {
    await using server = await start([site.root, ...flags]);
    await run(t, rows, server.port);
  });
}

/** Sends, compares, and looks whether the answer keeps what every answer has to keep. */
async function exchange(port: number, { send, status, headers, body }: Exchange): Promise<RawResponse> {
  const request = filled(send);
  const response = await raw(port, request);
  const what = `${request}\n-> ${response.head}\n\n`;
  assert([status].flat().includes(response.status), `Expected ${status}: ${what}`);
  for (const [name, expected] of Object.entries(headers)) compare(response.headers.get(name), expected, what);
  if (body !== undefined) compare(response.text, body, what);
  keepsAll(request, response, what);
  return response;
}

function compare(actual: string | null, expected: string | RegExp | null, what: string): void {
  const right = expected instanceof RegExp
    ? expected.test(actual ?? "")
    : actual === (expected === null ? null : filled(expected));
  const shown = expected instanceof RegExp ? String(expected) : JSON.stringify(expected);
  assert(right, `Expected ${shown} and not ${JSON.stringify(actual)}: ${what}`);
}

const IMF_FIXDATE = /^(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun), \d\d [A-Z][a-z]{2} \d{4} \d\d:\d\d:\d\d GMT$/;

function keepsAll(request: string, response: RawResponse, what: string): void {
  const { status, headers, head, body } = response;
  if (status >= 200) assertMatch(headers.get("date") ?? "", IMF_FIXDATE, `row 40: ${what}`);
  if (status === 405) assert(headers.has("allow"), `row 34: ${what}`);
  if (request.startsWith("HEAD") || status === 204 || status === 304) assertEquals(body.length, 0, `row 32: ${what}`);
  else if (status >= 200) assert(response.complete, `More or less than Content-Length: ${what}`);
  if (status < 200 || status === 204) assert(!/^(?:content-length|transfer-encoding):/im.test(head), `row 41: ${what}`);
  assert(status < 500 || status === 501 || status === 505, `row 42: ${what}`);
  if (headers.has("content-type")) assertEquals(headers.get("x-content-type-options"), "nosniff", `row 45: ${what}`);
  assertMatch(head, /^(?:[\x20-\x7e]*\r\n)*[\x20-\x7e]*$/, `row 70: ${what}`);
  assert(!response.text.includes(FORBIDDEN), `row 65: ${what}`);
  assert(!(head + response.text).includes(dirname(site.root)), `row 80: ${what}`);
}

function filled(text: string): string {
  return text.replace(/\{(\w+)\}/g, (whole, name) => site.tags[name] ?? whole);
}

/** What comes after a response on the same connection. */
function following({ headers, body }: RawResponse): RawResponse {
  return parseResponse(body.subarray(Number(headers.get("content-length") ?? 0)));
}

function get(port: number, target: string, ...lines: readonly string[]): Promise<RawResponse> {
  return exchange(port, send(`GET ${target}`, ...lines).gets([200, 206, 304]));
}

function etagOf(response: RawResponse): string {
  return response.headers.get("etag") ?? "";
}

// What is served.

/** Never to be seen in an answer, whatever is asked. */
const FORBIDDEN = "what nobody may read";

/** Text of 100,000 bytes in which every place looks different. */
const DATA = Array.from({ length: 12_500 }, (_, line) => String(line).padStart(7, "0") + "\n").join("");

const MODIFIED = "Sun, 02 Feb 2020 02:02:02 GMT";
const EARLIER = "Sat, 01 Feb 2020 02:02:02 GMT";
const LATER = "Mon, 03 Feb 2020 02:02:02 GMT";

const FILES: Readonly<Record<string, string>> = {
  "hello.txt": "hello, world\n",
  "data.bin": DATA,
  "empty.txt": "",
  "dir/file.txt": "in dir\n",
  "dir/e\u0301.txt": "decomposed\n",
  "dir2/file.txt": "in dir2\n",
  "site/index.html": "<!DOCTYPE html><title>Site</title>\n",
  "edited/file.txt": "first\n",
  "odd.unknown": "<html><script>alert(1)</script></html>\n",
  "noextension": "<html></html>\n",
  "archive.tar.gz": "as good as an archive\n",
  "coded/app.js": "plain\n".repeat(100),
  "coded/app.js.br": "br\n",
  "coded/app.js.zst": "zst\n",
  "coded/app.js.gz": "gzip, and long enough for ranges\n",
  "coded/stale.js": "plain\n",
  "coded/stale.js.gz": "stale\n",
  "coded/folder.js": "plain\n",
  "coded/folder.js.gz/a.txt": "",
  "coded/alone.js": "plain\n",
  ".env": "hidden\n",
  ".git/config": "hidden\n",
  "dir/.hidden/file.txt": "hidden\n",
  ".well-known/security.txt": "Contact: mailto:a@example.org\n",
};

const POSIX = Deno.build.os !== "windows";

/** Names that only POSIX has; each file's content is its name. */
const NAMES = POSIX
  ? [
    " lead",
    "trail ",
    "trail.",
    "a b.txt",
    "a%20b.txt",
    "%2e%2e",
    "50%.txt",
    "a#b.txt",
    "a?b.txt",
    "a&b.txt",
    "a&amp;b.txt",
    'a"b.txt',
    "a'b.txt",
    "a;b.txt",
    "a:b.txt",
    "a+b.txt",
    "a=b",
    "*",
    "{}|^`",
    "<img src=x onerror=alert(1)>",
    "javascript:alert(1)",
    "http:evil",
    "back\\slash.txt",
    "new\nline.txt",
    "tab\t.txt",
    "esc\x1b[2J.txt",
    "c1\x9b2J.txt",
    "rtl\u202egpj.txt",
    "é.txt",
    "日本.txt",
    "😀.txt",
    "\uff0e\uff0e",
  ]
  : ["a b.txt", "a%20b.txt", "a#b.txt", "a&b.txt", "a'b.txt", "日本.txt"];

/** Directories whose names would be misread in a Location or a page. */
const DIRECTORIES = POSIX ? ["dir?q", "\\evil.example", "y<", "c:", "e\rf"] : ["dir#q"];

interface Site extends AsyncDisposable {
  /** The directory to serve; what lies beside it is not to be seen. */
  readonly root: string;
  /** Entity tags by placeholder. */
  readonly tags: Record<string, string>;
  at(name: string): string;
}

let site: Site;

// Once for all: until entity tags are strong takes two seconds.
Deno.test.beforeAll(async () => {
  site = await makeSite();
});

Deno.test.afterAll(async () => {
  await site[Symbol.asyncDispose]();
});

async function makeSite(): Promise<Site> {
  const served = Object.entries(FILES).map(([name, content]) => [`www/${name}`, content] as const);
  const typed = Object.keys(TYPES).map((name) => [`www/types/${name}`, ""] as const);
  const named = NAMES.map((name) => [`www/names/${name}`, name] as const);
  const tree = await tempTree({
    ...Object.fromEntries([...served, ...named, ...typed]),
    "www-private/secret.txt": FORBIDDEN,
    "outside/out.txt": "outside\n",
  });
  const root = tree.at("www");
  const at = (name: string) => join(root, name);
  for (const name of DIRECTORIES) await Deno.mkdir(at(`dirs/${name}`), { recursive: true });
  if (POSIX) await makePosix(at);
  for (const name of Object.keys(FILES)) await settleTimes(at(name), Date.parse(MODIFIED) / 1000);
  await settleTimes(at("coded/stale.js.gz"), Date.parse(EARLIER) / 1000);
  await Deno.utime(at("dir2/file.txt"), Date.now() / 1000 + 86_400, Date.now() / 1000 + 86_400);
  const tags = await settledTags(root, "dir2/file.txt");
  return {
    root,
    tags,
    at,
    async [Symbol.asyncDispose]() {
      if (POSIX) await Deno.chmod(at("special/noread"), 0o755);
      await tree[Symbol.asyncDispose]();
    },
  };
}

async function makePosix(at: (name: string) => string): Promise<void> {
  await Deno.mkdir(at("names/y</script>"), { recursive: true });
  await Deno.mkdir(at("links"));
  await Deno.symlink("../dir/file.txt", at("links/inside.txt"));
  await Deno.symlink("../../outside", at("links/outside"));
  await Deno.symlink("../../www-private", at("links/private"));
  await Deno.symlink("/etc/passwd", at("links/absolute"));
  await Deno.symlink("loop", at("links/loop"));
  await Deno.symlink("nothing", at("links/broken"));
  await Deno.mkdir(at("special/noread"), { recursive: true });
  await Deno.writeTextFile(at("special/noread/file.txt"), FORBIDDEN);
  await Deno.writeTextFile(at("special/unreadable.txt"), FORBIDDEN);
  await Deno.chmod(at("special/unreadable.txt"), 0);
  await Deno.chmod(at("special/noread"), 0);
}

/** Waits until the server takes the file touched last for settled, and reads the tags that the tables speak of. */
async function settledTags(root: string, last: string): Promise<Record<string, string>> {
  await using server = await start([root]);
  const tag = async (name: string) =>
    (await raw(server.port, `HEAD /${name} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)).headers.get("etag")!;
  for (let tries = 0; (await tag(last)).startsWith("W/"); tries++) {
    if (tries === 200) throw new Error("Entity tags stay weak");
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  return { etag: await tag("hello.txt"), data: await tag("data.bin") };
}

// 9110 section 13.

const BAD_DATES = [
  "2020-02-03T02:02:02Z",
  "0",
  "9999999999999999999999",
  "Mon, 03 Feb 2020 02:02:02",
  "Mon, 03 Feb 2020 02:02:02 UTC",
  "Mon, 32 Feb 2020 02:02:02 GMT",
  "Mon, 31 Feb 2020 02:02:02 GMT",
  "Mon, 03 Feb 2020 25:02:02 GMT",
  "Mon, 03 Feb 2020 02:02:02 GMT, Tue, 04 Feb 2020 02:02:02 GMT",
  "tomorrow",
  "",
];

const OLD_BAD_DATES = BAD_DATES.map((date) => date.replaceAll("2020", "2000"));

const CONDITIONS: readonly Row[] = [
  row(1, "9110 13.2.1", "what would not be 2xx is answered as if there were no condition", {
    asks: [
      ...["If-Match: *", 'If-Match: "nope"', "If-None-Match: *", `If-Modified-Since: ${LATER}`].flatMap((line) => [
        send("GET /missing", line).gets(404),
        send("GET /dir", line).gets(301, { location: "/dir/" }),
        send("DELETE /hello.txt", line).gets(405),
        send("FROB /hello.txt", line).gets(501),
        send("GET /%zz", line).gets(400),
      ]),
      send("GET /missing", `If-Unmodified-Since: ${EARLIER}`).gets(404),
    ],
  }),
  row(2, "9110 13.2.2", "the preconditions are evaluated in order", {
    asks: [
      send("GET /hello.txt", "If-Match: {etag}", `If-Unmodified-Since: ${EARLIER}`).gets(200),
      send("GET /hello.txt", "If-None-Match: {etag}", 'If-Match: "nope"').gets(412),
      send("GET /hello.txt", "If-None-Match: {etag}", `If-Unmodified-Since: ${EARLIER}`).gets(412),
      send("GET /hello.txt", "If-None-Match: {etag}", "If-Match: {etag}").gets(304),
      send("GET /hello.txt", "If-None-Match: {etag}", `If-Unmodified-Since: ${LATER}`).gets(304),
      send("GET /hello.txt", `If-Modified-Since: ${LATER}`, `If-Unmodified-Since: ${LATER}`).gets(304),
      send("GET /hello.txt", "If-None-Match: {etag}", "Range: bytes=0-4", "If-Range: {etag}").gets(304),
      send("GET /hello.txt", 'If-None-Match: "nope"', "Range: bytes=0-4", "If-Range: {etag}").gets(206),
      send("GET /hello.txt", 'If-Match: "nope"', "Range: bytes=0-4", "If-Range: {etag}").gets(412),
      send("GET /hello.txt", "If-None-Match: {etag}", "Range: bytes=99-").gets(304),
    ],
  }),
  row(3, "9110 13.1.1", "If-Match compares strongly, and is 412 where it fails", {
    asks: [
      ...["GET", "HEAD"].flatMap((method) => [
        ...sendEach(`${method} /hello.txt`, "If-Match", ["*", "{etag}", '"nope", {etag}']).get(200),
        ...sendEach(`${method} /hello.txt`, "If-Match", ['"nope"', "W/{etag}", '"a", W/{etag}', "nope"]).get(412),
      ]),
      send("GET /dir/", "If-Match: *").gets(200),
      send("GET /dir/", "If-Match: {etag}").gets(412),
    ],
    async check(port) {
      const listing = await get(port, "/dir/");
      assertMatch(etagOf(listing), /^W\//);
      await exchange(port, send("GET /dir/", `If-Match: ${etagOf(listing)}`).gets(412));
    },
  }),
  row(4, "9110 13.1.4", "If-Unmodified-Since is 412 after the date, and ignored where it says nothing", {
    asks: [
      ...sendEach("GET /hello.txt", "If-Unmodified-Since", [MODIFIED, LATER]).get(200),
      send("GET /hello.txt", `If-Unmodified-Since: ${EARLIER}`).gets(412),
      send("HEAD /hello.txt", `If-Unmodified-Since: ${EARLIER}`).gets(412),
      ...sendEach("GET /hello.txt", "If-Unmodified-Since", OLD_BAD_DATES).get(200),
      send("GET /hello.txt", `If-Unmodified-Since: ${EARLIER}`, `If-Unmodified-Since: ${EARLIER}`).gets(200),
      send("GET /hello.txt", "If-Match: *", `If-Unmodified-Since: ${EARLIER}`).gets(200),
      send("GET /dir/", `If-Unmodified-Since: ${EARLIER}`).gets(200),
    ],
  }),
  row(5, "9110 13.1.2", "If-None-Match compares weakly, and is 304 where it fails", {
    asks: ["GET", "HEAD"].flatMap((method) => [
      ...sendEach(`${method} /hello.txt`, "If-None-Match", ["*", "{etag}", "W/{etag}", '"nope", {etag}']).get(304),
      ...sendEach(`${method} /hello.txt`, "If-None-Match", ['"nope"', 'W/"nope"', "nope", '""']).get(200),
    ]),
    async check(port) {
      const listing = etagOf(await get(port, "/dir/"));
      await exchange(port, send("GET /dir/", `If-None-Match: ${listing}`).gets(304, { etag: listing }));
      await exchange(port, send("GET /dir/", `If-None-Match: ${listing.slice(2)}`).gets(304));
    },
  }),
  row(6, "9110 13.1.3", "If-Modified-Since is ignored where there is If-None-Match", {
    asks: [
      send("GET /hello.txt", 'If-None-Match: "nope"', `If-Modified-Since: ${LATER}`).gets(200),
      send("GET /hello.txt", `If-Modified-Since: ${LATER}`, 'If-None-Match: "nope"').gets(200),
      send("GET /hello.txt", "If-None-Match: {etag}", `If-Modified-Since: ${EARLIER}`).gets(304),
    ],
  }),
  row(7, "9110 13.1.3", "If-Modified-Since is 304 at and after the time", {
    asks: ["GET", "HEAD"].flatMap((method) => [
      ...sendEach(`${method} /hello.txt`, "If-Modified-Since", [MODIFIED, LATER]).get(304),
      send(`${method} /hello.txt`, `If-Modified-Since: ${EARLIER}`).gets(200),
      send(`${method} /hello.txt`, "If-Modified-Since: Sun, 02 Feb 2020 02:02:01 GMT").gets(200),
    ]),
  }),
  row(8, "9110 13.1.3", "If-Modified-Since is ignored where it says nothing", {
    asks: [
      ...sendEach("GET /hello.txt", "If-Modified-Since", BAD_DATES).get(200),
      send("GET /hello.txt", `If-Modified-Since: ${LATER}`, `If-Modified-Since: ${LATER}`).gets(200),
      send("OPTIONS /hello.txt", `If-Modified-Since: ${LATER}`).gets(204),
      send("GET /dir/", `If-Modified-Since: ${LATER}`).gets(200),
    ],
  }),
  row(9, "9110 5.6.7", "three forms of dates are read, one is sent", {
    asks: [
      ...sendEach("GET /hello.txt", "If-Modified-Since", [
        "Sun, 02 Feb 2020 02:02:02 GMT",
        "Sunday, 02-Feb-20 02:02:02 GMT",
        "Sun Feb  2 02:02:02 2020",
        "Thursday, 01-Jan-49 00:00:00 GMT", // 2049
      ]).get(304),
      ...sendEach("GET /hello.txt", "If-Modified-Since", [
        "Sunday, 02-Feb-20 02:02:01 GMT",
        "Sun Feb  2 02:02:01 2020",
        "Friday, 01-Jan-99 00:00:00 GMT", // 1999: 2099 would be too far ahead
      ]).get(200),
      send("GET /hello.txt").gets(200, { "last-modified": MODIFIED, date: IMF_FIXDATE }),
    ],
  }),
  row(10, "9110 13.1.5", "If-Range lets a range count that is surely of the same bytes, and nothing else", {
    asks: [
      ...sendEach("GET /data.bin", "Range: bytes=0-9\r\nIf-Range", [
        "{data}",
        MODIFIED,
        "Sunday, 02-Feb-20 02:02:02 GMT",
      ])
        .get(206, { "content-range": "bytes 0-9/100000" }, DATA.slice(0, 10)),
      ...sendEach("GET /data.bin", "Range: bytes=0-9\r\nIf-Range", [
        "W/{data}",
        "{etag}",
        '"nope"',
        EARLIER,
        LATER,
        "nope",
        "*",
        "{data}, {data}",
      ]).get(200, { "content-range": null }, DATA),
      send("GET /data.bin", "If-Range: {data}").gets(200, { "content-range": null }),
      send("GET /data.bin", 'If-Range: "nope"').gets(200),
      send("HEAD /data.bin", "Range: bytes=0-9", "If-Range: {data}").gets(200, { "content-length": "100000" }),
      send("GET /data.bin", "Range: bytes=200000-", 'If-Range: "nope"').gets(200, {}, DATA),
      send("GET /data.bin", "Range: bytes=200000-", "If-Range: {data}").gets(416),
    ],
  }),
  row(11, "9110 5.6.1", "lists have empty members, any spacing, commas inside of tags, and go on in other lines", {
    asks: [
      ...sendEach("GET /hello.txt", "If-None-Match", [
        ", {etag}",
        '"x",, ,{etag},',
        '"x"\t,\t{etag}',
        '"a,b", {etag}',
        '"a","b",{etag},"c"',
        '"x"\r\nIf-None-Match: {etag}',
      ]).get(304),
      ...sendEach("GET /hello.txt", "If-Match", ['"a,b",{etag}', '"x"\r\nIf-Match: {etag}', ",,{etag}"]).get(200),
      send("GET /data.bin", "Range: bytes=,0-1 ,, 4-5,").gets(206, { "content-type": /^multipart\/byteranges/ }),
    ],
  }),
  row(12, "9110 15.4.5", "a 304 has no content and keeps what a cache needs", {
    asks: [
      ...words("GET HEAD").map((method) =>
        send(`${method} /hello.txt`, "If-None-Match: {etag}").gets(304, {
          etag: "{etag}",
          "cache-control": "no-cache",
          "content-type": null,
          "content-length": null,
          "content-range": null,
        })
      ),
      send("GET /dir/", "If-None-Match: *").gets(304, {
        etag: /^W\/"/,
        "cache-control": "no-cache",
        vary: /accept/i,
        "content-type": null,
      }),
    ],
  }),
];

// 9110 section 8.8, and 9111.

const ETAG = /^(?:W\/)?"[\x21\x23-\x7e\x80-\xff]*"$/;

const VALIDATORS: readonly Row[] = [
  row(13, "9110 8.8.2.1", "files have Last-Modified, and all there is has an ETag", {
    asks: [
      send("GET /hello.txt").gets(200, { "last-modified": MODIFIED, etag: "{etag}" }),
      send("GET /data.bin").gets(200, { "last-modified": MODIFIED, etag: "{data}" }),
      send("GET /site/").gets(200, { "last-modified": MODIFIED, etag: ETAG }),
      send("GET /empty.txt").gets(200, { "last-modified": MODIFIED, etag: ETAG }),
      send("GET /dir/").gets(200, { etag: ETAG }),
    ],
  }),
  row(14, "9110 8.8.2.1", "Last-Modified is never later than Date", {
    async check(port) {
      const { headers } = await get(port, "/dir2/file.txt");
      const [modified, date] = ["last-modified", "date"].map((name) => headers.get(name));
      assertMatch(modified ?? "", IMF_FIXDATE);
      assert(Date.parse(modified!) <= Date.parse(date!), `${modified} is later than ${date}`);
    },
  }),
  row(15, "9110 8.8.3", "an ETag is a quoted string of visible characters", {
    asks: words("/hello.txt /names/ /names/a%20b.txt /dir2/file.txt /dir/?format=json").map((target) =>
      send(`GET ${target}`).gets(200, { etag: ETAG })
    ),
  }),
  row(16, "9110 8.8.1", "a tag that outlives a change of the bytes is weak", {
    asks: [send("GET /hello.txt").gets(200, { etag: /^"/ })],
    async check(port) {
      // As bad as it gets: the same size and the same time, and maybe the same second.
      const change = async (content: string) => {
        await Deno.writeTextFile(site.at("edited/file.txt"), content);
        await settleTimes(site.at("edited/file.txt"), 1_000_000_000);
        return await get(port, "/edited/file.txt");
      };
      const [before, after] = [await change("one\n"), await change("two\n")];
      assertEquals([before.text, after.text], ["one\n", "two\n"]);
      assert(etagOf(before) !== etagOf(after) || etagOf(before).startsWith("W/"), etagOf(before));
      await exchange(port, send("GET /edited/file.txt", `If-Match: W/${etagOf(before)}`).gets(412));
    },
  }),
  row(18, "9110 8.8.1", "a listing's validators do not outlive a change of what it shows", {
    asks: [send("GET /edited/").gets(200, { "last-modified": null, etag: /^W\// })],
    async check(port) {
      await Deno.writeTextFile(site.at("edited/file.txt"), "short\n");
      const before = etagOf(await get(port, "/edited/"));
      await Deno.writeTextFile(site.at("edited/file.txt"), "now it is longer\n");
      const { text } = await exchange(port, send("GET /edited/", `If-None-Match: ${before}`).gets(200));
      assert(text.includes("17 bytes"), text);
    },
  }),
  row(19, "9111 4.2.2", "caches are told to ask again, and are told so by every answer of a file", {
    asks: [
      send("GET /hello.txt").gets(200, { "cache-control": "no-cache" }),
      send("HEAD /hello.txt").gets(200, { "cache-control": "no-cache" }),
      send("GET /hello.txt", "Range: bytes=0-1").gets(206, { "cache-control": "no-cache" }),
      send("GET /hello.txt", "If-None-Match: *").gets(304, { "cache-control": "no-cache" }),
      send("GET /dir/").gets(200, { "cache-control": "no-cache" }),
    ],
  }),
];

const OWN_CACHING: readonly Row[] = [
  row(19, "9111 4.3.4", "a Cache-Control of one's own is on the 304 too", {
    asks: ["", "Range: bytes=0-1", "If-None-Match: *"].map((line) =>
      send("GET /hello.txt", ...line ? [line] : []).gets([200, 206, 304], { "cache-control": "public, max-age=60" })
    ),
  }),
];

// 9110 section 14.

const part = (range: string, from: number, to: number) =>
  send("GET /data.bin", `Range: ${range}`).gets(
    206,
    {
      "content-range": `bytes ${from}-${to - 1}/100000`,
      "content-length": String(to - from),
      "content-type": "application/octet-stream",
    },
    DATA.slice(from, to),
  );

const whole = (range: string) => send("GET /data.bin", `Range: ${range}`).gets(200, { "content-range": null }, DATA);

const HUGE = "9".repeat(400);

const RANGES: readonly Row[] = [
  row(20, "9110 14.3", "files say that they take ranges, and listings take none", {
    asks: [
      send("GET /data.bin").gets(200, { "accept-ranges": "bytes" }),
      send("HEAD /data.bin").gets(200, { "accept-ranges": "bytes" }),
      send("GET /dir/", "Range: bytes=0-9").gets(200, { "accept-ranges": null, "content-range": null }),
    ],
  }),
  row(21, "9110 14.1.2", "a range is first to last, open at its end, or a suffix", {
    asks: [
      part("bytes=0-0", 0, 1),
      part("bytes=0-9", 0, 10),
      part("bytes=10-19", 10, 20),
      part("bytes=99999-99999", 99_999, 100_000),
      part("bytes=99990-200000", 99_990, 100_000),
      part("bytes=0-", 0, 100_000),
      part("bytes=99990-", 99_990, 100_000),
      part("bytes=-1", 99_999, 100_000),
      part("bytes=-10", 99_990, 100_000),
      part("bytes=-100000", 0, 100_000),
      part("bytes=-100001", 0, 100_000),
      part("bytes=0-99999", 0, 100_000),
      part("bytes=20000-90000", 20_000, 90_001),
    ],
  }),
  row(22, "9110 14.1.2", "numbers of any length do not overflow", {
    asks: [
      part(`bytes=99990-${HUGE}`, 99_990, 100_000),
      part("bytes=5-9007199254740993", 5, 100_000),
      part("bytes=5-18446744073709551616", 5, 100_000),
      part(`bytes=-${HUGE}`, 0, 100_000),
      part("bytes=0000000000000000000000005-0000000000000000000000009", 5, 10),
      ...sendEach("GET /data.bin", "Range", [`bytes=${HUGE}-`, "bytes=18446744073709551616-", "bytes=4294967296-"])
        .get(416),
      whole("bytes=9007199254740993-9007199254740992"),
    ],
  }),
  row(23, "9110 15.5.17", "what lies outside is 416 and told the length", {
    asks: [
      "bytes=100000-",
      "bytes=100000-100000",
      "bytes=200000-300000",
      "bytes=-0",
      "bytes=100000-,-0",
      "bytes=100000-, 100001-100002",
    ].map((range) => send("GET /data.bin", `Range: ${range}`).gets(416, { "content-range": "bytes */100000" })),
  }),
  row(24, "9110 14.1.1", "an invalid set is never answered with a part", {
    asks: [
      ...words("bytes=5-4 bytes=a-b bytes=0-x bytes=+0-9 bytes=0-+9 bytes=--9 bytes=- bytes= bytes=, bytes=0"),
      ...words("bytes=0-9- bytes=0x0-0x9 bytes=0.0-9 bytes=0-9; bytes=0-9,5-4 bytes=0-9,x 0-9 bytes"),
      "bytes=0 - 9",
      "bytes 0-9",
      "bytes=0-1\r\nRange: bytes=4-5",
    ].map(whole),
  }),
  row(25, "9110 14.2", "other units and other methods know no ranges", {
    asks: [
      ...words("items=0-9 byte=0-9 bytes-x=0-9 =0-9 seconds=1-2").map(whole),
      part("BYTES=0-9", 0, 10),
      part("Bytes=0-9", 0, 10),
      send("HEAD /data.bin", "Range: bytes=0-9").gets(200, { "content-length": "100000", "content-range": null }),
      send("HEAD /data.bin", "Range: bytes=200000-").gets(200, { "content-length": "100000" }),
    ],
  }),
  row(26, "9110 15.3.7.2", "several ranges are the parts of a multipart, in the order asked for", {
    async check(port) {
      const response = await get(port, "/data.bin", "Range: bytes=500-509, 0-4, -8");
      assertEquals(response.headers.get("content-range"), null);
      assertEquals(partsOf(response), [
        ["application/octet-stream", "bytes 500-509/100000", DATA.slice(500, 510)],
        ["application/octet-stream", "bytes 0-4/100000", DATA.slice(0, 5)],
        ["application/octet-stream", "bytes 99992-99999/100000", DATA.slice(-8)],
      ]);
      const text = await get(port, "/hello.txt", "Range: bytes=0-1,4-5");
      assertEquals(partsOf(text).map(([type]) => type), ["text/plain; charset=utf-8", "text/plain; charset=utf-8"]);
      const streamed = partsOf(await get(port, "/data.bin", "Range: bytes=0-39999,50000-99999"));
      assertEquals(streamed.map(([, , content]) => content), [DATA.slice(0, 40_000), DATA.slice(50_000)]);
    },
  }),
  row(27, "9110 15.3.7.2", "one range is never a multipart", {
    asks: [part("bytes=0-9,", 0, 10), part("bytes=, 0-9", 0, 10), part("bytes=0-9, 100000-", 0, 10)],
  }),
  row(28, "9110 17.15", "no set of ranges makes more work than the whole", {
    asks: [
      whole("bytes=0-,0-"),
      whole("bytes=0-99999,0-0"),
      whole(`bytes=${Array(101).fill("0-0").join(",")}`),
      whole(`bytes=${Array(1000).fill("0-").join(",")}`),
      whole(`bytes=${",".repeat(10_000)}`),
    ],
    async check(port) {
      const hundred = Array.from({ length: 100 }, (_, index) => `${index * 10}-${index * 10}`).join(",");
      assertEquals(partsOf(await get(port, "/data.bin", `Range: bytes=${hundred}`)).length, 100);
      const merged = await get(port, "/data.bin", "Range: bytes=100-199,0-9,150-299");
      assertEquals(partsOf(merged).map(([, range]) => range), ["bytes 0-9/100000", "bytes 100-299/100000"]);
      await exchange(port, part("bytes=0-9,5-14", 0, 15));
    },
  }),
  row(29, "9110 15.3.7", "a 206 has the headers of the 200", {
    async check(port) {
      const of = ({ headers }: RawResponse) =>
        words("etag last-modified cache-control vary expires content-location content-type")
          .map((name) => headers.get(name));
      const [full, partial] = [await get(port, "/data.bin"), await get(port, "/data.bin", "Range: bytes=0-9")];
      assertEquals([full.status, partial.status], [200, 206]);
      assertEquals(of(partial), of(full));
      const resumed = await get(port, "/data.bin", "Range: bytes=0-9", "If-Range: {data}");
      assertEquals([resumed.status, etagOf(resumed)], [206, etagOf(full)]);
      const multipart = await get(port, "/data.bin", "Range: bytes=0-9,20-29");
      assertEquals(of(multipart).slice(0, -1), of(full).slice(0, -1));
    },
  }),
  row(30, "9110 14.1.2", "of nothing there is no part", {
    asks: sendEach("GET /empty.txt", "Range", words("bytes=0- bytes=0-0 bytes=-1 bytes=-0 bytes=1-2"))
      .get(200, { "content-length": "0", "content-range": null }, ""),
  }),
];

/** The parts of a multipart: type, range, content. */
function partsOf(response: RawResponse): [type: string, range: string, content: string][] {
  const boundary = /^multipart\/byteranges; boundary=(\w{1,70})$/.exec(response.headers.get("content-type") ?? "")?.[1];
  assert(boundary, response.head);
  assert(response.text.endsWith(`\r\n--${boundary}--\r\n`), "The last boundary is missing");
  return `\r\n${response.text}`.split(`\r\n--${boundary}`).slice(1, -1).map((part) => {
    const { headers, text } = parseResponse(latin1(`HTTP/1.1 206${part}`));
    return [headers.get("content-type") ?? "", headers.get("content-range") ?? "", text];
  });
}

// 9110 sections 9 and 15.

const ALLOW = { allow: "GET, HEAD, OPTIONS" };

/** A target and a line for every kind of answer that there is to GET. */
const KINDS: readonly (readonly [status: number, target: string, ...lines: string[]])[] = [
  [200, "/hello.txt"],
  [200, "/data.bin"],
  [200, "/empty.txt"],
  [200, "/site/"],
  [200, "/dir/"],
  [200, "/dir/", "Accept: application/json"],
  [301, "/dir"],
  [304, "/hello.txt", "If-None-Match: *"],
  [400, "/%zz"],
  [404, "/missing"],
  [404, "/missing", "Accept: text/html"],
  [404, "/missing", "Accept: application/json"],
  [412, "/hello.txt", 'If-Match: "nope"'],
];

const METHODS: readonly Row[] = [
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
      wire([`${method} /new.txt HTTP/1.1`, "Host: x", "Connection: close", "Content-Length: 3"], "new").gets(405),
    ]),
    async check(port) {
      await exchange(port, send("GET /hello.txt").gets(200, { etag: "{etag}" }, FILES["hello.txt"]));
      await exchange(port, send("GET /new.txt").gets(404));
    },
  }),
  row(39, "9110 15.4", "a directory without its slash is a permanent redirect to a relative Location", {
    asks: [
      send("GET /dir").gets(301, { location: "/dir/" }),
      send("HEAD /dir").gets(301, { location: "/dir/" }),
      send("GET /site").gets(301, { location: "/site/" }),
      send("GET /dir?a=1&b=%20").gets(301, { location: "/dir/?a=1&b=%20" }),
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
        wire([`GET ${target} HTTP/1.0`, "Host: x"]).gets([200, 404], { "transfer-encoding": null })
      ),
    ],
    async check(port) {
      const request = ["GET /hello.txt HTTP/1.1", "Host: x", "Expect: 100-continue", "Content-Length: 2"];
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

// 9110 sections 8.3 and 8.4.

const TYPES: Readonly<Record<string, string>> = {
  "a.html": "text/html; charset=utf-8",
  "a.HTM": "text/html; charset=utf-8",
  "a.css": "text/css; charset=utf-8",
  "a.js": "text/javascript; charset=utf-8",
  "a.mjs": "text/javascript; charset=utf-8",
  "a.txt": "text/plain; charset=utf-8",
  "a.TXT": "text/plain; charset=utf-8",
  "a.md": "text/markdown; charset=utf-8",
  "a.csv": "text/csv; charset=utf-8",
  "a.json": "application/json",
  "a.wasm": "application/wasm",
  "a.webmanifest": "application/manifest+json",
  "a.pdf": "application/pdf",
  "a.svg": "image/svg+xml",
  "a.png": "image/png",
  "a.jpg": "image/jpeg",
  "a.webp": "image/webp",
  "a.avif": "image/avif",
  "a.woff2": "font/woff2",
  "a.mp4": "video/mp4",
  "a.zip": "application/zip",
  "a.gz": "application/gzip",
  "a.tar.gz": "application/gzip",
  "a.tgz": "application/gzip",
  "a.PY": "text/x-python; charset=utf-8",
  "a.unknown": "application/octet-stream",
  "html": "application/octet-stream",
};

const WITH_CONTENT: typeof KINDS = [
  ...KINDS.filter(([status]) => status !== 301 && status !== 304),
  [206, "/hello.txt", "Range: bytes=0-1"],
  [416, "/hello.txt", "Range: bytes=99-"],
];

const CONTENT: readonly Row[] = [
  row(43, "9110 8.3", "files have the type of their extension, in any case", {
    async check(port) {
      const types: Record<string, string | null> = {};
      for (const name of Object.keys(TYPES)) {
        types[name] = (await get(port, `/types/${name}`)).headers.get("content-type");
      }
      assertEquals(types, { ...TYPES });
    },
  }),
  row(44, "9110 8.3.2", "text is UTF-8, and what is binary has no charset", {
    async check(port) {
      for (const name of Object.keys(TYPES)) {
        const type = (await get(port, `/types/${name}`)).headers.get("content-type") ?? "";
        assertEquals(/; charset=utf-8$/.test(type), type.startsWith("text/"), type);
      }
    },
  }),
  row(45, "9110 8.3", "an unknown type is never guessed, by nobody", {
    asks: [
      ...getEach(["/odd.unknown", "/noextension"], 200, { "content-type": "application/octet-stream" }),
      ...WITH_CONTENT.map(([status, target, ...lines]) =>
        send(`GET ${target}`, ...lines).gets(status, { "x-content-type-options": "nosniff" })
      ),
    ],
  }),
  row(46, "9110 8.4", "an archive is an archive, and not a coding of something", {
    asks: ["", "Accept-Encoding: gzip"].map((line) =>
      send("GET /archive.tar.gz", ...line ? [line] : []).gets(200, {
        "content-type": "application/gzip",
        "content-encoding": null,
      }, FILES["archive.tar.gz"])
    ),
  }),
  row(47, "9110 12.5.3", "nothing is coded that was not told to be", {
    asks: sendEach("GET /coded/app.js", "Accept-Encoding", ["gzip, br, zstd", "*", "identity;q=0"])
      .get(200, { "content-encoding": null, vary: null }, FILES["coded/app.js"]),
  }),
];

const BR = FILES["coded/app.js.br"]!;
const ZST = FILES["coded/app.js.zst"]!;
const GZIP = FILES["coded/app.js.gz"]!;

/** Accept-Encoding, the coding and the bytes that have to come. */
const CODINGS: readonly (readonly [accept: string, coding: string | null, body: string])[] = [
  ["gzip", "gzip", GZIP],
  ["GZip", "gzip", GZIP],
  ["x-gzip", "gzip", GZIP],
  ["br", "br", BR],
  ["zstd", "zstd", ZST],
  ["gzip, br", "br", BR],
  ["gzip;q=1, br;q=0.5", "gzip", GZIP],
  ["gzip;q=0.001", "gzip", GZIP],
  ["gzip ; q=0.5 , br ; q=0.4", "gzip", GZIP],
  ["br;q=0, gzip", "gzip", GZIP],
  ["*", "br", BR],
  ["*, br;q=0", "zstd", ZST],
  ["*;q=0, gzip", "gzip", GZIP],
  ["identity;q=0, gzip", "gzip", GZIP],
  ["identity;q=0.5, gzip;q=1", "gzip", GZIP],
  ["gzip, identity;q=0.5, *;q=0", "gzip", GZIP],
  [",, gzip,", "gzip", GZIP],
  ["", null, FILES["coded/app.js"]!],
  ["identity", null, FILES["coded/app.js"]!],
  ["gzip;q=0", null, FILES["coded/app.js"]!],
  ["gzip;q=0.000, br;q=0.0", null, FILES["coded/app.js"]!],
  ["x-gzip;q=0", null, FILES["coded/app.js"]!],
  ["*;q=0, identity", null, FILES["coded/app.js"]!],
  ["identity, gzip;q=0.5", null, FILES["coded/app.js"]!],
  ["deflate, compress", null, FILES["coded/app.js"]!],
  ["gzipped", null, FILES["coded/app.js"]!],
];

const GZIPPED = "Accept-Encoding: gzip";
const VARIES = { vary: /\baccept-encoding\b/i };

const SIDECARS: readonly Row[] = [
  row(17, "9110 8.8.3.3", "each coding has its own tag, and the tag revalidates it", {
    async check(port) {
      const tags = new Set<string>();
      for (const coding of words("identity gzip br zstd")) {
        const accept = `Accept-Encoding: ${coding}`;
        const tag = etagOf(await get(port, "/coded/app.js", accept));
        tags.add(tag.replace(/^W\//, ""));
        await exchange(port, send("GET /coded/app.js", accept, `If-None-Match: ${tag}`).gets(304, { etag: tag }));
      }
      assertEquals(tags.size, 4);
    },
  }),
  row(17, "9110 8.8.3.3", "the tag of one coding says nothing of another", {
    async check(port) {
      const coded = etagOf(await get(port, "/coded/app.js", GZIPPED));
      await exchange(port, send("GET /coded/app.js", "Accept-Encoding: br", `If-None-Match: ${coded}`).gets(200));
      await exchange(port, send("GET /coded/app.js", `If-Match: ${coded}`).gets(412));
      const mixed = send("GET /coded/app.js", "Range: bytes=0-3", `If-Range: ${coded}`);
      await exchange(port, mixed.gets(200, {}, FILES["coded/app.js"]));
    },
  }),
  row(31, "9110 14.1.2", "ranges of a coded answer count the coded bytes", {
    async check(port) {
      const tag = etagOf(await get(port, "/coded/app.js", GZIPPED));
      const headers = { "content-range": `bytes 2-5/${GZIP.length}`, "content-encoding": "gzip", etag: tag };
      const request = send("GET /coded/app.js", GZIPPED, "Range: bytes=2-5", `If-Range: ${tag}`);
      await exchange(port, request.gets(206, headers, GZIP.slice(2, 6)));
      const beyond = send("GET /coded/app.js", GZIPPED, `Range: bytes=${GZIP.length}-`);
      await exchange(port, beyond.gets(416, { "content-range": `bytes */${GZIP.length}` }));
    },
  }),
  row(47, "9110 12.5.3", "Accept-Encoding is read as it is meant", {
    asks: [
      send("GET /coded/app.js").gets(200, { "content-encoding": null }, FILES["coded/app.js"]),
      ...CODINGS.map(([accept, coding, body]) =>
        send("GET /coded/app.js", `Accept-Encoding: ${accept}`).gets(200, { "content-encoding": coding }, body)
      ),
    ],
  }),
  row(48, "9110 12.5.5", "every answer of what has codings says that it varies", {
    asks: ["identity", "gzip"].flatMap((coding) => {
      const accept = `Accept-Encoding: ${coding}`;
      return [
        send("GET /coded/app.js", accept).gets(200, VARIES),
        send("HEAD /coded/app.js", accept).gets(200, VARIES),
        send("GET /coded/app.js", accept, "If-None-Match: *").gets(304, VARIES),
        send("GET /coded/app.js", accept, "Range: bytes=0-3").gets(206, VARIES),
      ];
    }),
  }),
  row(49, "9110 8.4", "a coded answer is of the file: its type and time, but its own tag and length", {
    asks: [
      send("GET /coded/app.js", GZIPPED).gets(200, {
        "content-type": "text/javascript; charset=utf-8",
        "last-modified": MODIFIED,
        "content-length": String(GZIP.length),
        etag: ETAG,
      }),
      send("GET /coded/stale.js", GZIPPED).gets(200, { "content-encoding": null }, "plain\n"),
      send("GET /coded/folder.js", GZIPPED).gets(200, { "content-encoding": null }, "plain\n"),
      send("GET /coded/alone.js", GZIPPED).gets(200, { "content-encoding": null }, "plain\n"),
      send("GET /coded/app.js.gz", GZIPPED).gets(200, { "content-encoding": null }, GZIP),
      send("GET /archive.tar.gz", GZIPPED).gets(200, { "content-encoding": null, "content-type": "application/gzip" }),
      send("GET /coded/app.jsx", GZIPPED).gets(404),
    ],
  }),
  row(50, "9110 9.3.2", "HEAD has the length of the coding that GET would send", {
    asks: CODINGS.map(([accept, coding, body]) =>
      send("HEAD /coded/app.js", `Accept-Encoding: ${accept}`).gets(200, {
        "content-encoding": coding,
        "content-length": String(body.length),
      })
    ),
  }),
];

// 9112.

const CLOSE = "Connection: close";
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

/** A request of which the framing is not sound, and a good one behind it that must not be answered. */
const unsound = (...lines: readonly string[]) =>
  wire(["POST /hello.txt HTTP/1.1", "Host: x", ...lines], `0\r\n\r\n${GET_HELLO}\r\nHost: x\r\n\r\n`);

const FRAMING: readonly Row[] = [
  row(51, "9112 3.2", "a request without one good Host is 400", {
    asks: [
      wire([GET_HELLO, CLOSE]).gets(400),
      wire(["GET /hello.txt HTTP/1.0"]).gets(400), // good in itself; see the head of this file
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
      send("GET http://other.example/dir").gets(301, { location: "/dir/" }),
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
      // From 64 KiB and some 100 fields on Deno.serve itself answers, and only ever 400.
      send(`GET /${"a".repeat(70_000)}`).gets([400, 414]),
      send("GET /hello.txt", `X-Long: ${"a".repeat(70_000)}`).gets([400, 431]),
      send("GET /hello.txt", ...Array(1000).fill("X: a")).gets([400, 431]),
    ],
  }),
  row(55, "9112 5", "fields that could be read in two ways are refused", {
    asks: [
      ["Host : x"],
      ["Host: x", "X : a"],
      ["Host: x", "X\t: a"],
      ["Host: x", "X: a", " b"],
      [" X: a", "Host: x"],
      ["Host: x", "X: a\rb"],
      ["Host: x", "X: a\0b"],
      ["Host: x", "nocolon"],
      ["Host: x", ": a"],
      ["Host: x", "X(y): a"],
    ].map((lines) => wire([GET_HELLO, ...lines, CLOSE]).gets(400)),
  }),
  row(56, "9112 6.3", "a Content-Length that is no length is 400, and the end of the connection", {
    async check(port) {
      const lengths = BAD_LENGTHS.map((length) => [`Content-Length: ${length}`]);
      for (const lines of [...lengths, ["Content-Length: 5", "Content-Length: 6"]]) {
        // That nothing is behind it, `complete` says.
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
        wire(["POST /hello.txt HTTP/1.1", "Host: x", CLOSE, `Transfer-Encoding: ${codings}`], "0\r\n\r\n").gets(501)
      ),
      wire(["POST /hello.txt HTTP/1.0", "Host: x", "Transfer-Encoding: chunked"], "0\r\n\r\n").gets(400),
    ],
  }),
  row(58, "9112 9.3", "the content of a request is never the next request", {
    async check(port) {
      const inner = "GET /missing HTTP/1.1\r\nHost: x\r\n\r\n";
      const next = `GET /dir/file.txt HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n\r\n`;
      const chunk = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
      for (const method of words("GET POST FROB OPTIONS")) {
        const head = `${method} /hello.txt HTTP/1.1\r\nHost: x\r\n`;
        await nextIsNext(port, `${head}Content-Length: ${inner.length}\r\n\r\n${inner}${next}`);
        await nextIsNext(port, `${head}Transfer-Encoding: chunked\r\n\r\n${chunk}${next}`);
        const long = inner.repeat(10_000);
        await nextIsNext(port, `${head}Content-Length: ${long.length}\r\n\r\n${long}${next}`);
      }
    },
  }),
  row(59, "9112 7.1.2", "trailers are not merged into the header", {
    asks: ['If-Match: "nope"', "Range: bytes=0-1", "If-None-Match: *"].map((line) =>
      wire([GET_HELLO, "Host: x", CLOSE, "Transfer-Encoding: chunked"], `0\r\n${line}\r\n\r\n`)
        .gets(200, {}, FILES["hello.txt"])
    ),
  }),
  row(60, "9112 9.6", "connections end when they are told to, and else go on", {
    asks: [wire([GET_HELLO, "Host: x", "Connection: Close"]).gets(200, { connection: /close/i })],
    async check(port) {
      const request = `${GET_HELLO}\r\nHost: x\r\n`;
      for (const target of words("/hello.txt /data.bin /dir/ /missing")) {
        assert(await endsByItself(port, `GET ${target} HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n\r\n`), target);
        assert(await endsByItself(port, `GET ${target} HTTP/1.0\r\nHost: x\r\n\r\n`), target);
      }
      const first = await raw(port, `${request}\r\n${request}Connection: TE,,close\r\n\r\n`);
      assertEquals([first.status, first.headers.get("connection")], [200, null]);
      assertEquals(following(first).status, 200);
      assert(following(first).complete);
    },
  }),
  row(61, "9110 10.1.1", "Expect: 100-continue is answered, other expectations are ignored or 417", {
    async check(port) {
      const lines = ["Host: x", CLOSE, "Content-Length: 5", "Expect: 100-continue"];
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
      wire(["", GET_HELLO, "Host: x", CLOSE]).gets(200, {}, FILES["hello.txt"]),
      wire(["", "", GET_HELLO, "Host: x", CLOSE]).gets(200),
      wire(["GET /hello.txt HTTP/1.2", "Host: x", CLOSE]).gets([200, 400]),
      ...["HTTP/2.0", "HTTP/3.0", "HTTP/0.9"].map((version) =>
        wire([`GET /hello.txt ${version}`, "Host: x", CLOSE]).gets([400, 505])
      ),
      ...words("http/1.1 HTTP/11 HTTP/1.1.1 FTP/1.1").map((version) =>
        wire([`GET /hello.txt ${version}`, "Host: x", CLOSE]).gets(400)
      ),
    ],
  }),
];

/** Whether the server ends the connection without being made to. */
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
    // Reset is an end as well; a connection that the timer has closed is not.
    if (!(error instanceof Deno.errors.ConnectionReset)) return false;
    connection.close();
    return true;
  } finally {
    clearTimeout(timer);
  }
}

/** One answer, and then either the next request's or the end. */
async function nextIsNext(port: number, request: string): Promise<void> {
  const first = await raw(port, request);
  const next = following(first);
  const what = `${request.slice(0, 80)}\n-> ${first.status}, ${next.status}`;
  assert([200, 204, 405, 501].includes(first.status), what);
  if (next.status === 0) return assertEquals(first.complete, true, what);
  assertEquals([next.status, next.text, next.complete], [200, FILES["dir/file.txt"], true], what);
}

// RFC 3986, and 9110 section 17.3.

const PATHS: readonly Row[] = [
  row(63, "3986 2.4", "the target is split first and decoded once", {
    asks: [
      ...getEach(
        ["/hello.txt", "/hello%2etxt", "/%68%65%6C%6c%6F.txt", "/hello.txt?x=/../..", "/hello.txt#f", "/hello.txt??#?"],
        200,
        {},
        FILES["hello.txt"],
      ),
      ...getEach(words("/hello%252etxt /hello.txt%3Fx /hello.txt%23 /dir%2ffile.txt /dir%2Ffile.txt"), 404),
      ...getEach(["/dir%252ffile.txt", "/%2f", "/%2fhello.txt"], 404),
      ...getEach(words("/hello.txt%00 /%00 /dir/%00/file.txt /hello%00.txt"), [400, 404]),
      ...getEach(words("/%ff /%c0%ae%c0%ae/ /%ed%a0%80 /names/%FF%FE /\xff"), [400, 404]),
      send("GET /names/%E6%97%A5%E6%9C%AC.txt").gets(200, {}, "日本.txt"),
    ],
  }),
  row(63, "9112 3.2", "bytes that should have been escaped are refused, or taken for what they are in UTF-8", {
    ignore: !POSIX,
    asks: [
      send("GET /names/\xe6\x97\xa5\xe6\x9c\xac.txt").gets([200, 301, 400], {}, /^日本\.txt$|^$|^400 /),
      send("GET /names/\xc3\xa9.txt").gets([200, 301, 400], {}, /^é\.txt$|^$|^400 /),
      // U+00C3 U+00A9, which as Latin-1 would be the bytes of U+00E9; that file is there.
      send("GET /names/\xc3\x83\xc2\xa9.txt").gets([301, 400, 404]),
      ...getEach(["/names/\xe9.txt", "/\xff", "/\xc0\xae\xc0\xae/hello.txt"], 400),
    ],
  }),
  row(64, "3986 5.2.4", "dot segments are resolved, and never above the root", {
    asks: [
      ...getEach(
        words("/dir/../hello.txt /dir/%2e%2e/hello.txt /dir/.%2E/hello.txt /./hello.txt /%2e/hello.txt"),
        200,
        {},
        FILES["hello.txt"],
      ),
      ...getEach(
        words(`
          /../hello.txt /%2e%2e/hello.txt /../www/hello.txt
          /../www-private/secret.txt /%2e%2e/www-private/secret.txt /.%2e/www-private/secret.txt
          /dir/../../www-private/secret.txt /dir/%2e%2e/%2e%2e/www-private/secret.txt
          /..%2fwww-private/secret.txt /dir/..%2f..%2fwww-private/secret.txt
          /%252e%252e/www-private/secret.txt /..%255cwww-private/secret.txt
          /..\\www-private\\secret.txt /..%5cwww-private%5csecret.txt
          /..;/www-private/secret.txt /.../www-private/secret.txt /..%20/www-private/secret.txt
          /static/../../../www-private/../www-private/secret.txt
          /..#/../www-private/secret.txt /..?/../www-private/secret.txt
          /dir/../../../../../../../../etc/passwd
        `),
        [400, 404],
      ),
      send("GET /?/../../www-private/secret.txt").gets(200, {}, /Directory listing/),
      send("GET /dir/..").gets(200, {}, /Directory listing/),
      send("GET /dir/.").gets(200, {}, /Directory listing/),
    ],
  }),
  row(65, "9110 17.3", "the root ends at its separator, and /dir is not the beginning of /dir2", {
    asks: [
      ...getEach(["/../www-private/secret.txt", "/-private/secret.txt", "/%2e%2e/www-private/"], 404),
      ...POSIX ? getEach(["/links/private", "/links/private/", "/links/private/secret.txt"], 404) : [],
    ],
  }),
  row(66, "3986 3.3", "nothing in a path makes it absolute", {
    asks: [
      ...getEach(words("//etc/passwd ///etc/passwd /%2fetc/passwd /dir//etc/passwd /.//etc/passwd"), 404),
      ...getEach(words("/C:/Windows/win.ini /c: /C%3A/ /file:///etc/passwd /\\\\host\\share"), 404),
      ...getEach(["//hello.txt", "///hello.txt", "//dir/..//hello.txt"], 200, {}, FILES["hello.txt"]),
    ],
  }),
  row(67, "3986 6.2.2", "names are not trimmed and not normalised", {
    asks: [
      ...getEach(
        words("%20 . %2e %09 %0a %0d%0a ;x %3bx %00.html ::$DATA ~1").map((end) => `/hello.txt${end}`),
        [400, 404],
      ),
      ...getEach(words("/%20hello.txt /HELLO%2ETXT%20 /hello.txt+ /hello%e2%80%8b.txt"), 404),
      ...getEach(["/dir/%ef%bc%8e%ef%bc%8e/hello.txt", "/dir/%e2%80%a5/hello.txt", "/dir%ef%bc%8ffile.txt"], 404),
      ...getEach(["/names/a+b.txt", "/names/a%2Bb.txt"], POSIX ? 200 : 404),
    ],
  }),
  row(67, "3986 6.2.2", "names with spaces, dots and accents are found as they are written", {
    ignore: Deno.build.os !== "linux", // other systems normalise, or trim, by themselves
    asks: [
      send("GET /names/trail%20").gets(200, {}, "trail "),
      send("GET /names/trail.").gets(200, {}, "trail."),
      send("GET /names/%20lead").gets(200, {}, " lead"),
      send("GET /names/%EF%BC%8E%EF%BC%8E").gets(200, {}, "\uff0e\uff0e"),
      send("GET /dir/e%CC%81.txt").gets(200),
      send("GET /dir/%C3%A9.txt").gets(404),
      ...getEach(["/names/trail", "/names/lead"], 404),
    ],
  }),
  row(68, "3986 2.2", "a backslash is no slash", {
    asks: [
      ...getEach(words("/dir\\file.txt /dir%5cfile.txt \\hello.txt /\\hello.txt /dir/..\\hello.txt"), [
        400,
        404,
      ]),
      ...POSIX ? getEach(["/names/back\\slash.txt", "/names/back%5Cslash.txt"], 200, {}, "back\\slash.txt") : [],
    ],
  }),
  row(69, "3986 2.1", "a broken escape is the client's fault", {
    asks: getEach(["/%", "/%4", "/%zz", "/%2", "/%u0041", "/hello.txt%", "/%%34", "/% 1", "/%+1", "/%-1"], 400),
  }),
  row(70, "9110 17.3", "a redirect goes to a path of this server, whatever was sent", {
    asks: [
      ...getEach(words("//dir ///dir /./dir /dir2/../dir /%64ir"), 301, { location: "/dir/" }),
      wire(["GET /dir HTTP/1.1", "Host: evil.example", CLOSE]).gets(301, { location: "/dir/" }),
      send("GET http://evil.example/dir").gets(301, { location: "/dir/" }),
      send("GET /dir?x=\"<>'").gets(301, { location: "/dir/?x=%22%3C%3E'" }),
      send("GET /dir?x=\xc3\xa4").gets([301, 400], { location: /^\/dir\/\?x=%C3%A4$|^$/ }),
      send("GET /dir?x=\xe6\x97\xa5").gets([301, 400], { location: /^\/dir\/\?x=%E6%97%A5$|^$/ }),
      send("GET /dir?x=\xe4").gets(400),
      send("GET /dir?//evil.example").gets(301, { location: "/dir/?//evil.example" }),
      send("GET /dir?%0d%0aX: y").gets(400),
      send("GET /dir?%0d%0aX:y").gets(301, { location: "/dir/?%0d%0aX:y", x: null }),
      ...getEach(words("//evil.example /%5cevil.example/.. /%0d%0aX:y //evil.example/%2e%2e"), [200, 404]),
    ],
  }),
  row(70, "9110 17.3", "a redirect is made of encoded names", {
    ignore: !POSIX,
    asks: [
      send("GET /dirs/dir%3fq").gets(301, { location: "/dirs/dir%3Fq/" }),
      send("GET /dirs/\\evil.example").gets(301, { location: "/dirs/%5Cevil.example/" }),
      send("GET /dirs/%5Cevil.example").gets(301, { location: "/dirs/%5Cevil.example/" }),
      send("GET /dirs/y<").gets(301, { location: "/dirs/y%3C/" }),
      send("GET /dirs/c%3a").gets(301, { location: "/dirs/c%3A/" }),
      send("GET /dirs/e%0df").gets(301, { location: "/dirs/e%0Df/" }),
    ],
  }),
  row(71, "9110 17.3", "links that leave the root are not there, those inside are", {
    ignore: !POSIX,
    asks: [
      send("GET /links/inside.txt").gets(200, {}, FILES["dir/file.txt"]),
      ...getEach(words("/links/outside /links/outside/ /links/outside/out.txt /links/absolute"), 404),
    ],
  }),
  row(71, "8615 3", "hidden names are not there, but .well-known is", {
    asks: [
      ...getEach(words("/.env /.git /.git/ /.git/config /dir/.hidden/file.txt /dir/.hidden"), 404),
      send("GET /.well-known/security.txt").gets(200),
      send("GET /").gets(200, {}, /^(?!.*\.env|.*\.git)/s),
    ],
  }),
  row(72, "9110 17.3", "no spelling gets around a rule", {
    asks: [
      ...getEach(
        words(`
          //.env /./.env /%2eenv /%2Eenv /.%65nv /.env/ /.env/. /.env?raw /.env??raw /.env#
          /dir/../.env /dir/%2e%2e/%2eenv //dir//..//.env /.git/../.env
          /.git//config /.git/./config /%2egit/config /.well-known/../.env /.well-known/.env
        `),
        404,
      ),
      send("GET http://localhost/.env").gets(404),
      send("HEAD /.env").gets(404),
      ...POSIX
        ? getEach(["//links/outside/out.txt", "/links//outside/./out.txt", "/links/%6futside/out.txt"], 404)
        : [],
    ],
  }),
];

const OPEN_PATHS: readonly Row[] = [
  row(71, "9110 17.3", "links that leave the root and hidden names are there where this is wanted", {
    ignore: !POSIX,
    asks: [
      send("GET /links/outside/out.txt").gets(200, {}, "outside\n"),
      send("GET /links/outside").gets(301, { location: "/links/outside/" }),
      send("GET /links/inside.txt").gets(200),
      ...getEach(["/.env", "/.git/config", "/%2eenv"], 200, {}, "hidden\n"),
      // What is above the root stays there.
      ...getEach(["/../outside/out.txt", "/links/outside/../../../outside/out.txt"], 404),
    ],
  }),
];

// Names in listings and pages.

const NAME_ROWS: readonly Row[] = [
  row(73, "3986 2.4", "every link of a listing leads to the file that it names", {
    async check(port) {
      const links = entryLinks((await get(port, "/names/")).text);
      const found = [];
      for (const link of links.filter((link) => !link.endsWith("/"))) {
        const url = new URL(link, "http://localhost/names/");
        assertEquals(
          [url.host, url.pathname.startsWith("/names/"), url.search + url.hash],
          ["localhost", true, ""],
          link,
        );
        found.push((await get(port, url.pathname)).text);
      }
      assertEquals(found.toSorted(), NAMES.toSorted());
    },
  }),
  row(73, "3986 4.2", "no link of a listing has a scheme or a host, and those of directories end in a slash", {
    async check(port) {
      const links = [...entryLinks((await get(port, "/names/")).text), ...entryLinks((await get(port, "/dirs/")).text)];
      for (const link of links) assertMatch(link, /^(?:\.\/)?(?:[\w.~-]|%[0-9A-F]{2})+\/?$/);
      const directories = entryLinks((await get(port, "/dirs/")).text);
      assertEquals(directories.length, DIRECTORIES.length);
      for (const link of directories) {
        assertMatch(link, /\/$/);
        await exchange(port, send(`GET /dirs/${link}`).gets(200, {}, /Directory listing/));
      }
    },
  }),
  row(74, "9110 17.1", "names are text, and what cannot be seen is made visible", {
    async check(port) {
      const { text } = await get(port, "/names/");
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]/.test(text));
      assert(!text.includes("<img") && !text.includes("new\nline"));
      assert([...text.matchAll(/<bdi>/g)].length >= NAMES.length);
      assert(text.includes("a&amp;b.txt"));
      if (!POSIX) return;
      for (const shown of ["&lt;img src=x onerror=alert(1)&gt;", "a&amp;amp;b.txt", "a&quot;b.txt", "a&#39;b.txt"]) {
        assert(text.includes(shown), shown);
      }
      for (const visible of words("U+000A U+001B U+009B U+202E")) assert(text.includes(visible), visible);
    },
  }),
  row(74, "9110 17.1", "a listing as text has a line for each name, and no control characters", {
    async check(port) {
      const { text } = await get(port, "/names/", "Accept: text/plain");
      const lines = text.trimEnd().split("\n").filter((line) => !line.endsWith("/"));
      assertEquals(lines.length, NAMES.length);
      // deno-lint-ignore no-control-regex
      assert(!/[\x00-\x09\x0b-\x1f\x7f-\x9f]/.test(text));
    },
  }),
  row(75, "9110 17.1", "the title and the way up are names too", {
    ignore: !POSIX,
    async check(port) {
      for (const target of ["/names/y%3C/", "/names/y%3C/script%3E/"]) {
        const { text } = await get(port, target);
        assert(!text.includes("y</script>") && !/<script/i.test(text), text);
        assertMatch(/<title>(.*)<\/title>/.exec(text)?.[1] ?? "", /y&lt;\/(?:script&gt;\/)?$/);
        assertMatch(/<h1>(.*)<\/h1>/.exec(text)?.[1] ?? "", /y&lt;/);
      }
      const json = await get(port, "/names/y%3C/script%3E/?format=json");
      assertEquals(JSON.parse(json.text).path, "/names/y</script>/");
      assertMatch(json.headers.get("content-type") ?? "", /^application\/json/);
    },
  }),
  row(76, "9110 17.1", "error pages do not repeat what was asked for", {
    asks: words("text/html application/json text/plain */*").flatMap((type) =>
      ["/%3Cscript%3Ealert(1)%3C/script%3E", "/<script>alert(1)</script>", "/x?<script>alert(1)</script>"].map((
        target,
      ) => send(`GET ${target}`, `Accept: ${type}`).gets(404, {}, /^(?!.*<script)(?!.*alert)/is))
    ),
  }),
  row(77, "3986 4.2", "links are relative, so that //dir/ names no host", {
    async check(port) {
      for (const target of ["//dirs/", "//names//", "/dir/.."]) {
        const { text } = await get(port, target);
        for (const link of allLinks(text)) assert(!/^(?:\/|[a-z][\w+.-]*:)/i.test(link), link);
      }
    },
  }),
  row(78, "3986 2.5", "a name that is not UTF-8 is shown, and has no link that leads nowhere", {
    ignore: Deno.build.os !== "linux" || missing("sh"),
    async check(port) {
      await Deno.mkdir(site.at("bytes"));
      const make = new Deno.Command("sh", { args: ["-c", `printf x > "$(printf 'a\\377b')"`], cwd: site.at("bytes") });
      assert((await make.output()).success);
      const { text } = await get(port, "/bytes/");
      assert(text.includes("a\ufffdb") && text.includes("not UTF-8"), text);
      assertEquals(entryLinks(text), []);
      await exchange(port, send("GET /bytes/a%FFb").gets([400, 404]));
    },
  }),
  row(79, "9110 8.3", "a listing is a whole document that allows nothing", {
    async check(port) {
      const { text, headers } = await get(port, "/names/");
      assertMatch(text, /^<!DOCTYPE html>\n<html lang="en">/);
      for (const tag of ['<meta charset="utf-8">', '<meta name="viewport"', "<title>", "</html>"]) {
        assert(text.includes(tag), tag);
      }
      assertMatch(headers.get("content-security-policy") ?? "", /default-src 'none'/);
      assert(!/unsafe|script-src/.test(headers.get("content-security-policy") ?? ""));
      assertEquals(headers.get("content-type"), "text/html; charset=utf-8");
    },
  }),
  row(80, "9110 17.4", "where the root is, and what the program looks like inside, is told to nobody", {
    asks: ["text/html", "application/json", "text/plain"].flatMap((type) =>
      words("/ /names/ /missing /%zz /special/ /links/ /links/loop /hello.txt/x /dir/?sort=x").map(
        (target) => send(`GET ${target}`, `Accept: ${type}`).gets([200, 400, 404], {}, /^(?!.*\.ts:\d+)/s),
      )
    ),
  }),
];

/** What the page links to, as a browser would read it. */
function allLinks(html: string): string[] {
  const entities: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };
  return [...html.matchAll(/ href="([^"]*)"/g)]
    .map(([, link]) => link!.replace(/&[#\w]+;/g, (entity) => entities[entity] ?? entity))
    .filter((link) => link !== "data:,"); // the icon that stops browsers from asking for one
}

/** The links to entries: neither those that sort nor those that lead up. */
function entryLinks(html: string): string[] {
  return allLinks(html).filter((link) => !link.startsWith("?") && !link.startsWith("../"));
}

// Odd files.

const NO_FIFO = missing("mkfifo");

const ODD: readonly Row[] = [
  row(79, "9110 8.3", "a listing opens nothing, and shows what cannot be opened", {
    ignore: NO_FIFO,
    async check(port) {
      await makeFifo();
      const { text } = await get(port, "/special/");
      for (const name of ["fifo", "unreadable.txt", "noread/"]) assert(text.includes(`>${name}<`), `${name}: ${text}`);
      assert(!entryLinks(text).includes("fifo"));
    },
  }),
  row(81, "9110 15.5", "only regular files are opened", {
    ignore: NO_FIFO,
    async check(port) {
      await makeFifo();
      for (const target of ["/special/fifo", "/special/fifo/"]) {
        for (const method of ["GET", "HEAD"]) await exchange(port, send(`${method} ${target}`).gets([403, 404]));
      }
      using _listener = Deno.listen({ transport: "unix", path: site.at("special/sock") });
      await exchange(port, send("GET /special/sock").gets([403, 404]));
    },
  }),
  row(82, "9110 15.5", "what the system says no to is 403 or 404", {
    asks: [
      send("GET /hello.txt/x").gets(404),
      send("GET /hello.txt/x/").gets(404),
      send(`GET /${"n".repeat(256)}`).gets(404),
      send(`GET /${"n".repeat(5000)}`).gets(404),
      send(`GET /${"n/".repeat(5000)}`).gets(404),
      ...POSIX ? getEach(words("/links/loop /links/loop/ /links/loop/x /links/broken"), 404) : [],
    ],
  }),
  row(83, "9112 6.3", "the length is that of now, not that of before", {
    async check(port) {
      for (const content of ["first\n", "the second is longer\n", "3\n", "", "x".repeat(70_000), "the end\n"]) {
        await Deno.writeTextFile(site.at("edited/file.txt"), content);
        const headers = { "content-length": String(content.length) };
        await exchange(port, send("GET /edited/file.txt").gets(200, headers, content));
      }
    },
  }),
  row(83, "9112 6.3", "where a file shrinks while it is sent, the connection breaks", {
    async check(port) {
      const size = 64 * 1024 * 1024; // more than sockets hold
      await Deno.writeTextFile(site.at("edited/shrinks.bin"), "");
      await Deno.truncate(site.at("edited/shrinks.bin"), size);
      const received = await receiveWhile(port, "/edited/shrinks.bin", async () => {
        await Deno.truncate(site.at("edited/shrinks.bin"), 1024 * 1024);
      });
      assert(received < size, `${received} bytes came of a file that is no longer there`);
    },
  }),
  row(84, "9110 8.6", "an empty file is 200 and nothing, and a file is no directory", {
    asks: [
      send("GET /empty.txt").gets(200, { "content-length": "0", "content-type": "text/plain; charset=utf-8" }, ""),
      send("HEAD /empty.txt").gets(200, { "content-length": "0" }),
      send("GET /empty.txt/").gets(404),
      send("GET /hello.txt/").gets(404),
      send("GET /hello.txt/.").gets(404),
      send("GET /hello.txt//").gets(404),
    ],
  }),
];

const UNREADABLE: readonly Row[] = [
  row(82, "9110 15.5.4", "what may not be read is 403 or 404, for HEAD as for GET", {
    asks: ["/special/unreadable.txt", "/special/noread/", "/special/noread/file.txt"].flatMap((target) => [
      send(`GET ${target}`).gets([403, 404]),
      send(`HEAD ${target}`).gets([403, 404]),
      send(`GET ${target}`, "If-None-Match: *", "Range: bytes=0-1").gets([304, 403, 404]),
    ]),
  }),
];

async function makeFifo(): Promise<void> {
  const { success } = await new Deno.Command("mkfifo", { args: ["-m", "666", site.at("special/fifo")] }).output();
  assert(success || (await Deno.lstat(site.at("special/fifo"))).isFifo);
}

/** How many bytes of content come, when something happens after the first of them. */
async function receiveWhile(port: number, target: string, happens: () => Promise<void>): Promise<number> {
  using connection = await Deno.connect({ hostname: "127.0.0.1", port });
  await connection.write(latin1(`GET ${target} HTTP/1.1\r\nHost: x\r\n${CLOSE}\r\n\r\n`));
  const buffer = new Uint8Array(65_536);
  let received = await connection.read(buffer) ?? 0;
  const head = new TextDecoder("latin1").decode(buffer.subarray(0, received)).indexOf("\r\n\r\n") + 4;
  await happens();
  try {
    for (let count: number | null = 0; count !== null; count = await connection.read(buffer)) received += count;
  } catch {
    // Broken off: just what is wanted.
  }
  return received - head;
}

/** Root may read everything: without that capability it may not. */
function startUnprivileged(root: string): Promise<RunningCommand> {
  if (Deno.uid() !== 0) return start([root]);
  const without = ["--bounding-set=-dac_override,-dac_read_search", "--inh-caps=-dac_override,-dac_read_search"];
  const command = [Deno.execPath(), "run", "-A", "--no-lock", join(ROOT, "cli.ts"), root, "0", "-b", "127.0.0.1"];
  return startProcess("setpriv", [...without, ...command]);
}

// The tests.

conformance("conditional requests", CONDITIONS);
conformance("validators", VALIDATORS);
conformance(
  "validators, with a Cache-Control of one's own",
  OWN_CACHING,
  "--header",
  "Cache-Control: public, max-age=60",
);
conformance("ranges", RANGES);
conformance("methods and status", METHODS);
conformance("types", CONTENT);
conformance("codings, with --precompressed", SIDECARS, "--precompressed");
conformance("framing and connections", FRAMING);
conformance("paths", PATHS);
conformance("paths, with --follow-links and --hidden", OPEN_PATHS, "--follow-links", "--hidden");
conformance("names", NAME_ROWS);
conformance("odd files", ODD);

Deno.test({
  name: "conformance: files that may not be read",
  ignore: !POSIX || (Deno.uid() === 0 && missing("setpriv")),
  async fn(t) {
    await using server = await startUnprivileged(site.root);
    await run(t, UNREADABLE, server.port);
  },
});

Deno.test("conformance: no row is without a check", () => {
  const tables = [CONDITIONS, VALIDATORS, RANGES, METHODS, CONTENT, SIDECARS, FRAMING, PATHS, NAME_ROWS, ODD];
  const covered = new Set(tables.flat().map(({ row }) => row));
  assertEquals(Array.from({ length: 84 }, (_, index) => index + 1).filter((row) => !covered.has(row)), []);
});
