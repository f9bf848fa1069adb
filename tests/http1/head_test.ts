/** The parser of request heads: however the bytes arrive, and whatever they are. */

import { assert, assertEquals } from "@std/assert";
import { type Head, MAX_HEAD_BYTES, parseHead } from "../../handlers/http1/head.ts";
import { Rejection } from "../../handlers/http1/rejection.ts";
import { seeded } from "../support/random.ts";
import { latin1 } from "../support/raw.ts";

function parse(text: string): Head | Rejection | null {
  const bytes = latin1(text);
  return parseHead(bytes, 0, bytes.length);
}

/** What a head is taken for, or why it is rejected, or null if it is not complete. */
function told(text: string): unknown {
  const head = parse(text);
  if (head === null) return null;
  if (head instanceof Rejection) return head.code;
  const { method, target, minor, fields, end } = head;
  return [method, target, minor, Object.fromEntries(fields), text.slice(end)];
}

const ROWS: readonly (readonly [text: string, expected: unknown])[] = [
  ["GET / HTTP/1.1\r\nHost: a\r\n\r\nrest", ["GET", "/", 1, { Host: "a" }, "rest"]],
  ["GET / HTTP/1.0\r\n\r\n", ["GET", "/", 0, {}, ""]],
  ["GET / HTTP/1.9\n\n", ["GET", "/", 9, {}, ""]],
  ["\r\n\n\r\nGET / HTTP/1.1\r\n\r\n", ["GET", "/", 1, {}, ""]],
  ["GET /\xc3\xa4 HTTP/1.1\r\nX: \xe4\r\n\r\n", ["GET", "/\xc3\xa4", 1, { X: "\xe4" }, ""]],
  ["GET / HTTP/1.1\r\nA: \t x \t y \t\r\nB:\r\nC: \r\n\r\n", ["GET", "/", 1, { A: "x \t y", B: "", C: "" }, ""]],
  ["GET / HTTP/1.1\nA: x\r\nB: y\n\r\n", ["GET", "/", 1, { A: "x", B: "y" }, ""]],
  ["GET / HTTP/1.1\r\nCookie: a\r\nX: x\r\ncookie: b\r\n\r\n", ["GET", "/", 1, { Cookie: "a; b", X: "x" }, ""]],
  ["OPTIONS * HTTP/1.1\r\n\r\n", ["OPTIONS", "*", 1, {}, ""]],
  ["", null],
  ["\r\n", null],
  ["GET / HTTP/1.1\r\nA: b\r\n", null],
  ["GET / HTTP/1.1\r\nA: b\r\n\r", null],
  ["GET /", null],
  ["GET /\r\n", "version"],
  ["GET / HTTP/0.9\r\n", "version"],
  ["GET / HTTP/2.0\r\n", "unsupported-version"],
  ["GET / HTTP/1.10\r\n", "request-line"],
  ["GET / HTTP/1\r\n", "request-line"],
  ["GET / http/1.1\r\n", "request-line"],
  ["GET  / HTTP/1.1\r\n", "request-line"],
  ["GET /  HTTP/1.1\r\n", "request-line"],
  ["GET / HTTP/1.1 \r\n", "request-line"],
  [" GET / HTTP/1.1\r\n", "request-line"],
  ["G(T / HTTP/1.1\r\n", "request-line"],
  ["GET /\0 HTTP/1.1\r\n", "request-line"],
  ["GET / HTTP/1.1\r\r\n", "request-line"],
  ["GET x HTTP/1.1\r\n", "target"],
  ["GET /\xff HTTP/1.1\r\n", "target"],
  ["GET / HTTP/1.1\r\nA : b\r\n\r\n", "header-line"],
  ["GET / HTTP/1.1\r\n: b\r\n\r\n", "header-line"],
  ["GET / HTTP/1.1\r\nA\r\n\r\n", "header-line"],
  ["GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", "header-line"],
  ["GET / HTTP/1.1\r\nA: b\rc\r\n\r\n", "header-line"],
  ["GET / HTTP/1.1\r\nA: b\0\r\n\r\n", "header-line"],
  ["GET / HTTP/1.1\r\nA: b\x7f\r\n\r\n", "header-line"],
  [`GET / HTTP/1.1\r\n${"A: b\r\n".repeat(101)}\r\n`, "too-many-headers"],
  [`GET / HTTP/1.1\r\nA: ${"b".repeat(MAX_HEAD_BYTES)}`, "headers-too-long"],
  [`GET / HTTP/1.1\r\nA: ${"b".repeat(MAX_HEAD_BYTES)}\r\n\r\n`, "headers-too-long"],
  [`GET /${"b".repeat(MAX_HEAD_BYTES)}`, "target-too-long"],
  ["\r\n".repeat(200), "request-line"],
];

