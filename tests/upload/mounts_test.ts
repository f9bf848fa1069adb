/** Moving between file systems, and mount points in the tree. */

import { assert, assertEquals, assertRejects, assertStringIncludes } from "@std/assert";
import { FileChanged, WriteRefused } from "@x/pyserve/sources";
import { findAnywhere } from "../../handlers/sources/contained.ts";
import { copyAcross } from "../../handlers/sources/copy_across.ts";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { DiskSource } from "../../handlers/sources/disk_source.ts";
import { Place } from "../../handlers/sources/place.ts";
import { start } from "../support/command.ts";
import { atEachStep, exchangeOf, interposed } from "../support/interposed.ts";
import { type TempTree, tempTree } from "../support/tree.ts";
import { noise } from "../support/bytes.ts";
import { mount, namesBelow, send, skipped } from "../support/upload.ts";
import { pathOf } from "../support/source.ts";

const ignore = Deno.build.os !== "linux";
const WAYS = DESCRIPTORS ? [true, false] : [false];

const writerOf = (tree: TempTree, holds: boolean) =>
  new DiskSource(tree.at("root"), { followLinks: false, holds }).openWriter();

/** A tree with another file system in it, at `root/mnt`. */
async function mountedTree(files: Record<string, string | Uint8Array>): Promise<TempTree | null> {
  const tree = await tempTree({ ...files, "root/mnt/": "" });
  const mounted = await mount(["-t", "tmpfs", "tmpfs"], tree.at("root/mnt"));
  const dispose = async () => {
    await mounted?.[Symbol.asyncDispose]();
    await tree[Symbol.asyncDispose]();
  };
  if (mounted) return { ...tree, [Symbol.asyncDispose]: dispose };
  await dispose();
  return null;
}

/** Everything below a directory: contents, permissions and dates. */
async function stateOf(tree: TempTree, at: string): Promise<Record<string, unknown[]>> {
  const state: Record<string, unknown[]> = {};
  for (const name of await namesBelow(tree.at(at))) {
    const path = tree.at(`${at}/${name}`);
    const { isSymlink, isFile, mode, mtime } = Deno.lstatSync(path);
    state[name] = isSymlink
      ? [Deno.readLinkSync(path)]
      : [isFile ? Deno.readTextFileSync(path) : null, mode! & 0o777, isFile ? mtime!.getTime() : null];
  }
  return state;
}

Deno.test({
  name: "B11: MOVE to another file system and back keeps contents, links, permissions and dates",
  ignore,
  async fn() {
    const big = new TextDecoder("latin1").decode(noise(600_000));
    await using tree = await mountedTree({
      "root/a.txt": "a",
      "root/dir/b.txt": big,
      "root/dir/sub/c.sh": "#!/bin/sh\n",
      "root/dir/empty/": "",
      "root/dir/.pyserve-0123456789abcdef0123456789abcdef.part": "an upload that is not finished",
      "root/mnt/old.txt": "old",
    });
    if (!tree) return;
    await Deno.chmod(tree.at("root/dir/sub/c.sh"), 0o750);
    await Deno.utime(tree.at("root/dir/b.txt"), 1_000_000, 1_000_000.123);
    await Deno.symlink("../a.txt", tree.at("root/dir/link"));
    await Deno.symlink("nowhere", tree.at("root/dangling"));
    await Deno.writeTextFile(tree.at("root/mnt/there.txt"), "there");
    const before = await stateOf(tree, "root/dir");
    delete before[".pyserve-0123456789abcdef0123456789abcdef.part"];
    await using command = await start([tree.at("root"), "--all"]);
    const move = async (from: string, to: string, ...headers: [string, string][]) =>
      (await send(command.port, "MOVE", from, { headers: [["Destination", to], ...headers] })).status;

    assertEquals(await move("/dir", "/mnt/moved"), 201);
    assertEquals(await stateOf(tree, "root/mnt/moved"), before);
    assertEquals(await move("/a.txt", "/mnt/there.txt"), 409);
    assertEquals(await move("/a.txt", "/mnt/there.txt", ["Overwrite", "T"]), 204);
    assertEquals(await move("/dangling", "/mnt/dangling"), 201);
    assertEquals(Deno.readLinkSync(tree.at("root/mnt/dangling")), "nowhere");
    assertEquals(Deno.readTextFileSync(tree.at("root/mnt/there.txt")), "a");
    assertEquals((await namesBelow(tree.at("root"))).filter((name) => !name.startsWith("mnt/")), []);
    assertEquals(await move("/mnt/moved", "/back"), 201);
    assertEquals(await stateOf(tree, "root/back"), before);
    assertEquals(await namesBelow(tree.at("root/mnt")), ["dangling", "there.txt"]);
  },
});

