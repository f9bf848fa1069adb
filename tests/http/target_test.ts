import { assert, assertEquals } from "@std/assert";
import { locationOf, MAX_TARGET_LENGTH, parseTarget, rawTarget, Refusal, SitePath } from "@x/pyserve";

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
  ["/a#f?x", "/a", "the fragment is cut off first"],
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
];

Deno.test("parseTarget() splits, decodes once and resolves", async (t) => {
  for (const [raw, result, why] of TARGETS) {
    await t.step(`${raw.slice(0, 40)}: ${why}`, () => assertEquals(parsed(raw), result));
  }
});

Deno.test("parseTarget() keeps the query as sent", () => {
  const target = parseTarget("/a?x=%2F&y#z");
  assert(!(target instanceof Refusal));
  assertEquals(target.query, "x=%2F&y");
  assertEquals(target.raw, "/a?x=%2F&y#z");
});

Deno.test("rawTarget() cuts off scheme and authority and nothing else", () => {
  assertEquals(rawTarget("http://h/a/../b"), "/a/../b");
  assertEquals(rawTarget("http://h:1//evil/.."), "//evil/..");
  assertEquals(rawTarget("http://h?q"), "/?q");
  assertEquals(rawTarget("http://h#f"), "/#f");
  assertEquals(rawTarget("http://h"), "/");
  assertEquals(rawTarget("http+unix://%2Ftmp%2Fs/a"), "/a");
});

Deno.test("SitePath takes no name that could lead elsewhere", () => {
  for (const name of ["", ".", "..", "a/b", "a\0b", "/"]) assertEquals(SitePath.root.child(name), null, name);
  assertEquals(SitePath.root.sibling("a"), null);
  assertEquals(SitePath.root.parent, null);
  assertEquals(SitePath.root.child("a")!.sibling("b")!.text, "/b");
});

Deno.test("SitePath.below() ends prefixes at the border of a segment", () => {
  const path = SitePath.root.child("docs")!.child("a")!;
  assertEquals(path.below(SitePath.root.child("docs")!)?.text, "/a");
  assertEquals(path.below(SitePath.root.child("doc")!), null);
  assertEquals(path.below(path.child("b")!), null);
  assertEquals(path.below(SitePath.root), path);
});

Deno.test("locationOf() begins with exactly one slash and holds only what a header may hold", () => {
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
