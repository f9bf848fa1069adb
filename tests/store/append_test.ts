/** Resumable uploads without HTTP: pieces, offsets, lengths, conditions, and what is kept of one that breaks off. */

import { assert, assertEquals, assertRejects } from "@std/assert";
import { disk } from "@x/pyserve";
import { AppendRefused, Store } from "@x/pyserve/store";
import { tempTree } from "../support/tree.ts";
import { pathOf } from "../support/source.ts";
import { ALL, bytes, pieceOf, refusal, treeOf } from "./support.ts";

const UPLOAD = { path: pathOf("new/a.txt"), id: "an upload" };

const problemOf = async (work: Promise<unknown>) => (await assertRejects(() => work, AppendRefused)).problem;

Deno.test("pieces make a file, in another process too; a wrong offset is told, and a complete upload is known", async () => {
  await using tree = await tempTree({});
  const files = () => new Store(disk(tree.path)).as(ALL); // each as if in a process of its own
  assertEquals(await files().append(UPLOAD, pieceOf("abc", 0, { length: 8 })), { committed: null, size: 3 });
  assertEquals(await files().progress(UPLOAD), { size: 3, length: 8, finished: null });
  assertEquals(await problemOf(files().append(UPLOAD, pieceOf("x", 2))), { kind: "offset", expected: 3, provided: 2 });
  assertEquals(await problemOf(files().append(UPLOAD, pieceOf("defghi", 3))), { kind: "size", size: 9, announced: 8 });
  assertEquals(await problemOf(files().append(UPLOAD, pieceOf("x", 3, { length: 9 }))), {
    kind: "length",
    before: 8,
    now: 9,
  });
  const broken = async function* () {
    yield* bytes("d");
    throw new Error("The sender is gone");
  };
  await assertRejects(() => files().append(UPLOAD, pieceOf(broken(), 3)), Error, "The sender is gone");
  assertEquals((await files().progress(UPLOAD))?.size, 4);
  const { committed } = await files().append(UPLOAD, pieceOf("efgh", 4));
  assertEquals(committed?.path.text, "/new/a.txt");
  assertEquals(treeOf(tree.path)["new/a.txt"], "abcdefgh");
  assertEquals((await files().progress(UPLOAD))?.finished?.text, "/new/a.txt");
  assertEquals(await problemOf(files().append(UPLOAD, pieceOf("i", 8))), { kind: "complete", size: 8 });
  await files().cancel(UPLOAD);
  assertEquals(await problemOf(files().cancel(UPLOAD)), { kind: "unknown" });
  assertEquals(treeOf(tree.path), { "new": null, "new/a.txt": "abcdefgh" });
});

Deno.test("a piece that takes over ends the one before, of which all that has arrived is kept", async () => {
  await using tree = await tempTree({});
  const files = new Store(disk(tree.path)).as(ALL);
  const { promise: arrived, resolve } = Promise.withResolvers<void>();
  const hanging = (signal: AbortSignal) =>
    async function* () {
      yield* bytes("abc");
      resolve();
      await new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason)));
    }();
  const first = problemOf(files.append(UPLOAD, pieceOf("", 0, { content: hanging, sent: null, length: 4 })));
  await arrived;
  const again = files.append(UPLOAD, pieceOf("d", 3));
  assertEquals(await first, { kind: "superseded" });
  assert((await again).committed);
  assertEquals(treeOf(tree.path)["new/a.txt"], "abcd");
});

Deno.test("appending asks for rights and locks as creating does, and what it refuses leaves nothing", async () => {
  await using tree = await tempTree({ "a.txt": "old" });
  const upload = { ...UPLOAD, path: pathOf("a.txt") };
  const store = new Store(disk(tree.path), { maxBytes: 4 });
  const may = (right: string) => right !== "change";
  const rows: readonly [problem: string | null, work: () => Promise<unknown>][] = [
    ["taken", () => store.as(ALL).append(upload, pieceOf("new", 0, { complete: true }))],
    ["forbidden", () => store.as({ may }).append(upload, pieceOf("new", 0, { onConflict: "overwrite" }))],
    ["forbidden", () => store.as({ may: () => false }).append(UPLOAD, pieceOf("new", 0))],
    ["forbidden", () => store.as({ may: () => false }).progress(UPLOAD)],
    ["forbidden", () => store.as({ may: () => false }).cancel(UPLOAD)],
    ["too large", () => store.as(ALL).append(UPLOAD, pieceOf("12345", 0))],
    ["too large", () => store.as(ALL).append(UPLOAD, pieceOf("1", 0, { length: 5 }))],
  ];
  for (const [problem, work] of rows) assertEquals(await refusal(work()), problem, String(work));
  const locked = new Store(disk(tree.path), { locks: { blocking: (path) => path.text === "/new" ? path : null } });
  assertEquals(await refusal(locked.as(ALL).append(UPLOAD, pieceOf("new", 0))), "locked");
  assertEquals(treeOf(tree.path), { "a.txt": "old" });
});
