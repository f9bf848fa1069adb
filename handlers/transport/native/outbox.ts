/**
 * What is being sent on a connection: bytes, then perhaps a part of a file.
 *
 * @module
 */

import { concatenate } from "../../core/concatenate.ts";
import type { FileBody } from "../../core/shortcuts.ts";
import { Block } from "../../system/block.ts";
import { mayBeCached } from "../../system/cached_read.ts";
import { EAGAIN } from "../../system/libc.ts";
import type { Network } from "../../system/network.ts";

/** How sending has gone: all of it, not all of it yet, or the connection is lost. */
export type Sent = "all" | "waits" | "lost";

/** Bytes for all connections that are sent at once, or copied. */
const STAGE_BYTES = 81_920;

/** Longer bodies are sent from where they are, shorter ones copied behind their head. */
const COPIED_BYTES = 16_384;

/** Bytes of a file sent before other connections have their turn. */
const SHARE_BYTES = 1_048_576;

const UTF8 = new TextEncoder();

/** Sends what fits into the socket, and keeps the rest. */
export class Outbox {
  /** Bytes that have been accepted by the system. */
  sent = 0;
  readonly #network: Network;
  readonly #stage: Stage;
  readonly #descriptor: number;
  #first: Block | null = null;
  #firstAt = 0;
  #second: Block | null = null;
  #secondAt = 0;
  #file: FileBody | null = null;
  #fileAt = 0;
  /** Up to where the file has been read into memory on another thread. */
  #fetched = 0;
  #isReading = false;
  #onRead: (() => void) | null;

  /**
   * @param stage Shared by all connections of a server.
   * @param onRead Called when a part of a file that was not in memory can be sent.
   */
  constructor(network: Network, stage: Stage, descriptor: number, onRead: () => void) {
    this.#network = network;
    this.#stage = stage;
    this.#descriptor = descriptor;
    this.#onRead = onRead;
  }

  /** Whether everything has been sent. */
  get isEmpty(): boolean {
    return this.#first === null && this.#file === null;
  }

  /** Whether it waits for a disk, and not for the client. */
  get isReading(): boolean {
    return this.#isReading;
  }

  /** Sends text and bytes, behind what is waiting. */
  send(text: string, body: Uint8Array<ArrayBuffer> | null): Sent {
    return this.isEmpty ? this.#sendNow(text, body) : this.#append(text, body);
  }

