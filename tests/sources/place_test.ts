/** The lock of a directory: one process at a time publishes names in it. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { disk, SitePath } from "@x/pyserve";
import { FileChanged, type SourceWriter } from "@x/pyserve/sources";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { interposed } from "../support/interposed.ts";
import { tempTree } from "../support/tree.ts";
import { skipped } from "../support/upload.ts";

Deno.test({
  name: "publishing a name in a directory waits until another process has released its lock",
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

Deno.test({
  name: "a file that has taken a name since the check is neither removed nor moved",
  ignore: Deno.build.os === "windows",
  async fn() {
    const [a, b] = ["a.txt", "b.txt"].map((name) => SitePath.root.child(name)!);
    const changes = [
      (writer: SourceWriter) => writer.remove(a!),
      (writer: SourceWriter) => writer.move(a!, { paths: [b!], replace: false }),
    ];
    for (const change of changes) {
      await using tree = await tempTree({ "a.txt": "seen", "other": "other" });
      const writer = await disk(tree.path).openWriter!();
      const { renameSync } = Deno;
      await interposed(
        () => assertRejects(() => change(writer), FileChanged),
        // The directory is opened for its lock after its entry was checked.
        (_call, _name, path) => path.endsWith("/.") && renameSync(tree.at("other"), tree.at("a.txt")),
      );
      assertEquals(Deno.readTextFileSync(tree.at("a.txt")), "other");
    }
  },
});

Deno.test({
  name: "a part that has taken the name of an expired one is not swept",
  ignore: DESCRIPTORS === null,
  async fn() {
    const PART = ".pyserve-0123456789abcdef0123456789abcdef.part";
    await using tree = await tempTree({ [PART]: "old", "other": "of another upload" });
    const writer = await disk(tree.path).openWriter!();
    const { renameSync } = Deno;
    let swept: number | undefined;
    await interposed(
      async () => swept = await writer.sweep(-10_000),
      // It is opened to see whether it is in use.
      (_call, name, path) =>
        name === "open" && path.startsWith("/proc/self/fd/") && !path.includes(PART) &&
        [...Deno.readDirSync(tree.path)].some((entry) => entry.name === "other") &&
        renameSync(tree.at("other"), tree.at(PART)),
    );
    assertEquals([swept, Deno.readTextFileSync(tree.at(PART))], [0, "of another upload"]);
  },
});
