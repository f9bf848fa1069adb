/**
 * The advisories of comparable servers, each as the request that would show the fault here. A step's name has the id.
 *
 * Left out until the features are there: CGI (CVE-2011-1015, CVE-2014-4650, PSF-2013-3, httpoxy, the FastCGI and
 * REMOTE_USER ones of Caddy), uploads and WebDAV (CVE-2025-67124 itself, tus, multipart), authentication and shares
 * (CVE-2026-27480, CVE-2026-61501, -61503, CVE-2025-58753), archives (miniserve #1568, zip-slip), compression on the
 * fly, search (CVE-2025-54796), rendered Markdown, configuration files and admin routes (CVE-2026-27586, -27589),
 * trusted proxies (CVE-2026-54089, but for the log). What is a fault on Windows only belongs beside isPlainOnWindows.
 */

import { assert, assertEquals, assertMatch, assertThrows } from "@std/assert";
import { files, fileServer, headers, memory, mount, toFetch } from "@x/pyserve";
import { runCommand, type RunningCommand, start } from "./support/command.ts";
import { linksOf, skeletonOf, textOf } from "./support/html.ts";
import { missing } from "./support/programs.ts";
import { ask, latin1, raw, type RawResponse } from "./support/raw.ts";
import { tempTree } from "./support/tree.ts";

/** Names with quotes, backslashes and line ends, links and FIFOs: a Windows disk holds none of them. */
const ignore = Deno.build.os === "windows";

/** What lies outside the root, and in the name of what lies outside; no answer may have it. */
const SECRET = "secret-outside";

/** Text as the bytes of its UTF-8, a character each, as `ask` sends them. */
function utf8(text: string): string {
  return String.fromCharCode(...new TextEncoder().encode(text));
}

/** Does something with each item, some of them at a time. */
async function withEach<T>(items: readonly T[], each: (item: T) => Promise<void>): Promise<void> {
  const rest = items.values();
  const workers = Array.from({ length: 16 }, async () => {
    for (const item of rest) await each(item);
  });
  // All of them come to their end first: what they ask must not outlive the test that failed.
  const failed = (await Promise.allSettled(workers)).find((worker) => worker.status === "rejected");
  if (failed) throw failed.reason;
}

/** It was answered, and no error of the server. */
function assertAnswered({ status }: RawResponse, what: string): void {
  assert(status >= 200 && status < 500, `${what} was answered with ${status}`);
}

/** A redirect that cannot leave the server, however a browser reads it. */
function assertLocal(response: RawResponse): void {
  const location = response.headers.get("location");
  if (location === null) return;
  assertMatch(location, /^\/(?![/\\])[\x21-\x7e]*$/);
  assertEquals(new URL(location, "http://here.example/").host, "here.example");
}

async function assertAlive({ port }: RunningCommand): Promise<void> {
  assertEquals((await ask(port, "GET", "/alive.txt")).text, "alive");
}

// --- Names ---

/** Names that a page, a link or a terminal could take for something else. */
const NAMES: readonly (readonly [id: string, name: string])[] = [
  ["CVE-2024-52793 (std)", "<img src=x onerror=alert(1)>"],
  ["CVE-2024-32966 (static-web-server)", "<svg onload=alert(1)>"],
  ["GHSA-xw79-hhv6-578c (serve)", '"onmouseover="alert(1)'],
  ["CVE-2026-61504 (HFS)", "'onmouseover='alert(1)"],
  ["CVE-2025-11966 (Vert.x)", "<bdi><a><script>alert(1)<"],
  ["a comment", "<!--"],
  ["a quote", "'"],
  ["a double quote", '"'],
  ["a backtick", "`"],
  ["dufs #63", "abc&amp;def.txt"],
  ["dufs #669", "&lt;b&gt;&#60;"],
  ["CVE-2026-25500 (Rack)", "javascript:alert(1)"],
  ["a data URL", "data:text,html"],
  ["a URL of another server", "http:evil.example"],
  ["a line end", "new\nline"],
  ["CR LF", "x\r\nSet-Cookie: a=b"],
  ["a tab", "tab\there"],
  ["an escape sequence", "esc\x1b[2J\x07"],
  ["a control character of Latin-1", "csi\x9b2J"],
  ["a percent-encoded letter", "%41"],
  ["percent-encoded dots", "%2e%2e"],
  ["a percent-encoded percent sign", "%2541"],
  ["a percent sign", "%"],
  ["miniserve, serve: # and ?", "#?"],
  ["denoland/std #502", "?sort=size&format=json"],
  ["a backslash", "back\\slash"],
  ["GHSA-9q64-mpxx-87fg (ecstatic)", "\\\\evil.example"],
  ["an emoji", "😀👩‍🚀.txt"],
  ["CVE-2021-42574 (Trojan Source)", "rtl\u202etxt.exe"],
  ["line separators", "a\u2028b\u2029c"],
  ["spaces around", " a b "],
  ["three dots", "x..."],
  ["parameters", ";a=b"],
  ["a plus", "a+b"],
  ["a colon", ":"],
  ["a tilde", "~root"],
  ["CVE-2022-3517 (minimatch)", "{a,b}[!c]**"],
  ["CVE-2024-45296 (path-to-regexp)", "(a+)+$"],
  ["CVE-2026-30852 (Caddy): placeholders", "${HOME}{env.HOME}%h{{7*7}}"],
  ["an option", "-rf"],
  ["as long as a name can be", "a".repeat(255)],
];

/** Control characters and those that turn text round: shown as their numbers. */
// deno-lint-ignore no-control-regex
const UNSEEN = /[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]/g;

function shown(name: string, [before, after]: readonly [string, string] = ["", ""]): string {
  return name.replace(
    UNSEEN,
    (c) => `${before}U+${c.charCodeAt(0).toString(16).toUpperCase().padStart(4, "0")}${after}`,
  );
}

/** Each name as a file and as a directory with a file, and as many harmless ones. */
function namesTree() {
  const files: Record<string, string> = { "alive.txt": "alive", "a</script>/alert(1)</script>/in.txt": "script" };
  for (const [index, [, name]] of NAMES.entries()) {
    files[`files/${name}`] = files[`dirs/${name}/in.txt`] = `content of ${name}`;
    files[`plain/plain-${index}`] = files[`dirs/plain-${index}/in.txt`] = "plain";
  }
  return tempTree(files);
}

async function checkFile(port: number, page: string, name: string): Promise<void> {
  const names = Array.from(page.matchAll(/<bdi>([^]*?)<\/bdi>/g), ([bdi]) => textOf(bdi, "bdi"));
  assertEquals(names.filter((text) => text === shown(name)).length, 1);
  const targets = linksOf(page, "http://localhost/files/").filter((target) => {
    return target.startsWith("/files/") && decodeURIComponent(target.slice("/files/".length)) === name;
  });
  assertEquals(targets.length, 1);
  const { status, text } = await ask(port, "GET", targets[0]!);
  assertEquals([status, text], [200, `content of ${name}`]);
}

