/** Sessions and share links: signed, bounded, and never worth more than they were issued for. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import type { Right } from "../../handlers/core/types.ts";
import { SitePath } from "../../handlers/http/target.ts";
import { Sessions } from "../../handlers/identity/sessions.ts";
import { encodePart, macOf } from "../../handlers/identity/signer.ts";
import { narrowShare, Shares, type ShareTerms } from "../../handlers/identity/shares.ts";

const KEY = new Uint8Array(32).fill(7);
const OTHER_KEY = new Uint8Array(32).fill(8);

function pathOf(...names: string[]): SitePath {
  return names.reduce((path, name) => path.child(name)!, SitePath.root);
}

const TERMS: ShareTerms = { paths: [pathOf("a", "b")], rights: new Set<Right>(["read"]), expires: 1_000 };

Deno.test("a session is valid until it expires, for every process with the key", () => {
  let time = 0;
  const options = { key: KEY, lifetime: 1_000, now: () => time };
  const { text, session } = new Sessions(options).issue({ name: "Zoë, the 2nd", epoch: "e1" });
  const other = new Sessions(options);
  assertEquals(other.verify(text), session);
  assertEquals(other.verify(text), session, "also when it is known");
  assert(/^[\w.-]+$/.test(text), "the value needs no quoting in a cookie");
  for (let round = 0; round < 2; round++) {
    assert(other.belongsTo(session, { name: session.user, epoch: "e1" }));
    assert(!other.belongsTo(session, { name: session.user, epoch: "e2" }));
  }
  time = 1_000;
  assertEquals(other.verify(text), null);
  assertEquals(new Sessions({ ...options, key: OTHER_KEY, now: () => 0 }).verify(text), null);
});

Deno.test("no altered session is accepted", () => {
  const sessions = new Sessions({ key: KEY });
  const { text } = sessions.issue({ name: "ann", epoch: "e" });
  for (let at = 0; at < text.length; at++) {
    for (const other of ["A", "B", ".", ""]) {
      const altered = text.slice(0, at) + other + text.slice(at + 1);
      if (altered !== text) assertEquals(sessions.verify(altered), null, altered);
    }
  }
  for (const text of ["", ".", "..", "a.b", "x".repeat(100_000), `${"x".repeat(3_000)}.y`]) {
    assertEquals(sessions.verify(text), null);
  }
});

Deno.test("a session is no share, and a share no session", () => {
  const { token } = new Shares(KEY, () => 0).make(TERMS, null);
  assertEquals(new Sessions({ key: KEY }).verify(token), null);
  assertEquals(new Shares(KEY).verify(new Sessions({ key: KEY }).issue({ name: "ann", epoch: "" }).text), null);
});

Deno.test("short keys are refused", () => {
  assertThrows(() => new Sessions({ key: new Uint8Array(16) }), RangeError);
  assertThrows(() => new Shares(new Uint8Array(16)), RangeError);
});

Deno.test("a share is bound to paths, rights, expiry and user", () => {
  let time = 0;
  const { id, token } = new Shares(KEY, () => time).make(TERMS, "ann");
  const shares = new Shares(KEY, () => time);
  const share = shares.verify(token)!;
  assertEquals([share.id, share.by, share.expires, [...share.rights]], [id, "ann", 1_000, ["read"]]);
  assertEquals(share.paths.map(({ text }) => text), ["/a/b"]);
  assert(/^[\w.-]+$/.test(token));
  time = 1_000;
  assertEquals(shares.verify(token), null);
  assertEquals(new Shares(OTHER_KEY, () => 0).verify(token), null);
});

Deno.test("no altered share is accepted, nor one with a condition taken away", () => {
  const shares = new Shares(KEY, () => 0);
  const { token } = shares.make(TERMS, "ann");
  const narrow = narrowShare(token, { expires: 10 });
  for (const given of [token, narrow]) {
    for (let at = 0; at < given.length; at++) {
      const altered = given.slice(0, at) + (given[at] === "A" ? "B" : "A") + given.slice(at + 1);
      assertEquals(shares.verify(altered), null);
    }
  }
  const [id, first, second, mac] = narrow.split(".") as [string, string, string, string];
  for (
    const parts of [[id, first, mac], [id, second, mac], [id, second, first, mac], [id, first, second, second, mac], [
      id,
      mac,
    ], [mac]]
  ) {
    assertEquals(shares.verify(parts.join(".")), null);
  }
});

Deno.test("malformed conditions written by a holder make a share invalid", () => {
  const shares = new Shares(KEY, () => 0);
  const { token } = shares.make(TERMS, null);
  const [mac, ...rest] = token.split(".").reverse() as [string, ...string[]];
  const extended = (condition: unknown) => {
    const part = typeof condition === "string" ? condition : encodePart(condition);
    return [...rest.toReversed(), part, macOf(mac, part)].join(".");
  };
  assert(shares.verify(extended({})) !== null);
  for (
    const bad of [null, 3, "", "%", { rights: "read" }, { expires: "9" }, { paths: [3] }, {
      paths: ["/%00"],
    }, {
      paths: ["/a/b?x"],
    }, { paths: "/" }]
  ) {
    assertEquals(shares.verify(extended(bad)), null, JSON.stringify(bad));
  }
  assertThrows(() => narrowShare("a.b", {}), TypeError);
  const many = Array.from({ length: 20 }).reduce<string>((narrower) => narrowShare(narrower, {}), token);
  assertEquals(shares.verify(many), null, "too many conditions");
});

Deno.test("a narrowed share never permits more than what it was made from", () => {
  const shares = new Shares(KEY, () => 0);
  const pick = <T>(all: readonly T[]): T => all[Math.floor(Math.random() * all.length)]!;
  const randomPath = () =>
    pathOf(...Array.from({ length: Math.floor(Math.random() * 4) }, () => pick(["a", "b", "ab"])));
  const randomTerms = (): ShareTerms => ({
    paths: Array.from({ length: 1 + Math.floor(Math.random() * 3) }, randomPath),
    rights: new Set((["read", "create", "change"] as const).filter(() => Math.random() < 0.6)),
    expires: pick([Infinity, 10, 100, 1_000]),
  });
  const covers = ({ paths, rights }: ShareTerms, right: Right, path: SitePath) =>
    rights.has(right) && paths.some((shared) => path.below(shared) !== null);
  for (let round = 0; round < 1_000; round++) {
    const chain = Array.from({ length: 1 + Math.floor(Math.random() * 4) }, randomTerms);
    const [first, ...rest] = chain as [ShareTerms, ...ShareTerms[]];
    const token = rest.reduce((token, terms) => narrowShare(token, terms), shares.make(first, null).token);
    const share = shares.verify(token)!;
    assertEquals(share.expires, Math.min(...chain.map(({ expires }) => expires)));
    for (let check = 0; check < 20; check++) {
      const [path, right] = [randomPath(), pick(["read", "create", "change"] as const)];
      assertEquals(covers(share, right, path), chain.every((terms) => covers(terms, right, path)));
    }
  }
});
