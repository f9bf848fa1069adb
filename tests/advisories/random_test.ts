/** Random bytes, as target and as request: what no advisory covers. */

import { assert, assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { ask, latin1, raw } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { assertAlive, assertLocal, ignore, rootInSecrets, SECRET, withEach } from "./support.ts";
import { seeded } from "../support/random.ts";

/** Pieces with a meaning in a target, which get further than random bytes. */
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
  { name: "miniserve 0.12, vercel/serve, http-server: random bytes as a target crash nothing", ignore },
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

Deno.test("miniserve 0.12: random bytes as a request crash nothing", async () => {
  await using tree = await tempTree({ "alive.txt": "alive" });
  await using command = await start([tree.path, "--quiet"]);
  const random = seeded(7);
  const requests = Array.from({ length: 200 }, (_, index) => {
    const bytes = Uint8Array.from({ length: 200 }, () => random() * 256);
    // Half of them get past the request line.
    return index % 2 === 0 ? bytes : Uint8Array.from([...latin1("GET / HTTP/1.1\r\nHost: localhost\r\n"), ...bytes]);
  });
  await withEach(requests, async (bytes) => {
    const { status } = await raw(command.port, Uint8Array.from([...bytes, ...latin1("\r\n\r\n")]));
    assert(status === 0 || (status >= 200 && status < 500), String(status));
  });
  await assertAlive(command);
  assertEquals(command.stderr(), "");
});
