/**
 * Parses the header block of a CGI reply: takes bytes, returns a verdict.
 *
 * @module
 */

import { trimBlanks } from "../http/blanks.ts";
import { Refusal } from "../http/refusal.ts";
import { textOfBytes, utf8OfHeader } from "./latin1.ts";

/** Maximum size of the header in bytes, interim responses included: Deno's own limit for requests. */
export const MAX_HEADER_BLOCK_BYTES = 65_536;

/** The header of a reply. */
export interface ScriptHead {
  /** 200 to 599, never 1xx. */
  readonly status: number;
  /**
   * In order, names as printed, one character per byte in values, repeated names kept; without Status, Content-Length
   * and `X-CGI-*`.
   */
  readonly headers: readonly (readonly [name: string, value: string])[];
  /** The target of a local redirect (RFC 3875 section 6.2.2), or null. */
  readonly localRedirect: string | null;
  /** The Content-Length printed by the program, or null. */
  readonly contentLength: number | null;
  /** The first bytes of the body: the rest of the chunk in which the header ended. */
  readonly rest: Uint8Array<ArrayBuffer>;
  /** Lines left out because their field name is malformed, one character per byte: for the log, which must escape them. */
  readonly dropped: readonly string[];
}

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** RFC 9110 section 5.5 forbids these and a bare CR, which some clients treat as the end of a line. */
// deno-lint-ignore no-control-regex
const CONTROL = /[\x00-\x08\x0a-\x1f\x7f]/;

/** `HTTP/1.0 200 OK`, or the `HTTP/2 200` printed by programs that pass on the output of curl. */
const STATUS_LINE = /^HTTP\/\d(?:\.\d)?[ \t]+(.*)$/s; // s: no character can make it backtrack

const STATUS = /^(\d{3})(?:[ \t].*)?$/;

const LF = 0x0a;
const CR = 0x0d;

/**
 * Parses the header block of a CGI response (RFC 3875 section 6) incrementally.
 *
 * Lines end in LF or CR LF, the block at the first empty line; continuation lines are joined. An HTTP status line
 * counts as Status, so that non-parsed-header (NPH) programs work, too; interim responses (1xx) before it are skipped.
 * Lines whose field name is malformed, such as the `<!--: spam` of Python's cgitb, are dropped. A Location that is a
 * path, without other fields, is a local redirect; any other implies 302 unless Status is set.
 *
 * Returns a 502 refusal for a block larger than {@linkcode MAX_HEADER_BLOCK_BYTES}, a line without a colon, a block
 * without fields, a control character in a value, a Status outside of 200 to 599, Transfer-Encoding, an invalid
 * Content-Length, and conflicting Status, Location or Content-Length fields. A Content-Type is not required.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { Refusal } from "@x/pyserve/http";
 *
 * const parser = new CgiHeaderParser();
 * const bytes = new TextEncoder().encode("Status: 404 Not here\nContent-Type: text/plain\n\nSorry");
 * const head = parser.push(bytes);
 * assert(head !== null && !(head instanceof Refusal));
 * assert(head.status === 404 && new TextDecoder().decode(head.rest) === "Sorry");
 * ```
 */
export class CgiHeaderParser {
  readonly #line = new GrowingBytes();
  #block = new Block();
  #taken = 0;
  #verdict: ScriptHead | Refusal | null = null;

  /**
   * Takes the next chunk of output.
   *
   * @returns Null until the block is complete; then the verdict, also for further calls, whose input is part of the
   *   body.
   */
  push(chunk: Uint8Array<ArrayBuffer>): ScriptHead | Refusal | null {
    for (let start = 0; this.#verdict === null && start < chunk.length;) {
      const end = chunk.indexOf(LF, start);
      const next = end < 0 ? chunk.length : end + 1;
      this.#taken += next - start;
      if (this.#taken > MAX_HEADER_BLOCK_BYTES) {
        this.#verdict = bad(`printed more than ${MAX_HEADER_BLOCK_BYTES} bytes of header without an empty line`);
      } else if (end < 0) {
        this.#line.append(chunk.subarray(start));
      } else {
        this.#line.append(chunk.subarray(start, end));
        this.#verdict = this.#take(this.#line.drain(), chunk.subarray(next));
      }
      start = next;
    }
    return this.#verdict;
  }

  /** The verdict if the program ends before its header is complete. */
  end(): Refusal {
    if (this.#verdict instanceof Refusal) return this.#verdict;
    return bad(this.#taken === 0 ? "ended without any output" : "ended in the middle of its header");
  }

  #take(bytes: Uint8Array, rest: Uint8Array<ArrayBuffer>): ScriptHead | Refusal | null {
    const line = textOfBytes(bytes.at(-1) === CR ? bytes.subarray(0, -1) : bytes);
    if (line !== "") return this.#block.add(line);
    const verdict = this.#block.finish(rest);
    if (verdict === null) this.#block = new Block();
    return verdict;
  }
}

/** The lines of one block, without the empty line at its end. */
class Block {
  readonly #fields: [name: string, value: string][] = [];
  readonly #dropped: string[] = [];
  #lines = 0;
  #statusLine: string | null = null;
  /** What a continuation line extends. */
  #last: "field" | "dropped" | null = null;

