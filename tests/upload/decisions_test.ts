/** Decisions of uploads without I/O: names, conflicts, checksums, fields, forms. */

import { assert, assertEquals } from "@std/assert";
import { problemOfName } from "../../handlers/sources/new_name.ts";
import { HttpError } from "@x/pyserve";
import { isComplete } from "../../handlers/store/appends.ts";
import { firstFreeNumber, numbered, pathsFor } from "../../handlers/store/conflict.ts";
import { wishOf } from "../../handlers/upload/wish.ts";
import { parseDigests } from "../../handlers/upload/digest.ts";
import { boundaryOf, type FormField, MultipartParser } from "../../handlers/upload/multipart.ts";
import { Outcomes } from "../../handlers/upload/outcomes.ts";
import { Needle } from "../../handlers/upload/needle.ts";
import { uploadFields, uploadId } from "../../handlers/upload/upload_fields.ts";
import { SitePath } from "../../handlers/http/target.ts";
import { bytesOf, joined } from "../support/bytes.ts";

/** The status of a refusal, or null. */
function refusal(decide: () => unknown): number | null {
  try {
    decide();
    return null;
  } catch (error) {
    if (error instanceof HttpError) return error.status;
    throw error;
  }
}

Deno.test("a name for a new file has no separator, no control character, and 255 bytes at most", () => {
  const good = [
    "a",
    "a b",
    "ü".repeat(127),
    "a".repeat(255),
    ".a",
    "...",
    "a:b",
    "nul",
    "-rf",
    "~",
    "%2f",
    "😀",
    " x ",
  ];
  const bad = ["", ".", "..", "a/b", "a\\b", "a\0", "a\n", "a\x7f", "a\x85", "a\u2028", "\ud800", "ü".repeat(128)];
  for (const name of good) assertEquals([name, problemOfName(name, "linux")], [name, null]);
  for (const name of bad) assert(problemOfName(name, "linux") !== null, JSON.stringify(name));
  assert(problemOfName(`.pyserve-${"a".repeat(32)}.part`) !== null);
  for (const name of ["nul", "COM1.txt", "a:b", "a.", "PROGRA~1"]) {
    assertEquals(problemOfName(name, "windows"), "it has a special meaning on Windows");
  }
});

Deno.test("a number goes before the extension, and fits", () => {
  const rows = [
    ["a.txt", "a (1).txt"],
    ["a.tar.gz", "a (1).tar.gz"],
    ["a", "a (1)"],
    [".profile", ".profile (1)"],
    ["a.b c", "a.b c (1)"],
    ["a (1).txt", "a (1) (1).txt"],
    ["a.", "a. (1)"],
    [`${"x".repeat(251)}.txt`, `${"x".repeat(247)} (1).txt`],
    [`${"ü".repeat(125)}.txt`, `${"ü".repeat(123)} (1).txt`],
    ["😀".repeat(63), `${"😀".repeat(62)} (1)`],
  ] as const;
  for (const [name, expected] of rows) assertEquals(numbered(name, 1), expected);
  const path = SitePath.root.child("a.txt")!;
  assertEquals([...pathsFor(path, "rename")].length, 1_000);
  assertEquals([...pathsFor(path, "fail")].map(({ text }) => text), ["/a.txt"]);
});

Deno.test("a free number is found among a thousand names in a few looks", async () => {
  const path = SitePath.root.child("a.txt")!;
  for (const taken of [0, 1, 2, 7, 8, 500, 998, 999]) {
    let looks = 0;
    const first = await firstFreeNumber(path, ({ name }) => {
      looks += 1;
      return Promise.resolve(Number(/\((\d+)\)/.exec(name)![1]) <= taken);
    });
    assertEquals([first, looks < 21], [taken + 1, true], `${looks} looks`);
  }
  assertEquals([...pathsFor(path, "rename", 998)].map(({ name }) => name), ["a.txt", "a (998).txt", "a (999).txt"]);
  assertEquals([...pathsFor(path, "rename", 1_000)].map(({ name }) => name), ["a.txt"]);
});

