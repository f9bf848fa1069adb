/** Sources: disk, memory, filtered. */

import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { isPlainOnWindows } from "../../handlers/sources/windows.ts";
import { DESCRIPTORS } from "../../handlers/sources/disk_calls.ts";
import { disk, type FileSource, filtered, memory, SitePath } from "@x/pyserve";
import { FileChanged, type FileEntry, isVisible } from "@x/pyserve/sources";
import { limitOpening, makeFifo } from "../support/fifo.ts";
import { missing } from "../support/programs.ts";
import { clockAt } from "../support/clock.ts";
import { settleTimes, tempTree } from "../support/tree.ts";

const POSIX = Deno.build.os !== "windows";

function path(text: string): SitePath {
  return text.split("/").reduce((parent, name) => parent.child(name)!, SitePath.root);
}

async function entriesOf(source: FileSource, path: SitePath): Promise<FileEntry[] | null> {
  const slices = await source.list(path);
  return slices && (await Array.fromAsync<readonly FileEntry[]>(slices)).flat();
}

Deno.test("disk() distinguishes files, directories and missing paths", async () => {
  await using tree = await tempTree({ "a/b.txt": "abc" });
  const source = disk(tree.path);
  assertEquals((await source.stat(SitePath.root))?.kind, "directory");
  const stat = await source.stat(path("a/b.txt"));
  assertEquals([stat?.kind, stat?.size], ["file", 3]);
  assertEquals(await source.stat(path("a/nothing")), null);
  assertEquals(await source.stat(path("a/b.txt/below")), null);
  assertEquals(await source.stat(path("n".repeat(256))), null);
  assertEquals(await entriesOf(source, path("a/b.txt")), null);
  assertEquals(await entriesOf(source, path("nothing")), null);
});

Deno.test("disk() refuses a root that is not a directory", async () => {
  await using tree = await tempTree({ "a.txt": "a" });
  assertThrows(() => disk(tree.at("a.txt")), TypeError, "not a directory");
  assertThrows(() => disk(tree.at("nothing")), Deno.errors.NotFound);
});

Deno.test({
  name: "disk() follows links that stay inside, and no others",
  ignore: !POSIX,
  async fn() {
    await using tree = await tempTree({ "root/in/a.txt": "inside", "root-secret/b.txt": "secret", "b.txt": "secret" });
    await Deno.symlink("in/a.txt", tree.at("root/file"));
    await Deno.symlink("in", tree.at("root/directory"));
    await Deno.symlink("../b.txt", tree.at("root/out"));
    await Deno.symlink("../root-secret", tree.at("root/sibling"));
    await Deno.symlink("nothing", tree.at("root/broken"));
    await Deno.symlink("loop", tree.at("root/loop"));
    await Deno.symlink(tree.at("root"), tree.at("root/self"));
    const source = disk(tree.at("root"));
    assertEquals((await source.stat(path("file")))?.kind, "file");
    assertEquals((await source.stat(path("directory/a.txt")))?.kind, "file");
    assertEquals((await source.stat(path("self/self")))?.kind, "directory");
    for (const name of ["out", "sibling", "sibling/b.txt", "broken", "loop"]) {
      assertEquals(await source.stat(path(name)), null, name);
    }
    const open = disk(tree.at("root"), { followLinks: true });
    assertEquals((await open.stat(path("out")))?.kind, "file");
    assertEquals((await open.stat(path("sibling/b.txt")))?.kind, "file");
    assertEquals(await open.stat(path("broken")), null);

    const entries = await entriesOf(source, SitePath.root) ?? [];
    const shown = Object.fromEntries(entries.map(({ name, link, problem }) => [name, `${link} ${problem}`]));
    assertEquals(shown, {
      in: "false null",
      file: "true null",
      directory: "true null",
      self: "true null",
      out: "true broken link",
      sibling: "true broken link",
      broken: "true broken link",
      loop: "true broken link",
    });
  },
});