async function checkDirectory(port: number, name: string): Promise<void> {
  const redirect = await ask(port, "GET", `/dirs/${encodeURIComponent(name)}`);
  assertEquals([redirect.status, redirect.text], [301, ""]);
  assertLocal(redirect);
  const target = redirect.headers.get("location")!;
  const { text } = await ask(port, "GET", target, "Accept: text/html");
  assertEquals(textOf(text, "h1"), `Directory listing for /dirs/${shown(name)}/`);
  assertEquals(textOf(text, "title"), `Directory listing for /dirs/${shown(name, ["<", ">"])}/`);
  assertEquals(skeletonOf(text), skeletonOf((await ask(port, "GET", "/dirs/plain-0/", "Accept: text/html")).text));
  const links = linksOf(text, `http://localhost${target}`);
  for (const up of ["/", "/dirs/"]) assert(links.includes(up), `There is no link to ${up}`);
  const inside = links.filter((link) => link.endsWith("/in.txt"));
  assertEquals(inside.length, 1);
  assertEquals((await ask(port, "GET", inside[0]!)).text, `content of ${name}`);
}

Deno.test({ name: "advisories about names in pages", ignore }, async (t) => {
  await using tree = await namesTree();
  await using command = await start([tree.path]);
  const { port } = command;
  const page = (await ask(port, "GET", "/files/", "Accept: text/html")).text;

  for (const [id, name] of NAMES) {
    const quoted = JSON.stringify(name.slice(0, 40));
    await t.step(
      `${id}: the file ${quoted} is shown as text and its link fetches it`,
      () => checkFile(port, page, name),
    );
    await t.step(
      `${id}: the directory ${quoted} is text in title, heading and breadcrumb, and its links lead to it`,
      () => {
        return checkDirectory(port, name);
      },
    );
  }
  await t.step("CVE-2024-52793: names change nothing of the page but its text", async () => {
    const plain = (await ask(port, "GET", "/plain/", "Accept: text/html")).text;
    assertEquals(skeletonOf(page), skeletonOf(plain));
    assertEquals(page.replaceAll("\n", "").match(UNSEEN), null);
  });
  await t.step("CVE-2024-52793: directories that spell </script> together stay text", async () => {
    const target = "/a%3C/script%3E/alert(1)%3C/script%3E/";
    const { text } = await ask(port, "GET", target, "Accept: text/html");
    assertEquals(textOf(text, "title"), "Directory listing for /a</script>/alert(1)</script>/");
    assertEquals(textOf(text, "h1"), textOf(text, "title"));
    assert(!text.includes("</script>"));
    assert(linksOf(text, `http://localhost${target}`).includes("/a%3C/script%3E/"));
  });
  await t.step("dufs #669, CVE-2026-61504 (HFS): the JSON of a listing is JSON, and its links fetch", async () => {
    const { headers, text } = await ask(port, "GET", "/files/?format=json");
    assertEquals([headers.get("content-type"), headers.get("x-content-type-options")], ["application/json", "nosniff"]);
    const entries: { name: string; href: string }[] = JSON.parse(text).entries;
    assertEquals(entries.map(({ name }) => name).toSorted(), NAMES.map(([, name]) => name).toSorted());
    await withEach(entries, async ({ name, href }) => {
      const { pathname, search } = new URL(href, "http://localhost/files/");
      assertEquals((await ask(port, "GET", pathname + search)).text, `content of ${name}`);
    });
  });
  await t.step("dufs #669: the plain text of a listing is never HTML, and has a line for each name", async () => {
    const { headers, text } = await ask(port, "GET", "/files/?format=text");
    assertEquals(headers.get("content-type"), "text/plain; charset=utf-8");
    assertEquals(headers.get("x-content-type-options"), "nosniff");
    assertEquals(text.split("\n").length, NAMES.length + 1);
    // deno-lint-ignore no-control-regex
    assertEquals(text.replaceAll("\n", "").match(/[\x00-\x1f\x7f-\x9f]/g), null);
  });
});

/** Payloads for what a page might repeat of a request. */
const PAYLOADS = [
  ...["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</title><svg/onload=alert(1)>", "'-alert(1)-'"],
  ...["%3Cscript%3Ealert(1)%3C/script%3E", "%0d%0aX-Injected:%20yes", "%bb", "${7*7}{{7*7}}", "javascript:alert(1)"],
];

async function checkUnrepeated(port: number, target: string): Promise<void> {
  for (const accept of ["text/html", "application/json", "text/plain"]) {
    const plain = await ask(port, "GET", "/plain-and-missing", `Accept: ${accept}`);
    const { status, headers, text } = await ask(port, "GET", target, `Accept: ${accept}`);
    assert(status === 400 || status === 404, `${target} is ${status}`);
    assertEquals(headers.get("content-type"), plain.headers.get("content-type"));
    assertEquals(headers.get("x-injected"), null);
    assertEquals(skeletonOf(text), skeletonOf(plain.text));
    assert(!/alert|onload|onerror|X-Injected|7\*7|49/.test(text), text);
  }
}

Deno.test({ name: "advisories about what pages repeat and tell", ignore }, async (t) => {
  await using tree = await tempTree({ "alive.txt": "alive", "sub/in.txt": "in", "page/index.html": "index" });
  await using command = await start([tree.path]);
  const { port } = command;

  await t.step("bpo-1100201, CVE-2024-43799 (send): an error page repeats nothing of the target", async () => {
    await withEach(PAYLOADS, (payload) => checkUnrepeated(port, `/${payload.replaceAll(" ", "%20")}`));
  });
  await t.step(
    "GHSA-cw7j, GHSA-f54q, CVE-2025-54589 (copyparty): query parameters that are read are not repeated",
    async () => {
      const targets = ["sort", "order", "format"].flatMap((key) => {
        return PAYLOADS.map((payload) => `/sub/?${key}=${payload.replaceAll(" ", "%20")}`);
      });
      await withEach(targets, (target) => checkUnrepeated(port, target));
    },
  );
  await t.step("gh-104049, gh-133889 (Python): a listing shows nothing of the query, whatever it is", async () => {
    const plain = (await ask(port, "GET", "/sub/", "Accept: text/html")).text;
    for (const payload of PAYLOADS) {
      const query = payload.replaceAll(" ", "%20");
      assertEquals((await ask(port, "GET", `/sub/?x=${query}`, "Accept: text/html")).text, plain);
      assertEquals((await ask(port, "GET", `/sub/?${query}`, "Accept: text/html")).text, plain);
    }
  });
  await t.step("CVE-2026-61505 (HFS), CVE-2023-37474 (copyparty): a query names no file", async () => {
    for (const key of ["lang", "file", "path", "format", "template", ".cpr", "raw", "import"]) {
      for (const value of ["../sub/in.txt", "alive.txt", "/etc/passwd", "file:///etc/passwd"]) {
        const { text } = await ask(port, "GET", `/sub/?${key}=${value}`);
        assert(!text.includes("root:") && !text.includes("alive"), text);
      }
    }
  });
  await t.step("CVE-2011-4940 (Python), CVE-2024-52793: every page has a charset, a policy and no script", async () => {
    for (const target of ["/sub/", "/missing", "/sub/?sort=x", "/%00", "/.."]) {
      const { headers } = await ask(port, "GET", target, "Accept: text/html");
      assertEquals(headers.get("content-type"), "text/html; charset=utf-8", target);
      assertEquals(headers.get("x-content-type-options"), "nosniff");
      const policy = headers.get("content-security-policy") ?? "";
      assert(policy.includes("default-src 'none'") && !/unsafe|script-src/.test(policy), policy);
    }
  });
  await t.step(
    "CVE-2015-8859 (send), CVE-2026-34763 (Rack), miniserve 0.19.4: no answer tells where the root is",
    async () => {
      const targets = [
        "/",
        "/sub/",
        "/sub/?format=json",
        "/missing",
        "/sub/in.txt/",
        "/%00",
        "/..",
        "/page",
        "/sub/?x=%bb",
      ];
      for (const target of [...targets, `/${"x".repeat(256)}`, `/sub/?sort=${tree.path.slice(0, 3)}`]) {
        for (const accept of ["text/html", "application/json", "text/plain"]) {
          const { head, text } = await ask(port, "GET", target, `Accept: ${accept}`);
          assert(!(head + text).includes(tree.path), target);
          assert(!/\bat .*\.ts:\d|Deno\.|os error/.test(text), text);
        }
      }
    },
  );
  await t.step(
    "gh-87979 (Python): a method as long as a head can be is refused and is one line of the log",
    async () => {
      const before = command.stderr().split("\n").length;
      const method = "M".repeat(20_000);
      assertEquals((await ask(port, method, "/alive.txt")).status, 501);
      await command.untilStderr(`"${method} /alive.txt`);
      await assertAlive(command);
      await command.untilStderr('"GET /alive.txt');
      assertEquals(command.stderr().split("\n").slice(before - 1).filter((line) => line.includes(method)).length, 1);
    },
  );
});

