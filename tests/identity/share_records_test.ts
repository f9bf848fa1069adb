/** The records of share links in the state directory. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type ShareRecord, TooManyShares } from "../../handlers/identity/share_records.ts";
import { endAllShares, openState, volatileState } from "../../handlers/identity/state.ts";
import { shares } from "../../handlers/identity/share_site.ts";
import { SitePath } from "../../mod.ts";
import { tempTree } from "../support/tree.ts";
import { until } from "../support/wait.ts";

function record(id: string, more: Partial<ShareRecord> = {}): ShareRecord {
  return { id, by: "ann", paths: ["/a"], rights: ["read"], made: 1, expires: null, ...more };
}

Deno.test("records are shared by all processes, survive a restart, and end with the share", async () => {
  await using tree = await tempTree();
  const [one, other] = [openState(tree.path), openState(tree.path)];
  one.records.add(record("a"));
  other.records.add(record("b", { expires: Date.now() + 60_000 }));
  one.records.add(record("c", { expires: Date.now() - 1 }));
  const ids = (state: typeof one) => state.records.all().map(({ id }) => id);
  assertEquals([ids(one), ids(other), ids(openState(tree.path))], [["a", "b"], ["a", "b"], ["a", "b"]]);
  assertEquals(one.records.all()[0], record("a"));
  if (Deno.build.os !== "windows") assertEquals(Deno.statSync(tree.at("shares")).mode! & 0o777, 0o600);
});

Deno.test("a line that a full disk has cut off is skipped, and the next one is whole", async () => {
  await using tree = await tempTree();
  const { records } = openState(tree.path);
  records.add(record("a"));
  Deno.writeTextFileSync(tree.at("shares"), '{"id":"cut', { append: true });
  records.add(record("b"));
  assertEquals(records.all().map(({ id }) => id), ["a", "b"]);
});

Deno.test("the file does not grow with links that have expired", async () => {
  await using tree = await tempTree();
  const { records } = openState(tree.path);
  for (let n = 0; n < 300; n++) {
    records.add(record(`e${n}`, { expires: Date.now() - 1 }));
  }
  records.add(record("kept"));
  assertEquals(records.all().at(-1)!.id, "kept");
  assert(Deno.readTextFileSync(tree.at("shares")).split("\n").length < 250);
});

Deno.test("the number of links of a user is bounded, those of others do not count", async () => {
  await using tree = await tempTree();
  const { records } = openState(tree.path);
  const lines = Array.from({ length: 500 }, (_, n) => `${JSON.stringify(record(String(n)))}\n`).join("");
  Deno.writeTextFileSync(tree.at("shares"), lines);
  assertThrows(() => records.add(record("more")), TooManyShares);
  records.add(record("more", { by: "bob" }));
  records.add(record("more", { by: null }));
});

Deno.test("the number of revocations that a user can make the server remember is bounded", async () => {
  await using tree = await tempTree();
  for (const { records, revocations } of [openState(tree.path), volatileState()]) {
    const revoke = (more: Partial<ShareRecord>) => {
      const id = crypto.randomUUID();
      records!.add(record(id, more));
      revocations.add(id, more.expires ?? Infinity);
    };
    for (let n = 0; n < 1_000; n++) revoke({});
    const error = assertThrows(() => revoke({}), TooManyShares);
    assert(error.message.startsWith("1000 share links were revoked before their expiry"), error.message);
    revoke({ by: "bob" });
    for (let n = 0; n < 1_001; n++) revoke({ by: "eve", expires: Date.now() - 1 });
  }
});

Deno.test("a new key of shares ends all shares in all processes, and no session", async () => {
  await using tree = await tempTree();
  const [one, other] = [openState(tree.path), openState(tree.path)];
  const terms = { paths: [SitePath.root], rights: new Set(["read"] as const), expires: Infinity };
  const [mine, theirs] = [shares(one), shares(other)];
  const { token } = mine.make(terms, null);
  assert(mine.verify(token) && theirs.verify(token));
  one.records.add(record("a"));
  endAllShares(tree.path);
  await until(() => mine.verify(token) === null && theirs.verify(token) === null, "the share ends");
  assertEquals([one.records.all(), openState(tree.path).key], [[], one.key]);
  assert(theirs.verify(mine.make(terms, null).token));
});
