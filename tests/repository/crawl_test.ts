/** A real tree, fetched link by link. `TEST_CRAWL=DIR` crawls another one, of any size. */

import { assert, assertEquals } from "@std/assert";
import { crawl } from "../support/crawl.ts";
import { start } from "../support/command.ts";
import { ROOT } from "../support/paths.ts";

Deno.test("every file of a real tree is found through the listings, byte by byte, with no 404 and no 500", async () => {
  const root = Deno.env.get("TEST_CRAWL") ?? ROOT;
  // Without index pages, so that every directory has a listing.
  await using server = await start([root, "--index", "no-such-index", "--quiet"]);
  const { files, directories, bytes, problems } = await crawl(`http://127.0.0.1:${server.port}/`, root);
  // deno-lint-ignore no-console
  console.log(`${files} files in ${directories} directories, ${bytes} bytes`);
  assertEquals(problems, []);
  assert(files > 50 && directories > 10);
  assertEquals(server.stderr(), "");
});