// --- Paths ---

/** Spellings of one step up, and of what stands behind it. */
const UPS = [
  ...["..", "%2e%2e", ".%2e", "%2E.", "%252e%252e", "..%00", "..;", "..%20", "%20..", "..%09", "....", "..."],
  ...["%c0%ae%c0%ae", "%uff0e%uff0e", "%ef%bc%8e%ef%bc%8e", "%e2%80%a5", "..%0a", "..?", "..#", "*", "~"],
];
const SLASHES = ["/", "%2f", "%5c", "\\", "//", "%252f", "/./", ";/", "%c0%af", "%ef%bc%8f"];
const STARTS: readonly (readonly [prefix: string, ups: number])[] = [
  ["/", 1],
  ["//", 1],
  ["/sub/", 2],
  ["/sub/deep/", 3],
  ["/sub/../", 1],
  ["/nothing/", 2],
  ["http://localhost/", 1],
];

function traversals(): string[] {
  return STARTS.flatMap(([prefix, ups]) =>
    UPS.flatMap((up) =>
      SLASHES.flatMap((slash) => {
        const climbed = prefix + (up + slash).repeat(ups);
        return [`${climbed}${SECRET}.txt`, climbed, `${climbed}root-private${slash}${SECRET}.txt`];
      })
    )
  );
}

/** A root among what must not be served: a file, and a directory whose name begins with the root's. */
function rootInSecrets() {
  return tempTree({
    "root/alive.txt": "alive",
    "root/sub/deep/in.txt": "in",
    "root/x.js": "plain",
    "root/x.js.gz": "gzip",
    [`${SECRET}.txt`]: SECRET,
    [`${SECRET}.txt.gz`]: SECRET,
    [`root-private/${SECRET}.txt`]: SECRET,
  });
}

const MODES: readonly (readonly string[])[] = [[], ["--hidden", "--follow-links", "--precompressed"], ["--no-listing"]];

for (const mode of MODES) {
  const name = `CVE-2018-3712, CVE-2019-5417 (serve), CVE-2017-14849 (Node), CVE-2024-23340 (Hono), sirv #63: ${
    ["no way up", ...mode].join(" ")
  }`;
  Deno.test({ name, ignore }, async () => {
    await using tree = await rootInSecrets();
    await using command = await start([tree.at("root"), "--quiet", ...mode]);
    await withEach(traversals(), async (target) => {
      const response = await ask(command.port, "GET", target, "Accept-Encoding: gzip, br, zstd");
      assertAnswered(response, target);
      assert(!response.text.includes(SECRET), target);
      assertLocal(response);
    });
    await assertAlive(command);
    assertEquals(command.stderr(), "");
  });
}

/** Targets that a server which looks at strings would let through; each with what is told of it. */
const SPELLINGS: readonly (readonly [id: string, targets: readonly string[]])[] = [
  [
    "CVE-2025-58751 (sirv), CVE-2014-6394 (send), CVE-2023-29159 (Starlette), CVE-2026-34785 (Rack), GHSA-gx7w: " +
    "a sibling directory with the root's name as prefix is outside",
    [
      "/../root-private/x",
      "/%2e%2e/root-private/x",
      "/..%2froot-private%2fx",
      "/-private/x",
      "-private/x",
      "/..-private/x",
    ]
      .map((target) => target.replace(/x$/, `${SECRET}.txt`)),
  ],
  [
    "bpo-26657 = PSF-2016-9 (Python), CVE-2022-41720 (Go), CVE-2026-48818: drives and shares are names",
    [
      "/c:/alive.txt",
      "/c:c:/alive.txt",
      "/\\..\\..\\alive.txt",
      "/C%3A/alive.txt",
      "/c:alive.txt",
      "//localhost/c$/alive.txt",
    ],
  ],
  ["gh-104712 (Python), CVE-2026-53571 (Vite): streams are names", ["/alive.txt::$DATA", "/sub::$INDEX_ALLOCATION/"]],
  [
    "CVE-2026-52844 (Caddy), CVE-2026-54286 (Hono), CVE-2025-62522 (Vite): a backslash is a letter",
    ["/sub%5cin.txt", "/sub\\in.txt", "/sub%5c..%5calive.txt", "/sub%5C%2e%2e%5calive.txt", "/x%5c.env"],
  ],
  [
    "CVE-2026-29087 (Hono), CVE-2026-6414 (fastify-static), CVE-2026-47676: an encoded slash is no separator",
    [
      "/sub%2fin.txt",
      "/sub%2Fin.txt",
      "/%2falive.txt",
      "/alive.txt%2f",
      "/sub%2f",
      "/sub%2f.env",
      "/sub/..%2falive.txt",
    ],
  ],
  [
    "CVE-2018-3718, GHSA-wm7q-rxch-43mx (serve): what is hidden is hidden in every escape",
    ["/.env", "/%2eenv", "/%2Eenv", "/.e%6ev", "/%2e%65%6e%76", "/sub/.env", "/sub/%2Eenv", "/%2egit/config"],
  ],
  [
    "CVE-2019-5415, -5417, GHSA-48gc-5j93-5cfq (serve), CVE-2026-39406 (Hono): hidden in every way around",
    ["/./.env", "//.env", "/sub/../.env", "/sub//.env", "/.git/./config", "/.git//config", "/sub/./../.git/config"],
  ],
  [
    "CVE-2025-46565, CVE-2025-30208, CVE-2025-31125, CVE-2025-32395 (Vite): hidden with anything behind",
    ["/.env/.", "/.env/", "/.env?raw", "/.env?import&raw??", "/.env?.svg", "/.env#x", "/x#/../.env", "/.git/", "/.git"],
  ],
  [
    "CVE-2026-32758 (File Browser): hidden below a hidden directory too",
    ["/.git/sub/file.txt", "/.git/sub/", "/sub/.cache/x/y.txt", "/.well-known/.env", "/.well-known/../.env"],
  ],
  [
    "CVE-2018-3809 (serve), CVE-2024-23331 (Vite): what is shown is shown in one case only",
    ["/.WELL-KNOWN/shown.txt", "/.Well-Known/shown.txt", `/.Well-Known/${SECRET}.txt`],
  ],
  [
    "CVE-2026-49401 (Deno): letters that look like dots and slashes are none",
    ["/%EF%BC%8Eenv", "/%E2%80%A4env", "/sub%EF%BC%8Fin.txt", "/sub%E2%88%95in.txt", "/%E2%80%A5/alive.txt"],
  ],
  [
    "CVE-2022-3517, CVE-2024-45296, CVE-2026-27585 (Caddy): a target is no pattern",
    ["/aliv?.txt", "/aliv%3f.txt", "/ali*.txt", "/[a]live.txt", "/{alive,x}.txt", "/(a+)+live.txt", "/**", "/.*"],
  ],
  ["CVE-2024-39943 (HFS): a target is no command", ["/$(id)", "/;id", "/%60id%60", "/|id", "/alive.txt;id", "/&&id"]],
];

