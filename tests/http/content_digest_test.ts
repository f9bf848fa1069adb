import { assertEquals } from "@std/assert";
import { contentDigest } from "../../handlers/http/content_digest.ts";

const encoder = new TextEncoder();

Deno.test("the digest of content is MurmurHash3, 128 bits for x86", () => {
  assertEquals(contentDigest(new Uint8Array()), "0".repeat(32));
  const known: readonly (readonly [text: string, digest: string])[] = [
    ["The quick brown fox jumps over the lazy dog", "2f1583c3ecee2c675d7bf66ce5e91d2c"],
    ["I will not buy this tobacconist's, it is scratched.", "9b5b7ba2ef3f7866889adeaf00f3f98e"],
  ];
  for (const [text, digest] of known) assertEquals(contentDigest(encoder.encode(text)), digest);
});

Deno.test("the digest of content does not depend on where its buffer begins", () => {
  const text = encoder.encode("x".repeat(100));
  const digest = contentDigest(text);
  for (let offset = 0; offset < 5; offset++) {
    const buffer = new Uint8Array(200).fill(7);
    buffer.set(text, offset);
    assertEquals(contentDigest(buffer.subarray(offset, offset + 100)), digest);
  }
});

Deno.test("contents that differ in one bit, or in their length, have different digests", () => {
  const bytes = encoder.encode("abcdefghijklmnopqrstuvwxyz0123456789");
  const digests = new Set([contentDigest(bytes)]);
  for (let bit = 0; bit < bytes.length * 8; bit++) {
    const changed = bytes.slice();
    changed[bit >> 3]! ^= 1 << (bit & 7);
    digests.add(contentDigest(changed));
  }
  for (let length = 0; length < 64; length++) digests.add(contentDigest(new Uint8Array(length)));
  assertEquals(digests.size, 1 + bytes.length * 8 + 64);
});
