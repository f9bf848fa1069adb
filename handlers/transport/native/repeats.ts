/**
 * Responses that are sent again to requests with the same head, without parsing it or calling a handler.
 *
 * @module
 */

import { isLoopback } from "../../http/own_host.ts";
import type { FileBody, Repeat, RepeatedLog } from "../../core/shortcuts.ts";
import { Block } from "../../system/block.ts";
import type { Network } from "../../system/network.ts";
import { dateLine } from "./response_head.ts";

/** The longest head of a request that is remembered, in bytes. */
const MAX_HEAD_BYTES = 4_096;

/** The most responses, and the most with the same request line: browsers and their fields differ. */
const MAX_ENTRIES = 2_000;
const MAX_VARIANTS = 8;

/** Bodies up to this size are copied behind their head, to be sent from one piece of memory; longer ones become files. */
const COPIED_BYTES = 16_384;

/** The most files that are kept open. */
const MAX_FILES = 64;

/** The most memory that copies and heads take. */
const MAX_BYTES = 32 * 1024 * 1024;

const LF = 0x0a;

/** A response, and the request that it answers. */
export interface Known {
  readonly request: Block;
  /** The head of the response, and perhaps its body. */
  readonly response: Block;
  /** A longer body, shared with the cache, if there was no descriptor for it. */
  readonly body: Block | null;
  /** The part of a file that is the body. */
  readonly file: KeptFile | null;
  readonly isFresh: () => boolean;
  readonly log: RepeatedLog | null;
  readonly count: (() => void) | null;
  /** The length of its head. */
  readonly headLength: number;
  /** Whether the client was on this machine, which host names depend on. */
  readonly isLocal: boolean;
  readonly hash: number;
  /** Where its Date is, and which it is. */
  readonly dateAt: number;
  date: string;
}

/** A part of a file that stays open while it may be sent again, and until the last one that sends it has ended. */
class KeptFile {
  readonly #file: Omit<FileBody, keyof Disposable>;
  readonly #network: Network;
  /** The memory that it takes, in bytes. */
  readonly memory: number;
  #uses = 1;

  private constructor(file: Omit<FileBody, keyof Disposable>, network: Network, memory = 0) {
    this.#file = file;
    this.#network = network;
    this.memory = memory;
  }

  /** Keeps another descriptor of the same open file; null if there is none left. */
  static of({ descriptor, offset, length }: FileBody, network: Network): KeptFile | null {
    const duplicate = network.duplicate(descriptor);
    return duplicate < 0 ? null : new KeptFile({ descriptor: duplicate, offset, length }, network);
  }

  /** Copies bytes into memory outside of the process's, of which responses refer to pages; null if there is none left. */
  static ofBytes(bytes: Uint8Array<ArrayBuffer>, network: Network): KeptFile | null {
    const descriptor = network.memoryFile(Block.of(bytes));
    const { length } = bytes;
    return descriptor < 0 ? null : new KeptFile({ descriptor, offset: 0, length, isInMemory: true }, network, length);
  }