function hiddenTree() {
  return tempTree({
    "root/alive.txt": "alive",
    "root/sub/in.txt": "alive",
    "root/.well-known/shown.txt": "shown",
    [`root-private/${SECRET}.txt`]: SECRET,
    ...Object.fromEntries(
      [
        ".env",
        "sub/.env",
        ".git/config",
        ".git/sub/file.txt",
        "sub/.cache/x/y.txt",
        ".well-known/.env",
        `.Well-Known/${SECRET}.txt`,
      ]
        .map((name) => [`root/${name}`, SECRET]),
    ),
  });
}

Deno.test({ name: "advisories about spellings of a path", ignore }, async (t) => {
  await using tree = await hiddenTree();
  await using command = await start([tree.at("root")]);
  const { port } = command;

  for (const [id, targets] of SPELLINGS) {
    await t.step(id, async () => {
      for (const target of targets) {
        for (const method of ["GET", "HEAD"]) {
          const { status, head, text } = await ask(port, method, target);
          assert(status === 404 || status === 400, `${target} is ${status}`);
          assert(!/alive|shown|secret/.test(head + text), target);
        }
      }
    });
  }
  await t.step("RFC 8615: .well-known is there, in its own case, and is listed", async () => {
    assertEquals((await ask(port, "GET", "/.well-known/shown.txt")).text, "shown");
    const { entries } = JSON.parse((await ask(port, "GET", "/?format=json")).text);
    assertEquals(entries.map(({ name }: { name: string }) => name).toSorted(), [".well-known", "alive.txt", "sub"]);
  });
  await t.step("CVE-2026-34786 (Rack): the rule of a file holds for each of its spellings", async () => {
    const plain = await ask(port, "GET", "/alive.txt");
    for (const target of ["/%61live.txt", "//alive.txt", "/sub/../alive.txt", "/alive.txt?x", "/alive.tx%74"]) {
      const { headers, text } = await ask(port, "GET", target);
      assertEquals(text, "alive");
      for (const name of ["content-type", "cache-control", "etag"]) {
        assertEquals(headers.get(name), plain.headers.get(name), `${name} of ${target}`);
      }
    }
  });
  await assertAlive(command);
});

Deno.test("CVE-2018-19052 (lighttpd), CVE-2026-47676 (Hono): a mount ends where a segment ends", async () => {
  const source = memory({ "a.txt": "inside", "x/a.txt": SECRET, "cs/a.txt": SECRET });
  const fetch = toFetch(mount("/%C3%A4%20%C3%B6/docs", files(source)));
  const text = async (target: string) => await (await fetch(new Request(`http://localhost${target}`))).text();
  for (
    const target of [
      "/%C3%A4%20%C3%B6/docs/a.txt",
      "/%c3%a4%20%c3%b6/d%6fcs//a.txt",
      "/x/../%C3%A4%20%C3%B6/docs/a.txt",
    ]
  ) {
    assertEquals(await text(target), "inside", target);
  }
  for (
    const target of ["docsx/a.txt", "docs../a.txt", "docscs/a.txt", "docs%2fa.txt", "docs%2f../a.txt", "doc/a.txt"]
  ) {
    assertMatch(await text(`/%C3%A4%20%C3%B6/${target}`), /^404 /);
  }
});

// --- Redirects ---

/** Targets of directories, and where they are; null for what is no directory. */
const REDIRECTS: readonly (readonly [id: string, target: string, location: string | null])[] = [
  ["CVE-2021-28861 (Python)", "//evil.example", "/evil.example/"],
  ["CVE-2021-28861 (Python), three slashes", "///evil.example", "/evil.example/"],
  ["CVE-2021-28861 (Python), up", "//evil.example/../sub", "/sub/"],
  ["CVE-2015-1164 (serve-static)", "//evil.example/%2e%2e/sub", "/sub/"],
  ["cpython #118312", "//evil.example/%2f..", null],
  [
    "GHSA-9q64-mpxx-87fg (ecstatic), http-server 14.1.1, darkhttpd: an existing directory",
    "//evil.example/..%2fsub",
    null,
  ],
  ["serve-handler #122", "//evil.example/index.html", null],
  ["gh-132826 (Python)", "/\\evil.example", "/%5Cevil.example/"],
  ["gh-132826 (Python), encoded", "/%5cevil.example", "/%5Cevil.example/"],
  ["gh-132826 (Python), up", "/\\evil.example/%2e%2e%2f", null],
  ["CVE-2022-28923 (Caddy)", "/%5C%5Cevil.example/%252e%252e", null],
  ["Caddy #7330", "/%5c%5cevil.example", "/%5C%5Cevil.example/"],
  ["Caddy #8023", "/..%2F%5cevil.example", null],
  ["CVE-2022-29718 (Caddy)", "//evil.example//sub/../../evil.example", "/evil.example/"],
  ["a dot in between", "/.//evil.example", "/evil.example/"],
  ["a directory and back", "/sub/..//evil.example", "/evil.example/"],
  ["an encoded slash in front", "/%2fevil.example", null],
  ["a tab, which browsers drop", "/%09/evil.example", "/%09/evil.example/"],
  ["a space, which browsers drop", "/%20/evil.example", "/%20/evil.example/"],
  ["CVE-2019-10775 (ecstatic): a form feed", "/x%0c", "/x%0C/"],
  ["gh-142533 (Python): CR LF", "/x%0d%0aSet-Cookie:%20a=b", "/x%0D%0ASet-Cookie%3A%20a%3Db/"],
  ["a letter outside ASCII", "/%C3%BC", "/%C3%BC/"],
  ["gh-132741 (Python): another host in the target", "http://evil.example/sub", "/sub/"],
  ["another host in the target, with a user", "https://evil.example:1/sub?a", "/sub/?a"],
  ["a host in the query", "/sub?//evil.example", "/sub/?//evil.example"],
  ["CR LF in the query", "/sub?%0d%0aSet-Cookie:a=b", "/sub/?%0d%0aSet-Cookie:a=b"],
  ["quotes in the query", '/sub?"<>\\', "/sub/?%22%3C%3E%5C"],
  ["letters outside ASCII in the query", `/sub?${utf8("ü😀")}`, "/sub/?%C3%BC%F0%9F%98%80"],
  ["a fragment", "/sub#//evil.example", "/sub/"],
  ["a user", "/@evil.example", "/%40evil.example/"],
  ["a port", "/:80", "/%3A80/"],
];

