/** The lock of a directory: one process at a time gives names in it. */

import { assert, assertEquals } from "@std/assert";
import { disk, SitePath } from "@x/pyserve";
import { tempTree } from "../support/tree.ts";
import { skipped } from "./support.ts";

Deno.test({
  name: "what gives a name in a directory waits until another process has let go of it",
  ignore: Deno.build.os === "windows",
  async fn() {
    await using tree = await tempTree();
    using other = Deno.openSync(tree.path);
    if (!other.tryLockSync(true)) return skipped("this file system has no locks");
    const { prototype } = Deno.FsFile;
    const { tryLockSync } = prototype;
    const seen: string[] = [];
    prototype.tryLockSync = function (exclusive) {
      const isLocked = tryLockSync.call(this, exclusive);
      seen.push(`${isLocked ? "locked" : "waits"} with ${[...Deno.readDirSync(tree.path)].length} names`);
      if (seen.length === 3) other.unlockSync();
      return isLocked;
    };
    try {
      await (await disk(tree.path).openWriter!()).makeDirectory(SitePath.root.child("new")!);
    } finally {
      prototype.tryLockSync = tryLockSync;
    }
    assertEquals(seen.slice(0, 4), [...Array(3).fill("waits with 0 names"), "locked with 0 names"]);
    assert(Deno.statSync(tree.at("new")).isDirectory);
  },
});