  add(line: string): Refusal | null {
    this.#lines++;
    if (this.#lines === 1 && line.startsWith("HTTP/")) return this.#takeStatusLine(line);
    return /^[ \t]/.test(line) ? this.#fold(line) : this.#takeField(line);
  }

  #takeStatusLine(line: string): Refusal | null {
    const [, status] = STATUS_LINE.exec(line) ?? [];
    if (status === undefined) return bad("began with an invalid status line");
    this.#statusLine = status;
    return null;
  }

  #fold(line: string): Refusal | null {
    if (this.#last === null) return bad("began its header with whitespace");
    if (this.#last === "dropped") return null;
    if (CONTROL.test(line)) return this.#control();
    const field = this.#fields.at(-1)!;
    field[1] = trimBlanks(`${field[1]} ${trimBlanks(line)}`);
    return null;
  }

  #takeField(line: string): Refusal | null {
    const colon = line.indexOf(":");
    if (colon < 0) return bad(`printed a line without a colon in its header: line ${this.#lines}`);
    const name = line.slice(0, colon);
    if (!TOKEN.test(name)) {
      this.#dropped.push(line);
      this.#last = "dropped";
      return null;
    }
    const value = trimBlanks(line.slice(colon + 1));
    if (CONTROL.test(value)) return this.#control();
    this.#fields.push([name, value]);
    this.#last = "field";
    return null;
  }

  #control(): Refusal {
    return bad(`printed a control character in the value of a header: line ${this.#lines}`);
  }

  /** The verdict on a complete block, or null if it was an interim response and another block follows. */
  finish(rest: Uint8Array<ArrayBuffer>): ScriptHead | Refusal | null {
    if (this.#statusLine !== null && /^1(?!01)\d\d(?:[ \t]|$)/.test(this.#statusLine)) return null;
    if (this.#statusLine === null && this.#fields.length === 0) {
      return bad("printed no header before its first empty line");
    }
    if (this.#all("transfer-encoding").length > 0) {
      return bad("printed a Transfer-Encoding, which only the server may set");
    }
    const stated = this.#only("status", this.#statusLine === null ? [] : [this.#statusLine]);
    const length = this.#only("content-length", []);
    const location = this.#only("location", []);
    for (const value of [stated, length, location]) if (value instanceof Refusal) return value;
    return this.#head(stated as string | null, length as string | null, location as string | null, rest);
  }

  #head(
    stated: string | null,
    length: string | null,
    location: string | null,
    rest: Uint8Array<ArrayBuffer>,
  ): ScriptHead | Refusal {
    const status = stated === null ? location ? 302 : 200 : Number(STATUS.exec(stated)?.[1]);
    if (!(status >= 200 && status <= 599)) return bad("printed a status outside of 200 to 599");
    if (length !== null && !(/^\d+$/.test(length) && Number.isSafeInteger(Number(length)))) {
      return bad("printed an invalid Content-Length");
    }
    const headers = this.#fields.filter(([name]) => !/^(?:status|content-length|x-cgi-.*)$/i.test(name));
    const isAlone = stated === null && length === null && headers.every(([name]) => isNamed(name, "location"));
    return {
      status,
      headers: location === "" ? headers.filter(([name]) => !isNamed(name, "location")) : headers,
      localRedirect: location && isAlone && /^\/(?!\/)/.test(location) ? utf8OfHeader(location) : null,
      contentLength: length === null ? null : Number(length),
      rest,
      dropped: this.#dropped,
    };
  }

  #all(wanted: string): string[] {
    return this.#fields.filter(([name]) => isNamed(name, wanted)).map(([, value]) => value);
  }

  /** The single value of a field; conflicting values are refused, because clients disagree on which one counts. */
  #only(name: string, before: readonly string[]): string | null | Refusal {
    const values = [...before, ...this.#all(name)];
    const codes = new Set(name === "status" ? values.map((value) => STATUS.exec(value)?.[1] ?? value) : values);
    if (codes.size > 1) return bad(`printed two different ${name === "status" ? "statuses" : `${name} headers`}`);
    return values[0] ?? null;
  }
}

/** The bytes of a line received in pieces. */
class GrowingBytes {
  #bytes = new Uint8Array(256);
  #length = 0;

  append(more: Uint8Array): void {
    const length = this.#length + more.length;
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(more, this.#length);
    this.#length = length;
  }

  /** All bytes; valid until the next `append`, which starts a new line. */
  drain(): Uint8Array {
    const bytes = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return bytes;
  }
}

function bad(what: string): Refusal {
  return new Refusal(502, `The program ${what}`);
}

function isNamed(name: string, wanted: string): boolean {
  return name.toLowerCase() === wanted;
}
