/** What crawlers fetch of a site: each directory and each file once, as with Python's listings. */

import { assertEquals } from "@std/assert";
import { start } from "../support/command.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const SITE = {
  "site/a b.txt": "a",
  "site/README.md": "# Read me",
  "site/d/e/f/deep.bin": new Uint8Array(100_000),
  "site/d/page.html": '<a href="e/">below</a>',
};

const EXPECTED = ["/", "/README.md", "/a%20b.txt", "/d/", "/d/e/", "/d/e/f/", "/d/e/f/deep.bin", "/d/page.html"];

const CRAWLERS: readonly (readonly [program: string, ...args: string[]])[] = [
  ["wget", "-q", "-r", "-np"],
  ["wget", "-q", "--mirror", "--page-requisites"],
];

for (const [program, ...args] of CRAWLERS) {
  Deno.test({
    name: `${program} ${
      args.join(" ")
    } fetches files and directories, and no archives, sort orders or other formats of them`,
    ignore: missing(program),
    async fn() {
      await using tree = await tempTree(SITE);
      await using server = await start([tree.at("site"), "--upload"]);
      const url = `http://127.0.0.1:${server.port}/`;
      await new Deno.Command(program, { args: [...args, url], cwd: tree.path, stdout: "null", stderr: "null" })
        .output();
      await server.stop();
      const asked = [...server.stderr().matchAll(/"(?:GET|HEAD|POST) (\S+) HTTP/g)].map(([, target]) => target!);
      assertEquals([...new Set(asked)].filter((target) => target !== "/robots.txt").sort(), EXPECTED);
    },
  });
}
