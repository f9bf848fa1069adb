/** The HTTP/1 engine: bytes in, verdicts out. */

import { assert, assertEquals } from "@std/assert";
import type { Body } from "../../handlers/http1/body.ts";
import { bodyOf } from "../../handlers/http1/decoder.ts";
import { bodyFraming } from "../../handlers/http1/framing.ts";
import { FieldsParser } from "../../handlers/http1/header_fields.ts";
import { InputBuffer, latin1 as text } from "../../handlers/http1/input_buffer.ts";
import { Rejection } from "../../handlers/http1/rejection.ts";
import { rejectionText } from "../../handlers/python/rejections.ts";
import { MAX_LINE_BYTES, parseRequestLine } from "../../handlers/http1/request_line.ts";
import { latin1 } from "../support/raw.ts";
import { seeded } from "../support/random.ts";

/** The result of bytes that arrive in pieces: the requests in them, and how it ended. */
function read(pieces: Iterable<Uint8Array>): string[] {
  const input = new InputBuffer();
  const seen: string[] = [];
  const reader = requests(input, seen);
  let state = reader.next();
  for (const piece of pieces) {
    if (state.done) break;
    input.append(piece);
    state = reader.next();
  }
  return [...seen, state.done ? state.value : "more"];
}

/** Reads requests one after the other, as the classes do; waits at each yield for more bytes. */
function* requests(input: InputBuffer, seen: string[]): Generator<void, string> {
  for (;;) {
    let line: Uint8Array | null;
    while ((line = input.takeLine(MAX_LINE_BYTES + 1)) === null) yield;
    if (line.length > MAX_LINE_BYTES) return "414";
    const request = parseRequestLine(text(line).replace(/[\r\n]+$/, ""), "HTTP/0.9");
    if (request === null) continue;
    if (request instanceof Rejection) return rejected(request);
    const fields = new FieldsParser();
    let state: ReturnType<FieldsParser["parse"]>;
    while ((state = fields.parse(input)) === "more") yield;
    if (state instanceof Rejection) return rejected(state);
    const framing = bodyFraming(fields.fields, request.number);
    if (framing instanceof Rejection) return rejected(framing);
    const body = yield* content(bodyOf(framing), input);
    if (body instanceof Rejection) return rejected(body);
    seen.push(JSON.stringify([request.command, request.path, request.version, fields.fields, body]));
  }
}

function* content(body: Body, input: InputBuffer): Generator<void, string | Rejection> {
  let all = "";
  for (;;) {
    const piece = body.take(input, 7);
    if (piece instanceof Rejection) return piece;
    if (piece !== null) all += text(piece);
    else if (body.ended) return all;
    else yield;
  }
}

function rejected(rejection: Rejection): string {
  return `${rejection.status} ${rejectionText(rejection).message}`;
}

const CORPUS = [
  "GET / HTTP/1.1\r\nHost: a\r\n\r\n",
  "POST /x HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhelloGET /y HTTP/1.0\r\n\r\n",
  'POST /x HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;a="b"\r\nabc\r\n0A\r\n0123456789\r\n0\r\nX: y\r\n\r\nGET /y HTTP/1.1\r\n\r\n',
  "GET /a\t b HTTP/1.1\nA: 1\n b\nC:2\n\n",
  "PUT /x HTTP/1.1\r\nContent-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
  "GET //a/b HTTP/1.1\r\nX: \xff\x80\r\nEmpty:\r\n\r\n\r\n\r\nGET /z HTTP/1.1\r\n\r\n",
];

const PIECES = [
  "\r",
  "\n",
  "\r\n",
  ":",
  " ",
  "\0",
  "0",
  "chunked",
  "Content-Length: 7\r\n",
  "HTTP/1.1",
  ";",
  ",",
  "\xff",
  "\t",
];

function mutated(original: string, next: () => number): string {
  let result = original;
  for (let edits = 1 + Math.floor(next() * 4); edits > 0; edits--) {
    const at = Math.floor(next() * (result.length + 1));
    const removed = Math.floor(next() * 4);
    const added = next() < 0.5
      ? PIECES[Math.floor(next() * PIECES.length)]!
      : String.fromCharCode(Math.floor(next() * 256));
    result = result.slice(0, at) + (next() < 0.3 ? "" : added) + result.slice(at + removed);
  }
  return result;
}

