/**
 * The zip format (APPNOTE.TXT 6.3.10), uncompressed, so that the length and every offset are known in advance.
 *
 * It can be unpacked as a stream, by programs that never see the central directory (`java.util.zip`, `busybox unzip
 * -`): either the local header has the size and the checksum, for which the file is read first, or, if that would take
 * too long, the content is self-delimiting: a deflate stream of stored blocks.
 *
 * @module
 */

import { blockedSize } from "./blocks.ts";
import { HELD_BYTES } from "./held_file.ts";
import type { Part } from "./parts.ts";
import type { ArchivePlan, Member } from "./plan.ts";

/** In a four-byte field: the value is in the zip64 field (4.4.1.4). */
const MAX_32 = 0xffffffff;
const MAX_16 = 0xffff;

/** Incremented whenever the same files would give different bytes: a download must not be resumed across versions. */
export const ZIP_LAYOUT = 2;

/** Largest file read for its checksum before its header is sent; a larger one would delay the response. */
const SUMMED_BEFORE = HELD_BYTES;

/** Methods (4.4.5). */
const STORED = 0;
const DEFLATED = 8;

/** Flags: sizes and checksum follow the content (4.4.4, bit 3); the name is UTF-8 (bit 11). */
const FOLLOWS = 1 << 3;
const UTF8 = 1 << 11;

/** Version needed to extract: 2.0 for directories, 4.5 for zip64 (4.4.3.2). */
const PLAIN = 20;
const ZIP64 = 45;

/** Made on Unix, for the permissions (4.4.2.2). */
const UNIX = 3 << 8;

/** The parts of a zip file: the members, then the central directory. */
export function* zipParts(plan: ArchivePlan): Generator<Part> {
  let offset = 0;
  const take = <P extends Part>(part: P): P => {
    offset += part.size;
    return part;
  };
  for (let index = 0; index < plan.length; index++) {
    for (const part of memberParts(index, plan.member(index))) yield take(part);
  }
  const start = offset;
  let at = 0;
  for (let index = 0; index < plan.length; index++) {
    const member = plan.member(index);
    const place = at;
    at += memberSize(member);
    yield take(centralPart(index, member, place));
  }
  const end = endRecords({ count: plan.length, start, size: offset - start });
  yield { size: end.length, make: () => end };
}

function* memberParts(index: number, member: Member): Generator<Part> {
  const { size } = member;
  const headerSize = 30 + member.path.length + localExtraSize(member);
  if (size === 0) return yield { size: headerSize, make: () => localHeader(member, 0) };
  if (!isBlocked(member)) {
    yield { size: headerSize, summed: index, make: (crc) => localHeader(member, crc) };
    return yield { size, content: index };
  }
  yield { size: headerSize, make: () => localHeader(member, 0) };
  yield { size: packedSize(member), content: index, blocked: true };
  yield { size: descriptorSize(member), summed: index, make: (crc) => descriptor(member, crc) };
}

function centralPart(index: number, member: Member, offset: number): Part {
  const size = 46 + member.path.length + centralExtraSize(member, offset);
  const make = (crc: number) => centralHeader(member, offset, crc);
  return member.size === 0 ? { size, make: () => make(0) } : { size, summed: index, make };
}

/** Size of a member including its header and descriptor. */
function memberSize(member: Member): number {
  const end = isBlocked(member) ? descriptorSize(member) : 0;
  return 30 + member.path.length + localExtraSize(member) + packedSize(member) + end;
}

/** Whether the content is self-delimiting and followed by its sizes and checksum. */
function isBlocked({ size }: Member): boolean {
  return size > SUMMED_BEFORE;
}

function packedSize(member: Member): number {
  return isBlocked(member) ? blockedSize(member.size) : member.size;
}

function isLarge(member: Member): boolean {
  return packedSize(member) >= MAX_32;
}

/** The UTC time field has 32 bits. */
function hasTime({ modified }: Member): boolean {
  return Math.abs(modified) < 2 ** 31;
}

function localExtraSize(member: Member): number {
  return (hasTime(member) ? 9 : 0) + (isLarge(member) ? 20 : 0);
}

function centralExtraSize(member: Member, offset: number): number {
  const wide = (isLarge(member) ? 16 : 0) + (offset >= MAX_32 ? 8 : 0);
  return (hasTime(member) ? 9 : 0) + (wide === 0 ? 0 : 4 + wide);
}

function descriptorSize(member: Member): number {
  return isLarge(member) ? 24 : 16;
}

/** Local file header (4.3.7). */
function localHeader(member: Member, crc: number): Uint8Array {
  const extra = localExtraSize(member);
  const record = new Record(30 + member.path.length + extra);
  record.u32(0x04034b50).u16(isLarge(member) ? ZIP64 : PLAIN);
  const shown = isLarge(member) ? MAX_32 : isBlocked(member) ? 0 : member.size;
  common(record, member, { crc, packed: shown, size: shown }).u16(extra).bytes(member.path);
  time(record, member);
  // The sizes are in the descriptor; this field declares that they take eight bytes there (4.3.9.2).
  if (isLarge(member)) record.u16(1).u16(16).u64(0).u64(0);
  return record.done();
}