Deno.test("conditions take precedence over the query, and the query over the server's default", () => {
  const rows: readonly [headers: Record<string, string>, query: string, policy: string, status: number][] = [
    [{}, "", "fail", 409],
    [{}, "on-conflict=rename", "rename", 409],
    [{ "if-none-match": "*" }, "on-conflict=overwrite", "fail", 412],
    [{ overwrite: "F" }, "on-conflict=overwrite", "fail", 412],
    [{ overwrite: "t" }, "", "overwrite", 409],
    [{ "if-match": "*" }, "", "overwrite", 409],
    [{ "if-match": "*" }, "on-conflict=rename", "rename", 409],
    [{ "if-none-match": '"a"' }, "", "fail", 409],
  ];
  for (const [headers, query, policy, status] of rows) {
    assertEquals(wishOf(new Headers(headers), query, "fail"), { policy, status } as ReturnType<typeof wishOf>);
  }
  for (const overwrite of ["F, F", "T, F", "F;x", "false", "", "yes"]) {
    assertEquals([overwrite, refusal(() => wishOf(new Headers({ overwrite }), "", "overwrite"))], [overwrite, 400]);
  }
});

Deno.test("digests are parsed as in RFC 9530", () => {
  const sum = btoa("x".repeat(32));
  assertEquals(parseDigests(null), null);
  assertEquals(parseDigests("md5=:AAAA:"), null);
  assertEquals(parseDigests(`unixsum=:AA==:,sha-256=:${sum}:`)?.map(({ algorithm }) => algorithm), ["sha-256"]);
  for (
    const bad of [
      "",
      "sha-256",
      `sha-256=${sum}`,
      "sha-256=:AA==:",
      "sha-256=:A:",
      `SHA-256=:${sum}:`,
      `sha-256=:${sum}:;`,
      `sha-256=:${sum}:, sha-256=:${sum}:`,
      "md5=:AAAA:, md5=:AAAA:",
    ]
  ) {
    assertEquals([bad, refusal(() => parseDigests(bad))], [bad, 400]);
  }
});

Deno.test("fields of uploads in pieces are numbers, booleans and ids, or refused", () => {
  const fields = (name: string, value: string) => uploadFields(new Headers([[name, value]]));
  assertEquals(fields("Upload-Offset", "12").offset, 12);
  assertEquals(fields("Upload-Complete", "?1").complete, true);
  for (const value of ["-1", "1.5", "0x1", "", "9".repeat(16), "1, 1"]) {
    assertEquals(refusal(() => fields("Upload-Offset", value)), 400);
  }
  assertEquals(refusal(() => fields("Upload-Complete", "1")), 400);
  assertEquals(uploadId("a=1&upload=12345678"), "12345678");
  assertEquals(uploadId("reupload="), null);
  for (
    const query of ["upload=", "upload=short", "upload=a/b/c/d/e", "upload=12345678%00", `upload=${"a".repeat(129)}`]
  ) {
    assertEquals(refusal(() => uploadId(query)), 400);
  }
  assertEquals(isComplete({ complete: null, length: 3 }, 3), true);
  assertEquals(isComplete({ complete: false, length: 3 }, 3), false);
  assertEquals(isComplete({ complete: null, length: null }, 3), false);
});

Deno.test("the boundary of a form is found if it is valid", () => {
  const rows = [
    ["multipart/form-data; boundary=abc", "abc"],
    ['Multipart/Form-Data; charset=utf-8; boundary="a b"', "a b"],
    ["multipart/form-data;boundary=----WebKitFormBoundaryX", "----WebKitFormBoundaryX"],
    [`multipart/form-data; boundary=${"a".repeat(70)}`, "a".repeat(70)],
    [`multipart/form-data; boundary=${"a".repeat(71)}`, null],
    ['multipart/form-data; boundary="a "', null],
    ["multipart/form-data; boundary=", null],
    ["multipart/mixed; boundary=abc", null],
    [null, null],
  ] as const;
  for (const [type, boundary] of rows) assertEquals([type, boundaryOf(type)], [type, boundary]);
});

/** Parses a form that arrives in pieces of these lengths. */
function parsed(bytes: Uint8Array, boundary: string, length: () => number): [FormField, string][] {
  const parser = new MultipartParser(boundary);
  const fields: { field: FormField; content: Uint8Array[] }[] = [];
  for (let at = 0; at < bytes.length;) {
    const piece = bytes.slice(at, at += length());
    for (const event of parser.push(piece)) {
      if (event.kind === "field") fields.push({ field: event.field, content: [] });
      if (event.kind === "data") fields.at(-1)!.content.push(event.bytes.slice());
    }
  }
  if (!parser.isFinished) throw new HttpError(400, "It ends before its end");
  return fields.map(({ field, content }) => [field, new TextDecoder("latin1").decode(joined(content))]);
}

