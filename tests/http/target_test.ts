/** Request targets and paths: parsing, decoding, normalising. */

import { assert, assertEquals } from "@std/assert";
import { MAX_DEPTH, MAX_TARGET_LENGTH, pathSegments, targetBeforeEncodedSlash } from "../../handlers/http/target.ts";
import { locationOf, parseTarget, rawTarget, Refusal, SitePath } from "@x/pyserve/http";

/** What a target parses to: the decoded path (with `/` at the end for a directory), or the status it is refused with. */
function parsed(raw: string): string | number {
  const target = parseTarget(raw);
  if (target instanceof Refusal) return target.status;
  return target.path.text + (target.slash && target.path.segments.length > 0 ? "/" : "");
}

const TARGETS: readonly [raw: string, result: string | number, why: string][] = [
  ["/", "/", "the root"],
  ["/a.txt", "/a.txt", "plain"],
  ["/a%2Etxt", "/a.txt", "an escape that need not be one"],
  ["/a/./b", "/a/b", "a dot"],
  ["/a/../b", "/b", "two dots"],
  ["/a/%2e%2E/b", "/b", "two dots in escapes"],
  ["/a/..", "/", "two dots at the end name a directory"],
  ["/a/b/..", "/a/", "two dots at the end name a directory"],
  ["/a/.", "/a/", "a dot at the end names a directory"],
  ["//a//b///", "/a/b/", "empty segments"],
  ["/a?x=1", "/a", "the query is cut off"],
  ["/a#f?x", 400, "a fragment is not sent (RFC 9112 section 3.2)"],
  ["/a?x#f", 400, "nor behind a query"],
  ["/#", 400, "nor an empty one"],
  ["/a%3Fx", "/a?x", "an encoded question mark is part of the name"],
  ["/a%23x", "/a#x", "an encoded hash is part of the name"],
  ["/a%2541", "/a%41", "decoded once, not twice"],
  ["/sp+ace", "/sp+ace", "plus is plus"],
  ["/a;v=1", "/a;v=1", "parameters are part of the name"],
  ["/a\\b", "/a\\b", "a backslash is an ordinary character"],
  ["/%5Cevil", "/\\evil", "an encoded one too"],
  ["/.../x", "/.../x", "three dots are a name"],
  ["/ .txt", "/ .txt", "nothing is trimmed"],
  ["/%E4%BD%A0", "/你", "UTF-8"],
  ["/你", "/你", "raw UTF-8, which Deno has decoded"],
  ["/\xc3\xa9", "/\xc3\xa9", "and which must not be decoded again"],
  ["/%ef%bb%bfa", "/\ufeffa", "a byte order mark is part of the name"],
  ["/%EF%BC%8E%EF%BC%8E/a", "/．．/a", "full-width dots are no dots"],
  ["/..", 404, "above the root"],
  ["/a/../../b", 404, "above the root on the way"],
  ["/%2e%2e/b", 404, "above the root in escapes"],
  ["/a%2Fb", 404, "an encoded slash is in no name"],
  ["/..%2f..%2fetc", 404, "an encoded slash is in no name"],
  ["/a%00", 400, "NUL"],
  ["/%", 400, "half an escape"],
  ["/%a", 400, "half an escape"],
  ["/%zz", 400, "no hexadecimal digits"],
  ["/%+1", 400, "no hexadecimal digits"],
  ["/%E9", 400, "Latin-1"],
  ["/%C0%AE", 400, "an overlong dot"],
  ["/%ED%A0%80", 400, "half a surrogate pair"],
  ["/" + "a".repeat(MAX_TARGET_LENGTH), 414, "too long"],
  ["/x".repeat(MAX_DEPTH), "/x".repeat(MAX_DEPTH), "as deep as a path may be"],
  ["/x".repeat(MAX_DEPTH) + "//./", "/x".repeat(MAX_DEPTH) + "/", "what names nothing adds no depth"],
  ["/x".repeat(MAX_DEPTH + 1), 404, "too deep"],
  ["/x".repeat(8_190), 404, "far too deep"],
  ["/x".repeat(MAX_DEPTH + 1) + "/..", 404, "too deep on the way"],
  ["/x/..".repeat(3_000), "/", "never deep"],
];

