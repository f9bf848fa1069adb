/** Logic of the page's script that needs no page. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { formatAgo, formatDuration, formatSize } from "../../handlers/page/script/format.js";
import { isShown, kindOf } from "../../handlers/page/script/kinds.js";
import { marksOf, matcher } from "../../handlers/page/script/match.js";
import { entryOrder, nextOrder, orderOf, ranked, searchWith } from "../../handlers/page/script/order.js";
import { qrCode } from "../../handlers/page/script/qr.js";

function entry(name: string, more: object = {}) {
  const nothing = { href: name, kind: "file" as const, size: 0, modified: 0, link: false, problem: null, rank: 0 };
  return { name, ...nothing, ...more };
}

Deno.test("QR codes of every length are read by an independent decoder", async () => {
  const { default: jsQR } = await import("npm:jsqr@1.4.0");
  const read = jsQR as unknown as (data: Uint8ClampedArray, width: number, height: number) => { data: string } | null;
  const lengths = [1, 14, 15, 26, 27, 42, 62, 84, 106, 122, 152, 180, 213, 251, 287, 331, 412, 666, 1000, 1500];
  for (const length of lengths) {
    const text = `http://192.168.1.5:8000/${"aZ09-_~/%C3".repeat(200)}`.slice(0, length);
    const code = qrCode(text);
    const scale = 4;
    const width = (code.length + 8) * scale;
    const pixels = new Uint8ClampedArray(width * width * 4).fill(255);
    for (let y = 0; y < width; y++) {
      for (let x = 0; x < width; x++) {
        const dark = code[Math.floor(y / scale) - 4]?.[Math.floor(x / scale) - 4] ?? false;
        if (dark) pixels.fill(0, (y * width + x) * 4, (y * width + x) * 4 + 3);
      }
    }
    assertEquals(read(pixels, width, width)?.data, text, `${length} bytes`);
  }
  assertEquals(qrCode("x").length, 21);
  assertThrows(() => qrCode("x".repeat(3000)), RangeError);
});

Deno.test("filters find parts of names, words in any order, and patterns", () => {
  const rows: readonly (readonly [asked: string, yes: readonly string[], no: readonly string[]])[] = [
    ["note", ["Notes.txt", "my NOTE"], ["not", "no te"]],
    ["e a", ["a e", "ea"], ["a"]],
    ["uber", ["Über"], ["ober"]],
    ["*.txt", ["a.txt", ".TXT"], ["a.txt.gz", "txt"]],
    ["a*b*c", ["abc", "a1b2c", "abbcc"], ["acb", "abcd"]],
    ["?.js", ["a.js"], ["ab.js", ".js"]],
    ["a?*", ["ab", "abc"], ["a"]],
    ["*", ["anything", ""], []],
    ["a.c", ["a.c"], ["abc"]],
  ];
  for (const [asked, yes, no] of rows) {
    const test = matcher(asked)!;
    for (const name of yes) assert(test(entry(name)), `${asked} finds ${name}`);
    for (const name of no) assert(!test(entry(name)), `${asked} does not find ${name}`);
  }
  assertEquals(matcher("  "), null);
  // A pattern that would take years with backtracking.
  assert(!matcher(`${"*a".repeat(100)}b`)!(entry("a".repeat(250))));
  assertEquals(marksOf("a Note, noted", "note a"), [[0, 1], [2, 6]]);
  assertEquals(marksOf("İstanbul", "stan"), []); // lower case has another length
});

Deno.test("entries are ordered as the server orders them", () => {
  const entries = [
    entry("f10", { size: 1, modified: 3 }),
    entry("f2", { size: 3, modified: 1 }),
    entry("dir", { kind: "directory", size: null, modified: 2 }),
    entry("F1", { size: 3, modified: null }),
  ];
  ranked(entries);
  const names = (query: string) => entries.toSorted(entryOrder(orderOf(query))).map(({ name }) => name).join(" ");
  assertEquals(names(""), "dir F1 f2 f10");
  assertEquals(names("?sort=name&order=desc"), "dir f10 f2 F1");
  assertEquals(names("?sort=size&order=desc"), "dir F1 f2 f10");
  assertEquals(names("?sort=modified"), "dir F1 f2 f10");
  assertEquals(orderOf("?sort=owner&order=up"), { sort: "name", order: "asc" });
  assertEquals(nextOrder({ sort: "name", order: "asc" }, "size"), { sort: "size", order: "desc" });
  assertEquals(nextOrder({ sort: "size", order: "desc" }, "size"), { sort: "size", order: "asc" });
  assertEquals(searchWith("?x=1&sort=size", { sort: "name", order: "asc" }), "?x=1");
  assertEquals(searchWith("", { sort: "size", order: "desc" }), "?sort=size&order=desc");
});

Deno.test("sizes and times are easy to read", () => {
  assertEquals([0, 999, 1000, 1536, 12_345_678].map(formatSize), ["0 B", "999 B", "0.98 KiB", "1.50 KiB", "11.8 MiB"]);
  const now = Date.UTC(2026, 0, 20);
  const ago = (seconds: number) => formatAgo(now - seconds * 1000, now);
  assertEquals([10, 60, 7200, 86_400, 3 * 86_400].map(ago), [
    "just now",
    "1 minute ago",
    "2 hours ago",
    "yesterday",
    "3 days ago",
  ]);
  assertEquals([0.2, 59, 90, 7300, Infinity].map(formatDuration), ["1 s", "59 s", "2 min", "2 h 2 min", ""]);
});

Deno.test("kinds go by the end of the name, and pages are not shown by a click", () => {
  assertEquals(["a.JPG", "a.tar.gz", "Makefile", "a.b.MD", "none"].map(kindOf), [
    "image",
    "archive",
    "code",
    "markdown",
    "file",
  ]);
  assert(isShown(entry("a.png")) && isShown(entry("a.csv")));
  assert(
    !isShown(entry("a.html")) && !isShown(entry("a.png", { kind: "directory" })) &&
      !isShown(entry("a.png", { href: null })),
  );
});