Deno.test("a form is the same however it is split", () => {
  // Text that resembles a delimiter, incomplete ends, empty content.
  const contents = [
    "",
    "x",
    "\r\n",
    "\r\n-",
    "\r\n--",
    "\r\n--bX",
    "\r\n--b-",
    "--b\r\n",
    "\r",
    "\r\n\r\n--b_",
    "-".repeat(99),
  ];
  const names = contents.map((_, index) => `file ${index}`);
  const parts = contents.map((content, index) =>
    `--b \t\r\nContent-Disposition: form-data; name="f"; filename="${names[index]}"\r\nX: y\r\n\r\n${content}\r\n`
  );
  for (const preamble of ["", "to be ignored\r\n"]) {
    const bytes = bytesOf(`${preamble}${parts.join("")}--b--\r\nto be ignored`);
    const expected = contents.map((
      content,
      index,
    ): [FormField, string] => [{ name: "f", filename: names[index]! }, content]);
    for (let size = 1; size < 80; size++) assertEquals(parsed(bytes, "b", () => size), expected);
    const random = () => 1 + Math.floor(Math.random() * 40);
    for (let round = 0; round < 200; round++) assertEquals(parsed(bytes, "b", random), expected);
  }
});

Deno.test("names in a form are read as browsers, curl and others write them", () => {
  const rows: readonly [disposition: string, name: string, filename: string | null][] = [
    ['form-data; name="a"', "a", null],
    ["form-data; name=a; filename=b.txt", "a", "b.txt"],
    ['form-data;name="a";filename="b;c=d.txt"', "a", "b;c=d.txt"],
    ['FORM-DATA; NAME="a"; FILENAME="B"', "a", "B"],
    ['form-data; name="a"; filename="x\\"y"', "a", 'x"y'],
    ['form-data; name="a"; filename="x%22y%0D%0A"', "a", 'x"y\r\n'],
    ['form-data; name="a"; filename="C:\\dir\\b.txt"', "a", "C:\\dir\\b.txt"],
    ['form-data; name="ä"; filename="größe.txt"', "ä", "größe.txt"],
    [`form-data; name="a"; filename="x"; filename*=UTF-8''%e2%82%ac.txt`, "a", "€.txt"],
    ['form-data; name="a"; filename="b";', "a", "b"],
    ['form-data; name="a"; filename="1"; filename="2"', "a", "1"],
    ['form-data; name="a"; filename="x\\\\"; y=z', "a", "x\\\\"],
    ['form-data; name="a" ; filename = "x\\"y; z"', "a", 'x"y; z'],
    [`form-data; name="a"${"; x=y".repeat(31)}`, "a", null],
  ];
  for (const [disposition, name, filename] of rows) {
    const bytes = bytesOf(`--b\r\ncontent-disposition: ${disposition}\r\n\r\n\r\n--b--`);
    assertEquals([disposition, parsed(bytes, "b", () => 1_000)], [disposition, [[{ name, filename }, ""]]]);
  }
});

