/**
 * Parses header fields (RFC 9112 section 5), within Python's limits.
 *
 * Refuses ambiguous lines that Python accepts: lines that two recipients parse differently enable request smuggling
 * (gh-114782, gh-150499).
 *
 * @module
 */

import { trimBlanks } from "../http/blanks.ts";
import { type InputBuffer, latin1 } from "./input_buffer.ts";
import { Rejection } from "./rejection.ts";
import { MAX_LINE_BYTES } from "./request_line.ts";

/** Maximum number of field lines, including folded ones: Python's limit. */
export const MAX_FIELDS = 100;

/** Maximum total size of all field lines in bytes: Python's limits would allow 6.5 MB per request. */
export const MAX_FIELDS_BYTES = 262_144;

/** A header field. */
export type Field = readonly [name: string, value: string];

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Control characters in values, which Python accepts and RFC 9110 section 5.5 forbids. */
// deno-lint-ignore no-control-regex
const CONTROLS = /[\x01-\x08\x0b-\x1f\x7f]/;

/** An incremental parser for field lines up to the blank line. */
export class FieldsParser {
  /** The fields parsed so far. */
  readonly fields: Field[] = [];
  readonly #isStrict: boolean;
  #lines = 0;
  #bytes = 0;

  /** In strict mode, rejects obsolete line folding and control characters, as Deno.serve does. */
  constructor(isStrict = false) {
    this.#isStrict = isStrict;
  }

  /** Parses the buffered lines. */
  parse(input: InputBuffer): "done" | "more" | Rejection {
    for (;;) {
      const bytes = input.takeLine(MAX_LINE_BYTES + 1);
      if (bytes === null) return "more";
      if (bytes.length > MAX_LINE_BYTES) return new Rejection("header-line-too-long", String(MAX_LINE_BYTES));
      const line = withoutEnd(latin1(bytes));
      if (line === "") return "done";
      this.#bytes += bytes.length;
      if (this.#bytes > MAX_FIELDS_BYTES) return new Rejection("headers-too-long", String(MAX_FIELDS_BYTES));
      if (++this.#lines > MAX_FIELDS) return new Rejection("too-many-headers", String(MAX_FIELDS));
      const verdict = this.#add(line);
      if (verdict) return verdict;
    }
  }

  #add(line: string): Rejection | null {
    const colon = line.indexOf(":");
    const folded = line.startsWith(" ") || line.startsWith("\t");
    if (/[\0\r]/.test(line) || (folded && this.fields.length === 0)) return new Rejection("header-line", line);
    if (this.#isStrict && (folded || CONTROLS.test(line))) return new Rejection("header-line", line);
    if (folded) {
      // RFC 9112 section 5.2: replace obsolete line folding by a space.
      const [name, value] = this.fields.pop()!;
      this.fields.push([name, trimBlanks(`${value} ${trimBlanks(line)}`)]);
      return null;
    }
    const name = line.slice(0, colon);
    if (colon < 0 || !TOKEN.test(name)) return new Rejection("header-line", line);
    this.fields.push([name, trimBlanks(line.slice(colon + 1))]);
    return null;
  }
}

function withoutEnd(line: string): string {
  return line.endsWith("\r\n") ? line.slice(0, -2) : line.slice(0, -1);
}