Deno.test("parseTarget() splits, decodes once and resolves", async (t) => {
  for (const [raw, result, why] of TARGETS) {
    await t.step(`${raw.slice(0, 40)}: ${why}`, () => assertEquals(parsed(raw), result));
  }
});

Deno.test("parseTarget() keeps the query as sent", () => {
  const target = parseTarget("/a?x=%2F&y%23z");
  assert(!(target instanceof Refusal));
  assertEquals(target.query, "x=%2F&y%23z");
  assertEquals(target.raw, "/a?x=%2F&y%23z");
});

Deno.test("rawTarget() cuts off scheme and authority and nothing else", () => {
  assertEquals(rawTarget("http://h/a/../b"), "/a/../b");
  assertEquals(rawTarget("http://h:1//evil/.."), "//evil/..");
  assertEquals(rawTarget("http://h?q"), "/?q");
  assertEquals(rawTarget("http://h#f"), "/#f");
  assertEquals(rawTarget("http://h"), "/");
  assertEquals(rawTarget("http+unix://%2Ftmp%2Fs/a"), "/a");
});

Deno.test("SitePath accepts no name that could lead elsewhere", () => {
  for (const name of ["", ".", "..", "a/b", "a\0b", "/"]) assertEquals(SitePath.root.child(name), null, name);
  assertEquals(SitePath.root.sibling("a"), null);
  assertEquals(SitePath.root.parent, null);
  assertEquals(SitePath.root.child("a")!.sibling("b")!.text, "/b");
});

Deno.test("SitePath.below() matches prefixes of whole segments", () => {
  const path = SitePath.root.child("docs")!.child("a")!;
  assertEquals(path.below(SitePath.root.child("docs")!)?.text, "/a");
  assertEquals(path.below(SitePath.root.child("doc")!), null);
  assertEquals(path.below(path.child("b")!), null);
  assertEquals(path.below(SitePath.root), path);
});

Deno.test("locationOf() begins with exactly one slash and contains only valid header characters", () => {
  const of = (raw: string) => {
    const target = parseTarget(raw);
    assert(!(target instanceof Refusal));
    return locationOf(target.path, { slash: true, query: target.query });
  };
  assertEquals(of("//evil.com/a"), "/evil.com/a/");
  assertEquals(of("/\\evil.com"), "/%5Cevil.com/");
  assertEquals(of("/%5c%5cevil.com/%252e"), "/%5C%5Cevil.com/%252e/");
  assertEquals(of("/a%0d%0ab?x=\r\n\xe9<"), "/a%0D%0Ab/?x=%0D%0A%C3%A9%3C");
  assertEquals(of("/a?"), "/a/");
  assertEquals(of("/"), "/");
});

/** What CPython's url_collapse_path makes of a target (Lib/test/test_httpservers.py); null where it raises. */
const COLLAPSED: readonly [target: string, path: string | null][] = [
  ["", "//"],
  ["..", null],
  ["/.//..", null],
  ["/", "//"],
  ["//", "//"],
  ["/\\", "//\\"],
  ["/.//", "//"],
  ["cgi-bin/file1.py", "/cgi-bin/file1.py"],
  ["/cgi-bin/file1.py", "/cgi-bin/file1.py"],
  ["a", "//a"],
  ["/a", "//a"],
  ["//a", "//a"],
  ["./a", "//a"],
  ["./C:/", "/C:/"],
  ["/a/b", "/a/b"],
  ["/a/b/", "/a/b/"],
  ["/a/b/.", "/a/b/"],
  ["/a/b/c/..", "/a/b/"],
  ["/a/b/c/../d", "/a/b/d"],
  ["/a/b/c/../d/e/../f", "/a/b/d/f"],
  ["/a/b/c/../d/e/../../f", "/a/b/f"],
  ["/a/b/c/../d/e/.././././..//f", "/a/b/f"],
  ["../a/b/c/../d/e/.././././..//f", null],
  ["/a/b/c/../d/e/../../../f", "/a/f"],
  ["/a/b/c/../d/e/../../../../f", "//f"],
  ["/a/b/c/../d/e/../../../../../f", null],
  ["/a/b/c/../d/e/../../../../f/..", "//"],
  ["/a/b/c/../d/e/../../../../f/../.", "//"],
];

