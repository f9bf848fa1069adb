/** Patterns of paths: which targets they match, which paths they cover, and that no pattern is slow. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { coveredBy, matchedBy } from "../../handlers/http/path_patterns.ts";
import { parseTarget, type Target } from "../../handlers/http/target.ts";

const target = (text: string) => parseTarget(text) as Target;

const MATCHES: readonly (readonly [pattern: string, matching: readonly string[], others: readonly string[]])[] = [
  ["*.html", ["/a.html", "/docs/b.HTML"], ["/a.htm", "/a.html/", "/a.html/b"]],
  ["index.*", ["/index.html", "/a/index.js"], ["/index", "/"]],
  ["*", ["/", "/a", "/a/b/"], []],
  ["/", ["/"], ["/a", "/a/"]],
  ["/docs", ["/docs", "/Docs"], ["/docs/", "/docs/a", "/docs-old", "/a/docs"]],
  ["/docs/*", ["/docs/", "/docs/a", "/%64ocs/a", "/x/../docs/a", "//docs/./a"], ["/docs", "/docs/a/b"]],
  ["/docs/**", ["/docs/", "/docs/a", "/docs/a/b/"], ["/docs", "/docs-old/a"]],
  ["docs/*.pdf", ["/docs/a.pdf"], ["/x/docs/a.pdf"]],
  ["**/docs/*", ["/docs/a", "/x/y/docs/a"], ["/mydocs/a"]],
  ["**/", ["/", "/a/", "/a/b/"], ["/a", "/a/b"]],
  ["/v?/[ab]*", ["/v1/a", "/vX/bc"], ["/v/a", "/v12/a", "/v1/c"]],
  ["/[{]a}".replace("}", "[}]"), ["/%7Ba%7D"], ["/a"]],
];

Deno.test("a pattern matches names or whole paths, however the path is spelled", () => {
  for (const [pattern, matching, others] of MATCHES) {
    const matches = matchedBy(pattern);
    for (const text of matching) assert(matches(target(text)), `${pattern} should match ${text}`);
    for (const text of others) assert(!matches(target(text)), `${pattern} should not match ${text}`);
  }
});

Deno.test("braces and empty patterns are refused", () => {
  for (const pattern of ["*.{js,css}", "a}", ""]) {
    assertThrows(() => matchedBy(pattern), TypeError, "Cannot use the pattern");
  }
});

Deno.test("a pattern covers what is below what it matches", () => {
  const covers = (patterns: readonly string[], text: string) => coveredBy(patterns)(target(text).path);
  const rows: [patterns: string[], path: string, isCovered: boolean][] = [
    [["/api"], "/api/users/1", true],
    [["/api/"], "/api", true],
    [["/api"], "/apis", false],
    [["/api"], "/x/api", false],
    [["api"], "/x/api/1", true],
    [["/v?/**"], "/v1/users", true],
    [["*.json"], "/data/a.json", true],
    [["*.json"], "/data/a.js", false],
    [[], "/a", false],
  ];
  for (const row of rows) assertEquals(covers(row[0], row[1]), row[2], JSON.stringify(row));
});

Deno.test("a hostile pattern takes time in proportion to its length and that of the path", () => {
  const pattern = `/${"*a".repeat(2_000)}b`;
  assert(!matchedBy(pattern)(target(`/${"a".repeat(2_000)}`)));
});
