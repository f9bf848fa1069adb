/** The text of a file of users: parsing and editing. */

import { assert, assertEquals, assertThrows } from "@std/assert";
import { hasUser, withHash, withLine, withoutToken, withoutUser } from "../../handlers/identity/edit_lines.ts";
import { newToken, tokenDigest } from "../../handlers/identity/token_line.ts";
import { LineError, parseUserLines } from "../../handlers/identity/user_lines.ts";
import { nameProblem } from "../../handlers/identity/user_name.ts";
import { USER_RIGHTS } from "../../handlers/identity/user_rights.ts";

const SHA = "{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=";
const BCRYPT = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";
const ARGON = "$argon2id$v=19$m=64,t=1,p=1$c29tZXNhbHQ$KiUpkNXkW0iek3f66642bafVuX6jLM4L5GStYqwn32c";
const DIGEST = "0".repeat(64);
const TOKEN = `$pyserve$rights=read$${DIGEST}`;

const names = (text: string) => [...parseUserLines(text).users.keys()];

Deno.test("the lines of users, in all the forms that editors leave them", () => {
  const rows: readonly [text: string, names: string[]][] = [
    ["", []],
    ["\n\n", []],
    ["# only a comment", []],
    [`ann:${SHA}`, ["ann"]],
    [`ann:${SHA}\n`, ["ann"]],
    [`\uFEFFann:${SHA}\r\nbob:${BCRYPT}\r\n`, ["ann", "bob"]],
    [`  \n\t\n#ann:x\nann:${ARGON} \t\n`, ["ann"]],
    [`ann:${SHA}:Ann Example:more\n`, ["ann"]],
    [`ann@example.org:${SHA}\nJürgen Müller:${SHA}\n李:${SHA}\n$x,y=z:${SHA}`, [
      "ann@example.org",
      "Jürgen Müller",
      "李",
      "$x,y=z",
    ]],
    [`Ann:${SHA}\nann:${SHA}`, ["Ann", "ann"]],
    [`cafe\u0301:${SHA}`, ["caf\u00e9"]],
    [`${"n".repeat(255)}:${SHA}`, ["n".repeat(255)]],
  ];
  for (const [text, expected] of rows) assertEquals(names(text), expected, JSON.stringify(text));
});

Deno.test("a line that cannot be used is refused with its number, and without a hash", () => {
  const rows: readonly [line: string, message: string][] = [
    ["ann", "line 2: it has no colon; a line is NAME:HASH"],
    ["ann:", "line 2: there is no hash after the colon"],
    ["ann:   ", "line 2: there is no hash after the colon"],
    [":" + SHA, "line 2: the name is empty"],
    ["ann:secret", 'line 2: the hash is of an unknown kind; set the password with "pyserve passwd"'],
    ["ann:$6$a$b", 'line 2: the hash is of a kind that is not accepted ($6$); set the password with "pyserve passwd"'],
    [" ann:" + SHA, "line 2: the name begins or ends with a space"],
    ["ann :" + SHA, "line 2: the name begins or ends with a space"],
    ["a\tb:" + SHA, "line 2: the name has invisible characters"],
    ["a\0b:" + SHA, "line 2: the name has invisible characters"],
    ["a\u202eb:" + SHA, "line 2: the name has invisible characters"],
    ["a\u200bb:" + SHA, "line 2: the name has invisible characters"],
    ["a\u2028b:" + SHA, "line 2: the name has invisible characters"],
    ["a\rb:" + SHA, "line 2: the name has invisible characters"],
    ["n".repeat(256) + ":" + SHA, "line 2: the name is longer than 255 bytes"],
    ["é".repeat(128) + ":" + SHA, "line 2: the name is longer than 255 bytes"],
    ["users:" + SHA, "line 2: the name is reserved: in rules it means several users"],
    ["Anyone:" + SHA, "line 2: the name is reserved: in rules it means several users"],
    ["first:" + BCRYPT, 'line 2: the name "first" is already in line 1'],
    ["x".repeat(5000), "line 2: it is longer than 4096 characters; a line is NAME:HASH"],
    ["ann:" + "x".repeat(5000), "line 2: it is longer than 4096 characters; a line is NAME:HASH"],
    ["first/UP:" + TOKEN, 'line 2: the ID of the token after the "/" is malformed'],
    ["first/a/b:" + TOKEN, 'line 2: the ID of the token after the "/" is malformed'],
    ["first/a:" + SHA, "line 2: the token is malformed"],
    [`first/a:$pyserve$rights=read$${DIGEST}0`, "line 2: the token is malformed"],
    [`first/a:$pyserve$rights=$${DIGEST}`, "line 2: the token is malformed"],
    [`first/a:$pyserve$rights=read+write$${DIGEST}`, "line 2: the token has an unknown right"],
    [`first/a:$pyserve$rights=read,until=20269999T000000Z$${DIGEST}`, "line 2: the token has an impossible date"],
    ...["pub", "/a/../b", "/a//b", "/a/", "/%5c", "/%zz", "/%00", "//evil"].map((path) =>
      [`first/a:$pyserve$rights=read,path=${path}$${DIGEST}`, "line 2: the token has a malformed path"] as const
    ) as [string, string][],
  ];
  for (const [line, message] of rows) {
    const error = assertThrows(() => parseUserLines(`first:${SHA}\n${line}\n`), LineError);
    assertEquals(error.message, message, JSON.stringify(line).slice(0, 80));
  }
});

