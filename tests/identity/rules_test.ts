/** Access rules: who may do what below which prefix. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { type AccessRule, AccessRules, InvalidRule, parseAccessRule } from "../../handlers/identity/rules.ts";
import { parseTarget, SitePath } from "../../handlers/http/target.ts";
import { Refusal } from "../../handlers/http/refusal.ts";

function pathOf(text: string): SitePath {
  const target = parseTarget(encodeURI(text));
  if (target instanceof Refusal) throw new Error(text);
  return target.path;
}

const rulesOf = (...texts: string[]) => new AccessRules(texts.map(parseAccessRule));

Deno.test("rules are parsed", () => {
  const { who, rights, prefix } = parseAccessRule("ann@example.com:read,upload@/a%20b");
  assertEquals(who, { kind: "user", name: "ann@example.com" });
  assertEquals([...rights], ["read", "create"]);
  assertEquals(prefix.text, "/a b");
  assertEquals([...parseAccessRule("users:all").rights], ["read", "create", "change", "run", "share"]);
  assertEquals(parseAccessRule("anyone:none@/x/").prefix.text, "/x");
});

for (
  const [text, message] of [
    ["", "a rule is WHO:RIGHTS"],
    ["ann", "a rule is WHO:RIGHTS"],
    [":read", "a rule is WHO:RIGHTS"],
    ["ann:", '"" is not a right'],
    ["ann:write", '"write" is not a right; the rights are read, upload, delete, run, share, all, or none'],
    ["ann:read,all", '"all" is not a right'],
    ["ann:read,", '"" is not a right'],
    ["ann:toString", '"toString" is not a right'],
    ["ann:read@", "the PATH after @ must start with a slash"],
    ["ann:read@team", "the PATH after @ must start with a slash"],
    ["ann:read@/../x", "PATH is not a path of the site"],
    ["ann:read@/x?y", "PATH is not a path of the site"],
    ["ann:read@/%00", "PATH is not a path of the site"],
  ] as const
) {
  Deno.test(`the rule ${JSON.stringify(text)} is refused`, () => {
    assertThrows(() => parseAccessRule(text), InvalidRule, message);
  });
}

Deno.test("the rules with the longest prefix decide, and only they", () => {
  const rules = rulesOf(
    "anyone:read",
    "users:read,upload@/pub",
    "ann:all@/team",
    "bob:read@/team",
    "anyone:none@/pub/x",
  );
  const [anyone, ann, bob] = [rules.of(null), rules.of("ann"), rules.of("bob")];
  assert(anyone.may("read", pathOf("/a")) && !anyone.may("create", pathOf("/a")));
  assert(!anyone.may("read", pathOf("/team")), "a directory with rules of its own is closed to all others");
  assert(!anyone.may("read", pathOf("/pub/a")) && bob.may("create", pathOf("/pub/a")));
  assert(!ann.may("read", pathOf("/pub/x/y")));
  assert(ann.may("change", pathOf("/team/x")) && bob.may("read", pathOf("/team/x")));
  assert(!bob.may("change", pathOf("/team")));
  assert(anyone.may("read", pathOf("/teams")) && anyone.may("read", pathOf("/tea")), "prefixes cover whole segments");
});

Deno.test("without a rule there is no right", () => {
  assert(!rulesOf().of("ann").may("read", SitePath.root));
  const rules = rulesOf("ann:read@/a/b");
  assert(!rules.of("ann").may("read", pathOf("/a")) && rules.of("ann").may("read", pathOf("/a/b")));
});

Deno.test("prefixes and names are compared in normalization form C", () => {
  const rules = rulesOf("anyone:read", "Zo\u00eb:read@/caf\u00e9");
  assert(!rules.of(null).may("read", SitePath.root.child("cafe\u0301")!));
  assert(rules.of("Zoe\u0308").may("read", SitePath.root.child("cafe\u0301")!));
});

Deno.test("clients share a view exactly if the same rules apply to them", () => {
  const rules = rulesOf("anyone:read", "ann:all@/team");
  assertEquals(["ann", "bob", "eve", null].map((user) => rules.of(user).view), [
    "user ann",
    "users",
    "users",
    "anyone",
  ]);
  assertEquals(rules.of("anyone").view, "users", "a user with the name of a word is no word");
});

Deno.test("divides() tells whether a rule below could decide otherwise", () => {
  const rules = rulesOf("anyone:read", "ann:read@/a/b");
  assertEquals(["/", "/a", "/a/b", "/c"].map((text) => rules.divides(pathOf(text))), [true, true, false, false]);
});

/** The definition, without a tree. */
function model(rules: readonly AccessRule[], user: string | null, right: string, path: SitePath): boolean {
  const covering = rules.filter(({ prefix }) => path.below(prefix) !== null);
  const longest = Math.max(-1, ...covering.map(({ prefix }) => prefix.segments.length));
  return covering.some(({ who, rights, prefix }) => {
    const isMeant = who.kind === "anyone" || (user !== null && (who.kind === "users" || who.name === user));
    return prefix.segments.length === longest && isMeant && (rights as ReadonlySet<string>).has(right);
  });
}

Deno.test("random rules decide as defined", () => {
  const pick = <T>(all: readonly T[]): T => all[Math.floor(Math.random() * all.length)]!;
  const randomPath = () =>
    "/" + Array.from({ length: Math.floor(Math.random() * 4) }, () => pick(["a", "b", "ab"])).join("/");
  for (let round = 0; round < 300; round++) {
    const texts = Array.from({ length: Math.floor(Math.random() * 8) }, () => {
      return `${pick(["anyone", "users", "ann", "bob"])}:${
        pick(["read", "upload,read", "all", "none"])
      }@${randomPath()}`;
    });
    const rules = texts.map(parseAccessRule);
    const compiled = new AccessRules(rules);
    for (let check = 0; check < 30; check++) {
      const [user, right, path] = [
        pick(["ann", "bob", "eve", null]),
        pick(["read", "create"] as const),
        pathOf(randomPath()),
      ];
      assertEquals(
        compiled.of(user).may(right, path),
        model(rules, user, right, path),
        `${texts.join(" ")}: ${user} ${right} ${path.text}`,
      );
    }
  }
});
