/**
 * Parses the head of a request in one pass over its bytes, as strictly as RFC 9112 wants it: what two recipients could
 * read differently is rejected. Pure: bytes in, a head or a {@linkcode Rejection} out.
 *
 * Line feeds without a carriage return end lines, too (RFC 9112 section 2.2), and empty lines in front are skipped.
 *
 * @module
 */

import type { Field } from "./header_fields.ts";
import { MAX_FIELDS } from "./header_fields.ts";
import { latin1 } from "./input_buffer.ts";
import { Rejection } from "./rejection.ts";
import { isTarget } from "./request_line.ts";

/** The head of a request. */
export interface Head {
  /** The method, case preserved. */
  readonly method: string;
  /** The target as sent; ISO 8859-1. */
  readonly target: string;
  /** The digit after `HTTP/1.`. */
  readonly minor: number;
  /** The fields in order, names as sent; several Cookie fields are joined. */
  readonly fields: readonly Field[];
  /** The offset behind the head. */
  readonly end: number;
}

/** The longest head in bytes, and the longest part of it that is not fields. */
export const MAX_HEAD_BYTES = 65_536;

/** The most empty lines in front of a request, in bytes. */
const MAX_EMPTY_BYTES = 256;

const [TAB, LF, CR, SPACE, COLON] = [0x09, 0x0a, 0x0d, 0x20, 0x3a] as const;

const ZERO = 0x30;
const VERSION = new TextEncoder().encode(" HTTP/1.");

/** The kinds of bytes: of a token, of a field value, of a target. */
const [TOKEN, VALUE, TARGET] = [1, 2, 4] as const;

