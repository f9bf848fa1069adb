/**
 * The tar format: ustar, with pax headers (POSIX.1-2017, pax, "ustar Interchange Format" and "pax Header Block") for
 * values that do not fit.
 *
 * @module
 */

import { concatenate } from "../core/concatenate.ts";
import type { Part } from "./parts.ts";
import type { ArchivePlan, Member } from "./plan.ts";

const BLOCK = 512;

/** Largest number in eleven octal digits. */
const MAX_NUMBER = 8 ** 11 - 1;

/** The parts of a tar file. */
export function* tarParts(plan: ArchivePlan): Generator<Part> {
  for (let index = 0; index < plan.length; index++) {
    const member = plan.member(index);
    const header = tarHeader(member);
    yield { size: header.length, make: () => header };
    if (member.size > 0) yield { size: member.size, content: index };
    const padding = -member.size & (BLOCK - 1);
    if (padding > 0) yield { size: padding, make: () => new Uint8Array(padding) };
  }
  yield { size: 2 * BLOCK, make: () => new Uint8Array(2 * BLOCK) };
}

/** The header blocks that precede a member's content. */
export function tarHeader(member: Member): Uint8Array {
  const place = placeOf(member.path);
  const records = recordsOf(member, place !== null);
  const header = block({ ...member, ...place ?? { name: member.path.subarray(-100), prefix: new Uint8Array() } });
  if (records.length === 0) return header;
  const padded = Math.ceil(records.length / BLOCK) * BLOCK;
  const bytes = new Uint8Array(BLOCK + padded + BLOCK);
  const name = new TextEncoder().encode("PaxHeader");
  const pax = { ...member, mode: 0o644, size: records.length, name, prefix: new Uint8Array() };
  bytes.set(block(pax, "x"));
  bytes.set(records, BLOCK);
  bytes.set(header, BLOCK + padded);
  return bytes;
}

interface NamePlace {
  readonly name: Uint8Array;
  readonly prefix: Uint8Array;
}

/** Splits a path for the header: 100 bytes, plus up to 155 before a slash; null if it does not fit. */
function placeOf(path: Uint8Array): NamePlace | null {
  if (path.length <= 100) return { name: path, prefix: new Uint8Array() };
  const slash = path.indexOf(0x2f, path.length - 101);
  if (slash < 1 || slash > 155 || slash === path.length - 1) return null;
  return { name: path.subarray(slash + 1), prefix: path.subarray(0, slash) };
}

/** The pax records: values that do not fit, and any non-ASCII path, because pax paths are UTF-8 by definition. */
function recordsOf({ path, size }: Member, fits: boolean): Uint8Array {
  const encoder = new TextEncoder();
  const needsPath = !fits || path.some((byte) => byte > 0x7f);
  return concatenate([
    ...needsPath ? [record(encoder.encode("path="), path)] : [],
    ...size > MAX_NUMBER ? [record(encoder.encode("size="), encoder.encode(String(size)))] : [],
  ]);
}

/** `LENGTH KEY=VALUE\n`, where LENGTH counts itself. */
function record(key: Uint8Array, value: Uint8Array): Uint8Array {
  const rest = key.length + value.length + 2;
  let length = rest + String(rest).length;
  length = rest + String(length).length;
  const encoder = new TextEncoder();
  return concatenate([encoder.encode(`${length} `), key, value, encoder.encode("\n")]);
}

function block(member: Omit<Member, "path"> & NamePlace, type = member.directory ? "5" : "0"): Uint8Array {
  const bytes = new Uint8Array(BLOCK);
  const encoder = new TextEncoder();
  const put = (at: number, text: string) => encoder.encodeInto(text, bytes.subarray(at));
  bytes.set(member.name);
  put(100, octal(member.mode, 7));
  put(108, octal(0, 7)); // owner and group are left to the unpacking user
  put(116, octal(0, 7));
  put(124, octal(member.size > MAX_NUMBER ? 0 : member.size, 11));
  put(136, octal(Math.min(Math.max(member.modified, 0), MAX_NUMBER), 11));
  put(148, " ".repeat(8)); // the checksum is computed with its own field blank
  put(156, type);
  put(257, "ustar\x0000");
  bytes.set(member.prefix, 345);
  put(148, octal(bytes.reduce((sum, byte) => sum + byte, 0), 6) + "\0 ");
  return bytes;
}

function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}