const REDIRECTED = [
  ...["sub", "evil.example", "\\evil.example", "\\\\evil.example", "\t/evil.example", " /evil.example", "x\f"],
  ...["x\r\nSet-Cookie: a=b", "ü", "@evil.example", ":80"],
];

Deno.test({ name: "advisories about redirects", ignore }, async (t) => {
  await using tree = await tempTree(Object.fromEntries(REDIRECTED.map((name) => [`${name}/in.txt`, name])));
  await using command = await start([tree.path]);
  const { port } = command;

  for (const [id, target, location] of REDIRECTS) {
    await t.step(`${id}: ${JSON.stringify(target)} leads to ${location ?? "nothing"}`, async () => {
      for (const method of ["GET", "HEAD"]) {
        const response = await ask(port, method, target);
        assertEquals([response.status, response.headers.get("location")], [location === null ? 404 : 301, location]);
        assertLocal(response);
        assertEquals(response.headers.get("set-cookie"), null);
      }
      if (location !== null) assertEquals((await ask(port, "GET", location)).status, 200);
    });
  }
  await t.step("CVE-2024-43799, -43800 (send, serve-static): a redirect has no page", async () => {
    assertEquals((await ask(port, "GET", "/sub?<script>alert(1)</script>")).text, "");
  });
  await t.step("a redirect does not name the host of the request", async () => {
    const request =
      "GET /sub HTTP/1.1\r\nHost: evil.example\r\nX-Forwarded-Host: evil.example\r\nConnection: close\r\n\r\n";
    const { head, headers } = await raw(port, request);
    assertEquals(headers.get("location"), "/sub/");
    assert(!head.includes("evil"));
  });
});

// --- Links ---

/** Where each link in the root leads. */
const LINKS: Readonly<Record<string, string>> = {
  "file-out": `../outside/${SECRET}.txt`,
  "dir-out": "../outside",
  "sub/up": "../../outside",
  "index-out/index.html": `../../outside/${SECRET}.html`,
  "js/x.js.gz": "../../outside/x.js.gz",
  "js/x.js.br": "../../outside/x.js.gz",
  "js/x.js.zst": "../../outside/x.js.gz",
  "broken": `nowhere-${SECRET}`,
  "loop-a": "loop-b",
  "loop-b": "loop-a",
  "self": "self",
  "chain-1": "chain-2",
  "chain-2": "sub/chain-3",
  "sub/chain-3": `../../outside/${SECRET}.txt`,
  "chain-dir": "sub/up",
  "prefix-dir": "../root-private",
  "prefix-file": `../root-private/${SECRET}.txt`,
  "parent": "..",
  "device": "/dev/zero",
  "in-file": "alive.txt",
  "in-dir": "sub",
  "in-absolute": "ABSOLUTE/alive.txt",
};

async function linkedTree() {
  const tree = await tempTree({
    "root/alive.txt": "alive",
    "root/sub/in.txt": "in",
    "root/index-out/": "",
    "root/js/x.js": "plain",
    [`outside/${SECRET}.txt`]: SECRET,
    [`outside/${SECRET}.html`]: SECRET,
    [`outside/deep/${SECRET}.txt`]: SECRET,
    "outside/x.js.gz": SECRET,
    [`root-private/${SECRET}.txt`]: SECRET,
  });
  for (const [name, to] of Object.entries(LINKS)) {
    await Deno.symlink(to.replace("ABSOLUTE", tree.at("root")), tree.at(`root/${name}`));
  }
  await Deno.symlink(tree.at(`outside/${SECRET}.txt`), tree.at("root/absolute-out"));
  return tree;
}

/** Each kind of link that leaves, with the targets behind it. */
const LEAVING: readonly (readonly [id: string, targets: readonly string[]])[] = [
  ["CVE-2025-67487 (static-web-server): a link to a file outside", ["/file-out", "/file-out/", "/sub/../file-out"]],
  ["CVE-2025-67487: an absolute link to a file outside", ["/absolute-out"]],
  [
    "sirv: a link to a directory outside, itself and in the middle of a path",
    ["/dir-out", "/dir-out/", `/dir-out/${SECRET}.txt`, "/dir-out/deep/", `/dir-out/deep/${SECRET}.txt`, "/sub/up/"],
  ],
  ["a link to the directory above, and back", ["/parent", "/parent/", "/parent/outside/", "/parent/root-private/"]],
  ["a chain of links that ends outside", [
    "/chain-1",
    "/chain-2",
    "/sub/chain-3",
    "/chain-dir/",
    `/chain-dir/${SECRET}.txt`,
  ]],
  [
    "CVE-2025-58751 (sirv): a link to a sibling with the root's name as prefix",
    ["/prefix-file", "/prefix-dir", "/prefix-dir/", `/prefix-dir/${SECRET}.txt`],
  ],
  ["static-web-server 2.44: a precompressed file that is a link to outside, by its own name", [
    "/js/x.js.gz",
    "/js/x.js.br",
  ]],
  ["static-web-server 2.44: an index file that is a link to outside, by its own name", ["/index-out/index.html"]],
  ["dufs #665: a broken link", ["/broken", "/broken/"]],
  ["links that lead to each other, or to themselves", ["/loop-a", "/loop-b/", "/self", "/self/x"]],
  ["a device", ["/device", "/device/"]],
];

interface Entry {
  readonly name: string;
  readonly href: string | null;
  readonly size: number | null;
  readonly modified: string | null;
}

async function entriesOf(port: number, target: string): Promise<Entry[]> {
  return JSON.parse((await ask(port, "GET", `${target}?format=json`)).text).entries;
}