Deno.test("two names that are the same after normalization are the same name", () => {
  assertThrows(() => parseUserLines(`caf\u00e9:${SHA}\n# between\ncafe\u0301:${SHA}`), LineError, "line 3: the name");
  assertThrows(() => parseUserLines(`\u212bke:${SHA}\n\u00c5ke:${SHA}`), LineError, "is already in line 1");
});

Deno.test("weak hashes, tokens without a user and many kinds of hashes are warned of", () => {
  const many = [64, 128, 256].map((m, i) => `u${i}:${ARGON.replace("m=64", `m=${m}`)}`).join("\n");
  assertEquals(parseUserLines(`ann:${ARGON}\n#x\nbob:${SHA}\ncarl:${SHA}\n`).warnings, [
    'line 3: the hash of "bob" and 1 more is weak ({SHA}); set the password again with "pyserve passwd"',
  ]);
  assertEquals(parseUserLines(`gone/abc:${TOKEN}\n`).warnings, [
    'line 1: a token of "gone", which is no user of the file, is ignored',
  ]);
  assertEquals(parseUserLines(`gone/abc:${TOKEN}\n`).tokens.size, 0);
  assertEquals(parseUserLines(`${many}\nann:${BCRYPT}`).warnings, [
    'there are hashes of 4 kinds, which makes every login slow; set passwords again with "pyserve passwd"',
  ]);
});

Deno.test("a token comes back from its line as it was made", () => {
  const grants = [
    { rights: ["read"], path: "/", expires: null },
    { rights: USER_RIGHTS, path: "/team/a, b=c$d:é", expires: Date.UTC(2031, 1, 3, 4, 5, 6) },
  ] as const;
  for (const grant of grants) {
    const { text, id, line } = newToken("ann", grant);
    assert(/^pys_[A-Za-z0-9]{32}$/.test(text) && !line.includes(text));
    const { tokens } = parseUserLines(`ann:${SHA}\n${line}\n`);
    const digest = tokenDigest(text)!;
    assertEquals(tokens.get(digest), { ...grant, id, user: "ann", digest });
  }
  for (const bad of ["", "pys_", "pys_" + "x".repeat(31), "PYS_" + "x".repeat(32), "pys_" + "x".repeat(33)]) {
    assertEquals(tokenDigest(bad), null);
  }
});

