/** Repeated looks at a name: what the kernel gives and what Deno gives are the same file in the same state. */

import { assert, assertEquals } from "@std/assert";
import { FILE_CALLS } from "../../handlers/system/file_calls.ts";
import { EPERM } from "../../handlers/system/libc.ts";
import { type Look, lookAt } from "../../handlers/system/look.ts";
import { nextTick } from "../support/clock.ts";
import { failing } from "../support/failing.ts";
import { tempTree } from "../support/tree.ts";

const ignore = FILE_CALLS === null;

Deno.test({
  name: "statx gives what Deno gives, for files, directories, links and devices",
  ignore,
  async fn() {
    await using tree = await tempTree({ "a.txt": "abc", "dir/": "", "é\u{1f600}": "" });
    await Deno.symlink("a.txt", tree.at("link"));
    await Deno.symlink("none", tree.at("broken"));
    await Deno.truncate(tree.at("a.txt"), 5 * 2 ** 32 + 7);
    await Deno.utime(tree.at("dir"), 1_000_000_000.123, 4_294_967_296.789);
    const names = ["a.txt", "dir", "é\u{1f600}", "link", "broken", "none"].map((name) => tree.at(name));
    for (const name of [...names, "/", "/dev/null"]) {
      for (const follow of [true, false]) {
        const byKernel = fieldsOf(lookAt(name, follow));
        using failed = failing(FILE_CALLS!, "statx", EPERM);
        assertEquals(fieldsOf(lookAt(name, follow)), byKernel, name);
        assertEquals([failed.count, byKernel === null], [1, /none|broken/.test(name) && (follow || /none/.test(name))]);
      }
    }
  },
});

function fieldsOf(look: Look | null): unknown {
  if (look === null) return null;
  const { isFile, isDirectory, isSymlink, size, mtime, ctime, ino, dev, mode } = look.info;
  return { isFile, isDirectory, isSymlink, size, mtime, ctime, ino, dev, mode };
}

Deno.test({
  name: "a file whose ctime has changed by nanoseconds is not the same",
  ignore,
  async fn() {
    await using tree = await tempTree({ "a.txt": "a" });
    const look = lookAt(tree.at("a.txt"), false)!;
    await nextTick();
    assert(look.isSame());
    Deno.chmodSync(tree.at("a.txt"), 0o600);
    assert(!look.isSame());
  },
});

Deno.test("a name that leads to another file, or to none, is not the same", async () => {
  await using tree = await tempTree({ "a.txt": "a", "b.txt": "a", "c.txt": "a" });
  for (const change of [(name: string) => Deno.renameSync(tree.at("b.txt"), name), Deno.removeSync]) {
    const look = lookAt(tree.at("a.txt"), true)!;
    assert(look.isSame() && look.isSame());
    change(tree.at("a.txt"));
    assert(!look.isSame());
  }
});

Deno.test("a path may be as long as the system allows", async () => {
  await using tree = await tempTree();
  const deep = `${tree.path}${"/d".repeat(150)}/${"n".repeat(250)}`;
  await Deno.mkdir(deep.slice(0, -251), { recursive: true });
  await Deno.writeTextFile(deep, "");
  assert(lookAt(deep, false)!.isSame());
  assertEquals(lookAt(`${tree.path}/${"n".repeat(256)}`, false), null);
  assertEquals(lookAt(`${tree.path}${"/nn".repeat(2_000)}`, false), null);
});
