/**
 * Which content is worth compressing.
 *
 * @module
 */

/** Shorter content hardly becomes smaller, and fits into the same packet anyway. */
const MIN_BYTES = 1_024;

/** Text, structured data, code, and formats without compression of their own. */
const TYPES =
  /^(?:text\/(?!event-stream)|font\/[ot]tf|image\/(?:bmp|svg\+xml|x-icon|vnd\.microsoft\.icon)|model\/|application\/(?:.*\+(?:json|xml)|(?:x-)?(?:json|ndjson|javascript|xml|sh|tar|yaml)|manifest\+json|wasm|vnd\.ms-fontobject)(?:;|$))/;

/**
 * Whether content is worth compressing, by its Content-Type and its size in bytes (null if unknown).
 *
 * Not for formats that are compressed already, nor for `text/event-stream`, whose events must not wait in a buffer.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isCompressible } from "@x/pyserve/http";
 *
 * assert(isCompressible("text/html; charset=utf-8", 5_000) && isCompressible("image/svg+xml", null));
 * assert(!isCompressible("image/png", 5_000) && !isCompressible("text/html", 100));
 * ```
 */
export function isCompressible(type: string, size: number | null): boolean {
  return (size === null || size >= MIN_BYTES) && TYPES.test(type);
}