Deno.test({
  name: "disk() serves the root of the file system",
  ignore: !POSIX,
  async fn() {
    await using tree = await tempTree({ "a.txt": "abc" });
    const names = tree.path.split("/").slice(1);
    assertEquals((await disk("/").stat(path([...names, "a.txt"].join("/"))))?.size, 3);
  },
});

Deno.test({
  name: "disk() sees FIFOs and devices and does not open them",
  ignore: !POSIX || missing("mkfifo"),
  async fn() {
    await using tree = await tempTree();
    makeFifo(tree.at("fifo"));
    await using _limit = limitOpening(tree.at("fifo"));
    const source = disk(tree.path);
    const stat = await source.stat(path("fifo"));
    assertEquals(stat?.kind, "other");
    assertThrows(() => source.open(path("fifo"), stat!), FileChanged);
    assertEquals((await entriesOf(source, SitePath.root))?.[0]?.problem, "special file");
  },
});

Deno.test({
  name: "disk() lists names that are not UTF-8 as names that cannot be fetched",
  ignore: Deno.build.os !== "linux" || missing("sh"),
  async fn() {
    await using tree = await tempTree({ "\ufffd.txt": "a real replacement character" });
    await new Deno.Command("sh", { args: ["-c", `: > "$(printf 'bad\\377.txt')"`], cwd: tree.path }).output();
    const entries = (await entriesOf(disk(tree.path), SitePath.root))!.toSorted((a, b) => a.name < b.name ? -1 : 1);
    assertEquals(entries.map(({ name, problem }) => [name, problem]), [
      ["bad\ufffd.txt", "name is not UTF-8"],
      ["\ufffd.txt", null],
    ]);
  },
});

Deno.test("disk() gives every state of a file its own version", async () => {
  await using tree = await tempTree({ "a.txt": "abc" });
  const source = disk(tree.path);
  const versions = new Set<string>();
  const look = async () => versions.add((await source.stat(path("a.txt")))!.version);
  await look();
  await Deno.writeTextFile(tree.at("a.txt"), "abcd");
  await look();
  await settleTimes(tree.at("a.txt"), 1_000_000);
  await look();
  await settleTimes(tree.at("a.txt"), 1_000_000.001);
  await look();
  await Deno.writeTextFile(tree.at("b.txt"), "abcd");
  await settleTimes(tree.at("b.txt"), 1_000_000.001);
  await Deno.rename(tree.at("b.txt"), tree.at("a.txt"));
  await look();
  assertEquals(versions.size, 5);
});

Deno.test("disk() calls a file unstable for two seconds after a change, whatever its date says", async () => {
  await using tree = await tempTree({ "a.txt": "abc" });
  const source = disk(tree.path);
  await settleTimes(tree.at("a.txt"));
  assertEquals((await source.stat(path("a.txt")))?.stable, false);
  const { mtime, ctime } = await Deno.stat(tree.at("a.txt"));
  assert(mtime!.getTime() < ctime!.getTime());
  for (const [age, isStable] of [[1_999, false], [2_000, true]] as const) {
    using _clock = clockAt(ctime!.getTime() + age);
    assertEquals((await source.stat(path("a.txt")))?.stable, isStable);
  }
});

Deno.test("open() refuses a file that has changed since its stat", async () => {
  await using tree = await tempTree({ "a.txt": "abc" });
  const source = disk(tree.path);
  const seen = (await source.stat(path("a.txt")))!;
  (await source.open(path("a.txt"), seen))[Symbol.dispose]();
  await Deno.writeTextFile(tree.at("b.txt"), "xyz");
  await Deno.rename(tree.at("b.txt"), tree.at("a.txt"));
  assertThrows(() => source.open(path("a.txt"), seen), FileChanged);
  await Deno.remove(tree.at("a.txt"));
  await Deno.mkdir(tree.at("a.txt"));
  assertThrows(() => source.open(path("a.txt"), seen), FileChanged);
});

