/** The state directory: one key and one list of revocations for all processes of a server. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { openState, volatileState } from "../../handlers/identity/state.ts";
import { fromFileUrl } from "../support/paths.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

const POSIX = Deno.build.os !== "windows";

Deno.test("the key and the revocations survive a restart, readable by the owner only", async () => {
  await using tree = await tempTree({});
  const directory = tree.at("state/pyserve");
  const first = openState(directory);
  assertEquals(first.key.length, 32);
  first.revocations.add("one", Date.now() + 60_000);
  first.revocations.add("forever", Infinity);
  const second = openState(directory);
  assertEquals(second.key, first.key);
  assertEquals(["one", "forever", "two"].map((id) => second.revocations.has(id)), [true, true, false]);
  if (POSIX) {
    const modes = ["", "/key", "/revoked", "/share-key"].map((name) => Deno.statSync(directory + name).mode! & 0o777);
    assertEquals(modes, [0o700, 0o600, 0o600, 0o600]);
  }
  assertEquals([...Deno.readDirSync(directory)].map(({ name }) => name).sort(), ["key", "revoked", "share-key"]);
});

Deno.test("another process's revocation is noticed", async () => {
  await using tree = await tempTree({});
  const [one, other] = [openState(tree.path), openState(tree.path)];
  assert(!one.revocations.has("x"));
  other.revocations.add("x", Infinity);
  await until(() => one.revocations.has("x"), "the revocation is noticed");
});

Deno.test("expired revocations are dropped at the start, and none is lost while others are added", async () => {
  await using tree = await tempTree({});
  const old = openState(tree.path);
  for (let n = 0; n < 100; n++) old.revocations.add(`old${n}`, 1);
  old.revocations.add("kept", Infinity);
  const opened = openState(tree.path);
  assertEquals(Deno.readTextFileSync(tree.at("revoked")), "kept Infinity\n");
  old.revocations.add("late", Infinity);
  opened.revocations.add("later", Infinity);
  const all = openState(tree.path);
  assertEquals(["kept", "late", "later", "old1"].map((id) => all.revocations.has(id)), [true, true, true, false]);
});

Deno.test("processes that start at the same time agree on one key", async () => {
  await using tree = await tempTree({});
  const module = JSON.stringify(fromFileUrl("../../handlers/identity/state.ts"));
  const code = `import { openState } from ${module}; console.log(openState(${JSON.stringify(tree.path)}).key.toHex())`;
  const run = () => new Deno.Command(Deno.execPath(), { args: ["eval", code], stderr: "inherit" }).output();
  const keys = (await Promise.all([run(), run(), run(), run()])).map(({ stdout }) => new TextDecoder().decode(stdout));
  assertEquals(new Set(keys).size, 1);
  assertEquals(keys[0]!.trim().length, 64);
});

Deno.test({
  name: "a damaged key, and a key or directory that is open to others, is refused",
  ignore: !POSIX,
  async fn() {
    await using tree = await tempTree({ "key": "short" });
    assertThrows(() => openState(tree.path), TypeError, "is damaged");
    await using open = await tempTree({ "key": "x".repeat(32) });
    Deno.chmodSync(open.at("key"), 0o644);
    assertThrows(() => openState(open.path), TypeError, "other users can read the key");
    Deno.chmodSync(open.path, 0o777);
    assertThrows(() => openState(open.path), TypeError, "other users can write to");
  },
});

Deno.test("volatile state has a key of its own", () => {
  const [one, other] = [volatileState(), volatileState()];
  assert(one.key.join() !== other.key.join());
  one.revocations.add("x", 1);
  assert(one.revocations.has("x") && !other.revocations.has("x"));
});
