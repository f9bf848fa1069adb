/** Operations on files, without HTTP: what they store, what they refuse, and that a refusal leaves everything as it was. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { disk, type FileSource, filtered, isVisible, memory, union, WriteRefused } from "@x/pyserve/sources";
import { type Locks, Store, type StoreOptions } from "@x/pyserve/store";
import { type TempTree, tempTree } from "../support/tree.ts";
import { ALL, bytes, refusal, treeOf } from "./support.ts";
import { pathOf } from "../support/source.ts";

const ignore = Deno.build.os === "windows";

const operate = (tree: TempTree, options: StoreOptions = {}) => new Store(disk(tree.path), options).as(ALL);

Deno.test("create, replace, copy, move and remove work on files and directories", async () => {
  await using tree = await tempTree({ "old/a.txt": "a", "old/sub/b.txt": "b", "old/empty/": "" });
  const files = operate(tree);
  const made = await files.create(pathOf("new/deep/c.txt"), bytes("c"));
  assertEquals([made.path.text, made.replaced, made.stat.size], ["/new/deep/c.txt", false, 1]);
  assertEquals(await refusal(files.create(made.path, bytes("d"))), "taken");
  assertEquals((await files.create(made.path, bytes("d"), { onConflict: "rename" })).path.name, "c (1).txt");
  assertEquals(await refusal(files.replace(made.path, bytes("e"), { expected: "another" })), "changed");
  assert((await files.replace(made.path, bytes("e"), { expected: made.stat.version })).replaced);
  await files.makeDirectory(pathOf("made"));
  assertEquals(await refusal(files.makeDirectory(pathOf("made"))), "taken");
  const copied = await files.copy(pathOf("old"), pathOf("made/copy"));
  assertEquals([copied.path.text, copied.stat.kind, copied.omitted], ["/made/copy", "directory", 0]);
  assertEquals((await files.copy(pathOf("old"), pathOf("made/copy"), { onConflict: "rename" })).path.name, "copy (1)");
  assertEquals((await files.copy(pathOf("old/a.txt"), pathOf("a.txt"))).path.text, "/a.txt");
  assertEquals((await files.copy(pathOf("old"), pathOf("shallow"), { shallow: true })).path.text, "/shallow");
  assertEquals((await files.move(pathOf("old"), pathOf("moved"))).path.text, "/moved");
  assertEquals(await refusal(files.remove(pathOf("moved"))), "not empty");
  await files.remove(pathOf("moved"), { recursive: true });
  assertEquals(treeOf(tree.path), {
    "a.txt": "a",
    "made": null,
    "made/copy": null,
    "made/copy/a.txt": "a",
    "made/copy/empty": null,
    "made/copy/sub": null,
    "made/copy/sub/b.txt": "b",
    "made/copy (1)": null,
    "made/copy (1)/a.txt": "a",
    "made/copy (1)/empty": null,
    "made/copy (1)/sub": null,
    "made/copy (1)/sub/b.txt": "b",
    "new": null,
    "new/deep": null,
    "new/deep/c (1).txt": "d",
    "new/deep/c.txt": "e",
    "shallow": null,
  });
});

Deno.test("content that fails, is too large, or is not the expected one leaves nothing, not even the directories made for it", async () => {
  await using tree = await tempTree({});
  const files = operate(tree, { maxBytes: 4 });
  const failing = async function* () {
    yield* bytes("ab");
    throw new Error("The sender is gone");
  };
  await assertRejects(() => files.create(pathOf("new/a"), failing()), Error, "The sender is gone");
  assertEquals(await refusal(files.create(pathOf("new/a"), bytes("abc", "de"))), "too large");
  assertEquals(await refusal(files.create(pathOf("new/a"), bytes(), { length: 5 })), "too large");
  const check = {
    update() {},
    check() {
      throw new Error("Another digest");
    },
  };
  await assertRejects(() => files.create(pathOf("new/a"), bytes("abc"), { check }), Error, "Another digest");
  assertEquals(treeOf(tree.path), {});
});

Deno.test("what a store does not allow at all is disabled; renaming needs only the right to change", async () => {
  await using tree = await tempTree({ "a": "a", "b": "b" });
  const creating = operate(tree, { rights: { create: true, change: false } });
  const changing = operate(tree, { rights: { create: false, change: true } });
  const [a, b, c] = ["a", "b", "c"].map(pathOf) as [
    ReturnType<typeof pathOf>,
    ReturnType<typeof pathOf>,
    ReturnType<typeof pathOf>,
  ];
  const before = treeOf(tree.path);
  const refused = [
    () => creating.replace(a, bytes("x")),
    () => creating.remove(a),
    () => creating.move(a, c),
    () => creating.copy(a, b, { onConflict: "overwrite" }),
    () => changing.create(c, bytes("x")),
    () => changing.copy(a, c),
    () => changing.makeDirectory(c),
  ];
  for (const operation of refused) assertEquals(await refusal(operation()), "disabled", String(operation));
  assertEquals(treeOf(tree.path), before);
  await changing.move(a, c);
  assertEquals(treeOf(tree.path), { b: "b", c: "a" });
});

Deno.test("PUT creates no parent that the actor may not create", async () => {
  await using tree = await tempTree({ "in/": "" });
  const may = (right: string, { text }: { text: string }) => right === "create" && text !== "/in/closed";
  const files = new Store(disk(tree.path)).as({ may });
  assertEquals(await refusal(files.create(pathOf("in/closed/a/b.txt"), bytes("b"))), "forbidden");
  assertEquals(treeOf(tree.path), { in: null });
  await files.create(pathOf("in/open/a/b.txt"), bytes("b"));
  assertEquals(treeOf(tree.path)["in/open/a/b.txt"], "b");
});

Deno.test("a rule that denies one path below a directory keeps the directory from being deleted, moved or created", async () => {
  await using tree = await tempTree({ "dir/sub/keep.txt": "k", "dir/.hidden/keep.txt": "h", "other/sub/a.txt": "a" });
  const rules: readonly [right: string, denied: string][] = [
    ["change", "/dir/sub/keep.txt"],
    ["change", "/dir/.hidden/keep.txt"], // hidden files are part of the directory
    ["read", "/dir/sub/keep.txt"], // moved to another place, it could be read
  ];
  const before = treeOf(tree.path);
  for (const [right, denied] of rules) {
    const may = (asked: string, { text }: { text: string }) => asked !== right || text !== denied;
    const files = new Store(filtered(disk(tree.path), isVisible)).as({ may });
    assertEquals(await refusal(files.move(pathOf("dir"), pathOf("new"))), "forbidden", denied);
    if (right === "change") {
      assertEquals(await refusal(files.remove(pathOf("dir"), { recursive: true })), "forbidden", denied);
    }
  }
  const may = (right: string, { text }: { text: string }) => right !== "create" || !/new.*\/sub\/a.txt$/.test(text);
  const files = new Store(disk(tree.path)).as({ may });
  for (const onConflict of ["fail", "rename"] as const) {
    assertEquals(await refusal(files.move(pathOf("other"), pathOf("new"), { onConflict })), "forbidden");
    assertEquals(await refusal(files.copy(pathOf("other"), pathOf("new"), { onConflict })), "forbidden");
  }
  assertEquals(treeOf(tree.path), before);
});

Deno.test("a refusal names the path that was asked for, not one below that the actor may not see", async () => {
  await using tree = await tempTree({ "dir/secret.txt": "s" });
  const files = new Store(disk(tree.path)).as({ may: (_, { name }) => name !== "secret.txt" });
  const error = await assertRejects(() => files.remove(pathOf("dir"), { recursive: true }), WriteRefused);
  assertEquals([error.problem, error.about.right, error.about.path?.text], ["forbidden", "change", "/dir"]);
});

Deno.test("locks are asked for both ends of a move, for trees and for parents, again before publishing, and end with their path", async () => {
  await using tree = await tempTree({ "a": "a", "dir/b": "b" });
  const asked: string[] = [];
  let locked = "";
  const locks: Locks = {
    blocking(path, { tokens }, reach) {
      asked.push(`${reach} ${path.text}`);
      return path.text !== locked || tokens.includes("token") ? null : path;
    },
    async removed(path) {
      await Promise.resolve();
      asked.push(`removed ${path.text}`);
    },
  };
  const store = new Store(disk(tree.path), { locks });
  const files = store.as(ALL);
  const told = () => asked.splice(0);
  await files.create(pathOf("new/c"), bytes("c"));
  assertEquals(told(), ["entry /new", "entry /new/c", "entry /new/c"]);
  await files.replace(pathOf("a"), bytes("A"));
  assertEquals(told(), ["content /a", "content /a"]);
  await files.move(pathOf("dir"), pathOf("moved"));
  assertEquals(told(), ["tree /dir", "entry /moved", "removed /dir"]);
  await files.copy(pathOf("a"), pathOf("copy"));
  assertEquals(told(), ["entry /copy"]);
  await files.makeDirectory(pathOf("made"));
  await files.remove(pathOf("made"));
  assertEquals(told(), ["entry /made", "tree /made", "removed /made"]);

  const before = treeOf(tree.path);
  locked = "/a";
  const rows = [
    () => files.replace(pathOf("a"), bytes("x")),
    () => files.remove(pathOf("a")),
    () => files.move(pathOf("a"), pathOf("z")),
    () => files.move(pathOf("copy"), pathOf("a"), { onConflict: "overwrite" }),
    () => files.copy(pathOf("copy"), pathOf("a"), { onConflict: "overwrite" }),
  ];
  for (const operation of rows) assertEquals(await refusal(operation()), "locked", String(operation));
  locked = "";
  const lockedMeanwhile = async function* () {
    yield* bytes("x");
    locked = "/a";
  };
  assertEquals(await refusal(files.replace(pathOf("a"), lockedMeanwhile())), "locked");
  assertEquals(treeOf(tree.path), before);
  await store.as({ ...ALL, tokens: ["token"] }).remove(pathOf("a"));
});

Deno.test("an actor who cannot read a name does not learn that it is locked, but respects the lock of its directory", async () => {
  await using tree = await tempTree({ "dir/taken.txt": "t" });
  let locked = "/dir/taken.txt";
  const locks: Locks = { blocking: (path) => path.text === locked ? path : null };
  const files = new Store(disk(tree.path), { locks }).as({ may: (right) => right === "create" });
  for (const name of ["taken.txt", "free.txt"]) await files.create(pathOf(`dir/${name}`), bytes("new"));
  assertEquals(Object.keys(treeOf(tree.path)).sort(), ["dir", "dir/free.txt", "dir/taken (1).txt", "dir/taken.txt"]);
  locked = "/dir";
  assertEquals(await refusal(files.create(pathOf("dir/more.txt"), bytes("new"))), "locked");
});

Deno.test("a copy comes from any source, and only what it shows and the actor can read", async () => {
  await using tree = await tempTree({
    "dir/a.txt": "a",
    "dir/.git/config": "g",
    "dir/b/secret.txt": "s",
    "dir/b/c.txt": "c",
  });
  const source = filtered(disk(tree.path), isVisible);
  const files = new Store(source).as({ may: (right, { name }) => right !== "read" || name !== "secret.txt" });
  await files.copy(pathOf("dir"), pathOf("copy"));
  const { omitted } = await files.copy(pathOf("kept"), pathOf("from-memory"), {
    source: memory({ "kept/x/y.txt": "y", "kept/z.txt": "z" }),
  });
  assertEquals(omitted, 0);
  assertEquals(await refusal(files.copy(pathOf("dir/b/secret.txt"), pathOf("open.txt"))), "forbidden");
  assertEquals(await refusal(files.copy(pathOf("dir/.git"), pathOf("open"))), "absent");
  assertEquals(await refusal(files.copy(pathOf("dir"), pathOf(".hidden"))), "hidden");
  assertEquals(
    await refusal(files.copy(pathOf("kept"), pathOf("h"), { source: memory({ "kept/.x/y.txt": "y" }) })),
    "hidden",
  );
  const after = treeOf(tree.path);
  assertEquals(Object.keys(after).filter((name) => !name.startsWith("dir")).sort(), [
    "copy",
    "copy/a.txt",
    "copy/b",
    "copy/b/c.txt",
    "from-memory",
    "from-memory/x",
    "from-memory/x/y.txt",
    "from-memory/z.txt",
  ]);
});

Deno.test({
  name: "a copy follows no link out of the root, nor into directories, and copies what links to files lead to",
  ignore,
  async fn() {
    await using outside = await tempTree({ "secret.txt": "secret", "dir/secret.txt": "secret" });
    await using tree = await tempTree({ "dir/a.txt": "a", "dir/sub/": "" });
    await Deno.symlink(outside.at("secret.txt"), tree.at("dir/out"));
    await Deno.symlink(outside.at("dir"), tree.at("dir/out-dir"));
    await Deno.symlink("..", tree.at("dir/sub/up"));
    await Deno.symlink("nowhere", tree.at("dir/broken"));
    await Deno.symlink("a.txt", tree.at("dir/link"));
    await new Deno.Command("mkfifo", { args: [tree.at("dir/fifo")] }).output();
    const files = operate(tree);
    const { omitted } = await files.copy(pathOf("dir"), pathOf("copy"));
    assertEquals(omitted, 5);
    assertEquals(Object.entries(treeOf(tree.path)).filter(([name]) => name.startsWith("copy")), [
      ["copy", null],
      ["copy/a.txt", "a"],
      ["copy/link", "a"],
      ["copy/sub", null],
    ]);
    assert(!(await Deno.lstat(tree.at("copy/link"))).isSymlink);
    for (const name of ["out", "out-dir", "broken"]) {
      assertEquals(await refusal(files.copy(pathOf(`dir/${name}`), pathOf("x"))), "absent");
    }
    assertEquals(await refusal(files.copy(pathOf("dir/fifo"), pathOf("x"))), "elsewhere");
    assertEquals(await refusal(files.copy(pathOf("dir/a.txt"), pathOf("dir/out-dir/x"))), "no directory");
  },
});

Deno.test("a directory is not copied into itself, and too many, too deep or too large entries are refused before anything is written", async () => {
  const deep = Array.from({ length: 70 }, (_, index) => `d${index}`).join("/");
  await using tree = await tempTree({ "dir/a.txt": "12345", "dir/b/": "", "dir/c/": "", [`${deep}/x`]: "x" });
  const before = treeOf(tree.path);
  const refused: readonly [StoreOptions, from: string, to: string, problem: string][] = [
    [{}, "dir", "dir/b/copy", "inside itself"],
    [{}, "dir", "dir", "inside itself"],
    [{ maxEntries: 2 }, "dir", "copy", "too many"],
    [{}, "d0", "copy", "too many"],
    [{ maxBytes: 4 }, "dir", "copy", "too large"],
    [{ maxBytes: 4 }, "dir/a.txt", "copy", "too large"],
    [{}, "dir", "none/copy", "no directory"],
    [{}, "dir/b", "dir/a.txt/copy", "not a directory"],
    [{}, "none", "copy", "absent"],
    [{}, "dir", "d0", "taken"],
  ];
  for (const [options, from, to, problem] of refused) {
    assertEquals(await refusal(operate(tree, options).copy(pathOf(from), pathOf(to))), problem, `${from} ${to}`);
    assertEquals(treeOf(tree.path), before);
  }
  assertEquals(
    await refusal(operate(tree).copy(pathOf("dir"), pathOf("d0"), { onConflict: "overwrite" })),
    "directory",
  );
  assertEquals(treeOf(tree.path), before);
});

Deno.test({
  name: "a copy has the default permissions at most, and never more than the original has",
  ignore,
  async fn() {
    await using tree = await tempTree({ "plain": "", "script": "", "private": "", "dir/private": "", "closed/a": "" });
    const plain = (await Deno.stat(tree.at("plain"))).mode! & 0o777;
    for (
      const [name, mode] of [["script", 0o4755], ["private", 0o600], ["dir/private", 0o640], ["closed", 0o700]] as const
    ) {
      await Deno.chmod(tree.at(name), mode);
    }
    const files = operate(tree);
    for (const name of ["plain", "script", "private", "dir", "closed"]) {
      await files.copy(pathOf(name), pathOf(`${name}2`));
    }
    const modeOf = (name: string) => (Deno.statSync(tree.at(name)).mode! & 0o7777).toString(8);
    assertEquals(["plain2", "script2", "private2", "dir2/private", "closed2", "dir2"].map(modeOf), [
      plain.toString(8),
      (plain & 0o755).toString(8),
      (plain & 0o600).toString(8),
      (plain & 0o640).toString(8),
      "700",
      modeOf("dir"),
    ]);
    await Deno.chmod(tree.at("plain"), 0o666);
    await files.copy(pathOf("private"), pathOf("plain"), { onConflict: "overwrite" });
    assertEquals(modeOf("plain"), "600");
  },
});

Deno.test("between the mounts of a union, and between file systems, a file or directory is copied as anywhere", async () => {
  await using tree = await tempTree({ "one/dir/a.txt": "a", "one/dir/sub/b.txt": "b", "two/": "" });
  const shm = Deno.build.os === "linux" ? "/dev/shm" : undefined; // a file system of its own
  const other = await Deno.makeTempDir(shm === undefined ? {} : { dir: shm });
  try {
    const source = union({ "/": disk(tree.at("one")), "/two": disk(tree.at("two")), "/other": disk(other) });
    const files = new Store(source).as(ALL);
    for (const [mount, directory] of [["two", tree.at("two")], ["other", other]] as const) {
      assertEquals((await files.copy(pathOf("dir"), pathOf(`${mount}/copy`))).path.text, `/${mount}/copy`);
      assertEquals((await files.copy(pathOf("dir/a.txt"), pathOf(`${mount}/a.txt`))).path.text, `/${mount}/a.txt`);
      assertEquals(treeOf(directory), {
        "a.txt": "a",
        "copy": null,
        "copy/a.txt": "a",
        "copy/sub": null,
        "copy/sub/b.txt": "b",
      });
    }
  } finally {
    await Deno.remove(other, { recursive: true });
  }
});

/** A source that stops an operation when the operation opens a file. */
function stopping(directory: string, reason: Error) {
  const source = disk(directory);
  const stop = new AbortController();
  const open: FileSource["open"] = (...args) => {
    stop.abort(reason);
    return source.open(...args);
  };
  const stat: FileSource["stat"] = (path) => source.stat(path);
  const list: FileSource["list"] = (path) => source.list(path);
  return {
    files: new Store({ stat, list, open, openWriter: () => source.openWriter!() }).as(ALL),
    signal: stop.signal,
  };
}

Deno.test("an operation that is stopped leaves everything as it was", async () => {
  await using tree = await tempTree({ "dir/a.txt": "a", "dir/sub/b.txt": "b", "c.txt": "c" });
  const before = treeOf(tree.path);
  const reason = new RangeError("stopped");
  const signal = AbortSignal.abort(reason);
  const limited = new Store(disk(tree.path)).as({ may: () => true });
  const rows: readonly (() => Promise<unknown>)[] = [
    ...["dir", "c.txt"].map((name) => {
      const { files, signal } = stopping(tree.path, reason);
      return () => files.copy(pathOf(name), pathOf("copy"), { signal });
    }),
    () => limited.copy(pathOf("dir"), pathOf("copy"), { signal }),
    () => limited.move(pathOf("dir"), pathOf("moved"), { signal }),
    () => limited.remove(pathOf("dir"), { recursive: true, signal }),
    () => operate(tree).remove(pathOf("dir"), { recursive: true, signal }),
  ];
  for (const stopped of rows) {
    await assertRejects(stopped, RangeError, "stopped");
    assertEquals(treeOf(tree.path), before);
  }
});
