/** Scripts of connections: what clients send, in which pieces, and how they end. Made from a seed. */

import { latin1 } from "../../support/raw.ts";
import { seeded } from "../../support/random.ts";

/** Random numbers of a seed. */
export class Random {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = seeded(seed);
  }

  /** A whole number from 0 on, below another. */
  below(most: number): number {
    return Math.floor(this.#next() * most);
  }

  of<T>(list: readonly T[]): T {
    return list[this.below(list.length)]!;
  }
}

/** What a client does. */
export interface Script {
  /** The bytes, as sent: a pause between each two. */
  readonly pieces: readonly Uint8Array<ArrayBuffer>[];
  /** Whether the client ends its side after the last piece, leaves after one of them, or waits for the end. */
  readonly end: "wait" | "half" | { readonly leave: number };
  /** Whether all requests are valid, so that every server has to give the same responses. */
  readonly isValid: boolean;
  /** The methods of the requests, if they are valid. */
  readonly methods: readonly string[];
}

/** Targets of the handler and of the files, of which each server has one kind. */
export type Targets = readonly string[];

const METHODS = ["GET", "GET", "GET", "HEAD", "POST", "PUT", "DELETE", "FROB", "OPTIONS"];

const LINES = [
  "Accept: */*",
  "Accept-Encoding: gzip, br",
  "Range: bytes=2-4",
  "Range: bytes=-100000",
  "If-None-Match: *",
  'If-None-Match: "x"',
  "X-A: \xe4\t b ",
  "Cookie: a=1",
  "Cookie: b=2",
  "User-Agent: x/1.0 (y)",
  "TE: trailers",
];

/** Bytes that mean something somewhere in a request. */
const ODD = ["\r", "\n", "\r\n", "\0", " ", "\t", ":", "\x7f", "\xff", "HTTP/1.1", "\r\n\r\n", "0", "chunked", ";"];

/** Makes the script of a seed. */
export function scriptOf(random: Random, targets: Targets): Script {
  const count = 1 + random.below(4);
  let isValid = true;
  const methods = Array.from({ length: count }, () => random.of(METHODS));
  let text = methods.map((method, at) => requestOf(random, method, targets, at === count - 1)).join("");
  if (random.below(3) === 0) {
    isValid = false;
    for (let i = 0; i <= random.below(3); i++) text = mutated(random, text);
  }
  // A mutated request may be one that keeps the connection.
  const end = random.below(8) === 0 ? "leave" : isValid && random.below(8) > 0 ? "wait" : "half";
  const pieces = split(random, latin1(text));
  return { pieces, end: end === "leave" ? { leave: random.below(pieces.length + 1) } : end, isValid, methods };
}

function requestOf(random: Random, method: string, targets: Targets, isLast: boolean): string {
  const lines = Array.from({ length: random.below(4) }, () => random.of(LINES));
  const [framing, body] = contentOf(random, method);
  const version = random.below(12) === 0 ? "1.0" : "1.1";
  const connection = isLast ? ["Connection: close"] : version === "1.0" ? ["Connection: keep-alive"] : [];
  const all = ["Host: localhost", ...lines, ...framing, ...connection];
  return `${method} ${random.of(targets)} HTTP/${version}\r\n${all.join("\r\n")}\r\n\r\n${body}`;
}

function contentOf(random: Random, method: string): [lines: string[], body: string] {
  if (method === "GET" || method === "HEAD" || random.below(3) === 0) return [[], ""];
  const body = "x".repeat(random.below(4) === 0 ? random.below(200_000) : random.below(50));
  if (random.below(2) === 0) return [[`Content-Length: ${body.length}`], body];
  let chunks = "";
  for (let at = 0; at < body.length;) {
    const size = 1 + random.below(body.length - at);
    chunks += `${size.toString(16)}${random.below(4) === 0 ? ";a=b" : ""}\r\n${body.slice(at, at + size)}\r\n`;
    at += size;
  }
  return [["Transfer-Encoding: chunked"], `${chunks}0\r\n${random.below(4) === 0 ? "X-T: 1\r\n" : ""}\r\n`];
}

/** Deletes, doubles or replaces something. */
function mutated(random: Random, text: string): string {
  const at = random.below(text.length);
  const length = random.below(8);
  const [before, part, after] = [text.slice(0, at), text.slice(at, at + length), text.slice(at + length)];
  switch (random.below(4)) {
    case 0:
      return before + after;
    case 1:
      return before + part + part + after;
    case 2:
      return before + random.of(ODD) + part + after;
    default:
      return before + random.of(ODD) + after;
  }
}

function split(random: Random, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer>[] {
  const pieces: Uint8Array<ArrayBuffer>[] = [];
  const most = random.below(3) === 0 ? 40 : 100_000;
  for (let at = 0; at < bytes.length && pieces.length < 40;) {
    const size = pieces.length === 39 ? bytes.length : 1 + random.below(most);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}
