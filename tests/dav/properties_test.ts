/** The table of properties: its bounds, and the length of its file. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { PropertyTable } from "../../handlers/dav/dead_properties.ts";
import { SitePath } from "../../handlers/http/target.ts";
import { tempTree } from "../support/tree.ts";

const path = (name: string) => SitePath.root.child(name)!;

Deno.test("properties that are set again and again do not fill the disk", async () => {
  await using tree = await tempTree({});
  const table = new PropertyTable(tree.at("properties"));
  table.change(path("other"), () => ({ "{}y": '<y xmlns="">kept</y>' }));
  for (let turn = 0; turn < 300; turn++) table.change(path("a"), () => ({ "{}x": `${turn}`.padEnd(30_000, "x") }));
  assert(Deno.statSync(tree.at("properties")).size < 5_000_000);
  const later = new PropertyTable(tree.at("properties")).current();
  assertEquals([...later.keys()].sort(), ["/a", "/other"]);
  assert(later.get("/a")!["{}x"]!.startsWith("299x"));
});

Deno.test("long paths count for the limit of all properties", () => {
  const table = new PropertyTable();
  const name = (number: number) => path(`${number}`.padEnd(4_000, "x"));
  assertThrows(
    () => {
      for (let number = 0; number < 5_000; number++) table.change(name(number), () => ({ "{}x": "x" }));
    },
    Error,
    "The server keeps no more properties",
  );
  const some = [...table.current().keys()].length;
  table.removed(name(0));
  table.change(path("again"), () => ({ "{}x": "x" }));
  assertEquals(table.current().size, some);
});