Deno.test({ name: "advisories about links", ignore }, async (t) => {
  await using tree = await linkedTree();
  await using command = await start([tree.at("root"), "--precompressed"]);
  const { port } = command;

  for (const [id, targets] of LEAVING) {
    await t.step(`${id}: is not there, for GET and for HEAD`, async () => {
      for (const target of targets) {
        for (const method of ["GET", "HEAD"]) {
          const { status, text } = await ask(port, method, target, "Accept-Encoding: gzip, br, zstd");
          assertEquals(status, 404, `${method} ${target}`);
          assert(!text.includes(SECRET));
        }
      }
    });
  }
  await t.step(
    "miniserve 0.19.5: such a link is listed without a link, a size and a date, and no other is",
    async () => {
      const entries = await entriesOf(port, "/");
      const leaving = LEAVING.flatMap(([, targets]) => targets.map((target) => target.split("/")[1]!));
      for (const { name, href, size, modified } of entries) {
        const leaves = leaving.includes(name) && !["sub", "js", "index-out"].includes(name);
        if (leaves) assertEquals([href, size, modified], [null, null, null], name);
        else assert(href !== null && modified !== null, name);
      }
      assertEquals(entries.filter(({ href }) => href === null).length, 14);
      assertEquals((await entriesOf(port, "/sub/")).find(({ name }) => name === "up")?.href, null);
    },
  );
  await t.step(
    "miniserve 0.19.5: neither the page nor the plain text links to it, nor tells where it leads",
    async () => {
      const { text } = await ask(port, "GET", "/", "Accept: text/html");
      assert(!text.includes(SECRET) && text.includes("broken link"));
      await withEach(linksOf(text, "http://localhost/"), async (target) => {
        const { status } = await ask(port, "GET", target);
        assert(status === 200 || status === 301, `${target} is ${status}`);
      });
      const names = (await ask(port, "GET", "/?format=text")).text.split("\n");
      assert(
        names.includes("in-file") && !names.some((name) => /out$|^chain|^prefix|^broken|^loop|^parent/.test(name)),
      );
    },
  );
  await t.step("static-web-server 2.44: an index file that leads outside is no index file", async () => {
    const { status, text } = await ask(port, "GET", "/index-out/", "Accept: text/html");
    assertEquals([status, textOf(text, "title")], [200, "Directory listing for /index-out/"]);
    assert(!text.includes(SECRET));
  });
  await t.step(
    "static-web-server 2.44: a precompressed file that leads outside is not sent for the plain one",
    async () => {
      for (const coding of ["gzip", "br", "zstd", "gzip, br, zstd"]) {
        const { headers, text } = await ask(port, "GET", "/js/x.js", `Accept-Encoding: ${coding}`);
        assertEquals([text, headers.get("content-encoding")], ["plain", null]);
      }
    },
  );
  await t.step("gh-132142 (Python): links that stay inside are followed", async () => {
    assertEquals((await ask(port, "GET", "/in-file")).text, "alive");
    assertEquals((await ask(port, "GET", "/in-absolute")).text, "alive");
    assertEquals((await ask(port, "GET", "/in-dir/in.txt")).text, "in");
  });
  await assertAlive(command);
});

Deno.test(
  { name: "gh-81054 (Python): links out of the root are followed where the command is told to", ignore },
  async () => {
    await using tree = await linkedTree();
    await using command = await start([tree.at("root"), "--follow-links", "--precompressed"]);
    const { port } = command;
    for (
      const target of [
        "/file-out",
        "/absolute-out",
        `/dir-out/${SECRET}.txt`,
        "/chain-1",
        "/prefix-file",
        "/index-out/",
      ]
    ) {
      assertEquals((await ask(port, "GET", target)).text, SECRET, target);
    }
    assertEquals((await ask(port, "GET", "/js/x.js", "Accept-Encoding: br")).text, SECRET);
    for (const target of ["/broken", "/loop-a", "/self", "/device"]) {
      assertEquals((await ask(port, "GET", target)).status, 404, target);
    }
  },
);

Deno.test({
  name: "unlisted (Python): FIFOs and sockets are not opened: by name, as index, as precompressed file, in the listing",
  ignore: ignore || missing("mkfifo"),
}, async () => {
  await using tree = await tempTree({ "alive.txt": "alive", "js/x.js": "plain", "page/": "" });
  for (const name of ["fifo", "js/x.js.gz", "page/index.html"]) {
    assert((await new Deno.Command("mkfifo", { args: [tree.at(name)] }).output()).success);
  }
  using _socket = Deno.listen({ transport: "unix", path: tree.at("socket") });
  await using command = await start([tree.path, "--precompressed"]);
  const { port } = command;
  for (const target of ["/fifo", "/socket", "/js/x.js.gz", "/page/index.html"]) {
    for (const method of ["GET", "HEAD"]) assertEquals((await ask(port, method, target)).status, 404, target);
  }
  assertEquals((await ask(port, "GET", "/js/x.js", "Accept-Encoding: gzip")).text, "plain");
  assertEquals((await ask(port, "GET", "/page/")).status, 200);
  const entries = await entriesOf(port, "/");
  assertEquals(entries.filter(({ href }) => href === null).map(({ name }) => name).toSorted(), ["fifo", "socket"]);
});

// --- Races ---

const ROUNDS = 300;
const PUBLIC = "public";
const SWAPPED = ["/page.txt", "/dir/page.txt", "/dir/", "/list/?format=json", "/list/public.txt"];

/** Files and directories that are exchanged for links to what is outside, and back; each rename is one step. */
async function swappableTree() {
  const tree = await tempTree({
    "root/page.txt": PUBLIC,
    "root/dir/page.txt": PUBLIC,
    "root/dir/index.html": PUBLIC,
    "root/list/public.txt": PUBLIC,
    "outside/page.txt": SECRET,
    "outside/index.html": SECRET,
    [`outside-list/${SECRET}.txt`]: SECRET,
    "outside-list/public.txt": SECRET,
  });
  const swaps = [["page.txt", "outside/page.txt"], ["dir", "outside"], ["list", "outside-list"]].map(
    ([name, outside]) => {
      return swap(tree.at(`root/${name}`), tree.at(outside!));
    },
  );
  return { tree, out: () => swaps.forEach(({ out }) => out()), back: () => swaps.forEach(({ back }) => back()) };
}

function swap(path: string, outside: string) {
  const [kept, link] = [`${path}.kept`, `${path}.link`];
  Deno.symlinkSync(outside, link);
  return {
    out() {
      Deno.renameSync(path, kept);
      Deno.renameSync(link, path);
    },
    back() {
      Deno.renameSync(path, link);
      Deno.renameSync(kept, path);
    },
  };
}

/** Lets everything that waits for a promise go on, so many times. */
async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await Promise.resolve();
}

const EXCHANGED = "CVE-2025-67124 (miniserve), static-web-server 2.44: exchanged for a link to outside";

