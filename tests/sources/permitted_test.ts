/** Rights are judged by the requested path, and by where its symlinks lead. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { SitePath } from "../../handlers/http/target.ts";
import { disk } from "../../handlers/sources/disk.ts";
import { permitted } from "../../handlers/sources/permitted.ts";
import { FileChanged, type FileSource } from "../../handlers/sources/types.ts";
import { clock } from "../../handlers/sources/clock.ts";
import { tempTree } from "../support/tree.ts";

const OPTIONS = { ignore: Deno.build.os === "windows" }; // symlinks need a privilege

const pathOf = (text: string) =>
  text.split("/").filter(Boolean).reduce((path, name) => path.child(name)!, SitePath.root);
const mayRead = (path: SitePath) => path.segments[0] !== "team";

async function site() {
  const tree = await tempTree({
    "site/pub/a.txt": "a",
    "site/pub/dir/b.txt": "b",
    "site/team/secret.txt": "secret",
    "site/team/pub/c.txt": "c",
    "outside.txt": "outside",
  });
  await Deno.symlink("../team/secret.txt", tree.at("site/pub/secret"));
  await Deno.symlink("../team", tree.at("site/pub/team"));
  await Deno.symlink("dir", tree.at("site/pub/alias"));
  await Deno.symlink("../../outside.txt", tree.at("site/pub/outside"));
  return tree;
}

async function namesIn(source: FileSource, path: string): Promise<string[] | null> {
  const slices = await source.list(pathOf(path));
  if (slices === null) return null;
  const names: string[] = [];
  for await (const slice of slices) names.push(...slice.map(({ name }) => name));
  return names.sort();
}

Deno.test("a link does not confer rights to what it leads to", OPTIONS, async () => {
  await using tree = await site();
  const source = permitted(disk(tree.at("site")), mayRead);
  const seen = async (path: string) => (await source.stat(pathOf(path)))?.kind ?? null;
  assertEquals(await seen("/pub/a.txt"), "file");
  assertEquals(await seen("/pub/alias/b.txt"), "file", "a link inside of what may be read");
  for (
    const path of [
      "/team",
      "/team/secret.txt",
      "/pub/secret",
      "/pub/team",
      "/pub/team/secret.txt",
      "/pub/team/pub/c.txt",
    ]
  ) {
    assertEquals(await seen(path), null, path);
    assertEquals(await source.locate!(pathOf(path)), null, path);
    assertEquals(await namesIn(source, path), null, path);
  }
  assertEquals(await namesIn(source, "/"), ["pub"]);
  assertEquals((await namesIn(source, "/pub"))!.filter((name) => name !== "outside"), ["a.txt", "alias", "dir"]);
  assertEquals(await namesIn(source, "/pub/alias"), ["b.txt"]);
});

Deno.test("names in a linked directory are judged by its target, too", OPTIONS, async () => {
  await using tree = await site();
  const source = permitted(disk(tree.at("site")), (path) => path.text !== "/pub/dir/b.txt");
  assertEquals(await namesIn(source, "/pub/alias"), []);
  assertEquals(await source.stat(pathOf("/pub/alias/b.txt")), null);
});

Deno.test("what lies outside the source is judged by the requested path", OPTIONS, async () => {
  await using tree = await site();
  const source = permitted(disk(tree.at("site"), { followLinks: true }), mayRead);
  assertEquals((await source.stat(pathOf("/pub/outside")))?.kind, "file");
  assertEquals(await source.stat(pathOf("/pub/secret")), null);
});

Deno.test("what is opened is what was judged, even if a link is exchanged in between", OPTIONS, async () => {
  await using tree = await site();
  const source = permitted(disk(tree.at("site")), mayRead);
  const path = pathOf("/pub/alias");
  await Deno.remove(tree.at("site/pub/alias"));
  await Deno.symlink("a.txt", tree.at("site/pub/alias"));
  const seen = (await source.stat(path))!;
  await Deno.remove(tree.at("site/pub/alias"));
  await Deno.symlink("../team/secret.txt", tree.at("site/pub/alias"));
  assertThrows(() => source.open(path, seen), FileChanged);
  const secret = (await disk(tree.at("site")).stat(pathOf("/team/secret.txt")))!;
  assertThrows(() => source.open(path, secret), FileChanged);
});

Deno.test("a cached response is judged again once a second", OPTIONS, async () => {
  await using tree = await site();
  let allowed = true;
  const source = permitted(disk(tree.at("site")), (path) => allowed && mayRead(path));
  const now = clock.now;
  try {
    clock.now = () => Date.now() + 10_000;
    const path = pathOf("/pub/alias/b.txt");
    const isFresh = source.freshness!(path, (await source.stat(path))!)!;
    assert(isFresh());
    allowed = false;
    assert(isFresh(), "within the second");
    clock.now = () => Date.now() + 12_000;
    assert(!isFresh());
  } finally {
    clock.now = now;
  }
});
