/** Random trees, rights and operations: what is denied changes nothing, and what happens is what a model says. */

import { assert } from "@std/assert";
import { disk } from "@x/pyserve";
import { tempTree } from "../support/tree.ts";
import { FIRST_TREE, tryRandomOperations } from "./random_operations.ts";
import { treeOf } from "./support.ts";

Deno.test("random operations: what is denied leaves the tree unchanged, and what is done is what the rights cover", async () => {
  const tally: Record<string, number> = {};
  for (let seed = 1; seed <= 20; seed++) {
    await using tree = await tempTree(FIRST_TREE);
    const ends = await tryRandomOperations(
      { source: disk(tree.path), tree: () => treeOf(tree.path) },
      { seed, turns: 60 },
    );
    for (const [end, count] of Object.entries(ends)) tally[end] = (tally[end] ?? 0) + count;
  }
  for (const kind of ["create", "mkdir", "remove", "move", "copy"]) {
    assert(tally[`${kind} null`]! > 3 && tally[`${kind} forbidden`]! > 0, JSON.stringify(tally));
  }
});
