/** The If header (RFC 4918 section 10.4): its grammar, its bounds, and what it means, against a model. */

import { assert, assertEquals } from "@std/assert";
import { type IfHeader, ifHolds, parseIf, type ResourceStates } from "../../handlers/http/if_header.ts";
import { seeded } from "../support/random.ts";

/** A parsed header as it is written in the tests. */
function written({ lists }: IfHeader): string {
  return lists.map(({ resource, conditions }) => {
    const parts = conditions.map(({ isNegated, kind, value }) => {
      return `${isNegated ? "Not " : ""}${kind === "token" ? `<${value}>` : `[${value}]`}`;
    });
    return `${resource === null ? "" : `<${resource}> `}(${parts.join(" ")})`;
  }).join(" ");
}

Deno.test("the headers of RFC 4918 and of clients are understood, with any blanks", () => {
  const rows: readonly (readonly [header: string, meaning?: string])[] = [
    ["(<urn:uuid:1>)"],
    ['(<urn:uuid:1> ["I am an ETag"]) (["I am another ETag"])'],
    ['(<urn:uuid:1> ["a"]) (["b"])'],
    ["(Not <urn:uuid:1> <urn:uuid:2>)"],
    ["(<urn:uuid:1>) (Not <DAV:no-lock>)"],
    ["<http://example.com/a/> (<urn:uuid:1>)"],
    ['</a> (<urn:uuid:1> [W/"a"]) (["b"]) </c> (["c"])', '</a> (<urn:uuid:1> [W/"a"]) </a> (["b"]) </c> (["c"])'],
    ['(<a:b>["c"])(not["d"])', '(<a:b> ["c"]) (Not ["d"])'],
    ['\t( <a:b>\t[ "c" ] )  ', '(<a:b> ["c"])'],
    ['(["a)b"])', '(["a)b"])'],
  ];
  for (const [header, meaning = header] of rows) {
    const parsed = parseIf(header);
    assertEquals(parsed && written(parsed), meaning);
  }
});

Deno.test("what is not a header of this form is refused as a whole", () => {
  const headers = [
    ...["", " ", "()", "(", ")", "<a:b>", "<a:b> <c:d> (<e:f>)", "(<a:b>", "(<a:b>))", "((<a:b>))", "(<a:b>) <c:d>"],
    ...["(<a:b>) <c:d> (<e:f>)", "(Not)", "(Not Not <a:b>)", "(Not (<a:b>))", "(<>)", "(< >)", "(<a b>)", "([a])"],
    ...['(["a"', '(["a)', "([])", '([""a"])', "(<a:b>), (<c:d>)", "(Notx<a:b>)", "a(<a:b>)", "(<a:b>) x", "(<a<b>)"],
  ];
  for (const header of headers) assertEquals(parseIf(header), null, header);
});

Deno.test("an If header has bounds, and takes linear time", () => {
  const many = (count: number, part: (index: number) => string) =>
    Array.from({ length: count }, (_, i) => part(i)).join("");
  assert(parseIf(many(256, () => "(<a:b>)")));
  assertEquals(parseIf(many(257, () => "(<a:b>)")), null);
  assert(parseIf(many(32, (index) => `</${index}> (<a:b>)`)));
  assertEquals(parseIf(many(33, (index) => `</${index}> (<a:b>)`)), null);
  assert(parseIf(`(<${"a".repeat(8_188)}>)`));
  assertEquals(parseIf(`(<${"a".repeat(8_189)}>)`), null);
  for (const piece of ["(", "<", "[", " ", "(<", '["', "not ", "(not", "(<a:b>", "\t("]) {
    assertEquals(parseIf(piece.repeat(8_192 / piece.length)), null, piece);
  }
});

Deno.test("tokens are submitted wherever they stand, once", () => {
  const header = parseIf('</a> (<urn:1> ["x"]) (Not <urn:2>) </b> (<urn:1>)')!;
  assertEquals(header.tokens, ["urn:1", "urn:2"]);
});

const TOKENS = ["urn:1", "urn:2", "DAV:no-lock"];
const ETAGS = ['"a"', 'W/"b"'];
const RESOURCES = [null, "/x", "http://h/y"];

Deno.test("a header holds if all conditions of one of its lists do, against a model", async () => {
  const random = seeded(16);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  let held = 0;
  for (let round = 0; round < 2_000; round++) {
    const isTagged = random() < 0.5;
    const conditions = () =>
      Array.from({ length: 1 + Math.floor(random() * 3) }, () => {
        return `${random() < 0.3 ? "Not " : ""}${random() < 0.5 ? `<${pick(TOKENS)}>` : `[${pick(ETAGS)}]`}`;
      });
    const lists = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ({
      resource: isTagged ? pick(RESOURCES.slice(1)) : null,
      conditions: conditions(),
    }));
    const has = new Set(
      RESOURCES.flatMap((resource) =>
        [...TOKENS, ...ETAGS].filter(() => random() < 0.5).map((value) => `${resource} ${value}`)
      ),
    );
    const states: ResourceStates = {
      hasToken: (resource, token) => has.has(`${resource} ${token}`),
      hasEtag: (resource, etag) => Promise.resolve(has.has(`${resource} ${etag}`)),
    };
    const expected = lists.some(({ resource, conditions }) =>
      conditions.every((condition) => {
        const value = condition.replace("Not ", "").slice(1, -1);
        return has.has(`${resource} ${value}`) !== condition.startsWith("Not ");
      })
    );
    const text = lists.map(({ resource, conditions }) =>
      `${resource === null ? "" : `<${resource}>`}(${conditions.join(" ")})`
    );
    const header = parseIf(text.join(" "));
    assert(header, text.join(" "));
    assertEquals(await ifHolds(header, states), expected, text.join(" "));
    held += Number(expected);
  }
  assert(held > 500 && held < 1_800, `${held}`);
});

Deno.test("no header breaks the parser, and what it accepts can be written and parsed again", () => {
  const random = seeded(17);
  const pieces = [
    "(",
    ")",
    "<",
    ">",
    "[",
    "]",
    '"',
    "W/",
    "Not ",
    " ",
    "a:b",
    "/x",
    "\t",
    "é",
    "<a:b>",
    '["c"]',
    "(<a:b>)",
  ];
  let accepted = 0;
  for (let round = 0; round < 20_000; round++) {
    const count = 1 + Math.floor(random() * 12);
    const header = Array.from({ length: count }, () => pieces[Math.floor(random() * pieces.length)]).join("");
    const parsed = parseIf(header);
    if (parsed === null) continue;
    accepted += 1;
    assertEquals(parseIf(written(parsed)), parsed, header);
  }
  assert(accepted > 50, `${accepted}`);
});
