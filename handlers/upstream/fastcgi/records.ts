/**
 * FastCGI records (specification 1.0, sections 3 to 5): encodes requests, decodes replies. No I/O.
 *
 * Each connection carries one request at a time, so its id is always 1: no application in use supports multiplexing.
 *
 * @module
 */

import { Refusal } from "../../http/refusal.ts";
import { concatenate } from "../../core/concatenate.ts";

/** The record types exchanged by a web server and a responder (section 8). */
export const RecordType = {
  beginRequest: 1,
  endRequest: 3,
  params: 4,
  stdin: 5,
  stdout: 6,
  stderr: 7,
} as const;

const VERSION = 1;
const REQUEST_ID = 1;
const RESPONDER = 1;
const KEEP_CONNECTION = 1;
const HEADER_BYTES = 8;

/** Maximum content of a record that is sent: the largest multiple of eight, so that no padding is needed. */
const MAX_CONTENT = 65_528;

/** A decoded record. */
export interface FastCgiRecord {
  /** One of {@linkcode RecordType}, or a type that a server does not expect. */
  readonly type: number;
  /** The request it belongs to, 0 for none. */
  readonly requestId: number;
  /** Its content, without padding. Empty content ends a stream. */
  readonly content: Uint8Array<ArrayBuffer>;
}

/** The values of protocolStatus (section 5.5), by their number. */
export const PROTOCOL_STATUS = ["request complete", "cannot multiplex", "overloaded", "unknown role"] as const;

/** The meaning of a record in a reply. */
export type ReplyPart =
  | { readonly kind: "stdout" | "stderr"; readonly bytes: Uint8Array<ArrayBuffer> }
  | { readonly kind: "end"; readonly appStatus: number; readonly protocolStatus: typeof PROTOCOL_STATUS[number] };

/**
 * Encodes a request without its body, for a single write: BEGIN_REQUEST, and the complete PARAMS stream.
 *
 * @param keep Whether the application should keep the connection open.
 */
export function encodeRequest(params: Iterable<readonly [name: string, value: string]>, keep: boolean): Uint8Array {
  const begin = new Uint8Array([0, RESPONDER, keep ? KEEP_CONNECTION : 0, 0, 0, 0, 0, 0]);
  return concatenate([
    ...records(RecordType.beginRequest, begin),
    ...records(RecordType.params, encodePairs(params)),
    record(RecordType.params, new Uint8Array()),
  ]);
}

/** Encodes part of the body as STDIN records, for a single write. */
export function encodeStdin(bytes: Uint8Array): Uint8Array {
  return concatenate(records(RecordType.stdin, bytes));
}

/** The record that ends the body. */
export const END_OF_STDIN: Uint8Array = record(RecordType.stdin, new Uint8Array());

/** Name-value pairs (section 3.4): lengths up to 127 take one byte, longer ones four with the highest bit set. */
function encodePairs(pairs: Iterable<readonly [name: string, value: string]>): Uint8Array {
  const encoder = new TextEncoder();
  const parts: Uint8Array[] = [];
  for (const [name, value] of pairs) {
    const [nameBytes, valueBytes] = [encoder.encode(name), encoder.encode(value)];
    parts.push(encodeLength(nameBytes.length), encodeLength(valueBytes.length), nameBytes, valueBytes);
  }
  return concatenate(parts);
}

function encodeLength(length: number): Uint8Array {
  if (length < 0x80) return new Uint8Array([length]);
  return new Uint8Array([length >>> 24 | 0x80, length >>> 16 & 0xff, length >>> 8 & 0xff, length & 0xff]);
}

function records(type: number, content: Uint8Array): Uint8Array[] {
  const all: Uint8Array[] = [];
  for (let at = 0; at < content.length; at += MAX_CONTENT) {
    all.push(record(type, content.subarray(at, at + MAX_CONTENT)));
  }
  return all;
}

function record(type: number, content: Uint8Array): Uint8Array {
  const header = [VERSION, type, 0, REQUEST_ID, content.length >>> 8, content.length & 0xff, 0, 0];
  return concatenate([new Uint8Array(header), content]);
}

/** Decodes records from bytes split at any position. It buffers at most one incomplete record: 64 KiB and 263 bytes. */
export class RecordDecoder {
  #waiting: Uint8Array<ArrayBuffer>[] = [];
  #length = 0;
  /** Bytes needed before any progress can be made. */
  #needed = 1;

  /** Whether a record is incomplete. */
  get isInside(): boolean {
    return this.#length > 0;
  }

  /**
   * Takes the next bytes. They become the content of records and must not be modified afterwards.
   *
   * @returns The records completed so far; a refusal if the bytes are not FastCGI, after which the decoder must not be
   *   used.
   */
  push(bytes: Uint8Array<ArrayBuffer>): FastCgiRecord[] | Refusal {
    this.#waiting.push(bytes);
    this.#length += bytes.length;
    // Joined only once a record is complete: one that arrives byte by byte is not copied each time.
    if (this.#length < this.#needed) return [];
    return this.#take(this.#waiting.length === 1 ? bytes : concatenate(this.#waiting));
  }

  #take(input: Uint8Array<ArrayBuffer>): FastCgiRecord[] | Refusal {
    const found: FastCgiRecord[] = [];
    let at = 0;
    let end = 1;
    while (at < input.length) {
      if (input[at] !== VERSION) return new Refusal(502, "The application does not speak FastCGI");
      end = endOfRecord(input, at);
      if (end > input.length) break;
      found.push(recordAt(input, at));
      at = end;
    }
    this.#waiting = at < input.length ? [input.slice(at)] : [];
    this.#length = input.length - at;
    this.#needed = this.isInside ? end - at : 1;
    return found;
  }
}

/** The end of a record, padding included; if its header is incomplete, the end of the header. */
function endOfRecord(bytes: Uint8Array, at: number): number {
  const header = at + HEADER_BYTES;
  return bytes.length < header ? header : header + uint16(bytes, at + 4) + bytes[at + 6]!;
}

function recordAt(bytes: Uint8Array<ArrayBuffer>, at: number): FastCgiRecord {
  const start = at + HEADER_BYTES;
  const content = bytes.subarray(start, start + uint16(bytes, at + 4));
  return { type: bytes[at + 1]!, requestId: uint16(bytes, at + 2), content };
}

/** Interprets a record of the reply; returns a refusal for anything a responder must not send. */
export function replyPart({ type, requestId, content }: FastCgiRecord): ReplyPart | Refusal {
  if (requestId !== REQUEST_ID) return new Refusal(502, "The application replied to an unknown request");
  if (type === RecordType.stdout) return { kind: "stdout", bytes: content };
  if (type === RecordType.stderr) return { kind: "stderr", bytes: content };
  const protocolStatus = PROTOCOL_STATUS[content[4] ?? -1];
  if (type !== RecordType.endRequest || content.length !== 8 || protocolStatus === undefined) {
    return new Refusal(502, "The application sent an invalid record");
  }
  return { kind: "end", appStatus: uint16(content, 0) * 0x10000 + uint16(content, 2), protocolStatus };
}

function uint16(bytes: Uint8Array, at: number): number {
  return bytes[at]! << 8 | bytes[at + 1]!;
}
