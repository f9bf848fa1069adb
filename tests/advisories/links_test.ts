/** Advisories about links out of the root, and about FIFOs and sockets. */

import { assert, assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { linksOf, textOf } from "../support/html.ts";
import { missing } from "../support/programs.ts";
import { ask } from "../support/raw.ts";
import { tempTree } from "../support/tree.ts";
import { assertAlive, ignore, SECRET, withEach } from "./support.ts";

/** The target of each link in the root. */
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

/** Each kind of link that leaves the root, with the paths that go through it. */
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
    await t.step(`${id}: 404, for GET and for HEAD`, async () => {
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
