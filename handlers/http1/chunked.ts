/**
 * Decodes the chunked transfer coding (RFC 9112 section 7.1).
 *
 * Strict, because a chunk size that two recipients parse differently enables request smuggling: digits only, CRLF only.
 * Chunk extensions are ignored and trailer fields are discarded (they must not be merged into the header section).
 *
 * @module
 */

import type { Body } from "./body.ts";
import { FieldsParser } from "./header_fields.ts";
import { type InputBuffer, latin1 } from "./input_buffer.ts";
import { Rejection } from "./rejection.ts";

/** Maximum length of a chunk-size line including extensions. */
const MAX_SIZE_LINE = 4_096;

/** Thirteen hexadecimal digits are below 2^53. A quoted extension may contain a semicolon, but never CR or NUL. */
const SIZE_LINE = /^0*([0-9A-Fa-f]{1,13})[ \t]*(?:;[^\0\r\n]*)?\r\n$/;

/** Allowed overhead (chunk sizes and extensions) per byte of content, and initially. */
const OVERHEAD_PER_BYTE = 16;
const OVERHEAD_AT_FIRST = 16_384;

/** A chunked body being decoded. */
export class ChunkedBody implements Body {
  /** Always false: chunked bodies are self-delimiting. */
  readonly endsWithConnection = false;
  #state: "size" | "data" | "data end" | "trailers" | "ended" = "size";
  #left = 0;
  /** The remaining overhead allowance: a body consisting mostly of extensions costs more than it delivers. */
  #allowance = OVERHEAD_AT_FIRST;
  readonly #trailers = new FieldsParser();

  /** Whether the last chunk and the trailer section have been consumed. */
  get ended(): boolean {
    return this.#state === "ended";
  }

  /** Takes buffered content. */
  take(input: InputBuffer, max: number): Uint8Array<ArrayBuffer> | Rejection | null {
    for (;;) {
      if (this.#state === "data") return this.#takeData(input, max);
      if (this.#state === "ended") return null;
      const verdict = this.#step(input);
      if (verdict !== "continue") return verdict;
    }
  }

  #takeData(input: InputBuffer, max: number): Uint8Array<ArrayBuffer> | null {
    const count = Math.min(max, this.#left, input.length);
    if (count === 0) return null;
    this.#left -= count;
    this.#allowance += count * OVERHEAD_PER_BYTE;
    if (this.#left === 0) this.#state = "data end";
    return input.take(count);
  }

  #step(input: InputBuffer): "continue" | Rejection | null {
    if (this.#state === "size") return this.#readSize(input);
    if (this.#state === "trailers") return this.#readTrailers(input);
    const end = input.length < 2 ? null : latin1(input.take(2));
    if (end === null) return null;
    this.#state = "size";
    return end === "\r\n" ? "continue" : new Rejection("chunk-end");
  }

  #readSize(input: InputBuffer): "continue" | Rejection | null {
    const line = input.takeLine(MAX_SIZE_LINE);
    if (line === null) return null;
    this.#allowance -= line.length;
    const size = SIZE_LINE.exec(latin1(line))?.[1];
    if (size === undefined || this.#allowance < 0) return new Rejection("chunk-size");
    this.#left = parseInt(size, 16);
    this.#state = this.#left === 0 ? "trailers" : "data";
    return "continue";
  }

  #readTrailers(input: InputBuffer): "continue" | Rejection | null {
    const verdict = this.#trailers.parse(input);
    if (verdict === "more") return null;
    if (verdict instanceof Rejection) return verdict;
    this.#state = "ended";
    return "continue";
  }
}
