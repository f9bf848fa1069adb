import { assertEquals } from "@std/assert";
import { naturalOrder } from "../../handlers/serving/natural_order.ts";
import { seeded } from "../support/random.ts";

const collator = new Intl.Collator("en", { numeric: true });

/** The order of two names, in words. */
function shown(a: string, b: string, order: number): string {
  return JSON.stringify([a, b, Math.sign(order)]);
}

Deno.test("names are in ICU's natural order, pair by pair", () => {
  const names = [
    "",
    "0",
    "00",
    "f1",
    "f01",
    "f2",
    "f10",
    "F2",
    "a",
    "A",
    "aB",
    "Ab",
    "a-b",
    "a_b",
    "a b",
    "a.b",
    "e",
    "é",
  ];
  names.push(
    "e\u0301",
    "l\u00b7",
    "l",
    "\u0661",
    "1\u0661",
    "12",
    "a\n",
    "a\x00b",
    "ab",
    "a\u200bb",
    "f".repeat(251),
    "f",
  );
  names.push(`${"1".repeat(249)}2`, `${"1".repeat(249)}3`, "1".repeat(255), "\ud800", "x\ufffd", "ß", "ss", "ﬁ", "fi");
  for (const a of names) {
    for (const b of names) assertEquals(shown(a, b, naturalOrder(a, b)), shown(a, b, collator.compare(a, b)));
  }
});

Deno.test("names of random characters are in ICU's natural order", () => {
  const random = seeded(13);
  const pick = <T>(from: ArrayLike<T>) => from[Math.floor(random() * from.length)]!;
  const ascii = Array.from({ length: 0x7f - 0x20 }, (_, index) => String.fromCharCode(0x20 + index));
  const few = ["0", "1", "01", "9", "a", "A", "b", "-", ".", "_"];
  const odd = [...few, "\u0301", "é", "\u0661", "\n", "\u200d", "日", "ß", "l\u00b7", "\u{1f600}", "\ud800"];
  for (const characters of [ascii, few, odd]) {
    const name = () => Array.from({ length: Math.floor(random() * 7) }, () => pick(characters)).join("");
    for (let round = 0; round < 20_000; round++) {
      const [a, b] = [name(), name()];
      assertEquals(shown(a, b, naturalOrder(a, b)), shown(a, b, collator.compare(a, b)));
    }
  }
});