/** Numbers that are the same in each run: xorshift32. */
function numbers(seed: number): (below: number) => number {
  return (below) => {
    seed ^= seed << 13;
    seed ^= seed >>> 17;
    seed ^= seed << 5;
    return (seed >>> 0) % below;
  };
}

Deno.test("10,000 random lines: each is read as it was written, or refused with its number", () => {
  const random = numbers(12);
  const pieces = [
    ..."ann:#/$,=@ \t\r\0{}",
    "\u202e",
    "é",
    "e\u0301",
    "\ud83d",
    SHA,
    BCRYPT,
    ARGON,
    TOKEN,
    "$argon2id$v=19$",
    "$2y$",
    "$apr1$",
    "{SHA}",
    "$pyserve$rights=",
    ":",
  ];
  let valid = 0;
  for (let i = 0; i < 10_000; i++) {
    const some = (most: number) => Array.from({ length: random(most) }, () => pieces[random(pieces.length)]).join("");
    const line = random(2) ? some(7) : `${some(3)}:${[SHA, BCRYPT, ARGON, TOKEN][random(4)]}${some(2)}`;
    try {
      const { users, tokens } = parseUserLines(`# first\n${line}`);
      for (const [name, { text }] of users) {
        assertEquals(nameProblem(name), null);
        assert(line.normalize("NFC").startsWith(`${name}:${text}`), JSON.stringify(line));
      }
      valid += users.size;
      assert(users.size + tokens.size === 1 || line.trim() === "" || /^#|\//.test(line), JSON.stringify(line));
    } catch (error) {
      assert(error instanceof LineError && error.message.startsWith("line 2: "), `${JSON.stringify(line)}: ${error}`);
    }
  }
  assert(valid > 500 && valid < 9000, `${valid} valid lines`);
});

Deno.test("a new password changes one line, and nothing else", () => {
  const rows: readonly [before: string, after: string][] = [
    ["", "ann:NEW\n"],
    ["# head", "# head\nann:NEW\n"],
    [`#ann:x\r\nbob:${SHA}\r\n`, `#ann:x\r\nbob:${SHA}\r\nann:NEW\r\n`],
    ["a:1\nann:old\nb:2\n", "a:1\nann:NEW\nb:2\n"],
    ["a:1\nann:old", "a:1\nann:NEW"],
    ["ann:old:Ann: B\r\n\r\n\n", "ann:NEW:Ann: B\r\n\r\n\n"],
    ["\uFEFFann:old\n", "\uFEFFann:NEW\n"],
    ["\uFEFF", "\uFEFFann:NEW\n"],
    ["ann:1\nx\nann:2\nann/id:t\nanna:3\nAnn:4\n", "ann:NEW\nx\nann/id:t\nanna:3\nAnn:4\n"],
    ["garbage\nann\n:\n", "garbage\nann\n:\nann:NEW\n"],
  ];
  for (const [before, after] of rows) assertEquals(withHash(before, "ann", "NEW").text, after, JSON.stringify(before));
  assertEquals(withHash("cafe\u0301:old\n", "caf\u00e9", "NEW").text, "caf\u00e9:NEW\n");
});

Deno.test("a user is removed with the tokens; a token alone", () => {
  const text = "#c\nann:1\nann/x1:t\nbob:2\nbob/x2:t\nanna:3";
  assertEquals(withoutUser(text, "ann"), { text: "#c\nbob:2\nbob/x2:t\nanna:3", count: 2 });
  assertEquals(withoutUser(text, "x1"), { text, count: 0 });
  assertEquals(withoutToken(text, "x2"), { text: "#c\nann:1\nann/x1:t\nbob:2\nanna:3", count: 1 });
  assertEquals([hasUser(text, "ann"), hasUser(text, "an"), hasUser("ann/x:t", "ann")], [true, false, false]);
  assertEquals(withLine("a:1", "b:2"), "a:1\nb:2\n");
});
