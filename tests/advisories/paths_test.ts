/** Advisories about paths: ways up, and spellings that get around a rule. */

import { assert, assertEquals, assertMatch } from "@std/assert";
import { files, memory, mount, toFetch } from "@x/pyserve";
import { start } from "../support/command.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { assertAlive, assertAnswered, assertLocal, ignore, rootInSecrets, SECRET, withEach } from "./support.ts";

/** Spellings of `..`, and of the path after it. */
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

/** Targets that a server comparing strings would let through, each with its advisory. */
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
