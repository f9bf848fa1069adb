/** Paths that are exchanged, and files that change, while something is copied: nothing outside is read or written. */

import { FILE_CALLS } from "../../handlers/system/file_calls.ts";
import { assert, assertEquals, assertRejects } from "@std/assert";
import { FileChanged, WriteRefused } from "@x/pyserve/sources";
import { Store } from "@x/pyserve/store";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { DiskSource } from "../../handlers/sources/disk_source.ts";
import { atEachStep, exchangeOf, interposed } from "../support/interposed.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { pathOf } from "../support/source.ts";
import { ALL, treeOf } from "./support.ts";

const ignore = Deno.build.os === "windows";
const WAYS = DESCRIPTORS ? [true, false] : [false];

const filesOf = (tree: TempTree, holds: boolean) =>
  new Store(new DiskSource(tree.at("root"), { followLinks: false, holds })).as(ALL);

/** A tree for each round, in one directory, made anew. */
async function refill(tree: TempTree): Promise<void> {
  for (const name of ["root", "outside"]) await Deno.remove(tree.at(name), { recursive: true }).catch(() => {});
  const files = { "root/dir/sub/a.txt": "inside", "root/dir/b.txt": "inside", "outside/sub/a.txt": "SECRET" };
  for (const [name, text] of Object.entries(files)) {
    await Deno.mkdir(tree.at(name.replace(/\/[^/]*$/, "")), { recursive: true });
    await Deno.writeTextFile(tree.at(name), text);
  }
  await Deno.mkdir(tree.at("root/to"));
}

/** What an exchanged path may lead to. */
function isExpected(error: unknown): boolean {
  return error instanceof WriteRefused || error instanceof FileChanged || error instanceof Deno.errors.NotFound ||
    error instanceof Deno.errors.NotADirectory;
}

for (const holds of WAYS) {
  const way = holds ? "held" : "by name";
  for (
    const [exchanged, from, to] of [
      ["dir/sub", "dir", "copy"],
      ["dir/sub/a.txt", "dir/sub/a.txt", "copy"],
      ["to", "dir", "to/copy"],
      ["to", "dir/b.txt", "to/copy"],
    ] as const
  ) {
    Deno.test({
      name:
        `${exchanged} exchanged for a link to outside while ${from} is copied to ${to}: whole or not at all, and nothing of outside (${way})`,
      ignore,
      async fn() {
        await using tree = await tempTree({});
        const outcomes = new Set<string>();
        await atEachStep(async () => {
          await refill(tree);
          const outside = exchanged === "to" ? tree.at("outside") : tree.at(`outside/${exchanged.slice(4)}`);
          const exchange = exchangeOf(tree.at(`root/${exchanged}`), (other) => Deno.symlinkSync(outside, other));
          const before = treeOf(tree.at("outside"));
          const files = filesOf(tree, holds);
          return {
            exchange: holds ? exchange : { ...exchange, back() {} },
            async work() {
              const error = await files.copy(pathOf(from), pathOf(to)).then(() => null, (error) => error);
              if (error !== null && !isExpected(error)) throw error;
              outcomes.add(error === null ? "copied" : "refused");
            },
            check(round) {
              const told = JSON.stringify(round);
              const root = treeOf(tree.at("root"));
              assert(!Object.values(root).includes("SECRET"), `${told} ${JSON.stringify(root)}`);
              // By name, the parts of a directory that was exchanged cannot be found again to be removed.
              if (!holds && exchanged === "to") return;
              assertEquals(treeOf(tree.at("outside")), before, told);
              assertEquals(Object.keys(root).filter((name) => name.includes(".part")), [], told);
            },
          };
        }, holds ? 1 : 0);
        assertEquals([...outcomes].sort(), ["copied", "refused"]);
      },
    });
  }
}

/** Does something after the first read of a file, by the C library or by Deno; returns a function that ends it. */
function afterFirstRead(act: () => void): () => void {
  const { prototype } = Deno.FsFile;
  const { read } = prototype;
  const calls = FILE_CALLS as unknown as { preadv2: (...words: unknown[]) => number } | null;
  const preadv2 = calls?.preadv2;
  let reads = 0;
  prototype.read = async function (this: Deno.FsFile, into) {
    const count = await read.call(this, into);
    if (++reads === 1) act();
    return count;
  };
  if (calls && preadv2) {
    calls.preadv2 = (...words) => {
      const count = preadv2(...words);
      if (count > 0 && ++reads === 1) act();
      return count;
    };
  }
  return () => {
    prototype.read = read;
    if (calls && preadv2) calls.preadv2 = preadv2;
  };
}

for (const change of ["grows", "is overwritten"]) {
  Deno.test(
    `a file that ${change} while its directory is copied is not taken for a copy of itself`,
    { ignore },
    async () => {
      await using tree = await tempTree({ "root/dir/a.bin": new Uint8Array(600_000), "root/dir/b.txt": "b" });
      const files = filesOf(tree, DESCRIPTORS !== null);
      for (const name of ["dir", "dir/a.bin"]) {
        Deno.utimeSync(tree.at("root/dir/a.bin"), 1_000, 1_000);
        const restore = afterFirstRead(() => {
          Deno.writeTextFileSync(tree.at("root/dir/a.bin"), "new", { append: change === "grows" });
        });
        try {
          await assertRejects(() => files.copy(pathOf(name), pathOf("copy")), FileChanged);
        } finally {
          restore();
        }
        assertEquals(Object.keys(treeOf(tree.at("root"))), ["dir", "dir/a.bin", "dir/b.txt"]);
        Deno.writeFileSync(tree.at("root/dir/a.bin"), new Uint8Array(600_000));
      }
    },
  );
}

Deno.test("while a directory is copied it is private, locked, and invisible", { ignore }, async () => {
  await using tree = await tempTree({ "root/dir/a.txt": "a", "root/dir/b.txt": "b" });
  const source = new DiskSource(tree.at("root"), { followLinks: false });
  const seen: [mode: string, files: number[], isLocked: boolean][] = [];
  const { openSync, readDirSync, lstatSync } = Deno;
  await interposed(() => new Store(source).as(ALL).copy(pathOf("dir"), pathOf("copy")), () => {
    const part = [...readDirSync(tree.at("root"))].find(({ name }) => name.endsWith(".part"));
    const files = part?.isDirectory ? [...readDirSync(tree.at(`root/${part.name}`))] : [];
    if (!part || files.length === 0) return;
    using handle = openSync(tree.at(`root/${part.name}`));
    const modes = files.map(({ name }) => lstatSync(tree.at(`root/${part.name}/${name}`)).mode! & 0o777);
    seen.push([(handle.statSync().mode! & 0o777).toString(8), modes, !handle.tryLockSync(true)]);
  });
  assert(seen.length > 3);
  assertEquals(seen.slice(0, 3).map(([mode, modes, isLocked]) => [mode, modes[0], isLocked]), [
    ["700", 0o600, true],
    ["700", 0o600, true],
    ["700", seen[2]![1][0], true],
  ]);
});