Deno.test("pathSegments() collapses paths as CPython does", () => {
  for (const [target, path] of COLLAPSED) {
    // The runtime takes no target without a slash in front.
    const segments = pathSegments(target.startsWith("/") ? target : `/${target}`);
    if (path === null) {
      assert(segments instanceof Refusal && segments.status === 404, target);
      continue;
    }
    assert(!(segments instanceof Refusal), target);
    const names = segments.filter((segment) => segment !== "");
    const slash = segments.at(-1) === "" && names.length > 0 ? "/" : "";
    assertEquals("/" + names.join("/") + slash, path.replace(/^\/\//, "/"), target);
  }
});

Deno.test("pathSegments() agrees with parseTarget() about every path", () => {
  const parts = [
    "/",
    "//",
    ".",
    "..",
    "a",
    "b",
    "%2e",
    "%2F",
    "%2f..",
    "%00",
    "%",
    "é",
    "%C3%A9",
    "\\",
    "?",
    "#",
    "%5C",
  ];
  let random = 7;
  for (let round = 0; round < 20_000; round++) {
    let raw = "/";
    for (let length = 1 + round % 9; length > 0; length--) {
      random = (random * 1103515245 + 12345) & 0x7fffffff;
      raw += parts[(random >> 8) % parts.length]! + (random & 0x10000 ? "/" : "");
    }
    const target = parseTarget(raw);
    const segments = pathSegments(raw);
    const before = targetBeforeEncodedSlash(raw);
    if (target instanceof Refusal) {
      // The one verdict that it does not share is on encoded slashes.
      if (target.reason.includes("encoded slash")) continue;
      assert(segments instanceof Refusal, raw);
      assertEquals([segments.status, before], [target.status, null], raw);
      continue;
    }
    assert(!(segments instanceof Refusal), raw);
    assertEquals(before, null, raw);
    assertEquals(segments.filter((segment) => segment !== ""), target.path.segments, raw);
    assertEquals(segments.at(-1) === "", target.slash, raw);
  }
});

const SEGMENTS: readonly [raw: string, segments: string[] | number, before: string | null][] = [
  ["/a/b", ["a", "b"], null],
  ["/a//b/", ["a", "", "b", ""], null],
  ["/a/%2F/b?q=%2F", ["a", "/", "b"], "/a"],
  ["/a%2Fb", ["a/b"], "/"],
  ["//a//b%2f/c", ["", "a", "", "b/", "c"], "/a"],
  ["/a%2Fb/../c", ["c"], null],
  ["/a/..%2Fb", 404, null],
  ["/a%2F.", 404, null],
  ["/a%2F../b", 404, null],
  ["/a%2Fb%2F.%2Fc", 404, null],
  ["/a%2F..b", ["a/..b"], "/"],
  ["/a%2F...", ["a/..."], "/"],
  ["/a%2Fb/%00", 400, null],
  ["/a%2Fb/../..", 404, null],
  ["/" + "%2F".repeat(MAX_TARGET_LENGTH), 414, null],
  ["/a/.." + "/x/..".repeat(MAX_DEPTH) + "/b%2F", ["b/"], "/"],
  ["/x".repeat(MAX_DEPTH) + "/a%2Fb", 404, null],
  ["/a%2Fb" + "/x".repeat(MAX_DEPTH), 404, null],
];

Deno.test("pathSegments() keeps empty segments and encoded slashes, targetBeforeEncodedSlash() the part before", () => {
  for (const [raw, expected, before] of SEGMENTS) {
    const segments = pathSegments(raw);
    assertEquals(segments instanceof Refusal ? segments.status : segments, expected, raw.slice(0, 40));
    const target = targetBeforeEncodedSlash(raw);
    assertEquals(target && target.path.text, before, raw.slice(0, 40));
  }
  assertEquals(targetBeforeEncodedSlash("/a%2Fb?q=%2F")?.query, "q=%2F");
  assertEquals(targetBeforeEncodedSlash("/a%2Fb?q=%2F#f"), null);
});
