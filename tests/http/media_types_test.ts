/** The table of media types. */

import { assertEquals } from "@std/assert";
import { EXTENSIONS_OF } from "../../handlers/http/media_types.ts";
import { knownTypes } from "../../tools/mime.ts";

Deno.test("the table of media types is that of the npm package mime; if not: deno task media-types", () => {
  assertEquals(EXTENSIONS_OF, Object.fromEntries(knownTypes()));
});