Deno.test({ name: `${EXCHANGED} after each step of an answer`, ignore }, async () => {
  const { tree, out, back } = await swappableTree();
  await using _tree = tree;
  const fetch = toFetch(fileServer(tree.at("root"), { log: false }));
  const ask = (target: string) => fetch(new Request(`http://localhost${target}`));
  const seen = new Set<string>();
  for (let round = 0; round < ROUNDS; round++) {
    const inside = SWAPPED.map(ask);
    await turns(round % 30);
    out();
    const outside = SWAPPED.map(ask);
    await turns(round % 7);
    back();
    for (const response of await Promise.all([...inside, ...outside])) {
      const text = await response.text();
      assert(!text.includes(SECRET), `${text} after ${round % 30} turns`);
      seen.add(`${response.status} ${text}`);
    }
  }
  assert(seen.has(`200 ${PUBLIC}`), "Nothing was ever served");
  assert(seen.has("404 404 Not Found: File not found\n"), "Nothing was ever exchanged");
});

/** Asks a command again and again, while what it serves is exchanged as fast as this process can. */
async function askWhileSwapping(targets: readonly string[], rounds: number): Promise<void> {
  const { tree, out, back } = await swappableTree();
  await using _tree = tree;
  await using command = await start([tree.at("root"), "--quiet"]);
  const seen = new Set<number>();
  let asking = true;
  const swapping = (async () => {
    for (; asking; await new Promise((resolve) => setTimeout(resolve))) for (let i = 0; i < 20; i++) (out(), back());
  })();
  const asked = Array.from({ length: rounds }, (_, round) => targets[round % targets.length]!);
  try {
    await withEach(asked, async (target) => {
      const { status, text } = await ask(command.port, "GET", target);
      assert(!text.includes(SECRET), text);
      seen.add(status);
    });
  } finally {
    asking = false;
    await swapping;
  }
  assert(seen.has(200), "Nothing was ever served");
  for (const status of seen) assert([200, 404, 503].includes(status), `There was a ${status}`);
}

Deno.test({ name: `${EXCHANGED} while another process sends files`, ignore }, async () => {
  await askWhileSwapping(SWAPPED.filter((target) => !target.includes("?")), 5 * ROUNDS);
});

Deno.test({ name: `${EXCHANGED} while another process lists`, ignore }, async () => {
  await askWhileSwapping(["/list/?format=json", "/list/?format=text"], 5 * ROUNDS);
});

// --- Headers, ranges and dates ---

const SIZE = 1000;
const CONTENT = "0123456789".repeat(SIZE / 10);

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

/** The gzip of nobody: pyserve never looks into it. */
const CODED = "coded, and longer than what it stands for";

async function contentTree() {
  const tree = await tempTree({
    "alive.txt": "alive",
    "data.txt": CONTENT,
    "empty.txt": "",
    "sub/in.txt": "in",
    "x.js": "plain",
    "x.js.gz": CODED,
  });
  for (const name of ["x.js", "x.js.gz", "data.txt"]) await Deno.utime(tree.at(name), 1_600_000_000, 1_600_000_000);
  return tree;
}

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

// --- Host ---

