/** The state directory: one key and one list of revocations for all processes of a server. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { RevocationList } from "../../handlers/identity/revocations.ts";
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

Deno.test("logouts of one user stay bounded in the file and end no session of others or of later", async () => {
  await using tree = await tempTree({});
  const [state, other] = [openState(tree.path), openState(tree.path)];
  const start = Date.now() + 60_000;
  const sessions = Array.from({ length: 2_000 }, (_, n) => ({ id: `s${n}`, user: "Zo\u00eb 2", expires: start + n }));
  state.revocations.add("share", Infinity);
  for (const { id, expires, user } of sessions) {
    state.revocations.add(id, expires, user);
    if (expires === start + 500) {
      await until(() => other.revocations.has("share"), "another process has read the old file");
    }
  }
  const lines = Deno.readTextFileSync(tree.at("revoked")).split("\n").length;
  assert(lines < 1_500, `${lines} lines`);
  await until(() => other.revocations.has("s1999", sessions[1999]), "another process has read the new file");
  for (const { revocations } of [state, other, openState(tree.path)]) {
    assertEquals(sessions.filter((session) => !revocations.has(session.id, session)), []);
    assert(revocations.has("share"));
    assert(!revocations.has("t", { user: "Zo\u00eb 2", expires: start + 2_000 }), "a later session");
    assert(!revocations.has("t", { user: "bob", expires: start }), "a session of another user");
  }
  assert(Deno.readTextFileSync(tree.at("revoked")).split("\n").length < 110, "tidied up at the start");
});

Deno.test("few logouts end no other session of the user", () => {
  const { revocations } = volatileState();
  for (let n = 1; n <= 100; n++) revocations.add(`s${n}`, Date.now() + 1_000 + n, "ann");
  assert(!revocations.has("other", { user: "ann", expires: Date.now() }));
});

Deno.test("only what was appended to the list is read, and a line cut off by a full disk is skipped", async () => {
  await using tree = await tempTree({});
  const state = openState(tree.path);
  state.revocations.add("aaaa", Infinity);
  state.revocations.add("cccc", Infinity);
  // In place: were the whole file read again, this id would be found.
  const file = Deno.openSync(tree.at("revoked"), { write: true });
  file.writeSync(new TextEncoder().encode("bbbb"));
  file.seekSync(0, Deno.SeekMode.End);
  file.writeSync(new TextEncoder().encode("dddd Infinity\neeee Infi"));
  file.close();
  state.revocations.add("ffff", Infinity);
  const known = (revocations: { has(id: string): boolean }) =>
    ["aaaa", "bbbb", "cccc", "dddd", "eeee", "ffff"].filter((id) => revocations.has(id)).join(" ");
  assertEquals(known(state.revocations), "aaaa cccc dddd ffff");
  assertEquals(known(openState(tree.path).revocations), "bbbb cccc dddd ffff");
});

Deno.test("100,000 revocations that have expired are forgotten while the server runs", () => {
  const list = new RevocationList();
  for (let n = 0; n < 100_000; n++) list.add(`s${n}`, Date.now() - 1, `user${n % 1_000}`);
  assert(list.size < 3_000, `${list.size}`);
  for (let n = 0; n < 100_000; n++) list.add(`s${n}`, Date.now() + 60_000 + n, "ann");
  assert(list.size < 3_000, `${list.size}`);
});

Deno.test({
  name: "files of another user and symbolic links in the state directory are refused",
  ignore: !POSIX,
  async fn(t) {
    for (const name of ["key", "share-key", "revoked", "shares"]) {
      await t.step(name, async () => {
        await using tree = await tempTree({ "state/": "", "elsewhere": "x".repeat(32) });
        const [directory, path] = [tree.at("state"), tree.at(`state/${name}`)];
        Deno.chmodSync(tree.at("elsewhere"), 0o600);
        Deno.symlinkSync(tree.at("elsewhere"), path);
        assertThrows(() => openState(directory).records.all(), TypeError, `${path} is a symbolic link`);
        Deno.removeSync(path);
        Deno.symlinkSync(tree.at("absent"), path);
        assertThrows(() => openState(directory).records.all(), TypeError, `${path} is a symbolic link`);
        assertThrows(() => Deno.statSync(tree.at("absent")), Deno.errors.NotFound);
        Deno.removeSync(path);
        if (Deno.uid() !== 0) return;
        openState(directory);
        Deno.writeFileSync(path, new Uint8Array(name.includes("key") ? 32 : 0), { mode: 0o600 });
        Deno.chownSync(path, 12345, null);
        assertThrows(() => openState(directory).records.all(), TypeError, `${path} belongs to another user`);
        Deno.chownSync(directory, 12345, null);
        assertThrows(() => openState(directory), TypeError, `${directory} belongs to another user`);
      });
    }
  },
});

Deno.test({
  name: "a key or a list that was replaced by a symbolic link while the server runs is refused",
  ignore: !POSIX,
  async fn() {
    await using tree = await tempTree({ "state/": "" });
    const state = openState(tree.at("state"));
    for (const name of ["share-key", "revoked"]) {
      Deno.renameSync(tree.at(`state/${name}`), tree.at(name));
      Deno.symlinkSync(tree.at(name), tree.at(`state/${name}`));
    }
    const isRefused = (look: () => unknown) => () => {
      try {
        look();
        return false;
      } catch (error) {
        return error instanceof TypeError && error.message.includes("is a symbolic link");
      }
    };
    await until(isRefused(state.shareKey), "the key is refused");
    await until(isRefused(() => state.revocations.has("x")), "the list is refused");
    assertThrows(() => state.revocations.add("x", Infinity), TypeError, "is a symbolic link");
  },
});
