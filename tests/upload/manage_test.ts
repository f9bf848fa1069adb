/** Renaming and deleting without JavaScript. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import { fileServer, toFetch, uploadFeatures } from "@x/pyserve";
import { tempTree } from "../support/tree.ts";

const CHANGES = { rights: { create: true, change: true } };

function site(directory: string, rights = CHANGES.rights) {
  const fetch = toFetch(fileServer(directory, { features: uploadFeatures({ rights }), log: false }));
  return {
    get: (path: string) => fetch(new Request(`http://localhost${path}`, { headers: { accept: "text/html" } })),
    post: (path: string, fields: readonly (readonly [string, string])[], headers: Record<string, string> = {}) => {
      const body = new URLSearchParams(fields.map(([name, value]) => [name, value]));
      return fetch(
        new Request(`http://localhost${path}`, { method: "POST", body, headers: { accept: "text/html", ...headers } }),
      );
    },
  };
}

async function names(directory: string): Promise<string[]> {
  return (await Array.fromAsync(Deno.readDir(directory), ({ name }) => name)).sort();
}

Deno.test("?manage lists what can be renamed and deleted, safely", async () => {
  await using tree = await tempTree({ 'a"<b>\n.txt': "a", "dir/b.txt": "b", ".hidden": "h" });
  const { get } = site(tree.path);
  const response = await get("/?manage");
  assertEquals([response.status, response.headers.get("cache-control")], [200, "no-store"]);
  const html = await response.text();
  assertStringIncludes(html, 'value="a%22%3Cb%3E%0A.txt"');
  assertStringIncludes(html, "<bdi>dir/</bdi>");
  assert(!html.includes("<b>") && !html.includes(".hidden"));
  assertEquals((await get("/dir?manage")).status, 301);
  assertStringIncludes(await (await get("/")).text(), 'name="manage"');
});

Deno.test("without the right to change, there is no ?manage", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  const { get, post } = site(tree.path, { create: true, change: false });
  const missing = await get("/?manage");
  assertEquals(missing.status, 404);
  assertStringIncludes(await missing.text(), "Changing files is not enabled here");
  const refused = await post("/?manage", [["name", "a.txt"], ["delete", "confirmed"]]);
  assertEquals([refused.status, await names(tree.path)], [403, ["a.txt"]]);
  await refused.body?.cancel();
});

Deno.test("a directory with an index page keeps its queries", async () => {
  await using tree = await tempTree({ "index.html": "mine" });
  assertEquals(await (await site(tree.path).get("/?manage")).text(), "mine");
});

Deno.test("deletes after a confirmation, directories with their contents, and tells what failed", async () => {
  await using tree = await tempTree({ "a b.txt": "a", "dir/b.txt": "b", "c\n.txt": "c" });
  const { post } = site(tree.path);
  const chosen = [["name", "a%20b.txt"], ["name", "dir"], ["name", "c%0A.txt"]] as const;
  const asked = await post("/?manage", [...chosen, ["delete", "asked"]]);
  assertStringIncludes(await asked.text(), 'value="c%0A.txt"');
  assertEquals(await names(tree.path), ["a b.txt", "c\n.txt", "dir"]);
  const deleted = await post("/?manage", [...chosen, ["delete", "confirmed"]]);
  assertEquals([deleted.status, deleted.headers.get("location")], [303, "?manage"]);
  assertEquals(await names(tree.path), []);
  const again = await post("/?manage", [...chosen, ["delete", "confirmed"]]);
  assertEquals(again.status, 404);
  assertStringIncludes(await again.text(), "0 of 3 were deleted");
});

Deno.test("renames, and refuses a name that is taken or no name", async () => {
  await using tree = await tempTree({ "a.txt": "a", "b.txt": "b", "dir/c.txt": "c" });
  const { post } = site(tree.path);
  assertStringIncludes(await (await post("/?manage", [["rename", "dir"]])).text(), "<h1>Rename dir</h1>");
  const renamed = await post("/?manage", [["rename", "dir"], ["to", "folder é"]]);
  assertEquals([renamed.status, await names(tree.path)], [303, ["a.txt", "b.txt", "folder é"]]);
  const same = await post("/?manage", [["rename", "a.txt"], ["to", "a.txt"]]);
  assertEquals(same.status, 303);
  for (const [to, status] of [["b.txt", 409], ["", 400], ["x/y", 400], ["..", 400], [".hidden", 403]] as const) {
    const refused = await post("/?manage", [["rename", "a.txt"], ["to", to]]);
    assertEquals(refused.status, status, to);
    assertStringIncludes(await refused.text(), status === 403 ? "Hidden" : "name");
  }
  assertEquals(await Deno.readTextFile(tree.at("b.txt")), "b");
});

Deno.test("refuses names outside of the directory, broken forms and other sites", async () => {
  await using tree = await tempTree({ "dir/a.txt": "a", "b.txt": "b" });
  const { post } = site(tree.path);
  for (const name of ["..%2Fb.txt", "..", ".", "", "%", "%00", "a%2Fb"]) {
    const refused = await post("/dir/?manage", [["name", name], ["delete", "confirmed"]]);
    assertEquals(refused.status, 400, name);
    await refused.body?.cancel();
  }
  assertEquals((await post("/?manage", [])).status, 400);
  assertEquals((await post("/none/?manage", [["name", "b.txt"], ["delete", "confirmed"]])).status, 404);
  assertEquals((await post("/?manage", [["name", "x".repeat(1_100_000)]])).status, 413);
  const other = await post("/?manage", [["name", "b.txt"], ["delete", "confirmed"]], { origin: "http://evil.example" });
  assertEquals(other.status, 403);
  assertEquals(await names(tree.path), ["b.txt", "dir"]);
});

Deno.test("a large directory is shown in part", async () => {
  const files = Object.fromEntries(Array.from({ length: 1_001 }, (_, index) => [`${index}.txt`, ""]));
  await using tree = await tempTree(files);
  const html = await (await site(tree.path).get("/?manage")).text();
  assertEquals(html.match(/<li>/g)?.length, 1_000);
  assertStringIncludes(html, "more entries");
});
