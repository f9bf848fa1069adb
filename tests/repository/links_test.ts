/** The stand-ins of links/ behave as documented for the JSR packages; these tests also pass with the real ones. */

import { assert, assertEquals, assertMatch, assertRejects, assertStringIncludes, assertThrows } from "@std/assert";
import { walk } from "@std/fs/walk";
import { accepts } from "@std/http/negotiation";
import { STATUS_TEXT } from "@std/http/status";
import { basename } from "@std/path/basename";
import { SEPARATOR } from "@std/path/constants";
import { dirname } from "@std/path/dirname";
import { join } from "@std/path/join";
import { resolve } from "@std/path/resolve";
import { tempTree } from "../support/tree.ts";

Deno.test("accepts() chooses as in RFC 9110 section 12.5.1", () => {
  const choose = (accept: string | null, ...types: string[]) => {
    return accepts(new Request("http://x", accept === null ? {} : { headers: { accept } }), ...types);
  };
  const types = ["text/html", "application/json", "text/plain"];
  assertEquals(choose(null, ...types), "text/html");
  assertEquals(choose("*/*", ...types), "text/html");
  assertEquals(choose("application/json", ...types), "application/json");
  assertEquals(choose("application/json;q=0.5, text/plain", ...types), "text/plain");
  assertEquals(choose("text/*, application/json;q=0.9", ...types), "text/html");
  assertEquals(choose("text/*;q=0.3, text/plain;q=0.7", ...types), "text/plain");
  assertEquals(choose("text/html;q=0, */*", ...types), "application/json");
  assertEquals(choose("text/plain, text/html", ...types), "text/html");
  assertEquals(choose("*/*, application/json", ...types), "application/json");
  assertEquals(choose("TEXT/PLAIN", ...types), "text/plain");
  assertEquals(choose("text/html;level=1, application/json;q=0.5", ...types), "application/json");
  assertEquals(choose("text/html;q=nonsense, text/plain;q=0.1", ...types), "text/plain");
  assertEquals(choose("*/*;q=0.1, */*;q=0.5", ...types), "text/html");
  assertEquals(choose("", ...types), "text/html");
  assertEquals(choose("image/png", ...types), undefined);
});

Deno.test("STATUS_TEXT has the phrases we send", () => {
  const phrases = [200, 404, 414, 416, 431, 507].map((status) => STATUS_TEXT[status as 200]);
  assertEquals(phrases, [
    "OK",
    "Not Found",
    "URI Too Long",
    "Range Not Satisfiable",
    "Request Header Fields Too Large",
    "Insufficient Storage",
  ]);
});

Deno.test("the functions on paths agree with the platform", () => {
  assertEquals(join("a", "..", "b", "c"), `b${SEPARATOR}c`);
  assertEquals(basename(join("a", "b.txt")), "b.txt");
  assertEquals(dirname(join("a", "b.txt")), "a");
  assertEquals(resolve("a"), join(Deno.cwd(), "a"));
  assertEquals(resolve(Deno.cwd(), "..", "a"), join(dirname(Deno.cwd()), "a"));
});

Deno.test({
  name: "the functions on paths normalize as documented",
  ignore: Deno.build.os === "windows",
  fn() {
    const joined: [paths: [string, ...string[]], result: string][] = [
      [[""], "."],
      [["a", "", "./b/"], "a/b/"],
      [["a/b", "../../.."], ".."],
      [["/", "../a"], "/a"],
      [["a//b", ".", "c"], "a/b/c"],
      [["./"], "./"],
    ];
    for (const [paths, result] of joined) assertEquals(join(...paths), result);
    assertEquals([resolve("/a", "b/", "../c"), resolve("/a", "/b/"), resolve("/")], ["/a/c", "/b", "/"]);
    assertEquals(resolve(""), Deno.cwd());
    assertEquals(["a", "/a", "a/b/", "/", "a//b", ""].map(dirname), [".", "/", "a", "/", "a", "."]);
    assertEquals(["a", "/a.txt", "a/b/", "/", ""].map((path) => basename(path)), ["a", "a.txt", "b", "/", ""]);
    assertEquals([basename("a.txt", ".txt"), basename(".txt", ".txt")], ["a", ".txt"]);
  },
});

Deno.test("walk() finds everything and follows no link", async () => {
  await using tree = await tempTree({ "a/b.txt": "b", "c.txt": "c" });
  if (Deno.build.os !== "windows") await Deno.symlink("a", tree.at("link"));
  const all = async (options = {}) => {
    const entries = await Array.fromAsync(walk(tree.path, options));
    return entries.map((entry) => entry.path.slice(tree.path.length)).sort();
  };
  assertEquals(
    await all({ includeSymlinks: false }),
    ["", "/a", "/a/b.txt", "/c.txt"].map((path) => path.replaceAll("/", SEPARATOR)),
  );
  assertEquals((await all({ includeDirs: false, includeSymlinks: false })).length, 2);
});

Deno.test("assertions fail where they should", async () => {
  assertThrows(() => assert(false), Error);
  assertThrows(() => assertEquals<unknown>({ a: 1 }, { a: "1" }), Error);
  assertThrows(() => assertStringIncludes("abc", "d"), Error);
  assertThrows(() => assertMatch("abc", /d/), Error);
  assertThrows(() => assertThrows(() => {}, Error), Error);
  assertThrows(() =>
    assertThrows(() => {
      throw new TypeError("a");
    }, RangeError), Error);
  await assertRejects(() => assertRejects(() => Promise.resolve(), Error), Error);
});
