/** The table in docs/library.md for those who move from @std/http's file server: each row does what it says. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path/join";
import { fileServer, type FileServerOptions, memory, mount, serveFile, toFetch } from "@x/pyserve";
import { ROOT } from "../support/paths.ts";
import { tempTree } from "../support/tree.ts";

/** All options of serveDir and serveFile in @std/http 1.0, and the two functions. */
const NAMES = [
  ...["serveDir", "serveFile", "fsRoot", "urlRoot", "showDirListing", "showDotfiles", "showIndex", "enableCors"],
  ...["quiet", "headers", "etagAlgorithm", "fileInfo", "cleanUrls"],
];

const FILES = { "a.txt": "hello", ".hidden": "h", ".well-known/x": "w", "docs/index.html": "<p>docs" };

/** Status and content of GET, without and with an option. */
async function asked(path: string, options: FileServerOptions = {}) {
  await using tree = await tempTree(FILES);
  const fetch = toFetch(fileServer(tree.path, { log: false, ...options }));
  const response = await fetch(new Request(`http://localhost${path}`));
  return { status: response.status, headers: response.headers, text: await response.text() };
}

Deno.test("the table has a row for each name of @std/http's file server", async () => {
  const text = await Deno.readTextFile(join(ROOT, "docs", "library.md"));
  const table = text.slice(text.indexOf("## Moving from"));
  const first = [...table.matchAll(/^\| (`[^|]+?`) +\|/gm)].map(([, cell]) => cell!);
  assertEquals(NAMES.filter((name) => !first.some((cell) => new RegExp(`\\b${name}\\b`).test(cell))), []);
});

Deno.test("serveFile, fsRoot and urlRoot have their counterparts", async () => {
  await using tree = await tempTree(FILES);
  const request = () => new Request("http://localhost/prefix/a.txt");
  assertEquals(await (await serveFile(request(), tree.at("a.txt"))).text(), "hello");
  const fetch = toFetch(mount("/prefix", fileServer(tree.path, { log: false })));
  assertEquals(await (await fetch(request())).text(), "hello");
});

Deno.test("showDirListing, showDotfiles and showIndex have their counterparts", async () => {
  assertEquals((await asked("/")).status, 200);
  assertEquals((await asked("/", { listing: false })).status, 404);
  assertEquals((await asked("/.hidden")).status, 404);
  assertEquals((await asked("/.well-known/x")).text, "w");
  assertEquals((await asked("/.hidden", { hidden: true })).text, "h");
  assertEquals((await asked("/docs/")).text, "<p>docs");
  assert((await asked("/docs/?format=text", { index: [] })).text.includes("index.html"));
});

Deno.test("enableCors, headers and quiet have their counterparts", async () => {
  const { headers } = await asked("/a.txt", { headers: [["access-control-allow-origin", "*"], ["x-site", "mine"]] });
  assertEquals([headers.get("access-control-allow-origin"), headers.get("x-site")], ["*", "mine"]);
  const lines: string[] = [];
  const log = { access: (line: string) => void lines.push(line), error() {} };
  for (const options of [{}, { log: false }] as const) {
    await (await toFetch(fileServer(memory(FILES), options), { log })(new Request("http://localhost/a.txt"))).text();
  }
  assertEquals(lines.length, 1);
});
