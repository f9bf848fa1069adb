/** Permissions of files during and after an upload, and that no other file's change. */

import { assert, assertEquals } from "@std/assert";
import { disk, SitePath } from "@x/pyserve";
import { FileChanged, WriteRefused } from "@x/pyserve/sources";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { DiskSource } from "../../handlers/sources/disk_source.ts";
import { atEachStep, exchangeOf } from "../support/interposed.ts";
import { missing } from "../support/programs.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { skipped } from "../support/upload.ts";

const ignore = Deno.build.os === "windows";
const A = SitePath.root.child("a.txt")!;
const B = SitePath.root.child("b.txt")!;

function partIn(directory: string): string {
  return [...Deno.readDirSync(directory)].map(({ name }) => name).find((name) => name.endsWith(".part"))!;
}

const modeOf = (name: string) => (Deno.statSync(name).mode ?? 0) & 0o777;

for (const holds of DESCRIPTORS ? [true, false] : [false]) {
  const way = holds ? "held" : "by name";
  Deno.test({
    name: `A3: a part is readable by its owner only, and gets its permissions with its name (${way})`,
    ignore,
    async fn() {
      await using tree = await tempTree({ "private.txt": "", "plain.txt": "" });
      await Deno.chmod(tree.at("private.txt"), 0o600);
      const plain = modeOf(tree.at("plain.txt"));
      const writer = await new DiskSource(tree.path, { followLinks: false, holds }).openWriter();
      for (const [name, replace, mode] of [["private.txt", true, 0o600], ["new.txt", false, plain]] as const) {
        const path = SitePath.root.child(name)!;
        const part = await writer.create(path, "id");
        await part.write(new TextEncoder().encode("secret"));
        assertEquals(modeOf(tree.at(partIn(tree.path))), 0o600);
        await part.keep();
        assertEquals(modeOf(tree.at(partIn(tree.path))), 0o600);
        await (await writer.resume(path, "id"))!.commit({ paths: [path], replace });
        assertEquals(modeOf(tree.at(name)), mode, name);
      }
      assertEquals([...Deno.readDirSync(tree.path)].length, 3); // and the attempt has left nothing
    },
  });

  for (const what of ["a link", "another file"]) {
    Deno.test({
      name: `A3: exchanged for ${what} while it replaces a file, a part changes nothing there (${way})`,
      ignore,
      async fn() {
        const outcomes = new Set<string>();
        await atEachStep(async () => {
          const tree = await tempTree({ "root/a.txt": "old", "secret": "secret" });
          await Deno.chmod(tree.at("root/a.txt"), 0o666);
          await Deno.chmod(tree.at("secret"), 0o600);
          const writer = await new DiskSource(tree.at("root"), { followLinks: false, holds }).openWriter();
          const part = await writer.create(A, "id");
          const name = tree.at(`root/${partIn(tree.at("root"))}`);
          let outcome = "";
          const put = what === "a link" ? Deno.symlinkSync : Deno.linkSync;
          return {
            exchange: exchangeOf(name, (beside) => put(tree.at("secret"), beside)),
            work: async () => outcomes.add(outcome = await outcomeOf(() => part.commit({ paths: [A], replace: true }))),
            async check() {
              if (outcome === "done") assertEquals(Deno.readTextFileSync(tree.at("root/a.txt")), "");
              await part.discard().catch(() => {}); // it has ended where it was committed
              assertEquals([modeOf(tree.at("secret")), Deno.readTextFileSync(tree.at("secret"))], [0o600, "secret"]);
              await tree[Symbol.asyncDispose]();
            },
          };
        });
        assert(outcomes.has("done") && outcomes.size > 1, String([...outcomes]));
      },
    });
  }
}

async function outcomeOf(work: () => Promise<unknown>): Promise<string> {
  try {
    await work();
    return "done";
  } catch (error) {
    const isExpected = error instanceof FileChanged || error instanceof WriteRefused ||
      error instanceof Deno.errors.NotFound || error instanceof Deno.errors.AlreadyExists;
    if (!isExpected) throw error;
    return error.name;
  }
}

Deno.test({
  name: "A3: discarding a part leaves a file that has taken its name alone",
  ignore,
  async fn() {
    await using tree = await tempTree();
    const writer = await disk(tree.path).openWriter!();
    const part = await writer.create(A, "id");
    const name = tree.at(partIn(tree.path));
    await Deno.rename(name, tree.at("elsewhere"));
    await Deno.writeTextFile(name, "of another");
    await part.discard();
    assertEquals(await Deno.readTextFile(name), "of another");
  },
});

Deno.test({
  name: "A3: a file moved over another never gets more permissions than it had",
  ignore,
  async fn() {
    const rows = [[0o600, 0o644, 0o600], [0o644, 0o600, 0o600], [0o755, 0o644, 0o644], [0o640, 0o604, 0o600]] as const;
    for (const [moved, there, then] of rows) {
      await using tree = await tempTree({ "a.txt": "a", "b.txt": "b" });
      await Deno.chmod(tree.at("a.txt"), moved);
      await Deno.chmod(tree.at("b.txt"), there);
      await (await disk(tree.path).openWriter!()).move(A, { paths: [B], replace: true });
      assertEquals([modeOf(tree.at("b.txt")), Deno.readTextFileSync(tree.at("b.txt"))], [then, "a"]);
    }
  },
});

async function aclOf(tree: TempTree, name: string): Promise<string> {
  const { stdout } = await new Deno.Command("getfacl", { args: ["-cp", tree.at(name)], stderr: "null" }).output();
  return new TextDecoder().decode(stdout);
}

Deno.test({
  name: "a new file has the permissions that its directory's default ACL gives to new files",
  ignore: Deno.build.os !== "linux" || missing("setfacl"),
  async fn() {
    await using tree = await tempTree();
    const set = new Deno.Command("setfacl", { args: ["-dm", "g:users:rw,m::rw,o::-", tree.path], stderr: "null" });
    if (!(await set.output()).success) return skipped("this file system has no ACLs");
    await Deno.writeTextFile(tree.at("plain.txt"), "");
    const part = await (await disk(tree.path).openWriter!()).create(A, "id");
    await part.commit({ paths: [A], replace: false });
    assertEquals(await aclOf(tree, "a.txt"), await aclOf(tree, "plain.txt"));
  },
});