const KINDS = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) {
  const isVisible = byte > 0x20 && byte !== 0x7f;
  const isToken = byte < 0x80 && /[!#$%&'*+\-.^_`|~0-9A-Za-z]/.test(String.fromCharCode(byte));
  const isValue = isVisible || byte === SPACE || byte === TAB;
  KINDS[byte] = (isToken ? TOKEN : 0) | (isValue ? VALUE : 0) | (isVisible ? TARGET : 0);
}

/**
 * Parses the head that begins at an offset.
 *
 * @param searched How far it has been searched for its end before: a head that arrives slowly is not searched again and
 * again.
 * @returns Null if more bytes are needed.
 */
export function parseHead(bytes: Uint8Array, from: number, until: number, searched = from): Head | Rejection | null {
  const start = skipEmptyLines(bytes, from, until);
  if (start - from > MAX_EMPTY_BYTES) return new Rejection("request-line");
  const end = headEnd(bytes, Math.max(start, searched - 3), until, start);
  if (end < 0) return unfinished(bytes, start, until);
  if (end - start > MAX_HEAD_BYTES) return tooLong(bytes, start, until);
  return new HeadReader(bytes, start, end).read();
}

function skipEmptyLines(bytes: Uint8Array, from: number, until: number): number {
  let at = from;
  while (at < until) {
    if (bytes[at] === LF) at += 1;
    else if (bytes[at] === CR && bytes[at + 1] === LF && at + 1 < until) at += 2;
    else break;
  }
  return at;
}

/** The offset behind the first empty line; -1 if there is none yet. Looks at every second byte at most. */
function headEnd(bytes: Uint8Array, from: number, until: number, start: number): number {
  for (let at = Math.max(from, start + 1); at < until; at++) {
    const byte = bytes[at]!;
    if (byte > CR) {
      at += 1; // an empty line has at least two of CR and LF
      if (at >= until || bytes[at]! > CR) continue;
      at -= 1;
      continue;
    }
    if (byte !== LF) continue;
    if (bytes[at - 1] === LF || (bytes[at - 1] === CR && at - 2 >= start && bytes[at - 2] === LF)) return at + 1;
  }
  return -1;
}

/** Rejects what cannot become a head, as soon as it is known. */
function unfinished(bytes: Uint8Array, start: number, until: number): Rejection | null {
  if (until - start > MAX_HEAD_BYTES) return tooLong(bytes, start, until);
  const lineEnd = bytes.subarray(start, until).indexOf(LF);
  if (lineEnd < 0) return null;
  const line = new HeadReader(bytes, start, start + lineEnd + 1).readLine();
  return line instanceof Rejection ? line : null;
}

function tooLong(bytes: Uint8Array, start: number, until: number): Rejection {
  const lineEnd = bytes.subarray(start, Math.min(until, start + MAX_HEAD_BYTES)).indexOf(LF);
  return new Rejection(lineEnd < 0 ? "target-too-long" : "headers-too-long", String(MAX_HEAD_BYTES));
}

const UTF8 = new TextDecoder();

/** Reads a complete head. */
class HeadReader {
  readonly #bytes: Uint8Array;
  readonly #start: number;
  readonly #end: number;
  /** The whole head as text: parts of it are cheap. */
  readonly #text: string;
  #at: number;

  constructor(bytes: Uint8Array, start: number, end: number) {
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
    this.#text = textOf(bytes.subarray(start, end));
    this.#at = start;
  }

  read(): Head | Rejection {
    const line = this.readLine();
    if (line instanceof Rejection) return line;
    const fields = this.#readFields();
    if (fields instanceof Rejection) return fields;
    return { ...line, fields, end: this.#end };
  }

  /** The request line (RFC 9112 section 3): single spaces, a token, a target in one of the four forms, a version. */
  readLine(): { method: string; target: string; minor: number } | Rejection {
    const method = this.#take(TOKEN);
    if (method === "" || this.#byte() !== SPACE) return this.#badLine();
    this.#at += 1;
    const target = this.#take(TARGET);
    if (target === "") return this.#badLine();
    const minor = this.#takeVersion();
    if (minor instanceof Rejection) return minor;
    if (!isTarget(method, target)) return new Rejection("target", target);
    return { method, target, minor };
  }

  /** The version: the digit after `HTTP/1.`, and the line end behind it. */
  #takeVersion(): number | Rejection {
    const bytes = this.#bytes;
    const at = this.#at;
    for (let i = 0; i < VERSION.length; i++) {
      if (bytes[at + i] !== VERSION[i]) return this.#otherVersion();
    }
    const minor = bytes[at + VERSION.length]! - ZERO;
    let end = at + VERSION.length + 1;
    if (bytes[end] === CR) end += 1;
    if (!(minor >= 0 && minor <= 9) || bytes[end] !== LF) return this.#otherVersion();
    this.#at = end + 1;
    return minor;
  }

  #otherVersion(): Rejection {
    const end = this.#bytes.indexOf(LF, this.#at);
    const version = this.#part(this.#at, end).replace(/\r$/, "");
    const match = /^ HTTP\/(\d)\.\d$/.exec(version);
    if (match === null) return version === "" ? new Rejection("version") : this.#badLine();
    return new Rejection(match[1] === "0" ? "version" : "unsupported-version", version.slice(6));
  }

  #badLine(): Rejection {
    const line = /^[^\n]*/.exec(this.#text)![0];
    return new Rejection("request-line", line.replace(/\r$/, ""));
  }

  #readFields(): Field[] | Rejection {
    const fields: Field[] = [];
    let cookie = -1;
    while (!this.#isAtEnd()) {
      const start = this.#at;
      const name = this.#take(TOKEN);
      if (name === "" || this.#byte() !== COLON) return this.#badField(start);
      this.#at += 1;
      const value = this.#takeValue();
      if (value === null) return this.#badField(start);
      // Several lines are one list with semicolons (RFC 6265 section 5.4), not one with commas.
      if (name.length === 6 && name.toLowerCase() === "cookie") {
        if (cookie >= 0) {
          fields[cookie] = [fields[cookie]![0], `${fields[cookie]![1]}; ${value}`];
          continue;
        }
        cookie = fields.length;
      }
      if (fields.push([name, value]) > MAX_FIELDS) return new Rejection("too-many-headers", String(MAX_FIELDS));
    }
    return fields;
  }

  #isAtEnd(): boolean {
    const byte = this.#byte();
    return byte === LF || (byte === CR && this.#bytes[this.#at + 1] === LF);
  }

  /** A value without the white space around it, and the line end behind it; null if the line is malformed. */
  #takeValue(): string | null {
    const bytes = this.#bytes;
    let at = this.#at;
    while (bytes[at] === SPACE || bytes[at] === TAB) at += 1;
    const start = at;
    while ((KINDS[bytes[at]!]! & VALUE) !== 0) at += 1;
    let end = at;
    if (bytes[at] === CR) at += 1;
    if (bytes[at] !== LF) return null;
    this.#at = at + 1;
    while (end > start && (bytes[end - 1] === SPACE || bytes[end - 1] === TAB)) end -= 1;
    return this.#part(start, end);
  }

  #badField(start: number): Rejection {
    const end = this.#bytes.indexOf(LF, start);
    return new Rejection("header-line", this.#part(start, end < 0 ? this.#end : end));
  }

  /** Takes bytes of a kind. */
  #take(kind: number): string {
    const bytes = this.#bytes;
    const start = this.#at;
    let at = start;
    while ((KINDS[bytes[at]!]! & kind) !== 0) at += 1;
    this.#at = at;
    return this.#part(start, at);
  }

  #byte(): number {
    return this.#bytes[this.#at]!;
  }

  #part(from: number, until: number): string {
    return this.#text.slice(from - this.#start, until - this.#start);
  }
}

/** As ISO 8859-1. For ASCII, a decoder takes a tenth of the time. */
function textOf(bytes: Uint8Array): string {
  for (let i = 0; i < bytes.length; i++) if (bytes[i]! > 0x7f) return latin1(bytes);
  return UTF8.decode(bytes);
}
