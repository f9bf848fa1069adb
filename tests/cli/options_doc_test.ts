/** The documentation of options is generated from their table. */

import { assertEquals } from "@std/assert";
import { manualPage } from "../../cli/man.ts";
import { formatted, reference, schemaText, withTable } from "../../tools/options_doc.ts";

const read = (path: string) => Deno.readTextFile(new URL(`../../${path}`, import.meta.url));

Deno.test("docs/options.md, the schema, the manual page and the table in README.md are what deno task options writes", async () => {
  assertEquals(await read("docs/options.md"), await formatted(reference()));
  assertEquals(await read("docs/pyserve.schema.json"), await formatted(schemaText(), "json"));
  assertEquals(await read("docs/pyserve.1"), manualPage());
  const readme = await read("README.md");
  assertEquals(readme, await formatted(withTable(readme)));
});