function* split(bytes: Uint8Array, next: () => number): Iterable<Uint8Array> {
  for (let at = 0; at < bytes.length;) {
    const size = 1 + Math.floor(next() * 40);
    yield bytes.subarray(at, at + size);
    at += size;
  }
}

Deno.test("the engine gives the same result wherever the bytes are split", () => {
  for (const sent of CORPUS) {
    const bytes = latin1(sent);
    const whole = read([bytes]);
    for (let at = 0; at <= bytes.length; at++) assertEquals(read([bytes.subarray(0, at), bytes.subarray(at)]), whole);
    assertEquals(read(Array.from(bytes, (byte) => Uint8Array.of(byte))), whole);
  }
});

Deno.test("no bytes make the engine throw, and it gives the same result wherever they are split", () => {
  const next = seeded(20_261_122);
  const verdicts = new Set<string>();
  for (let round = 0; round < 20_000; round++) {
    const sent = mutated(CORPUS[Math.floor(next() * CORPUS.length)]!, next);
    const bytes = latin1(sent);
    const whole = read([bytes]);
    assertEquals(read(split(bytes, next)), whole, JSON.stringify(sent));
    verdicts.add(whole.at(-1)!.slice(0, 20));
  }
  // A generator that only ever makes nonsense tests one line of code.
  for (
    const verdict of [
      "more",
      "400 Bad chunk size",
      "400 Bad header line ",
      "400 Bad request vers",
      "400 Bad Content-Lengt",
    ]
  ) {
    assert(verdicts.has(verdict.slice(0, 20)), verdict);
  }
});

Deno.test("a body is read to its end, and the bytes after it are kept", () => {
  for (const framed of ["3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", "abcde"]) {
    const input = new InputBuffer();
    input.append(latin1(`${framed}GET /next`));
    const body = bodyOf(framed === "abcde" ? { kind: "length", length: 5 } : { kind: "chunked" });
    assertEquals(content(body, input).next(), { done: true, value: "abcde" });
    assertEquals(text(input.take(100)), "GET /next");
  }
});

Deno.test("a line is read with its end, or up to the limit", () => {
  const input = new InputBuffer();
  input.append(latin1("ab"));
  assertEquals(input.takeLine(5), null);
  input.append(latin1("c\ndefghij"));
  assertEquals(text(input.takeLine(5)!), "abc\n");
  assertEquals(text(input.takeLine(5)!), "defgh");
  assertEquals(input.takeLine(5), null);
  assertEquals(input.length, 2);
});

Deno.test("the buffer keeps its bytes in order while it grows and is emptied", () => {
  const next = seeded(7);
  const input = new InputBuffer();
  let sent = 0;
  let taken = 0;
  for (let round = 0; round < 2_000; round++) {
    const chunk = Uint8Array.from({ length: Math.floor(next() * 3_000) }, () => sent++ % 251);
    input.append(chunk);
    for (const byte of input.take(Math.floor(next() * 3_000))) assertEquals(byte, taken++ % 251);
    assertEquals(input.length, sent - taken);
  }
});

