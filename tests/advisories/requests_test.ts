/** Advisories about requests: hosts, framing, and headers that keep a server busy. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { start } from "../support/command.ts";
import { ask, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { assertAlive, assertAnswered, contentTree, withEach } from "./support.ts";

// --- Host ---

/** Valid hosts under which the server may safely be addressed. */
const OTHER_NAMES = ["x", "dir", "x.dir"].flatMap((name) => ["--allow-host", name]);

/** Invalid hosts; the first would turn a request for /file.txt into one for /dir/file.txt. */
const BAD_HOSTS = [
  ...[
    "x/dir",
    "x/dir/",
    "x/dir?",
    "x?y",
    "x#y",
    "/dir",
    "../dir",
    "u@h",
    "u:p@x/dir",
    "<script>",
    "a b",
    "",
    " ",
    "x\\dir",
  ],
  ...["x\\..\\dir", "x:port", "x:1:2", "[::1", "x]", "\xff", '"x"', "x:99999999999", "http://x", "x\tdir"],
];

Deno.test("CVE-2024-32652 (Hono), CVE-2026-48710 (Starlette): a bad Host is 400 and moves no path", async (t) => {
  await using tree = await tempTree({ "alive.txt": "alive", "file.txt": "right", "dir/file.txt": "wrong" });
  await using command = await start([tree.path, ...OTHER_NAMES]);
  const request = (...hosts: string[]) => {
    const lines = ["GET /file.txt HTTP/1.1", ...hosts.map((host) => `Host: ${host}`), "Connection: close", "", ""];
    return raw(command.port, lines.join("\r\n"), 5_000);
  };
  for (const host of BAD_HOSTS) {
    await t.step(`Host ${JSON.stringify(host)} is 400`, async () => {
      const { status, head, text } = await request(host);
      assertEquals(status, 400);
      assert(!/wrong|right|script/.test(head + text));
    });
  }
  await t.step("no Host, and two", async () => {
    assertEquals((await request()).status, 400);
    assertEquals((await request("localhost", "localhost")).status, 400);
    assertEquals((await request("localhost", "x/dir")).status, 400);
  });
  await t.step("CVE-2014-2324, -2323 (lighttpd): a Host that may be one names no file either", async () => {
    const known = /^(?:dir|x\.dir|x:\d*|\[::1\]:8000|localhost\.)$/;
    for (
      const host of ["..", ".", "x%2fdir", "x%2Fdir", "dir", "x.dir", "x:", "x:80", "[::1]:8000", "';--", "localhost."]
    ) {
      const { status, text } = await request(host);
      assertEquals(status === 200 ? text : status, known.test(host) ? "right" : 421, host);
    }
  });
  await t.step("a target in absolute form is that of its own path, whatever its authority is", async () => {
    for (const authority of ["x", "x:1", "u@x", "[::1]"]) {
      const { status, text } = await ask(command.port, "GET", `http://${authority}/file.txt`);
      assert(status === 400 || (status === 200 && text === "right"), authority);
    }
  });
  await assertAlive(command);
});

// --- Framing ---