Deno.test({
  name: "B11: neither a mount point nor a directory that contains one is deleted or moved",
  ignore,
  async fn() {
    await using tree = await mountedTree({
      "root/outer/keep.txt": "keep",
      "root/outer/bound here/": "",
      "root/bind/x.txt": "x",
    });
    if (!tree) return;
    // A bind mount of the same file system has the same device number: only the list of mounts knows of it.
    await using bound = await mount(["--bind", tree.at("root/bind")], tree.at("root/outer/bound here"));
    if (!bound) return;
    await Deno.writeTextFile(tree.at("root/mnt/y.txt"), "y");
    await using command = await start([tree.at("root"), "--all"]);
    const before = await namesBelow(tree.at("root"));
    for (
      const target of [
        "/mnt",
        "/mnt?recursive",
        "/outer?recursive",
        "/outer/bound%20here?recursive",
        "/outer/bound%20here",
      ]
    ) {
      const { status, text } = await send(command.port, "DELETE", target);
      assertEquals([target, status], [target, 409]);
      assertStringIncludes(text, "mounted");
    }
    for (
      const [from, to] of [["/mnt", "/other"], ["/outer", "/other"], ["/outer", "/mnt/o"], [
        "/outer/bound%20here",
        "/other",
      ]]
    ) {
      const { status, text } = await send(command.port, "MOVE", from!, { headers: [["Destination", to!]] });
      assertEquals([from, status], [from, 409]);
      assertStringIncludes(text, "mounted");
    }
    assertEquals(await namesBelow(tree.at("root")), before);
    assertEquals((await send(command.port, "DELETE", "/bind?recursive")).status, 204); // the same, by its own name
  },
});

Deno.test({
  name: "B11: a mount is recognised by its device number if the list of mounts cannot be read",
  ignore,
  async fn() {
    await using tree = await mountedTree({ "root/a/b/c.txt": "" });
    if (!tree) return;
    const writer = await writerOf(tree, false);
    const refused = await assertRejects(() => writer.remove(pathOf("mnt"), { recursive: true }), WriteRefused);
    assertEquals((refused as WriteRefused).problem, "mount");
    await Deno.mkdir(tree.at("root/a/b/d"));
    await using inner = await mount(["-t", "tmpfs", "tmpfs"], tree.at("root/a/b/d"));
    if (!inner) return;
    await assertRejects(() => writer.remove(pathOf("a"), { recursive: true }), WriteRefused);
    assertEquals(await namesBelow(tree.at("root/a")), ["b/", "b/c.txt", "b/d/"]);
  },
});

Deno.test({
  name: "B11: a FIFO cannot be copied: nothing is moved, and nothing is left",
  ignore,
  async fn() {
    await using tree = await mountedTree({ "root/dir/a.txt": "a", "root/dir/sub/b.txt": "b" });
    if (!tree) return;
    await new Deno.Command("mkfifo", { args: [tree.at("root/dir/sub/fifo")] }).output();
    for (const holds of WAYS) {
      const move = async () =>
        await (await writerOf(tree, holds)).move(pathOf("dir"), { paths: [pathOf("mnt/d")], replace: false });
      const refused = await assertRejects(move, WriteRefused);
      assertEquals((refused as WriteRefused).problem, "elsewhere");
      assertEquals(await namesBelow(tree.at("root")), [
        "dir/",
        "dir/a.txt",
        "dir/sub/",
        "dir/sub/b.txt",
        "dir/sub/fifo",
        "mnt/",
      ]);
    }
  },
});