Deno.test("memory() is a source like any other", async () => {
  const source = memory({ "a/b.txt": "héllo", "c": new Uint8Array([1, 2]) }, { modified: 5 });
  assertEquals((await source.stat(path("a")))?.kind, "directory");
  assertEquals((await source.stat(path("a/b.txt")))?.size, 6);
  assertEquals(await source.stat(path("a/b.txt/x")), null);
  assertEquals((await entriesOf(source, SitePath.root))?.map((entry) => entry.name), ["a", "c"]);
  assertEquals(await entriesOf(source, path("c")), null);
  const into = new Uint8Array(10);
  using file = await source.open(path("c"), (await source.stat(path("c")))!);
  assertEquals([await file.read(1, into), into[0], await file.read(2, into)], [1, 2, 0]);
  assertThrows(() => memory({ "a": "", "a/b": "" }), TypeError, '"a" is a file');
});

Deno.test("filtered() hides entries from stat, list and open alike", async () => {
  const all = memory({ ".git/config": "x", "a/.env": "x", "a/b": "y", ".well-known/acme": "z" });
  const source = filtered(all, isVisible);
  for (const hidden of [".git", ".git/config", "a/.env"]) assertEquals(await source.stat(path(hidden)), null, hidden);
  assertEquals((await source.stat(path(".well-known/acme")))?.kind, "file");
  assertEquals((await entriesOf(source, SitePath.root))?.map(({ name }) => name), ["a", ".well-known"]);
  assertEquals((await entriesOf(source, path("a")))?.map(({ name }) => name), ["b"]);
  assertEquals(await entriesOf(source, path(".git")), null);
  const seen = (await all.stat(path("a/.env")))!;
  assertThrows(() => source.open(path("a/.env"), seen), Deno.errors.NotFound);
});

Deno.test("isPlainOnWindows() refuses names that Windows interprets differently", () => {
  const odd = [
    "a\\b",
    "c:",
    "a.txt::$DATA",
    "nul",
    "NUL.txt",
    "com1",
    "LPT9.log",
    "CON",
    "conin$",
    "a.",
    "a ",
    "a?",
    "a\x01",
  ];
  for (const name of [...odd, "PROGRA~1"]) assert(!isPlainOnWindows(name), name);
  for (const name of ["a.txt", "console.log", "com10", "null", "~backup", ".env", "你"]) {
    assert(isPlainOnWindows(name), name);
  }
});

Deno.test("disk() reads a slow file system asynchronously, and does not block once it is known to be slow", async () => {
  await using tree = await tempTree({ "a.txt": "abc" });
  const source = disk(tree.path);
  const sync = { statSync: Deno.statSync, lstatSync: Deno.lstatSync };
  const stat = DESCRIPTORS?.stat;
  let waited = 0;
  // No file system here is slow, so a stat of this one is made to take as long as one of a hung network mount.
  const slow = (look: typeof Deno.statSync): typeof Deno.statSync => (path) => {
    waited++;
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 30);
    return look(path);
  };
  Object.assign(Deno, { statSync: slow(sync.statSync), lstatSync: slow(sync.lstatSync) });
  if (DESCRIPTORS) DESCRIPTORS.stat = () => null; // Deno's call is made then
  try {
    for (let round = 0; round < 2; round++) assert(!(source.stat(path("a.txt")) instanceof Promise));
    assertEquals(waited, 2);
    const later = source.stat(path("a.txt"));
    assert(later instanceof Promise);
    const seen = (await later)!;
    assertEquals(seen.size, 3);
    assertEquals(await source.stat(path("nothing")), null);
    assertEquals(await source.stat(path("a.txt/below")), null);
    const into = new Uint8Array(3);
    {
      using file = await source.open(path("a.txt"), seen);
      assertEquals([await file.read(0, into), new TextDecoder().decode(into)], [3, "abc"]);
    }
    await Deno.writeTextFile(tree.at("a.txt"), "changed");
    await assertRejects(() => Promise.resolve(source.open(path("a.txt"), seen)), FileChanged);
    assertEquals(waited, 2, "it waited again");
  } finally {
    Object.assign(Deno, sync);
    if (DESCRIPTORS) DESCRIPTORS.stat = stat!;
  }
});