  /** The part, for one response. */
  take(): FileBody {
    this.#uses += 1;
    return { ...this.#file, [Symbol.dispose]: () => this.drop() };
  }

  /** Closes it with its last use. */
  drop(): void {
    this.#uses -= 1;
    if (this.#uses === 0) this.#network.close(this.#file.descriptor);
  }
}

/** Responses of one server, by the heads of requests. */
export class Repeats {
  readonly #network: Network;
  readonly #entries = new Map<number, readonly Known[]>();
  /** Those whose files are kept open, the oldest first. */
  #files: Known[] = [];
  #count = 0;
  #bytes = 0;

  constructor(network: Network) {
    this.#network = network;
  }

  /** The response to the request that begins at an offset; null if it is not known, or no longer fresh. */
  find(block: Block, from: number, until: number, isLocal: boolean): Known | null {
    const variants = this.#entries.get(hashOfLine(block.bytes, from, until));
    if (variants === undefined) return null;
    for (const known of variants) {
      const { request: { length } } = known;
      if (length > until - from || known.isLocal !== isLocal) continue;
      if (!this.#network.isSame(block, from, known.request, length)) continue;
      if (known.isFresh()) return dated(known);
      this.#remove(known);
      return null;
    }
    return null;
  }

  /** Remembers a response: the head of the request, its own head up to the Date, and the rest of it. */
  add(
    head: Uint8Array,
    { isFresh, log, count }: Repeat,
    address: string,
    response: {
      readonly text: string;
      readonly dateAt: number;
      readonly body: Uint8Array<ArrayBuffer> | null;
      readonly file?: FileBody;
    },
  ): void {
    if (isFresh === null || head.length > MAX_HEAD_BYTES) return;
    const { text, dateAt, body } = response;
    const isLong = body !== null && body.length > COPIED_BYTES;
    const file = response.file
      ? KeptFile.of(response.file, this.#network)
      : isLong
      ? KeptFile.ofBytes(body, this.#network)
      : null;
    if (response.file && file === null) return; // out of descriptors
    const image = Block.allocate(text.length + (isLong ? 0 : body?.length ?? 0));
    for (let i = 0; i < text.length; i++) image.bytes[i] = text.charCodeAt(i);
    if (!isLong && body !== null) image.bytes.set(body, text.length);
    const known: Known = {
      request: Block.copyOf(head),
      response: image,
      body: isLong && file === null ? Block.of(body) : null,
      file,
      isFresh,
      log,
      count,
      headLength: text.length,
      isLocal: isLoopback(address),
      hash: hashOfLine(head, 0, head.length),
      dateAt,
      date: text.slice(dateAt, dateAt + dateLine().length),
    };
    const others = this.#entries.get(known.hash) ?? [];
    if (others.length >= MAX_VARIANTS) this.#remove(others.at(-1)!);
    this.#entries.set(known.hash, [known, ...this.#entries.get(known.hash) ?? []]);
    this.#count += 1;
    this.#bytes += sizeOf(known);
    if (file !== null) this.#files.push(known);
    if (this.#files.length > MAX_FILES) this.#remove(this.#files[0]!);
    this.#makeRoom();
  }

  /** Closes the files that are kept open. */
  end(): void {
    for (const known of [...this.#files]) this.#remove(known);
  }

  #remove(known: Known): void {
    const left = this.#entries.get(known.hash)!.filter((other) => other !== known);
    if (left.length > 0) this.#entries.set(known.hash, left);
    else this.#entries.delete(known.hash);
    this.#count -= 1;
    this.#bytes -= sizeOf(known);
    if (known.file === null) return;
    this.#files = this.#files.filter((other) => other !== known);
    known.file.drop();
  }

  /** Evicts the oldest: what is in use comes back with its next request. */
  #makeRoom(): void {
    for (const variants of this.#entries.values()) {
      if (this.#count <= MAX_ENTRIES && this.#bytes <= MAX_BYTES) return;
      for (const known of variants) this.#remove(known);
    }
  }
}

/** A hash of the request line (FNV-1a): two with the same hash are compared anyway. */
function hashOfLine(bytes: Uint8Array, from: number, until: number): number {
  let hash = 0;
  for (let at = from; at < until; at++) {
    const byte = bytes[at]!;
    if (byte === LF) break;
    hash = Math.imul(hash ^ byte, 16_777_619);
  }
  return hash >>> 1;
}

function dated(known: Known): Known {
  const date = dateLine();
  if (known.date === date) return known;
  const { bytes } = known.response;
  for (let i = 0; i < date.length; i++) bytes[known.dateAt + i] = date.charCodeAt(i);
  known.date = date;
  return known;
}

function sizeOf({ request, response, file }: Known): number {
  return request.length + response.length + (file?.memory ?? 0);
}