Deno.test("heads mean what RFC 9112 says", () => {
  for (const [text, expected] of ROWS) assertEquals(told(text), expected, JSON.stringify(text.slice(0, 80)));
});

Deno.test("a head that arrives in pieces is the same, and is not complete before its end", () => {
  for (const [text, expected] of ROWS.filter(([text]) => text.length < 1_000)) {
    const bytes = latin1(text);
    let verdict: Head | Rejection | null = null;
    for (let until = 0; until <= bytes.length && verdict === null; until++) {
      verdict = parseHead(bytes, 0, until, Math.max(0, until - 1));
      if (verdict !== null && !(verdict instanceof Rejection)) assertEquals(verdict.end, until, text);
    }
    const code = verdict instanceof Rejection ? verdict.code : verdict && told(text.slice(0, verdict.end) + "rest");
    const whole = Array.isArray(expected) ? [...expected.slice(0, 4), "rest"] : expected;
    assertEquals(code, whole, JSON.stringify(text));
  }
});

Deno.test("bytes before and after the head do not matter", () => {
  for (const [text, expected] of ROWS) {
    if (!Array.isArray(expected)) continue;
    const bytes = latin1(`\xff\r\n\r\n${text}GET / HTTP/1.1\r\n\r\n`);
    const head = parseHead(bytes, 5, bytes.length);
    assert(head !== null && !(head instanceof Rejection));
    assertEquals([head.method, head.target, head.minor, Object.fromEntries(head.fields)], expected.slice(0, 4));
  }
});

Deno.test("whatever the bytes are, there is a verdict within them", () => {
  const next = seeded(1);
  const alphabet = ["\r\n", "\n", "\r", " ", ":", "GET", "/", "HTTP/1.1", "a", "\0", "\xff", "\t", "\r\n\r\n"];
  for (let round = 0; round < 20_000; round++) {
    const length = Math.floor(next() * 30);
    const text = Array.from({ length }, () => alphabet[Math.floor(next() * alphabet.length)]).join("");
    const head = parse(text);
    if (head === null || head instanceof Rejection) continue;
    assert(head.end <= text.length && /\n\r?\n$/.test(text.slice(0, head.end)), JSON.stringify(text));
    assert(/^[!-~]+$/.test(head.method) && /^[!-~\x80-\xff]+$/.test(head.target));
    // deno-lint-ignore no-control-regex
    for (const [name, value] of head.fields) assert(name !== "" && !/[\0-\x08\x0a-\x1f\x7f]/.test(value));
  }
});

Deno.test("a head that arrives byte by byte takes linear time", () => {
  const bytes = latin1(`GET / HTTP/1.1\r\n${"A: b\r\n".repeat(90)}B: ${"x".repeat(60_000)}`);
  const begin = performance.now();
  for (let until = 1; until <= bytes.length; until++) assertEquals(parseHead(bytes, 0, until, until - 1), null);
  const each = performance.now() - begin;
  // Quadratic, it would look at two thousand million bytes.
  assert(each < 10_000, `${each} ms`);
});
