/** Opening never blocks: a FIFO in the place of a file, at whatever moment it appears. */

import { assert, assertEquals } from "@std/assert";
import { disk, HttpError, SitePath } from "@x/pyserve";
import { FileChanged, WriteRefused } from "@x/pyserve/sources";
import { checkExecutable } from "../../handlers/upstream/cgi/executable.ts";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { DiskSource } from "../../handlers/sources/disk_source.ts";
import { readStart } from "../../handlers/sources/disk_file.ts";
import { atEachStep, exchangeOf } from "../support/interposed.ts";
import { limitOpening, makeFifo } from "../support/fifo.ts";
import { missing } from "../support/programs.ts";
import { type TempTree, tempTree } from "../support/tree.ts";

const ignore = Deno.build.os === "windows" || missing("mkfifo");

/** Does work while a file is replaced by a FIFO at every step. */
async function withFifo(name: string, mode: number, work: (tree: TempTree) => unknown): Promise<string[]> {
  const results = new Set<string>();
  await atEachStep(async () => {
    const tree = await tempTree({ [`root/${name}`]: "#!/bin/sh\n" });
    await Deno.chmod(tree.at(`root/${name}`), mode);
    const path = tree.at(`root/${name}`);
    const exchange = exchangeOf(path, (beside) => {
      makeFifo(beside);
      Deno.chmodSync(beside, mode);
    });
    const limit = limitOpening(path, `${path}.other`);
    return {
      exchange,
      work: async () => void results.add(await resultOf(() => work(tree))),
      async check() {
        await limit[Symbol.asyncDispose]();
        await tree[Symbol.asyncDispose]();
      },
    };
  });
  return [...results];
}

async function resultOf(work: () => unknown): Promise<string> {
  try {
    return String(await work());
  } catch (error) {
    if (error instanceof HttpError) return String(error.status);
    if (error instanceof FileChanged || error instanceof WriteRefused) return error.name;
    throw error;
  }
}

const path = SitePath.root.child("a.txt")!;

for (const holds of DESCRIPTORS ? [true, false] : [false]) {
  Deno.test({
    name: `A4: a file that is exchanged for a FIFO is not opened (${holds ? "held" : "by name"})`,
    ignore,
    async fn() {
      const results = await withFifo("a.txt", 0o644, async (tree) => {
        const source = new DiskSource(tree.at("root"), { followLinks: false, holds });
        const seen = await source.stat(path);
        if (seen === null) return null;
        using file = await source.open(path, seen);
        const bytes = new Uint8Array(4);
        return new TextDecoder().decode(bytes.subarray(0, await file.read(0, bytes)));
      });
      for (const result of results) assert(["#!/b", "FileChanged"].includes(result), result);
      assert(results.includes("#!/b") && results.includes("FileChanged"), String(results));
    },
  });
}

Deno.test({
  name: "A4: a program that is exchanged for a FIFO is not looked into",
  ignore,
  async fn() {
    const results = await withFifo("a.txt", 0o755, (tree) => JSON.stringify(checkExecutable(tree.at("root/a.txt"))));
    assertEquals(results.sort(), ["403", '{"interpreter":["/bin/sh"]}']);
    await using tree = await tempTree({ "a.txt": "0123456789" });
    assertEquals(new TextDecoder().decode(readStart(tree.at("a.txt"), 4)!), "0123");
    assertEquals(readStart(tree.path, 4), null);
  },
});

const PART = ".pyserve-0123456789abcdef0123456789abcdef.part";

Deno.test({
  name: "A4: sweeping does not open a FIFO that has the name of a part, nor does resuming",
  ignore: ignore || DESCRIPTORS === null, // by name, a FIFO that appears between two calls is opened: see SECURITY.md
  async fn() {
    const results = await withFifo(PART, 0o644, async (tree) => {
      const writer = await disk(tree.at("root")).openWriter!();
      return await writer.sweep(-10_000);
    });
    assertEquals(results.sort(), ["0", "1"]);
    await using tree = await tempTree({ "a.txt": "a" });
    const writer = await disk(tree.path).openWriter!();
    await (await writer.create(path, "id")).keep();
    const [part] = [...Deno.readDirSync(tree.path)].map(({ name }) => name).filter((name) => name.endsWith(".part"));
    await Deno.remove(tree.at(part!));
    makeFifo(tree.at(part!));
    await using _limit = limitOpening(tree.at(part!));
    assertEquals(await resultOf(() => writer.resume(path, "id")), "WriteRefused");
    assertEquals(await writer.progress(path, "id"), null);
  },
});
