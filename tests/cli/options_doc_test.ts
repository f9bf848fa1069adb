/** The documentation of options is generated from their table. */

import { assertEquals } from "@std/assert";
import { formatted, reference, withTable } from "../../tools/options_doc.ts";

const read = (path: string) => Deno.readTextFile(new URL(`../../${path}`, import.meta.url));

Deno.test("docs/options.md and the table in README.md are what deno task options writes", async () => {
  assertEquals(await read("docs/options.md"), await formatted(reference()));
  const readme = await read("README.md");
  assertEquals(readme, await formatted(withTable(readme)));
});