  #sendNow(text: string, body: Uint8Array<ArrayBuffer> | null, more = false): Sent {
    const { block, length } = this.#stage.encode(text, body !== null && body.length <= COPIED_BYTES ? body : null);
    if (body === null || body.length <= COPIED_BYTES) return this.sendBlock(block, 0, length, more);
    return this.sendBlocks(block, length, Block.of(body), more);
  }

  #append(text: string, body: Uint8Array<ArrayBuffer> | null): Sent {
    const { block, length } = this.#stage.encode(text, body);
    const waiting = [this.#first?.bytes.subarray(this.#firstAt), this.#second?.bytes.subarray(this.#secondAt)];
    const pieces = [...waiting.filter((bytes) => bytes !== undefined), block.bytes.subarray(0, length)];
    [this.#first, this.#firstAt, this.#second] = [Block.of(concatenate(pieces)), 0, null];
    return this.flush();
  }

  /** Sends a range of a block that may change afterwards. */
  sendBlock(block: Block, from: number, until: number, more = false): Sent {
    const count = this.#network.send(this.#descriptor, block, from, until, more);
    if (count === until - from) {
      this.sent += count;
      return "all";
    }
    if (count < 0 && count !== -EAGAIN) return "lost";
    const done = Math.max(0, count);
    this.sent += done;
    this.#first = Block.copyOf(block.bytes.subarray(from + done, until));
    this.#firstAt = 0;
    return "waits";
  }

  /** Sends the beginning of a block that may change afterwards, and another block. */
  sendBlocks(first: Block, length: number, second: Block, more = false): Sent {
    const count = this.#network.sendBoth(this.#descriptor, first, 0, length, second, 0, more);
    if (count < 0 && count !== -EAGAIN) return "lost";
    const done = Math.max(0, count);
    this.sent += done;
    if (done === length + second.length) return "all";
    if (done < length) {
      this.#first = Block.copyOf(first.bytes.subarray(done, length));
      this.#firstAt = 0;
      [this.#second, this.#secondAt] = [second, 0];
    } else [this.#first, this.#firstAt] = [second, done - length];
    return "waits";
  }

  /** Sends text, then a part of a file. */
  sendFile(text: string, file: FileBody): Sent {
    if (!this.isEmpty) throw new Error("Something else is being sent");
    [this.#file, this.#fileAt, this.#fetched] = [file, 0, 0];
    const sent = this.#sendNow(text, null, true);
    return sent === "all" ? this.flush() : sent;
  }

  /** Sends a block that may change afterwards, then a part of a file. */
  sendFileBehind(head: Block, file: FileBody): Sent {
    [this.#file, this.#fileAt, this.#fetched] = [file, 0, 0];
    const sent = this.sendBlock(head, 0, head.length, true);
    return sent === "all" ? this.flush() : sent;
  }

  /** Continues to send what is left. */
  flush(): Sent {
    while (this.#first !== null) {
      const result = this.#flushBlock(this.#first);
      if (result !== "all") return result;
    }
    return this.#file === null ? "all" : this.#flushFile(this.#file);
  }

  /** Drops what is left. */
  drop(): void {
    this.#first = this.#second = null;
    this.#onRead = null;
    if (!this.#isReading) this.#file?.[Symbol.dispose]();
    this.#file = null;
  }

  #flushBlock(block: Block): Sent {
    const more = this.#second !== null || this.#file !== null;
    const count = this.#network.send(this.#descriptor, block, this.#firstAt, block.length, more);
    if (count < 0) return count === -EAGAIN ? "waits" : "lost";
    this.sent += count;
    this.#firstAt += count;
    if (this.#firstAt < block.length) return "waits";
    [this.#first, this.#firstAt] = [this.#second, this.#secondAt];
    this.#second = null;
    return "all";
  }

  #flushFile(file: FileBody): Sent {
    for (let share = SHARE_BYTES; share > 0;) {
      const left = file.length - this.#fileAt;
      if (left === 0) return this.#endFile(file);
      const offset = file.offset + this.#fileAt;
      const window = Math.min(left, share, this.#fetched > offset ? this.#fetched - offset : Infinity);
      const isKnown = file.isInMemory || this.#fetched > offset;
      if (!isKnown && !mayBeCached(file.descriptor, offset, offset + window)) {
        return this.#fetch(file, offset, left);
      }
      const count = this.#network.sendFile(this.#descriptor, file.descriptor, offset, window);
      if (count < 0) return count === -EAGAIN ? "waits" : "lost";
      if (count === 0) return "lost"; // truncated: aborting is the only way to signal an incomplete body
      this.sent += count;
      this.#fileAt += count;
      share -= count;
    }
    return this.#fileAt === file.length ? this.#endFile(file) : "waits";
  }

  /** Brings the next part of a file into memory, without which this thread would wait for the disk. */
  #fetch(file: FileBody, offset: number, left: number): Sent {
    this.#isReading = true;
    this.#network.readAhead(file.descriptor, offset, left).then((length) => {
      this.#isReading = false;
      this.#fetched = offset + length;
      if (this.#file === file) this.#onRead?.();
      else file[Symbol.dispose](); // dropped in the meantime
    });
    return "waits";
  }

  #endFile(file: FileBody): Sent {
    this.#file = null;
    file[Symbol.dispose]();
    return "all";
  }
}

/** A buffer in which heads and short bodies are put together. */
export class Stage {
  readonly #block = Block.allocate(STAGE_BYTES);

  /** Writes text, as ISO 8859-1, and bytes. */
  encode(text: string, bytes: Uint8Array | null): { block: Block; length: number } {
    const needed = text.length + (bytes?.length ?? 0);
    const block = needed <= STAGE_BYTES ? this.#block : Block.allocate(needed);
    const { written } = UTF8.encodeInto(text, block.bytes);
    if (written !== text.length) writeLatin1(text, block.bytes);
    if (bytes !== null) block.bytes.set(bytes, text.length);
    return { block, length: needed };
  }
}

function writeLatin1(text: string, into: Uint8Array): void {
  for (let i = 0; i < text.length; i++) into[i] = text.charCodeAt(i);
}
