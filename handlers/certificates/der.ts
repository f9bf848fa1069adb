/**
 * The Distinguished Encoding Rules of ASN.1 (ITU-T X.690), as far as certificates need them.
 *
 * @module
 */

/** An encoded value. */
export type Der = Uint8Array<ArrayBuffer>;

/** A value with a tag: its length in the fewest octets, then its contents. */
export function encoded(tag: number, ...contents: readonly Uint8Array[]): Der {
  const length = contents.reduce((sum, part) => sum + part.length, 0);
  return joined([Uint8Array.of(tag, ...lengthOctets(length)), ...contents]);
}

function lengthOctets(length: number): number[] {
  if (length < 0x80) return [length];
  const octets: number[] = [];
  for (let rest = length; rest > 0; rest = Math.floor(rest / 256)) octets.unshift(rest % 256);
  return [0x80 | octets.length, ...octets];
}

/** SEQUENCE. */
export function sequence(...contents: readonly Uint8Array[]): Der {
  return encoded(0x30, ...contents);
}

/** SET OF one element. */
export function setOf(content: Uint8Array): Der {
  return encoded(0x31, content);
}

/** OBJECT IDENTIFIER, from its dotted form. */
export function oid(dotted: string): Der {
  const [first = 0, second = 0, ...rest] = dotted.split(".").map(Number);
  return encoded(0x06, Uint8Array.from([first * 40 + second, ...rest].flatMap(base128)));
}

function base128(number: number): number[] {
  const octets = [number & 0x7f];
  for (let rest = number >>> 7; rest > 0; rest >>>= 7) octets.unshift((rest & 0x7f) | 0x80);
  return octets;
}

/** INTEGER, from its unsigned big-endian bytes. */
export function integer(bytes: Uint8Array): Der {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = start < 0 ? Uint8Array.of(0) : bytes.subarray(start);
  return encoded(0x02, ...(digits[0]! & 0x80 ? [Uint8Array.of(0)] : []), digits);
}

/** BOOLEAN TRUE. */
export const TRUE: Der = Uint8Array.of(0x01, 0x01, 0xff);

/** UTF8String. */
export function text(value: string): Der {
  return encoded(0x0c, new TextEncoder().encode(value));
}

/** OCTET STRING. */
export function octets(bytes: Uint8Array): Der {
  return encoded(0x04, bytes);
}

/** BIT STRING of whole octets, or with some unused bits in the last one. */
export function bits(bytes: Uint8Array, unused = 0): Der {
  return encoded(0x03, Uint8Array.of(unused), bytes);
}

/** GeneralizedTime from 2050 on, UTCTime before (RFC 5280 section 4.1.2.5); whole seconds. */
export function time(date: Date): Der {
  const digits = date.toISOString().replace(/[-:T]|\.\d+/g, "");
  const isShort = date.getUTCFullYear() < 2050;
  return encoded(isShort ? 0x17 : 0x18, new TextEncoder().encode(isShort ? digits.slice(2) : digits));
}

/** A value in context class, implicitly tagged. */
export function implicit(number: number, contents: Uint8Array): Der {
  return encoded(0x80 | number, contents);
}

/** Values in context class, explicitly tagged, or implicitly for a SEQUENCE. */
export function explicit(number: number, ...contents: readonly Uint8Array[]): Der {
  return encoded(0xa0 | number, ...contents);
}

/** PEM (RFC 7468). */
export function pem(label: string, bytes: Uint8Array): string {
  const lines = bytes.toBase64().match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join("\n")}\n-----END ${label}-----\n`;
}

/** The first block with a label; null if there is none. */
export function fromPem(label: string, text: string): Der | null {
  const block = new RegExp(`-----BEGIN ${label}-----([\\sA-Za-z0-9+/=]+)-----END ${label}-----`).exec(text)?.[1];
  return block === undefined ? null : Uint8Array.fromBase64(block);
}

function joined(parts: readonly Uint8Array[]): Der {
  const all = new Uint8Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}
