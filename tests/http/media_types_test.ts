/** The table of media types. */

import { assertEquals } from "@std/assert";
import { MEDIA_TYPES } from "../../handlers/http/media_types.ts";
import { knownTypes } from "../../tools/mime.ts";

Deno.test("the table of media types is that of the npm package mime; if not: deno task media-types", () => {
  const lines = [...knownTypes()].map(([type, extensions]) => `${type} ${extensions}\n`);
  assertEquals(MEDIA_TYPES, `\n${lines.join("")}`);
});