Deno.test({
  name: "B11: a file that is written to meanwhile is not lost",
  ignore,
  async fn() {
    const outcomes = new Set<string>();
    let calls = 1;
    for (let at = 0; at < calls; at++) {
      await using tree = await mountedTree({ "root/dir/a.txt": "a", "root/dir/b.txt": "b" });
      if (!tree) return;
      const { writeTextFileSync: write } = Deno;
      let isWritten = false;
      const source = await writerOf(tree, true);
      calls = await interposed(async () => {
        await source.move(pathOf("dir"), { paths: [pathOf("mnt/dir")], replace: false }).then(
          () => outcomes.add("moved"),
          (error) => outcomes.add(error.name),
        );
      }, (call, name) => {
        // Right before the unlink, a change goes unnoticed.
        if (call !== at || name === "removeSync") return;
        try {
          write(tree.at("root/dir/a.txt"), "longer than before", { create: false });
          isWritten = true;
          write(tree.at("root/dir/new.txt"), "new");
        } catch {
          // It has been moved by then.
        }
      });
      const texts = ["root/dir/a.txt", "root/mnt/dir/a.txt"].map((name) => {
        try {
          return Deno.readTextFileSync(tree.at(name));
        } catch {
          return null;
        }
      });
      assert(texts.includes(isWritten ? "longer than before" : "a"), `${texts} at ${at}`);
      const parts = (await namesBelow(tree.at("root"))).filter((name) => name.endsWith(".part"));
      assertEquals(parts, [], `at ${at}`);
    }
    assert(outcomes.has("moved") && outcomes.has("WriteRefused"), String([...outcomes]));
  },
});

Deno.test({
  name: "B11: a file that changes while it is copied is not moved",
  ignore,
  async fn() {
    await using tree = await mountedTree({ "root/a.txt": "a" });
    if (!tree) return;
    const writer = await writerOf(tree, DESCRIPTORS !== null);
    const { prototype } = Deno.FsFile;
    const { read } = prototype;
    prototype.read = function (into) {
      Deno.writeTextFileSync(tree.at("root/a.txt"), "longer than before");
      return read.call(this, into);
    };
    try {
      const move = () => writer.move(pathOf("a.txt"), { paths: [pathOf("mnt/a.txt")], replace: false });
      await assertRejects(move, FileChanged);
    } finally {
      prototype.read = read;
    }
    assertEquals(await namesBelow(tree.at("root")), ["a.txt", "mnt/"]);
  },
});

Deno.test({
  name: "B11: a copy that is being made is locked, so that it is not swept",
  ignore,
  async fn() {
    await using tree = await mountedTree({ "root/dir/a.txt": "a", "root/dir/b.txt": "b" });
    if (!tree) return;
    const writer = await writerOf(tree, DESCRIPTORS !== null);
    const locked: boolean[] = [];
    const { openSync, readDirSync } = Deno;
    const move = () => writer.move(pathOf("dir"), { paths: [pathOf("mnt/dir")], replace: false });
    await interposed(move, () => {
      const part = [...readDirSync(tree.at("root/mnt"))].find(({ name }) => name.endsWith(".part"))?.name;
      if (!part || [...readDirSync(tree.at(`root/mnt/${part}`))].length === 0) return;
      using handle = openSync(tree.at(`root/mnt/${part}`));
      locked.push(!handle.tryLockSync(true));
    });
    assert(locked.length > 3 && locked.slice(0, 3).every((each) => each), String(locked));
  },
});

