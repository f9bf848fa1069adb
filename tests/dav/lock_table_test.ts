/** The table of locks: what conflicts, what covers what, who can use a lock, limits and expiry. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { HttpError, SitePath } from "@x/pyserve";
import { LockConflict, LockTable, type LockWish } from "../../handlers/dav/lock_table.ts";
import { pathOf as pathBelow } from "../support/source.ts";

const ANN = "user ann";
const BEN = "user ben";

function pathOf(text: string): SitePath {
  return text === "" ? SitePath.root : pathBelow(text);
}

function wish(root: string, more: Partial<LockWish> = {}): LockWish {
  const defaults = { isDeep: true, isShared: false, owner: "", by: ANN, address: "", seconds: 60 };
  return { ...defaults, root: pathOf(root), ...more };
}

/** Whether a lock of Ann on the first path keeps Ben from one on the second. */
function conflict(first: LockWish, second: LockWish): boolean {
  const table = new LockTable();
  table.take(first);
  try {
    table.take({ ...second, by: BEN });
    return false;
  } catch (error) {
    assert(error instanceof LockConflict);
    assertEquals(error.roots.map(({ text }) => text), [first.root.text]);
    return true;
  }
}

Deno.test("locks conflict where their scopes meet, unless both are shared", () => {
  const shallow = { isDeep: false };
  const rows: readonly [LockWish, LockWish, boolean][] = [
    [wish("a"), wish("a"), true],
    [wish("a"), wish("ab"), false],
    [wish("a"), wish("a/b/c"), true],
    [wish("a/b/c"), wish("a"), true],
    [wish("a/b"), wish("a/c"), false],
    [wish("a", shallow), wish("a/b"), false],
    [wish("a/b"), wish("a", shallow), false],
    [wish("a", shallow), wish("a", shallow), true],
    [wish(""), wish("a"), true],
    [wish("", shallow), wish("a"), false],
    [wish("a"), wish(""), true],
  ];
  for (const [first, second, expected] of rows) {
    const title = `${first.root.text} ${first.isDeep} / ${second.root.text} ${second.isDeep}`;
    assertEquals(conflict(first, second), expected, title);
    assertEquals(conflict({ ...first, isShared: true }, second), expected, title);
    assertEquals(conflict(first, { ...second, isShared: true }), expected, title);
    assertEquals(conflict({ ...first, isShared: true }, { ...second, isShared: true }), false, title);
  }
});

Deno.test("a lock keeps others from writing to what it covers, and its owner without the token", () => {
  const table = new LockTable();
  const { token } = table.take(wish("dir"));
  const flat = table.take(wish("flat", { isDeep: false }));
  const none = { identity: ANN, tokens: [] };
  const own = { identity: ANN, tokens: [token, flat.token] };
  const stolen = { identity: BEN, tokens: [token, flat.token] };
  const rows = [
    ["dir", "content", "/dir"],
    ["dir/a/b", "content", "/dir"],
    ["dirs", "entry", null],
    ["flat", "content", "/flat"],
    ["flat/a", "content", null],
    ["flat/a", "entry", "/flat"],
    ["flat/a/b", "entry", null],
    ["", "tree", "/dir"],
    ["", "content", null],
  ] as const;
  for (const [path, reach, root] of rows) {
    assertEquals(table.blocking(pathOf(path), none, reach)?.text ?? null, root, path);
    assertEquals(table.blocking(pathOf(path), stolen, reach)?.text ?? null, root, path);
    assertEquals(table.blocking(pathOf(path), own, reach), null, path);
  }
  // Deleting the root of everything needs the tokens of all locks in it.
  assertEquals(table.blocking(pathOf(""), { ...own, tokens: [token] }, "tree")?.text, "/flat");
});

Deno.test("of shared locks, one suffices for writing; a lock of an unknown client is usable by whoever has its token", () => {
  const table = new LockTable();
  const shared = { isShared: true };
  const first = table.take(wish("a", shared));
  const second = table.take(wish("a", { ...shared, by: null, address: "192.0.2.1" }));
  assertEquals(table.blocking(pathOf("a"), { identity: ANN, tokens: [first.token] }, "content"), null);
  assertEquals(table.blocking(pathOf("a"), { identity: BEN, tokens: [first.token] }, "content")?.text, "/a");
  assertEquals(table.blocking(pathOf("a"), { identity: BEN, tokens: [second.token] }, "content"), null);
  assertEquals(table.blocking(pathOf("a"), { identity: null, tokens: [second.token] }, "content"), null);
});

Deno.test("shared locks on a path are few, because each is reported for every entry of a directory", () => {
  const table = new LockTable();
  const taken = (root: string) => table.take(wish(root, { isShared: true }));
  for (let i = 0; i < 4; i++) taken("a/b");
  for (let i = 0; i < 4; i++) taken("a");
  for (const root of ["a", "a/b/c", ""]) assertEquals(assertThrows(() => taken(root), HttpError).status, 507);
  taken("b");
});

Deno.test("locks expire, can be prolonged by their owner only, and end with their path and its directory", () => {
  let now = 0;
  const table = new LockTable(undefined, () => now);
  const { token } = table.take(wish("d/a", { seconds: 10 }));
  const ben = { identity: BEN, tokens: [token] };
  now = 9_999;
  assertThrows(() => table.take(wish("d/a", { by: BEN })), LockConflict);
  assertEquals(table.refresh(pathOf("d/a"), ben, 10), null);
  assertEquals(table.refresh(pathOf("d/b"), { identity: ANN, tokens: [token] }, 10), null);
  assertEquals(table.refresh(pathOf("d/a"), { identity: ANN, tokens: [token] }, 5)?.expires, 14_999);
  now = 14_999;
  assertEquals(table.blocking(pathOf("d/a"), ben, "tree"), null);
  assertEquals(table.refresh(pathOf("d/a"), { identity: ANN, tokens: [token] }, 5), null);
  assertEquals(table.current().find(token, pathOf("d/a")), null);

  for (const removed of ["d", "d/a"]) {
    table.take(wish("d/a"));
    const kept = table.take(wish("da"));
    table.removed(pathOf(removed));
    assertEquals(table.current().all, [kept]);
    table.release(kept);
  }
  const above = table.take(wish("d"));
  table.removed(pathOf("d/a"));
  assertEquals(table.current().all, [above]);
});

Deno.test("clients hold a bounded number of locks, and expired ones do not count", () => {
  let now = 0;
  const table = new LockTable(undefined, () => now);
  const taken = (by: string | null, address: string, name: string) => table.take(wish(name, { by, address }));
  for (let i = 0; i < 500; i++) taken(ANN, "", `${i}`);
  assertEquals(assertThrows(() => taken(ANN, "", "more"), HttpError).status, 507);
  taken(BEN, "", "more");
  for (let i = 0; i < 500; i++) taken(null, "192.0.2.1", `a${i}`);
  assertEquals(assertThrows(() => taken(null, "192.0.2.1", "other"), HttpError).status, 507);
  taken(null, "192.0.2.2", "other");
  now = 60_001;
  taken(ANN, "", "again");
  assertEquals(table.current().size, 1); // the rest has been forgotten
  for (let i = 0; i < 9_999; i++) taken(`user ${i % 50}`, "", `${i}`);
  assertEquals(assertThrows(() => taken("user new", "", "last"), HttpError).status, 503);
});