/** Framings that two readers could interpret differently. */
const FRAMINGS: readonly (readonly [headers: string, verdict: string, version?: string])[] = [
  ["Content-Length: 3", "xyz"],
  ["Content-Length: 3\r\nContent-Length: 3", "400 Several Content-Length headers"],
  ["Content-Length: 3\r\nContent-Length: 4", "400 Several Content-Length headers"],
  ["Content-Length: 3, 3", "400 Bad Content-Length ('3, 3')"],
  ["Content-Length: abc", "400 Bad Content-Length ('abc')"],
  ["Content-Length: -1", "400 Bad Content-Length ('-1')"],
  ["Content-Length: +3", "400 Bad Content-Length ('+3')"],
  ["Content-Length: 0x3", "400 Bad Content-Length ('0x3')"],
  ["Content-Length:", "400 Bad Content-Length ('')"],
  ["Content-Length: 99999999999999999999", "400 Bad Content-Length ('99999999999999999999')"],
  ["Content-Length : 3", "400 Bad header line ('Content-Length : 3')"],
  ["Content-Length: 3\r\nTransfer-Encoding: chunked", "400 Content-Length beside Transfer-Encoding"],
  ["Transfer-Encoding: chunked", "400 Bad chunk size"],
  ["Transfer-Encoding: chunked", "400 Transfer-Encoding in an HTTP/1.0 request", "HTTP/1.0"],
  ["Transfer-Encoding: gzip", "400 Bad Transfer-Encoding ('gzip')"],
  ["Transfer-Encoding: chunked, gzip", "400 Bad Transfer-Encoding ('chunked, gzip')"],
  ["Transfer-Encoding: chunked, chunked", "400 Bad Transfer-Encoding ('chunked, chunked')"],
  ["Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked", "501 The only supported transfer coding is chunked"],
  ["Transfer-Encoding: \x0bchunked", "400 Bad Transfer-Encoding ('\\x0bchunked')"],
  ["Transfer-Encoding: xchunked", "400 Bad Transfer-Encoding ('xchunked')"],
  ["Host: a\r\nHost: a", "400 Several Host headers"],
  ["X: a\rTransfer-Encoding: chunked", "400 Bad header line ('X: a\\rTransfer-Encoding: chunked')"],
  ["X: a\0b", "400 Bad header line ('X: a\\x00b')"],
  ["X", "400 Bad header line ('X')"],
  [": x", "400 Bad header line (': x')"],
  [" X: a", "400 Bad header line (' X: a')"],
  ["X\xe4: a", "400 Bad header line ('Xä: a')"],
];

for (const [headers, verdict, version = "HTTP/1.1"] of FRAMINGS) {
  Deno.test(`framing ${JSON.stringify(headers)} over ${version} is ${verdict}`, () => {
    const seen = read([latin1(`POST / ${version}\r\n${headers}\r\n\r\nxyz\r\nwxyz\r\n`)]);
    assertEquals(verdict === "xyz" ? JSON.parse(seen[0]!)[4] : seen[0], verdict);
  });
}

/** Malformed chunks. */
const CHUNKS: readonly (readonly [sent: string, result: string])[] = [
  ["3\r\nabc\r\n0\r\n\r\n", "abc"],
  ["0003 ;x=y\r\nabc\r\n000\r\nTrailer: x\r\n\r\n", "abc"],
  ["3\nabc\r\n0\r\n\r\n", "400 Bad chunk size"],
  ["3\r\nabcd\r\n0\r\n\r\n", "400 Bad chunk: its data is longer than its size"],
  ["3\r\nabc\n0\r\n\r\n", "400 Bad chunk: its data is longer than its size"],
  ["-3\r\nabc\r\n0\r\n\r\n", "400 Bad chunk size"],
  ["0x3\r\nabc\r\n0\r\n\r\n", "400 Bad chunk size"],
  ["\r\nabc\r\n0\r\n\r\n", "400 Bad chunk size"],
  ["3 3\r\nabc\r\n0\r\n\r\n", "400 Bad chunk size"],
  ["3;a\0b\r\nabc\r\n0\r\n\r\n", "400 Bad chunk size"],
  ["ffffffffffffff\r\nabc\r\n0\r\n\r\n", "400 Bad chunk size"],
  [`3;${"x".repeat(5_000)}\r\nabc\r\n0\r\n\r\n`, "400 Bad chunk size"],
  [`1;${"x".repeat(1_000)}\r\na\r\n`.repeat(20), "400 Bad chunk size"],
  ["0\r\nbad trailer\r\n\r\n", "400 Bad header line ('bad trailer')"],
];

for (const [sent, result] of CHUNKS) {
  Deno.test(`the chunks ${JSON.stringify(sent.slice(0, 40))} are ${result}`, () => {
    const seen = read([latin1(`POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${sent}`)]);
    assertEquals(result === "abc" ? JSON.parse(seen[0]!)[4] : seen[0], result);
  });
}

Deno.test("the headers of a request take no more memory than they may", () => {
  const line = `X: ${"x".repeat(60_000)}\r\n`;
  assertEquals(read([latin1(`GET / HTTP/1.1\r\n${line.repeat(4)}\r\n`)]).length, 2);
  assertEquals(read([latin1(`GET / HTTP/1.1\r\n${line.repeat(5)}\r\n`)])[0], "431 Line too long");
});