for (const holds of WAYS) {
  Deno.test({
    name:
      `B11: exchanged for a link to outside while it is moved to another file system, nothing outside is read or removed (${
        holds ? "held" : "by name"
      })`,
    ignore,
    async fn() {
      await using tree = await mountedTree({});
      if (!tree) return;
      const outcomes = new Set<string>();
      await atEachStep(async () => {
        for (const name of ["root/dir", "root/mnt/dir", "outside"]) {
          await Deno.remove(tree.at(name), { recursive: true }).catch(() => {});
        }
        for (const [name, text] of [["root/dir/sub", "inside"], ["outside/sub", "SECRET"]] as const) {
          await Deno.mkdir(tree.at(name), { recursive: true });
          await Deno.writeTextFile(tree.at(`${name}/a.txt`), text);
        }
        const writer = await writerOf(tree, holds);
        const exchange = exchangeOf(
          tree.at("root/dir/sub"),
          (other) => Deno.symlinkSync(tree.at("outside/sub"), other),
        );
        return {
          exchange: holds ? exchange : { ...exchange, back() {} },
          work: async () => {
            const move = writer.move(pathOf("dir"), { paths: [pathOf("mnt/dir")], replace: false });
            outcomes.add(await move.then(() => "moved", (error) => error.name));
          },
          async check(round) {
            // Without descriptors, a directory replaced right before its removal is removed outside: see docs/security.md.
            if (holds) {
              assertEquals(Deno.readTextFileSync(tree.at("outside/sub/a.txt")), "SECRET", JSON.stringify(round));
            }
            for (const name of await namesBelow(tree.at("root"))) {
              if (name.endsWith("/") || Deno.lstatSync(tree.at(`root/${name}`)).isSymlink) continue;
              assertEquals(Deno.readTextFileSync(tree.at(`root/${name}`)), "inside", name);
            }
          },
        };
      }, 3);
      for (const outcome of outcomes) {
        assert(["moved", "WriteRefused", "FileChanged", "NotFound", "NotADirectory"].includes(outcome), outcome);
      }
      assert(outcomes.has("moved"));
    },
  });
}

Deno.test({
  name: "B11: the incomplete copy of a killed process is swept, unless it is still being filled",
  ignore,
  async fn() {
    const PART = ".pyserve-0123456789abcdef0123456789abcdef.part";
    await using tree = await tempTree({ [`root/${PART}/a/b.txt`]: "half a copy", "root/c.txt": "c" });
    const writer = await writerOf(tree, DESCRIPTORS !== null);
    {
      using lock = await Deno.open(tree.at(`root/${PART}`));
      if (!lock.tryLockSync(true)) return skipped("this file system has no locks");
      assertEquals(await writer.sweep(-10_000), 0);
    }
    assertEquals(await writer.sweep(60_000), 0);
    assertEquals(await writer.sweep(-10_000), 1);
    assertEquals(await namesBelow(tree.at("root")), ["c.txt"]);
  },
});

for (const change of ["grows", "is overwritten"]) {
  Deno.test(`a file that ${change} while it is copied is not taken for a copy of itself`, { ignore }, async () => {
    await using tree = await tempTree({ "a.bin": noise(600_000), "to/": "" });
    Deno.utimeSync(tree.at("a.bin"), 1_000, 1_000);
    using from = findAnywhere(tree.at("a.bin"));
    using to = new Place(findAnywhere(tree.at("to")));
    const { prototype } = Deno.FsFile;
    const { read } = prototype;
    let reads = 0;
    prototype.read = async function (this: Deno.FsFile, into) {
      const count = await read.call(this, into);
      if (++reads === 2) Deno.writeTextFileSync(tree.at("a.bin"), "new", { append: change === "grows" });
      return count;
    };
    try {
      await assertRejects(() => copyAcross(from, tree.at("a.bin"), { to, name: "b.bin" }), FileChanged);
    } finally {
      prototype.read = read;
    }
    assert(reads > 2);
  });
}

Deno.test({
  name: "a copy to another file system can be stopped",
  ignore,
  async fn() {
    await using tree = await tempTree({ "dir/a.bin": noise(1_000_000), "to/": "" });
    using from = findAnywhere(tree.at("dir"));
    using to = new Place(findAnywhere(tree.at("to")));
    const stop = new AbortController();
    const { prototype } = Deno.FsFile;
    const { read } = prototype;
    prototype.read = function (this: Deno.FsFile, into) {
      stop.abort(new RangeError("stopped"));
      return read.call(this, into);
    };
    try {
      const copy = () => copyAcross(from, tree.at("dir"), { to, name: "copy", signal: stop.signal });
      await assertRejects(copy, RangeError, "stopped");
    } finally {
      prototype.read = read;
    }
    assertEquals(Deno.statSync(tree.at("to/copy/a.bin")).size, 0);
  },
});
