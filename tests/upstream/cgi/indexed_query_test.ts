/** Indexed queries (RFC 3875 section 4.4). */

import { assertEquals } from "@std/assert";
import { indexedQueryWords } from "../../../handlers/upstream/cgi/indexed_query.ts";

const QUERIES: readonly [query: string, words: string[], why: string][] = [
  ["", [], "no query"],
  ["3+socket", ["3", "socket"], "words"],
  ["a", ["a"], "one word"],
  ["a%20b+c%2Bd", ["a b", "c+d"], "decoded after they are split"],
  ["a%3Db", ["a=b"], "an encoded = is none"],
  ["%2541", ["%41"], "decoded once"],
  ["%C3%A9", ["é"], "UTF-8"],
  ["/etc/passwd", ["/etc/passwd"], "a slash is an ordinary character"],
  ["a-b", ["a-b"], "a hyphen inside"],
  ["a=b", [], "a form"],
  ["a+b=c", [], "a form"],
  ["=", [], "a form"],
  ["-s", [], "an option (CVE-2012-1823)"],
  ["a+-d", [], "an option behind"],
  ["%2ds", [], "an encoded one"],
  ["-d+allow_url_include%3d1", [], "with an encoded ="],
  ["%20-s", [], "behind a blank (CVE-2012-2311)"],
  ["%0a-s", [], "behind a line end"],
  ["%C2%ADs", [], "a soft hyphen (CVE-2024-4577)"],
  ["%E2%80%93s", [], "a dash"],
  ["%EF%BC%8Ds", [], "a full-width hyphen"],
  ["%", [], "half an escape"],
  ["a+%zz", [], "no escape"],
  ["%FF", [], "not UTF-8"],
  ["a+%00", [], "NUL, which no argument can hold"],
  ["a++b", [], "an empty word is none (RFC 3875 section 4.4)"],
  ["+", [], "two of them"],
];

Deno.test("indexedQueryWords() turns a query without = into arguments", async (t) => {
  for (const [query, words, why] of QUERIES) {
    await t.step(`${query}: ${why}`, () => {
      assertEquals(indexedQueryWords("GET", query), words);
      assertEquals(indexedQueryWords("HEAD", query), words);
      assertEquals(indexedQueryWords("POST", query), []);
    });
  }
});
