/** What tells servers with the same state directory apart. */

import { assertEquals } from "@std/assert";
import { realRoot } from "../../cli/real_root.ts";
import { tempTree } from "../support/tree.ts";

Deno.test("a link and its target are the same, and so is what does not exist yet", async () => {
  await using tree = await tempTree({ "site/a.txt": "a" });
  await Deno.symlink("site", tree.at("link"));
  assertEquals(realRoot(tree.at("link")), realRoot(tree.at("site")));
  assertEquals(realRoot(tree.at("missing")), tree.at("missing"));
});

Deno.test({
  name: "an object store is not looked for on disk, which may not be permitted",
  permissions: { read: false },
  fn: () => assertEquals(realRoot("s3://bucket/files"), "s3://bucket/files"),
});