Deno.test("a malformed form is refused, and takes no more memory than a header", () => {
  const headed = (header: string) => `--b\r\n${header}\r\n\r\nx\r\n--b--`;
  const rows = [
    "",
    "no form at all",
    "--b\r\n",
    "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx",
    "--b\r\nContent-Disposition: form-data; name=a\r\n\r\nx\r\n--b",
    "--b x\r\n\r\n\r\n--b--",
    "--b\r\n\r\nx\r\n--b--",
    headed("X: y"),
    headed("Content-Disposition: form-data"),
    headed("Content-Disposition: attachment; name=a"),
    headed('Content-Disposition: form-data; name="a'),
    headed('Content-Disposition: form-data; name="a"b'),
    headed("Content-Disposition: form-data; name=a; filename*=latin1''x"),
    headed("Content-Disposition: form-data; name=a; filename*=UTF-8''%ff"),
    headed(`Content-Disposition: form-data; name=a; x=${"y".repeat(20_000)}`),
    headed(`Content-Disposition: form-data; name=a${"; x=y".repeat(32)}`),
    headed(`Content-Disposition: form-data; name=a\r\n${"X: y\r\n".repeat(32)}X: y`),
    headed('Content-Disposition: form-data; name="a\\"'),
    headed(`Content-Disposition: form-data; name=a; filename="${"y".repeat(4_097)}"`),
    headed(`Content-Disposition: form-data; name=a; filename="${"ü".repeat(2_049)}"`),
    headed(`Content-Disposition: form-data; name=a; filename*=UTF-8''${"y".repeat(4_097)}`),
    `${"x".repeat(65_537)}\r\n${headed("Content-Disposition: form-data; name=a")}`,
    `${headed("Content-Disposition: form-data; name=a")}${"x".repeat(65_540)}`,
  ];
  for (const text of rows) assertEquals([text, refusal(() => parsed(bytesOf(text), "b", () => 7))], [text, 400]);
  const taken = [
    headed(`Content-Disposition: form-data; name=a; filename="${"ü".repeat(2_048)}"`),
    `${"x".repeat(30_000)}\r\n${headed("Content-Disposition: form-data; name=a")}${"x".repeat(30_000)}`,
  ];
  for (const text of taken) assertEquals(refusal(() => parsed(bytesOf(text), "b", () => 7)), null, text.slice(0, 60));
  const latin = Uint8Array.from(headed('Content-Disposition: form-data; name="\xff"'), (c) => c.charCodeAt(0));
  assertEquals(refusal(() => parsed(latin, "b", () => 100)), 400);
  assertEquals(
    refusal(() =>
      parsed(
        bytesOf(headed("Content-Disposition: form-data; name=a\r\nContent-Transfer-Encoding: base64")),
        "b",
        () => 9,
      )
    ),
    415,
  );
  const endless = new MultipartParser("b");
  const flood = () => {
    for (const _ of endless.push(bytesOf("--b\r\n"))) continue;
    for (let i = 0; i < 100; i++) for (const _ of endless.push(new Uint8Array(1_000).fill(97))) continue;
  };
  assertEquals(refusal(flood), 400);
});

Deno.test("the response to a form counts all files, and lists a limited number", () => {
  const outcomes = new Outcomes();
  const stored = { href: "/", size: 1, etag: '"x"', modified: null, replaced: false };
  for (let i = 0; i < 2_000; i++) outcomes.addStored({ name: "s".repeat(1_000), ...stored });
  assertEquals(outcomes.failure(), null);
  const error = new HttpError(409, "Taken");
  for (let i = 0; i < 1_000; i++) outcomes.addFailure("f".repeat(1_000), error);
  const { files, omitted } = outcomes.toJSON();
  assertEquals(files.length + omitted!, 3_000);
  assert(JSON.stringify(files).length < 400_000 && files.some(({ status }) => status === 409));
  assertEquals(refusal(() => outcomes.addFailure("f", error)), 400);
  outcomes.addEnd("last", new HttpError(507, "Full"));
  const { status, message } = outcomes.failure()!;
  assertEquals([status, message.length < 4_000, outcomes.toJSON().files.at(-1)], [507, true, {
    name: "last",
    status: 507,
    detail: "Full",
  }]);
});

Deno.test("random bytes as a form are refused or accepted, without other errors", () => {
  const words = [
    "--b",
    "\r\n",
    "--",
    "Content-Disposition: form-data; name=a",
    ";",
    '"',
    "filename=",
    "\\",
    "x",
    "\0",
    "\xff",
    ":",
  ];
  for (let round = 0; round < 5_000; round++) {
    const text = Array.from({ length: Math.random() * 12 }, () => words[Math.floor(Math.random() * words.length)]).join(
      "",
    );
    const bytes = Uint8Array.from(`--b\r\n${text}`, (character) => character.charCodeAt(0));
    const status = refusal(() => parsed(bytes, "b", () => 1 + Math.floor(Math.random() * 9)));
    assert(status === null || status === 400 || status === 415, text);
  }
});

Deno.test("a byte sequence is found at every position", () => {
  const random = (length: number) => Uint8Array.from({ length }, () => Math.floor(Math.random() * 3));
  for (let round = 0; round < 2_000; round++) {
    const [haystack, needle] = [random(Math.random() * 60), random(1 + Math.random() * 5)];
    const text = String.fromCharCode(...haystack);
    const from = Math.floor(Math.random() * 4);
    assertEquals(new Needle(needle).indexIn(haystack, from), text.indexOf(String.fromCharCode(...needle), from));
  }
});