/** Fields common to local and central headers: 4.4.4 to 4.4.10. */
function common(record: Record, member: Member, shown: { crc: number; packed: number; size: number }): Record {
  const { date, time } = dosDate(member.modified);
  const blocked = isBlocked(member);
  return record.u16(UTF8 | (blocked ? FOLLOWS : 0)).u16(blocked ? DEFLATED : STORED).u16(time).u16(date)
    .u32(shown.crc).u32(shown.packed).u32(shown.size).u16(member.path.length);
}

/** Data descriptor (4.3.9). */
function descriptor(member: Member, crc: number): Uint8Array {
  const record = new Record(descriptorSize(member)).u32(0x08074b50).u32(crc);
  const packed = packedSize(member);
  if (isLarge(member)) return record.u64(packed).u64(member.size).done();
  return record.u32(packed).u32(member.size).done();
}

/** Central directory header (4.3.12). */
function centralHeader(member: Member, offset: number, crc: number): Uint8Array {
  const { path, mode, directory, size } = member;
  const extra = centralExtraSize(member, offset);
  const needed = isLarge(member) || offset >= MAX_32 ? ZIP64 : PLAIN;
  const record = new Record(46 + path.length + extra).u32(0x02014b50).u16(UNIX | ZIP64).u16(needed);
  const shown = isLarge(member) ? { packed: MAX_32, size: MAX_32 } : { packed: packedSize(member), size };
  common(record, member, { crc, ...shown }).u16(extra).u16(0).u16(0).u16(0);
  record.u32((((directory ? 0o040000 : 0o100000) | mode) << 16 >>> 0) + (directory ? 0x10 : 0));
  record.u32(Math.min(offset, MAX_32)).bytes(path);
  time(record, member);
  const wide = [...isLarge(member) ? [size, packedSize(member)] : [], ...offset >= MAX_32 ? [offset] : []];
  if (wide.length > 0) record.u16(1).u16(8 * wide.length);
  for (const value of wide) record.u64(value);
  return record.done();
}

/** The extended timestamp of Info-ZIP (4.6, 0x5455), in UTC: DOS times have no time zone. */
function time(record: Record, member: Member): void {
  if (hasTime(member)) record.u16(0x5455).u16(5).u8(1).u32(member.modified >>> 0);
}

/** In UTC, because the client's time zone is unknown; in steps of two seconds, from 1980 to 2107 (4.4.6). */
function dosDate(modified: number): { date: number; time: number } {
  const clamped = Math.min(Math.max(modified, Date.UTC(1980) / 1000), Date.UTC(2107, 11, 31, 23, 59, 58) / 1000);
  const date = new Date(clamped * 1000);
  return {
    date: ((date.getUTCFullYear() - 1980) << 9) | ((date.getUTCMonth() + 1) << 5) | date.getUTCDate(),
    time: (date.getUTCHours() << 11) | (date.getUTCMinutes() << 5) | (date.getUTCSeconds() >> 1),
  };
}

/** 4.3.14 to 4.3.16: the end of central directory record, preceded by its zip64 form if needed. */
function endRecords({ count, start, size }: { count: number; start: number; size: number }): Uint8Array {
  const large = count >= MAX_16 || start >= MAX_32 || size >= MAX_32;
  const record = new Record(large ? 56 + 20 + 22 : 22);
  if (large) {
    record.u32(0x06064b50).u64(44).u16(UNIX | ZIP64).u16(ZIP64).u32(0).u32(0);
    record.u64(count).u64(count).u64(size).u64(start);
    record.u32(0x07064b50).u32(0).u64(start + size).u32(1);
  }
  const shown = Math.min(count, MAX_16);
  record.u32(0x06054b50).u16(0).u16(0).u16(shown).u16(shown);
  return record.u32(Math.min(size, MAX_32)).u32(Math.min(start, MAX_32)).u16(0).done();
}

/** A record of known size, written in order, in little-endian. */
class Record {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(size: number) {
    this.#bytes = new Uint8Array(size);
    this.#view = new DataView(this.#bytes.buffer);
  }

  u8(value: number): this {
    this.#view.setUint8(this.#at, value);
    this.#at += 1;
    return this;
  }

  u16(value: number): this {
    this.#view.setUint16(this.#at, value, true);
    this.#at += 2;
    return this;
  }

  u32(value: number): this {
    this.#view.setUint32(this.#at, value, true);
    this.#at += 4;
    return this;
  }

  u64(value: number): this {
    this.#view.setBigUint64(this.#at, BigInt(value), true);
    this.#at += 8;
    return this;
  }

  bytes(value: Uint8Array): this {
    this.#bytes.set(value, this.#at);
    this.#at += value.length;
    return this;
  }

  done(): Uint8Array {
    return this.#bytes;
  }
}