/** What is no host; with the first, a request for /file.txt would be one for /dir/file.txt. */
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
  await using command = await start([tree.path]);
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
    for (
      const host of ["..", ".", "x%2fdir", "x%2Fdir", "dir", "x.dir", "x:", "x:80", "[::1]:8000", "';--", "localhost."]
    ) {
      const { status, text } = await request(host);
      assertEquals([status, text], [200, "right"], host);
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

/** Requests that are none, each with the statuses it may get; the runtime answers some of them itself. */
const MALFORMED: readonly (readonly [id: string, request: string, statuses: readonly number[]])[] = [
  ["bpo-1100201 (Python): HTML as a method", "<script>x</script> / HTTP/1.1\r\nHost: x\r\n\r\n", [400]],
  ["gh-54930 (Python): one word", "GET\r\n\r\n", [400]],
  ["gh-54930 (Python): four words", "GET /a b HTTP/1.1\r\nHost: x\r\n\r\n", [400]],
  ["gh-139492 (Python): HTTP/0.9", "GET /alive.txt\r\n\r\n", [400]],
  ["gh-103204 (Python): a version with signs", "GET /alive.txt HTTP/-9_9_9.+9\r\nHost: x\r\n\r\n", [400]],
  ["gh-114782 (Python): a bare CR", "GET /alive.txt HTTP/1.1\r\nHost: x\r\nA: b\rC: d\r\n\r\n", [400]],
  [
    "gh-150499 (Python): two lengths",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    [400],
  ],
  [
    "gh-150499 (Python): a length and chunks",
    "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    [400],
  ],
  ["an unknown transfer coding", "GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: x\r\nConnection: close\r\n\r\n", [
    400,
    501,
  ]],
  ["CVE-2013-1752 (Python): a line of 65537 bytes", `GET /${"a".repeat(65_537)} HTTP/1.1\r\nHost: x\r\n\r\n`, [
    400,
    414,
  ]],
  ["CVE-2013-1752: a field of 65537 bytes", `GET / HTTP/1.1\r\nHost: x\r\nA: ${"a".repeat(65_537)}\r\n\r\n`, [
    400,
    431,
  ]],
  [
    "CVE-2013-1752: fields of 40000 bytes",
    `GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n${`A: ${"a".repeat(995)}\r\n`.repeat(40)}\r\n`,
    [431],
  ],
  ["CVE-2013-1752: 1000 fields", `GET / HTTP/1.1\r\nHost: x\r\n${"A: b\r\n".repeat(1_000)}\r\n`, [400, 431]],
  [
    "CVE-2016-10703 (ecstatic): 22 kB of NUL",
    `GET /${"%00".repeat(7_400)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    [
      400,
      414,
    ],
  ],
  ["CVE-2016-10703: 15 kB of NUL", `GET /${"%00".repeat(5_000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, [
    400,
  ]],
  ["a path of 8000 segments", `GET ${"/a".repeat(8_000)} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, [404]],
  ["a path of 16000 slashes", `GET ${"/".repeat(16_000)}x HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`, [404]],
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
  await t.step("gh-150499, werkzeug #2397: a body that nobody reads is no request", async () => {
    const body = "GET /smuggled.txt HTTP/1.1\r\nHost: x\r\n\r\n";
    const head = `POST /alive.txt HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n`;
    const next = "GET /alive.txt HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
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

Deno.test("CVE-2024-45296, CVE-2022-3517 (serve), CVE-2026-34230 (Rack): no header keeps it busy", async (t) => {
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

// --- The log ---

/** What stands in a request, and how it must stand in the log where the runtime lets it through. */
const LOGGED: readonly (readonly [id: string, target: string, lines: readonly string[], logged: string])[] = [
  ["gh-100001 (Python): ESC", "/%1b[2J", [], "/%1b[2J"],
  ["gh-100001: ESC as a byte", "/x\x1b[2J", [], "/x\\x1b[2J"],
  ["gh-100001: NUL", "/%00", [], "/%00"],
  ["gh-100001: NUL as a byte", "/x\0", [], "/x\\x00"],
  ["dufs #691: a line end", "/%0d%0a127.0.0.1%20-%20-", [], "/%0d%0a127.0.0.1%20-%20-"],
  ["gh-100001: CSI of Latin-1 as a byte", "/x\x9b2J", [], "/x\\x9b2J"],
  ["gh-100001: CSI in UTF-8", `/x${utf8("\x9b")}2J`, [], "/x\\x9b2J"],
  ["a line separator", `/x${utf8("\u2028")}`, [], "/x\\u2028"],
  ["a backslash", "/x\\x1b", [], "/x\\\\x1b"],
  ["CVE-2026-30852 (Caddy): placeholders", "/${HOME}%25h{env.HOME}%n", [], "/${HOME}%25h{env.HOME}%n"],
  ["CSI in the agent", "/alive.txt", ["User-Agent: x\x9b2J"], "x\\x9b2J"],
  ["CSI in the referrer", "/alive.txt", ["Referer: x\x9b2J"], "x\\x9b2J"],
  ["CVE-2025-25184 (Rack): a tab", "/alive.txt", ["User-Agent: x\ty"], "x\\x09y"],
  ["ESC in the agent", "/alive.txt", ["User-Agent: x\x1b[2J"], "x\\x1b[2J"],
  ["NUL in the agent", "/alive.txt", ["User-Agent: x\0y"], "x\\x00y"],
  ["a CR in the agent", "/alive.txt", ["User-Agent: x\ry: z"], "x\\x0dy: z"],
];

const PLAIN = /^[\x20-\x7e\xa0-\u2027\u202a-\uffff]*$/;
const QUOTED = String.raw`"(?:[^"\\]|\\.)*"`;
const COMBINED = new RegExp(String.raw`^127\.0\.0\.1 - - \[[^\]]+\] ${QUOTED} \d{3} (?:\d+|-) ${QUOTED} ${QUOTED}$`);

/** The lines that a request adds to the log; another request behind it says when they are there. */
async function linesOf(command: RunningCommand, marker: string, request: () => Promise<void>): Promise<string[]> {
  const before = command.stderr().length;
  await request();
  await ask(command.port, "OPTIONS", `/${marker}`);
  await command.untilStderr(marker);
  return command.stderr().slice(before).split("\n").slice(0, -1).filter((line) => !line.includes(marker));
}

for (const format of ["combined", "common", "python", "json"]) {
  Deno.test(`advisories about the log, in the format ${format}`, async (t) => {
    await using tree = await tempTree({ "alive.txt": "alive" });
    await using command = await start([tree.path, "--log-format", format]);
    for (const [index, [id, target, headerLines, logged]] of LOGGED.entries()) {
      await t.step(`${id} leaves a clean line`, async () => {
        let ours = false;
        let failed = false;
        const lines = await linesOf(command, `marker-${index}-end`, async () => {
          const { status, headers } = await ask(command.port, "GET", target, ...headerLines);
          [ours, failed] = [headers.get("server") === "pyserve", status >= 400];
        });
        // What the runtime refuses by itself is not logged. Python's format has a second line for what failed.
        assertEquals(lines.length, !ours ? 0 : failed && format === "python" ? 2 : 1, lines.join("\n"));
        for (const line of lines) assertMatch(line, PLAIN);
        const line = lines.at(-1);
        if (format === "combined" && line) assert(COMBINED.test(line) && line.includes(logged), line);
        if (format === "json" && line) assertEquals(JSON.parse(line).address, "127.0.0.1");
      });
    }
  });
}

Deno.test("CVE-2026-54089 (File Browser): the address in the log is that of the connection", async () => {
  await using tree = await tempTree({ "alive.txt": "alive" });
  await using command = await start([tree.path]);
  const headers = ["X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP"].map((name) => `${name}: for=6.6.6.6`);
  await ask(command.port, "GET", "/alive.txt", ...headers);
  await command.untilStderr("/alive.txt");
  assertMatch(command.stderr(), /^127\.0\.0\.1 - - \[[^\]]+\] "GET \/alive\.txt HTTP\/1\.1" 200 -\n$/);
});

// --- Random bytes ---

/** A generator of numbers from 0 to below 1 that gives the same ones each time (mulberry32). */
function seeded(seed: number): () => number {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let mixed = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Pieces that mean something in a target, to get further than single bytes do. */
const PIECES = [
  ...[
    "/",
    "/",
    "/",
    "..",
    ".",
    "%2e",
    "%2f",
    "%5c",
    "\\",
    "%00",
    "%",
    "%zz",
    "?",
    "#",
    "&",
    "=",
    ";",
    ":",
    "@",
    "*",
    "+",
    "~",
  ],
  ...[
    "sub",
    "alive.txt",
    "link",
    SECRET,
    "root-private",
    "http://",
    "\xc3\xbc",
    "%c3%bc",
    "%ff",
    "<",
    ">",
    '"',
    "'",
    "|",
  ],
  ...["format=json", "sort=size", "%0d%0a", "%E2%80%AE", "\xe2\x80\xae", "a".repeat(300)],
];

function randomTargets(count: number): string[] {
  const random = seeded(20_260_807);
  const pick = (below: number) => Math.floor(random() * below);
  return Array.from({ length: count }, (_, index) => {
    const length = 1 + pick(index % 2 === 0 ? 60 : 12);
    const piece = index % 2 === 0 ? () => String.fromCharCode(pick(256)) : () => PIECES[pick(PIECES.length)]!;
    return "/" + Array.from({ length }, piece).join("");
  });
}

Deno.test(
  { name: "miniserve 0.12, vercel/serve, http-server: random bytes as target end nothing", ignore },
  async () => {
    await using tree = await rootInSecrets();
    await Deno.symlink(`../${SECRET}.txt`, tree.at("root/link"));
    await using command = await start([tree.at("root"), "--quiet"]);
    const statuses = new Set<number>();
    await withEach(randomTargets(1_000), async (target) => {
      for (const method of ["GET", "HEAD"]) {
        const response = await ask(command.port, method, target);
        const { status, head, text } = response;
        assert(
          (status === 0 && head === "") || (status >= 200 && status < 500),
          `${JSON.stringify(target)} is ${status}`,
        );
        assert(!text.includes(SECRET), JSON.stringify(target));
        assertLocal(response);
        statuses.add(status);
      }
    });
    for (const status of [200, 301, 400, 404]) assert(statuses.has(status), `There was no ${status}`);
    await assertAlive(command);
    assertEquals(command.stderr(), "");
  },
);

Deno.test("miniserve 0.12: random bytes as request end nothing", async () => {
  await using tree = await tempTree({ "alive.txt": "alive" });
  await using command = await start([tree.path, "--quiet"]);
  const random = seeded(7);
  const requests = Array.from({ length: 200 }, (_, index) => {
    const bytes = Uint8Array.from({ length: 200 }, () => random() * 256);
    // Half of them get behind the request line.
    return index % 2 === 0 ? bytes : Uint8Array.from([...latin1("GET / HTTP/1.1\r\nHost: x\r\n"), ...bytes]);
  });
  await withEach(requests, async (bytes) => {
    const { status } = await raw(command.port, Uint8Array.from([...bytes, ...latin1("\r\n\r\n")]));
    assert(status === 0 || (status >= 200 && status < 500), String(status));
  });
  await assertAlive(command);
  assertEquals(command.stderr(), "");
});
