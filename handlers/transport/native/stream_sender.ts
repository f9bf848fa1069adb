/**
 * Sends a stream as the body of a response, as fast as the client reads.
 *
 * @module
 */

import type { ServedConnection } from "./shared.ts";

/** How long a source may take to end after its last byte, in milliseconds. */
const END_MS = 1_000;

/** A stream that is being sent. */
export class StreamSender {
  readonly #connection: ServedConnection;
  readonly #reader: ReadableStreamDefaultReader<Uint8Array>;
  readonly #isChunked: boolean;
  #left: number;
  #isEnded = false;
  #isPending = false;
  /** Continues when everything has been sent, or nothing more can be. */
  #resume: (() => void) | null = null;

  /** @param length The Content-Length; null if it is not known. */
  constructor(
    connection: ServedConnection,
    stream: ReadableStream<Uint8Array>,
    { length, isChunked }: { readonly length: number | null; readonly isChunked: boolean },
  ) {
    this.#connection = connection;
    this.#reader = stream.getReader();
    this.#isChunked = isChunked;
    this.#left = length ?? Infinity;
  }

  /** Whether the source is slow, and not the client. */
  get isPending(): boolean {
    return this.#isPending;
  }

  /**
   * Sends the head and the stream.
   *
   * @returns Whether all of it has been sent; false if it was aborted.
   * @throws If the stream fails, or is shorter than its Content-Length.
   */
  async send(head: string): Promise<boolean> {
    try {
      await this.#write(head, null);
      while (this.#left > 0 && !this.#isEnded) {
        const { done, value } = await this.#read();
        if (done || this.#isEnded) break;
        if (!(value instanceof Uint8Array)) {
          throw new TypeError("The response body has a chunk that is not a Uint8Array");
        }
        if (value.length > 0) await this.#sendPart(value as Uint8Array<ArrayBuffer>);
      }
    } catch (error) {
      this.#cancel(error);
      throw error;
    }
    return await this.#end();
  }

  /** Everything has been sent. */
  flushed(): void {
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  /** Ends it early. */
  abort(reason: unknown): void {
    this.#isEnded = true;
    this.#cancel(reason);
    this.flushed();
  }

  async #end(): Promise<boolean> {
    if (this.#isEnded) return false;
    if (this.#left > 0 && this.#left !== Infinity) {
      throw new Error("The response body is shorter than its Content-Length");
    }
    if (this.#left === 0) this.#endSource();
    if (this.#isChunked) await this.#write("0\r\n\r\n", null);
    return !this.#isEnded;
  }

  /** Everything announced has been sent: the source may end by itself, such as to keep its own connection. */
  #endSource(): void {
    const timer = setTimeout(() => this.#cancel(undefined), END_MS);
    this.#reader.read().then(({ done }) => {
      if (!done) this.#cancel(undefined);
    }, () => {}).finally(() => clearTimeout(timer));
  }

  async #read(): Promise<ReadableStreamReadResult<Uint8Array>> {
    this.#isPending = true;
    this.#connection.touch();
    const result = await this.#reader.read();
    this.#isPending = false;
    return result;
  }

  #sendPart(value: Uint8Array<ArrayBuffer>): Promise<void> | void {
    if (this.#isChunked) return this.#write(`${value.length.toString(16)}\r\n`, withLineEnd(value));
    const bytes = value.length > this.#left ? value.subarray(0, this.#left) : value;
    this.#left -= bytes.length;
    return this.#write("", bytes);
  }

  #write(text: string, bytes: Uint8Array<ArrayBuffer> | null): Promise<void> | void {
    const sent = this.#connection.outbox.send(text, bytes);
    if (sent === "all") return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resume = resolve;
    this.#connection.settle(sent);
    return promise;
  }

  #cancel(reason: unknown): void {
    this.#reader.cancel(reason).catch(() => {});
  }
}

/** Sent with its chunk: some clients wait for it. */
function withLineEnd(bytes: Uint8Array): Uint8Array<ArrayBuffer> {
  const framed = new Uint8Array(bytes.length + 2);
  framed.set(bytes);
  framed[bytes.length] = 0x0d;
  framed[bytes.length + 1] = 0x0a;
  return framed;
}
