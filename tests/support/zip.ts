/** ZIP archives made by hand, with whatever a hostile one might say. */

import { crc32, deflateRawSync } from "node:zlib";
import { concatenate } from "../../handlers/core/concatenate.ts";

/** An entry; what is given beside `name` and `data` is written in place of the truth. */
export interface HandEntry {
  readonly name: string | Uint8Array;
  readonly data?: string | Uint8Array;
  /** 8 deflates. */
  readonly method?: number;
  readonly size?: number;
  readonly packed?: number;
  readonly crc?: number;
  readonly start?: number;
  readonly flags?: number;
  readonly mode?: number;
  /** Its name in the local header. */
  readonly localName?: string;
  /** Sizes and offset in the ZIP64 extra field. */
  readonly isWide?: boolean;
}

/** What is written of the whole archive in place of the truth. */
export interface HandArchive {
  readonly count?: number;
  readonly directoryStart?: number;
  readonly directoryLength?: number;
  readonly disk?: number;
  readonly comment?: string;
  /** With a ZIP64 end record. */
  readonly isWide?: boolean;
}

/** Makes an archive. */
export function handZip(entries: readonly HandEntry[], options: HandArchive = {}): Uint8Array<ArrayBuffer> {
  const parts: Uint8Array[] = [];
  const central: Uint8Array[] = [];
  let at = 0;
  const add = (...bytes: Uint8Array[]) => {
    parts.push(...bytes);
    for (const { length } of bytes) at += length;
  };
  for (const entry of entries) {
    const start = at;
    const plain = bytesOf(entry.data ?? "");
    const data = entry.method === 8 ? new Uint8Array(deflateRawSync(plain)) : plain;
    const facts = { crc: crc32(plain), packed: data.length, size: plain.length, start, ...entry };
    const localName = bytesOf(entry.localName ?? entry.name);
    add(fields("4 2 2 2 2 2 4 4 4 2 2", localRecord(facts, localName.length)), localName, data);
    central.push(...centralRecord(facts));
  }
  const directoryStart = at;
  add(...central);
  const place = {
    count: options.count ?? entries.length,
    length: options.directoryLength ?? at - directoryStart,
    start: options.directoryStart ?? directoryStart,
    disk: options.disk ?? 0,
  };
  add(...endRecords(place, at, options));
  return concatenate(parts);
}

type Facts = HandEntry & { crc: number; packed: number; size: number; start: number };

function localRecord({ flags = 0, method = 0, crc, packed, size }: Facts, name: number): number[] {
  return [0x04034b50, 20, flags, method, 0, 0x5a21, crc, packed, size, name, 0];
}

function centralRecord({ name, flags = 0, method = 0, crc, packed, size, start, mode, isWide }: Facts): Uint8Array[] {
  const nameBytes = bytesOf(name);
  const extra = isWide ? concatenate([fields("2 2", [1, 24]), ...[size, packed, start].map(wide)]) : new Uint8Array();
  const [narrowPacked, narrowSize, narrowStart] = [packed, size, start].map((value) => isWide ? 0xffffffff : value);
  const attributes = ((mode ?? 0) << 16) >>> 0;
  const madeBy = mode === undefined ? 20 : 0x0314;
  return [
    fields("4 2 2 2 2 2 2 4 4 4 2 2 2 2 2 4 4", [
      ...[0x02014b50, madeBy, 20, flags, method, 0, 0x5a21, crc, narrowPacked!, narrowSize!],
      ...[nameBytes.length, extra.length, 0, 0, 0, attributes, narrowStart!],
    ]),
    nameBytes,
    extra,
  ];
}

function endRecords(
  { count, length, start, disk }: { count: number; length: number; start: number; disk: number },
  at: number,
  { comment = "", isWide = false }: HandArchive,
): Uint8Array[] {
  const end = (entries: number, bytes: number, offset: number) => [
    fields("4 2 2 2 2 4 4 2", [0x06054b50, disk, disk, entries, entries, bytes, offset, comment.length]),
    bytesOf(comment),
  ];
  if (!isWide) return end(count, length, start);
  return [
    fields("4", [0x06064b50]),
    wide(44),
    fields("2 2 4 4", [45, 45, disk, disk]),
    ...[count, count, length, start].map(wide),
    fields("4 4", [0x07064b50, disk]),
    wide(at),
    fields("4", [1]),
    ...end(0xffff, 0xffffffff, 0xffffffff),
  ];
}

/** Little-endian numbers of the given widths. */
function fields(widths: string, values: readonly number[]): Uint8Array {
  const sizes = widths.split(" ").map((word) => Number(word));
  const view = new DataView(new ArrayBuffer(sizes.reduce((sum, size) => sum + size, 0)));
  let at = 0;
  for (const [index, size] of sizes.entries()) {
    if (size === 2) view.setUint16(at, values[index]!, true);
    else view.setUint32(at, values[index]!, true);
    at += size;
  }
  return new Uint8Array(view.buffer);
}

function wide(value: number): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  view.setBigUint64(0, BigInt(value), true);
  return new Uint8Array(view.buffer);
}

function bytesOf(data: string | Uint8Array): Uint8Array {
  return typeof data === "string" ? new TextEncoder().encode(data) : data;
}
