/**
 * Message authentication codes for sessions and shares.
 *
 * Synchronous (`node:crypto`), so that a request with a session can be answered synchronously.
 *
 * @module
 */

import { createHmac } from "node:crypto";

/** 192 bits are 32 characters in base64url: far beyond guessing, and short in a link. */
const MAC_BYTES = 24;

/** A code of a text: 32 characters of base64url. */
export function macOf(key: Uint8Array | string, text: string): string {
  return createHmac("sha256", key).update(text).digest().subarray(0, MAC_BYTES).toString("base64url");
}

/** A key for one purpose, so that a code made for another one is never accepted. */
export function keyFor(purpose: string, key: Uint8Array): Uint8Array {
  return createHmac("sha256", key).update(`pyserve ${purpose}`).digest();
}

/** Encodes data as base64url JSON. */
export function encodePart(data: unknown): string {
  return new TextEncoder().encode(JSON.stringify(data)).toBase64({ alphabet: "base64url", omitPadding: true });
}

/** Decodes base64url JSON; undefined if it is malformed. */
export function decodePart(text: string): unknown {
  try {
    return JSON.parse(
      new TextDecoder("utf-8", { fatal: true }).decode(Uint8Array.fromBase64(text, { alphabet: "base64url" })),
    );
  } catch {
    return undefined;
  }
}