/** Malformed requests, each with the statuses it may get; the runtime answers some of them itself. */
const MALFORMED: readonly (readonly [id: string, request: string, statuses: readonly number[]])[] = [
  ["bpo-1100201 (Python): HTML as a method", "<script>x</script> / HTTP/1.1\r\nHost: localhost\r\n\r\n", [400]],
  ["gh-54930 (Python): one word", "GET\r\n\r\n", [400]],
  ["gh-54930 (Python): four words", "GET /a b HTTP/1.1\r\nHost: localhost\r\n\r\n", [400]],
  ["gh-139492 (Python): HTTP/0.9", "GET /alive.txt\r\n\r\n", [400]],
  ["gh-103204 (Python): a version with signs", "GET /alive.txt HTTP/-9_9_9.+9\r\nHost: localhost\r\n\r\n", [400]],
  ["gh-114782 (Python): a bare CR", "GET /alive.txt HTTP/1.1\r\nHost: localhost\r\nA: b\rC: d\r\n\r\n", [400]],
  [
    "gh-150499 (Python): two lengths",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    [400],
  ],
  [
    "RFC 9112 section 6.3: two lengths that agree, of which the default engine makes a list",
    "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
    [400],
  ],
  [
    "gh-150499 (Python): a length and chunks",
    "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    [400],
  ],
  [
    "an unknown transfer coding",
    "GET / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: x\r\nConnection: close\r\n\r\n",
    [
      400,
      501,
    ],
  ],
  ["CVE-2013-1752 (Python): a line of 65537 bytes", `GET /${"a".repeat(65_537)} HTTP/1.1\r\nHost: localhost\r\n\r\n`, [
    400,
    414,
  ]],
  ["CVE-2013-1752: a field of 65537 bytes", `GET / HTTP/1.1\r\nHost: localhost\r\nA: ${"a".repeat(65_537)}\r\n\r\n`, [
    400,
    431,
  ]],
  [
    "CVE-2013-1752: fields of 40000 bytes",
    `GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n${`A: ${"a".repeat(995)}\r\n`.repeat(40)}\r\n`,
    [431],
  ],
  ["CVE-2013-1752: 1000 fields", `GET / HTTP/1.1\r\nHost: localhost\r\n${"A: b\r\n".repeat(1_000)}\r\n`, [400, 431]],
  [
    "CVE-2016-10703 (ecstatic): 22 kB of NUL",
    `GET /${"%00".repeat(7_400)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    [
      400,
      414,
    ],
  ],
  [
    "CVE-2016-10703: 15 kB of NUL",
    `GET /${"%00".repeat(5_000)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`,
    [
      400,
    ],
  ],
  ["a path of 8000 segments", `GET ${"/a".repeat(8_000)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`, [
    404,
  ]],
  ["a path of 16000 slashes", `GET ${"/".repeat(16_000)}x HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`, [
    404,
  ]],
];

Deno.test("advisories about the framing of requests", async (t) => {
  await using tree = await tempTree({ "alive.txt": "alive", "smuggled.txt": "smuggled" });
  await using command = await start([tree.path]);
  const { port } = command;
  for (const [id, request, statuses] of MALFORMED) {
    await t.step(`${id}: ${statuses.join(" or ")}, with a status line`, async () => {
      const { status, head, text } = await raw(port, request);
      assert(statuses.includes(status), `${status}: ${head}`);
      assert(!/<script>|alive|smuggled/.test(head + text));
      assertEquals((head + text).match(/HTTP\/1\.1 \d/g)?.length, 1);
    });
  }
  await t.step("gh-150499, werkzeug #2397: an unread body is not taken for a request", async () => {
    const body = "GET /smuggled.txt HTTP/1.1\r\nHost: localhost\r\n\r\n";
    const head = `POST /alive.txt HTTP/1.1\r\nHost: localhost\r\nContent-Length: ${body.length}\r\n\r\n`;
    const next = "GET /alive.txt HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    const response = await raw(port, head + body + next);
    assertEquals(response.status, 405);
    assert(!response.text.includes("smuggled"));
    assertMatch(response.text, /\r\n\r\nalive$/);
  });
  await assertAlive(command);
});

// --- Backtracking ---

const LONG = 30_000;
const REPEATED = [
  ",",
  " ",
  '"',
  ";",
  "*",
  "*,",
  'W/"',
  '"",',
  "q=0,",
  "a;q=1;",
  "=",
  "-",
  "0-",
  "\t ,",
  "(",
  "\\",
  "/",
  "%",
];
const PARSED = [
  "If-None-Match",
  "If-Match",
  "If-Modified-Since",
  "Accept",
  "Accept-Encoding",
  "Range",
  "If-Range",
  "X-Other",
];

Deno.test("CVE-2024-45296, CVE-2022-3517 (serve), CVE-2026-34230 (Rack): no header keeps the server busy", async (t) => {
  await using tree = await contentTree();
  await using command = await start([tree.path, "--precompressed", "--log-format", "combined"]);
  for (const name of PARSED) {
    await t.step(`${name} of ${LONG} odd characters is answered`, async () => {
      await withEach(REPEATED, async (text) => {
        const value = text.repeat(LONG / text.length);
        for (const line of [value, `bytes=${value}`, `"a"${value}"b"`, `gzip${value}x`]) {
          for (const target of ["/x.js", "/sub/", "/missing"]) {
            assertAnswered(await ask(command.port, "GET", target, `${name}: ${line}`), `${name} of ${text}`);
          }
        }
      });
      await assertAlive(command);
    });
  }
});
