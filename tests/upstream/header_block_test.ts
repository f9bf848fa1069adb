/** The header that a program prints. */

import { assert, assertEquals } from "@std/assert";
import { CgiHeaderParser, type ScriptHead } from "../../handlers/upstream/header_block.ts";
import { scriptResponse } from "../../handlers/upstream/reply.ts";
import { Refusal } from "@x/pyserve/http";
import { MAX_HEADER_BLOCK_BYTES } from "../../handlers/upstream/header_block.ts";
import { seeded } from "../support/random.ts";

function bytesOf(text: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** The verdict on text of one character a byte, in pieces of a number of bytes; `rest` is the text after the header. */
function parsed(text: string, size = Infinity): { verdict: ScriptHead | Refusal; rest: string } {
  const bytes = bytesOf(text);
  const parser = new CgiHeaderParser();
  for (let start = 0; start < bytes.length; start += size) {
    const end = Math.min(start + size, bytes.length);
    const verdict = parser.push(bytes.slice(start, end));
    if (verdict instanceof Refusal) return { verdict, rest: "" };
    if (verdict !== null) return { verdict, rest: String.fromCharCode(...verdict.rest, ...bytes.subarray(end)) };
  }
  return { verdict: parser.end(), rest: "" };
}

/** The verdict in words: `200 a=b|c=d [rest]`, `local /x`, or the sentence of a refusal. */
function words(text: string, size = Infinity): string {
  const { verdict, rest } = parsed(text, size);
  if (verdict instanceof Refusal) {
    assertEquals(verdict.status, 502);
    return verdict.reason.replace("The program ", "");
  }
  if (verdict.localRedirect !== null) return `local ${verdict.localRedirect}`;
  const headers = verdict.headers.map(([name, value]) => `${name}=${value}`);
  const length = verdict.contentLength === null ? [] : [`length ${verdict.contentLength}`];
  const dropped = verdict.dropped.map((line) => `dropped ${line}`);
  return `${verdict.status} ${[...headers, ...length, ...dropped].join("|")} [${rest}]`;
}

const TYPE = "Content-Type: text/plain\n";

const BLOCKS: readonly [printed: string, verdict: string, why: string][] = [
  ["Content-Type: text/plain\n\nhello", "200 Content-Type=text/plain [hello]", "LF"],
  ["Content-Type: text/plain\r\n\r\nhello", "200 Content-Type=text/plain [hello]", "CR LF"],
  ["Content-Type: text/plain\n\r\nhello", "200 Content-Type=text/plain [hello]", "LF, then CR LF"],
  ["Content-Type: text/plain\r\n\nhello", "200 Content-Type=text/plain [hello]", "CR LF, then LF"],
  ["Location: http://a/\r\n\n\n", "302 Location=http://a/ [\n]", "the first empty line ends it (lighttpd)"],
  [`${TYPE}\n`, "200 Content-Type=text/plain []", "no body"],
  [`${TYPE}\n\n\r\n`, "200 Content-Type=text/plain [\n\r\n]", "a body of empty lines"],
  ["X-A:b\n\n", "200 X-A=b []", "no blank behind the colon, no Content-Type"],
  ["X-A: \t b \t \n\n", "200 X-A=b []", "blanks around a value"],
  ["X-A:\n\n", "200 X-A= []", "an empty value"],
  ["X-A: b:c\n\n", "200 X-A=b:c []", "a colon in a value"],
  ["X-A: \xa0\xe9\xff\n\n", "200 X-A=\xa0\xe9\xff []", "bytes beyond ASCII stay, U+00A0 is no blank"],
  ["X-A: b\n c\n\td\n\n", "200 X-A=b c d []", "continuation lines are joined"],
  ["X-A:\n b\n\n", "200 X-A=b []", "a value that is all on the next line"],
  [" X-A: b\n\n", "began its header with whitespace", "nothing to continue"],
  ["HTTP/1.1 200 OK\n X-A: b\n\n", "began its header with whitespace", "a status line is not continued"],
  ["<!--: spam\nX-A: b\n\n", "200 X-A=b|dropped <!--: spam []", "Python's cgitb begins so"],
  ["<!--: spam\n spam\nX-A: b\n\n", "200 X-A=b|dropped <!--: spam []", "what it continues goes as well"],
  [
    "X A: b\nX-B : c\n: d\nX-E: f\n\n",
    "200 X-E=f|dropped X A: b|dropped X-B : c|dropped : d []",
    "names that are none",
  ],
  ["a\rX: b\nX-E: f\n\n", "200 X-E=f|dropped a\rX: b []", "a bare CR in a name"],
  ["Set-Cookie: a\nset-cookie: b\n\n", "200 Set-Cookie=a|set-cookie=b []", "repeated names stay repeated"],
  ["X-CGI-Private: a\nx-cgi-b: c\nX-A: b\n\n", "200 X-A=b []", "for the server, RFC 3875 section 6.3.5"],
  ["\nbody", "printed no header before its first empty line", "RFC 3875 section 6.3: at least one"],
  ["\r\nbody", "printed no header before its first empty line", "the same with CR LF"],
  ["<!--: spam\n\n", "printed no header before its first empty line", "only what is no header"],
  ["hello\n\n", "printed a line without a colon in its header: line 1", "garbage"],
  [`${TYPE}oops\n`, "printed a line without a colon in its header: line 2", "known before the block ends"],
  ["\r\r\n", "printed a line without a colon in its header: line 1", "a bare CR is a line of its own"],
  ["X-A: b\rX-B: c\n\n", "printed a control character in the value of a header: line 1", "response splitting"],
  ["X-A: b\r\r\n\n", "printed a control character in the value of a header: line 1", "CR CR LF"],
  ["X-A: b\n c\x01\n\n", "printed a control character in the value of a header: line 2", "in a continuation"],
  ["X-A: b\0\n\n", "printed a control character in the value of a header: line 1", "NUL"],
  ["X-A: b\x7f\n\n", "printed a control character in the value of a header: line 1", "DEL"],
  ["X-A: b\tc\n\n", "200 X-A=b\tc []", "a tab is none of them"],
  ["Status: 404\n\n", "404  []", "Status alone"],
  ["status: 404 Not Here At All\n\n", "404  []", "with a reason"],
  ["Status: 304\n\n", "304  []", "null body"],
  ["Status: 200\nStatus: 200 OK\n\n", "200  []", "twice the same"],
  ["Status: 200\nStatus: 404\n\n", "printed two different statuses", "two that differ"],
  ...["99", "abc", "30", "101", "100 Continue", "600", "999", "20x", "", "-200", "2000", "200OK"].map((status) =>
    [`Status: ${status}\n\n`, "printed a status outside of 200 to 599", `Status ${status}`] as [string, string, string]
  ),
  ["HTTP/1.0 200 OK\r\nX-A: b\r\n\r\nhi", "200 X-A=b [hi]", "a status line in any script (NPH)"],
  ["HTTP/1.1 404 Not Found\n\n", "404  []", "a status line alone"],
  ["HTTP/2 204 \n\n", "204  []", "as curl prints it"],
  ["HTTP/1.1 403\nStatus: 403 Forbidden\n\n", "403  []", "CGI.pm prints both"],
  ["HTTP/1.1 403\nStatus: 200\n\n", "printed two different statuses", "both, and they differ"],
  ["HTTP/1.1 abc\n\n", "printed a status outside of 200 to 599", "a status line without status"],
  ["HTTP/1.1\n\n", "began with an invalid status line", "nor anything else"],
  ["HTTP/1.1 101 Switching Protocols\n\n", "printed a status outside of 200 to 599", "which would hang the connection"],
  ["X-A: b\nHTTP/1.1 200 OK\n\n", "printed a line without a colon in its header: line 2", "only as the first line"],
  [
    "HTTP/1.1 100 Continue\r\nX: y\r\n\r\n".repeat(5) + "HTTP/1.1 200 OK\r\nX-A: b\r\n\r\nhi",
    "200 X-A=b [hi]",
    "interim responses (CVE-2008-2364)",
  ],
  ["HTTP/1.1 103 Early Hints\nLink: x\n\nX-A: b\n\n", "200 X-A=b []", "and what follows may be plain CGI"],
  ["HTTP/1.1 102\n\nhello\n", "printed a line without a colon in its header: line 1", "or garbage"],
  ["Location: /other?q=%20\n\n", "local /other?q=%20", "local redirect"],
  ["location:/\r\n\r\n", "local /", "to the start page"],
  ["Location: /\xc3\xa9\n\n", "local /é", "its bytes are UTF-8"],
  ["Location: /\xe9\n\n", "local /\xe9", "or Latin-1"],
  ["X-CGI-A: b\nLocation: /x\n<!--: y\n\n", "local /x", "what is left out does not count"],
  ["Location: //evil/x\n\n", "302 Location=//evil/x []", "another host is not local"],
  ["Location: x\n\n", "302 Location=x []", "nor is a relative one"],
  ["Location: http://a/b\n\nbye", "302 Location=http://a/b [bye]", "client redirect"],
  [`Location: /x\n${TYPE}\n`, "302 Location=/x|Content-Type=text/plain []", "with anything else it is for the client"],
  ["Location: /x\nContent-Length: 0\n\n", "302 Location=/x|length 0 []", "also with a length"],
  ["Location: /x\nStatus: 303\n\n", "303 Location=/x []", "Status given"],
  ["Status: 200\nLocation: /x\n\n", "200 Location=/x []", "Status 200 given"],
  ["HTTP/1.1 201 Created\nLocation: /x\n\n", "201 Location=/x []", "given in a status line"],
  ["Location: /x\nLocation: /y\n\n", "printed two different location headers", "two that differ"],
  [`Location:\n${TYPE}\n`, "200 Content-Type=text/plain []", "an empty one says nothing"],
  ["Content-Length: 5\n\n", "200 length 5 []", "length"],
  ["Content-Length: 5\ncontent-length: 5\n\n", "200 length 5 []", "twice the same"],
  ["Content-Length: 5\nContent-Length: 6\n\n", "printed two different content-length headers", "two that differ"],
  ...["-1", "5, 5", "0x5", "abc", "", "99999999999999999999"].map((length) =>
    [`Content-Length: ${length}\n\n`, "printed an invalid Content-Length", `a length of ${length}`] as [
      string,
      string,
      string,
    ]
  ),
  ["Transfer-Encoding: chunked\n\n", "printed a Transfer-Encoding, which only the server may set", "smuggling"],
  ["", "ended without any output", "nothing"],
  ["\xff", "ended in the middle of its header", "cut off"],
  ["Content-Type: text/plain\n", "ended in the middle of its header", "no empty line"],
  ["X-A: b\r\n\r", "ended in the middle of its header", "half an empty line"],
];

Deno.test("CgiHeaderParser parses a block, however its bytes are split", async (t) => {
  for (const [printed, verdict, why] of BLOCKS) {
    await t.step(`${JSON.stringify(printed.slice(0, 60))}: ${why}`, () => {
      for (const size of [Infinity, 1, 2, 3, 7]) assertEquals(words(printed, size), verdict, `in pieces of ${size}`);
    });
  }
});

Deno.test("CgiHeaderParser accepts a header of up to 64 KiB", () => {
  const tooLarge = `printed more than ${MAX_HEADER_BLOCK_BYTES} bytes of header without an empty line`;
  const filled = (bytes: number) => `X-A: ${"a".repeat(bytes - 7)}\n\n`;
  for (const size of [Infinity, 1, 4096, 65_536]) {
    assert(words(filled(MAX_HEADER_BLOCK_BYTES) + "rest", size).endsWith(" [rest]"));
    assertEquals(words(filled(MAX_HEADER_BLOCK_BYTES + 1), size), tooLarge);
    assertEquals(words("a".repeat(2_000_000), size === 1 ? 4096 : size), tooLarge);
    assertEquals(words("HTTP/1.1 100 Continue\n\n".repeat(3000), size), tooLarge);
    // Not at the end of the block, which an endless program never reaches.
    assertEquals(words("X-A: b\n".repeat(10_000), size), tooLarge);
  }
});

Deno.test("CgiHeaderParser accepts 10,000 lines, and each becomes a header", () => {
  const { verdict } = parsed("a: b\n".repeat(10_000) + "\n");
  assert(!(verdict instanceof Refusal));
  assertEquals(verdict.headers.length, 10_000);
  assertEquals(scriptResponse(new Request("http://h/"), verdict, null).headers.get("a")?.length, 3 * 10_000 - 2);
});

Deno.test("CgiHeaderParser repeats its verdict", () => {
  const parser = new CgiHeaderParser();
  const head = parser.push(bytesOf("X-A: b\n\nbody"));
  assert(head !== null);
  assertEquals(parser.push(bytesOf("more\n")), head);
  const refused = new CgiHeaderParser();
  const verdict = refused.push(bytesOf("garbage\n"));
  assert(verdict instanceof Refusal);
  assertEquals([refused.push(bytesOf(TYPE)), refused.end()], [verdict, verdict]);
});

Deno.test("CgiHeaderParser gives any bytes the same verdict in any pieces, and one that can be answered", async () => {
  const random = seeded(4);
  const pick = <T>(of: readonly T[]): T => of[Math.floor(random() * of.length)]!;
  const parts = [
    ...[
      "\n",
      "\r\n",
      "\n\n",
      "\r",
      ":",
      " ",
      "\t",
      "a",
      "é",
      "\xff",
      "\0",
      "X-A: b\n",
      "Status: 404\n",
      "Status: 2",
      "\x7f",
    ],
    ...[
      "Location: /x\n",
      "Location: http://a/\r\n",
      "HTTP/1.1 100\n\n",
      "HTTP/1.1 204 \n",
      "Content-Length: 3\n",
      "<!--: x\n",
    ],
    ...["X-CGI-A: b\n", "Transfer-Encoding: chunked\n", "Set-Cookie: a=b\n", TYPE, " folded\n", "Connection: close\n"],
  ];
  let heads = 0;
  for (let round = 0; round < 5000; round++) {
    const text = Array.from({ length: 1 + Math.floor(random() * 8) }, () => pick(parts)).join("") +
      pick(["", "\n\n", "\r\n\r\nbody"]);
    const whole = words(text);
    assertEquals(words(text, 1), whole, JSON.stringify(text));
    assertEquals(words(text, 1 + Math.floor(random() * 9)), whole, JSON.stringify(text));
    const { verdict } = parsed(text);
    if (verdict instanceof Refusal) continue;
    heads++;
    // Neither Headers nor Response throws on accepted input.
    const response = scriptResponse(new Request("http://h/"), verdict, new Blob(["x"]).stream());
    assertEquals(response.status, verdict.status);
    await response.body?.cancel();
  }
  assert(heads > 500, `only ${heads} blocks were good: the parts are badly chosen`);
});
