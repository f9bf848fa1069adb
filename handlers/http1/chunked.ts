/**
 * The chunked transfer coding (RFC 9112 section 7.1), decoded.
 *
 * Strict, because a size that two readers take for two sizes is how requests are smuggled: digits only, CRLF only.
 * Extensions are skipped, trailer fields read and thrown away (they must not be merged into the header).
 *
 * @module
 */

import type { Body } from "./body.ts";
import { FieldsParser } from "./header_fields.ts";
import { type InputBuffer, latin1 } from "./input_buffer.ts";
import { Rejection } from "./rejection.ts";

/** Bytes of a size and its extensions taken at most. */
const MAX_SIZE_LINE = 4_096;

/** Thirteen hexadecimal digits are below 2^53. A quoted extension may hold a semicolon; none may hold CR or NUL. */
const SIZE_LINE = /^0*([0-9A-Fa-f]{1,13})[ \t]*(?:;[^\0\r\n]*)?\r\n$/;

/** Bytes of overhead taken at most, in sizes and extensions, for each byte of content, and to begin with. */
const OVERHEAD_PER_BYTE = 16;
const OVERHEAD_AT_FIRST = 16_384;

/** A chunked body on its way. */
export class ChunkedBody implements Body {
  /** Always false: it says itself where it ends. */
  readonly endsWithConnection = false;
  #state: "size" | "data" | "data end" | "trailers" | "ended" = "size";
  #left = 0;
  /** What may still be spent on sizes: a body that is nearly all extensions costs more than it brings. */
  #allowance = OVERHEAD_AT_FIRST;
  readonly #trailers = new FieldsParser();

  /** Whether the last chunk and the trailer fields have been taken. */
  get ended(): boolean {
    return this.#state === "ended";
  }

  /** Takes content that has arrived. */
  take(input: InputBuffer, max: number): Uint8Array<ArrayBuffer> | Rejection | null {
    for (;;) {
      if (this.#state === "data") return this.#takeData(input, max);
      if (this.#state === "ended") return null;
      const verdict = this.#step(input);
      if (verdict !== "go on") return verdict;
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

  #step(input: InputBuffer): "go on" | Rejection | null {
    if (this.#state === "size") return this.#readSize(input);
    if (this.#state === "trailers") return this.#readTrailers(input);
    const end = input.length < 2 ? null : latin1(input.take(2));
    if (end === null) return null;
    this.#state = "size";
    return end === "\r\n" ? "go on" : new Rejection("chunk-end");
  }

  #readSize(input: InputBuffer): "go on" | Rejection | null {
    const line = input.takeLine(MAX_SIZE_LINE);
    if (line === null) return null;
    this.#allowance -= line.length;
    const size = SIZE_LINE.exec(latin1(line))?.[1];
    if (size === undefined || this.#allowance < 0) return new Rejection("chunk-size");
    this.#left = parseInt(size, 16);
    this.#state = this.#left === 0 ? "trailers" : "data";
    return "go on";
  }

  #readTrailers(input: InputBuffer): "go on" | Rejection | null {
    const verdict = this.#trailers.parse(input);
    if (verdict === "more") return null;
    if (verdict instanceof Rejection) return verdict;
    this.#state = "ended";
    return "go on";
  }
}
