/** Locks in a file: they survive restarts, and hold between processes. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { locksIn } from "../../handlers/dav/lock_file.ts";
import { LockConflict, LockTable, type LockWish } from "../../handlers/dav/lock_table.ts";
import { LockModel } from "./lock_model.ts";
import { pathOf } from "../support/source.ts";
import { seeded } from "../support/random.ts";
import { tempTree } from "../support/tree.ts";

function wish(root: string, more: Partial<LockWish> = {}): LockWish {
  const defaults = { isDeep: true, isShared: false, owner: "<a/>", by: "user ann", address: "", seconds: 60 };
  return { ...defaults, root: pathOf(root), ...more };
}

/** What is known of locks. */
function known(table: LockTable): unknown[] {
  return table.current().all.map((lock) => ({ ...lock, root: lock.root.text })).sort((a, b) =>
    a.token < b.token ? -1 : 1
  );
}

Deno.test("locks survive a restart, with all that is known of them, and end for all", async () => {
  await using tree = await tempTree();
  const open = () => new LockTable(locksIn(tree.at("locks")));
  const first = open();
  const name = 'é "\n\u2028\\';
  const deep = first.take(wish(name));
  const other = first.take(wish("b", { by: null, address: "192.0.2.1", isDeep: false, isShared: true, owner: "" }));
  const second = open();
  assertEquals(known(second), known(first));
  assertThrows(() => second.take(wish(`${name}/below`)), LockConflict);
  second.release(deep);
  assertEquals(known(first).length, 1);
  assertEquals(first.refresh(pathOf("b"), { identity: null, tokens: [other.token] }, 100)?.seconds, 100);
  assertEquals(known(open()), known(first));
  second.removed(pathOf("b"));
  assertEquals(known(first), []);
  assertEquals(Deno.statSync(tree.at("locks")).mode! & 0o777, 0o600);
});

Deno.test("a file that was removed has no locks, one that is damaged keeps the others, and a symbolic link is refused", async () => {
  await using tree = await tempTree({ "other": "" });
  const path = tree.at("locks");
  const table = new LockTable(locksIn(path));
  table.take(wish("a"));
  Deno.writeTextFileSync(path, '{"token":"urn:1","root":["b"],"exp', { append: true });
  table.take(wish("c"));
  Deno.writeTextFileSync(path, 'null\n{}\n[]\n{"root":[".."],"token":"x"}\n{"root":7}\nnonsense\n', { append: true });
  const roots = (of: LockTable) => of.current().all.map(({ root }) => root.text).sort();
  assertEquals(roots(table), ["/a", "/c"]);
  assertEquals(roots(new LockTable(locksIn(path))), ["/a", "/c"]);
  Deno.removeSync(path);
  assertEquals(roots(table), []);
  table.take(wish("d"));
  assertEquals(roots(new LockTable(locksIn(path))), ["/d"]);
  Deno.removeSync(path);
  Deno.symlinkSync(tree.at("other"), path);
  assertThrows(() => locksIn(path), TypeError, "symbolic link");
});

Deno.test("the file does not grow with what has ended", async () => {
  await using tree = await tempTree();
  const path = tree.at("locks");
  const table = new LockTable(locksIn(path));
  const other = new LockTable(locksIn(path));
  const kept = table.take(wish("kept"));
  let largest = 0;
  for (let i = 0; i < 2_000; i++) {
    const by = [table, other][i % 2]!;
    by.release(by.take(wish("a")));
    largest = Math.max(largest, Deno.statSync(path).size);
  }
  assert(largest < 100_000, `${largest}`);
  for (const each of [table, other]) assertEquals(each.current().all.map(({ token }) => token), [kept.token]);
});

Deno.test("an exclusive lock is held by one of three processes at a time", async () => {
  await using tree = await tempTree({ "locks.counter": "0" });
  const script = new URL("lock_file_process.ts", import.meta.url).pathname;
  const run = async (name: string) => {
    const args = ["run", "-A", "--no-check", script, tree.at("locks"), name, "50"];
    const { success, stdout, stderr } = await new Deno.Command(Deno.execPath(), { args }).output();
    assert(success, new TextDecoder().decode(stderr));
    return new TextDecoder().decode(stdout).trim();
  };
  assertEquals(await Promise.all(["a", "b", "c"].map(run)), ["50", "50", "50"]);
  assertEquals(Deno.readTextFileSync(tree.at("locks.counter")), "150");
});

const PATHS = ["/a", "/a/b", "/a/b/c", "/a/d", "/e", "/e/f"];

Deno.test("5,000 random operations of two clients, by three tables over one file, agree with a model", async () => {
  await using tree = await tempTree();
  let now = 1_000_000;
  const open = () => new LockTable(locksIn(tree.at("locks"), () => now), () => now);
  const tables = [open(), open(), open()];
  const model = new LockModel();
  const random = seeded(4918);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const counts: Record<string, number> = {};
  const count = (what: string) => counts[what] = (counts[what] ?? 0) + 1;
  for (let step = 0; step < 5_000; step++) {
    now += Math.floor(random() * 2_000);
    if (random() < 0.005) tables[0] = open();
    const table = pick(tables);
    const [path, by, isDeep, isShared] = [pick(PATHS), pick(["user ann", "user ben"]), random() < 0.5, random() < 0.5];
    const live = model.live(now);
    const tokens = live.filter(() => random() < 0.5).map(({ token }) => token);
    const kind = pick(["take", "take", "write", "write", "tree", "release", "refresh", "removed"]);
    if (kind === "take") {
      const can = model.canTake(path, isDeep, isShared);
      try {
        const { token, expires } = table.take(wish(path.slice(1), { by, isDeep, isShared, seconds: 20 }));
        model.locks.push({ path, isDeep, isShared, by, token, expires });
        assert(can, `${step}: ${path} could be locked`);
      } catch (error) {
        if (!(error instanceof LockConflict)) throw error;
        assert(!can, `${step}: ${path} could not be locked`);
      }
      count(`${kind} ${can}`);
    } else if (kind === "write" || kind === "tree") {
      const reach = kind === "write" ? "entry" : "tree";
      const may = table.blocking(pathOf(path.slice(1)), { identity: by, tokens }, reach) === null;
      assertEquals(may, model.mayWrite(path, by, tokens, kind === "tree"), `${step}: ${kind} ${path}`);
      count(`${kind} ${may}`);
    } else if (kind === "refresh") {
      const lock = table.refresh(pathOf(path.slice(1)), { identity: by, tokens }, 20);
      const own = live.filter((each) => each.by === by && tokens.includes(each.token) && model.covers(each, path));
      assertEquals(lock !== null, own.length > 0, `${step}: ${path}`);
      const known = own.find(({ token }) => token === lock?.token);
      if (known) known.expires = lock!.expires;
      count(`${kind} ${lock !== null}`);
    } else if (kind === "release" && live.length > 0) {
      const { token, path } = pick(live);
      table.release(table.current().find(token, pathOf(path.slice(1)))!);
      model.locks = live.filter((lock) => lock.token !== token);
    } else if (kind === "removed" && random() < 0.3) {
      table.removed(pathOf(path.slice(1)));
      model.removed(path);
    }
  }
  for (const name of ["take", "write", "tree", "refresh"]) {
    for (const result of [true, false]) assert(counts[`${name} ${result}`]! > 50, JSON.stringify(counts));
  }
});
