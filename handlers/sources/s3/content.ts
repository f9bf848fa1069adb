/**
 * Content of objects: one request per range, continued where it was cut off, always of the same version.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import type { ByteRange } from "../../http/range.ts";
import { FileChanged } from "../types.ts";
import type { StoreClient } from "./client.ts";
import { storeError, StoreFailure } from "./errors.ts";
import type { Bytes, Receiver } from "./receiver.ts";

/** How often one stream is continued after it was cut off. */
const MAX_CONTINUATIONS = 8;
const PAUSE_MS = 200;

/** A version of an object. */
export interface ObjectVersion {
  readonly key: string;
  /** The entity tag with quotes; null if the store has none that is strong. */
  readonly etag: string | null;
  readonly size: number;
}

/**
 * Requests a range, and returns it as a stream that ends with an error unless it is complete.
 *
 * @throws {FileChanged} If there is no such version any more.
 */
export async function readRange(
  client: StoreClient,
  version: ObjectVersion,
  { start, end }: ByteRange,
): Promise<ReadableStream<Bytes>> {
  const content = new Continued(client, version, end);
  await content.open(start);
  return new ReadableStream({
    async pull(controller) {
      const chunk = await content.next();
      if (chunk === null) controller.close();
      else controller.enqueue(chunk);
    },
    cancel: () => content.cancel(),
  }, { highWaterMark: 0 });
}

/** The rest of a range. */
class Continued {
  readonly #client: StoreClient;
  readonly #version: ObjectVersion;
  readonly #end: number;
  #at = 0;
  #continuations = 0;
  #isCanceled = false;
  #receiver: Receiver | null = null;

  constructor(client: StoreClient, version: ObjectVersion, end: number) {
    this.#client = client;
    this.#version = version;
    this.#end = end;
  }

  async open(start: number): Promise<void> {
    const { key, etag, size } = this.#version;
    const isWhole = start === 0 && this.#end === size;
    const response = await this.#client.send({
      method: "GET",
      key,
      headers: {
        ...(etag !== null && { "if-match": etag }),
        ...(!isWhole && { range: `bytes=${start}-${this.#end - 1}` }),
      },
      expects: [404, 412, 416],
    });
    try {
      requireVersion(response, etag);
      requireStart(response, start);
    } catch (error) {
      response.body?.cancel().catch(() => {});
      throw error;
    }
    this.#at = start;
    this.#receiver = this.#client.receive(response.body ?? new Blob().stream());
    if (this.#isCanceled) this.#stop();
  }

  /** The next bytes; null at the end. */
  async next(): Promise<Bytes | null> {
    while (this.#at < this.#end) {
      const chunk = await this.#receive();
      if (chunk === null) continue;
      this.#at += chunk.length;
      return chunk;
    }
    this.#stop();
    return null;
  }

  /** The next bytes; null if the content was cut off and has been requested again. */
  async #receive(): Promise<Bytes | null> {
    let cause: unknown = new Error("The body ended early");
    try {
      const chunk = await this.#receiver!.next(this.#end - this.#at);
      if (chunk !== null) return chunk;
    } catch (error) {
      cause = error;
    }
    this.#stop();
    if (this.#isCanceled || this.#continuations++ === MAX_CONTINUATIONS) {
      throw storeError(new StoreFailure(`GET ${this.#version.key} from ${this.#at}`, null, cause));
    }
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS * Math.random()));
    await this.open(this.#at);
    return null;
  }

  cancel(): void {
    this.#isCanceled = true;
    this.#stop();
  }

  #stop(): void {
    this.#receiver?.[Symbol.dispose]();
  }
}

/** Not every store evaluates If-Match. */
function requireVersion({ status, headers }: Response, etag: string | null): void {
  const isSame = etag === null || (headers.get("etag") ?? etag) === etag;
  if (status >= 400 || !isSame) throw new FileChanged();
}

function requireStart({ status, headers }: Response, start: number): void {
  const isAtStart = status === 200 ? start === 0 : headers.get("content-range")?.startsWith(`bytes ${start}-`) ?? false;
  if (!isAtStart) throw new HttpError(502, "The file store sent an invalid answer");
}
