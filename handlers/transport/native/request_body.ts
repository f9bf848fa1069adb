/**
 * The body of a request, read as fast as its handler asks for it.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import type { Body } from "../../http1/body.ts";
import type { InputBuffer } from "../../http1/input_buffer.ts";
import { Rejection } from "../../http1/rejection.ts";
import { SENTENCES } from "./rejections.ts";

/** The connection that it arrives on. */
export interface BodySource {
  /** What has arrived and has not been taken. */
  readonly input: InputBuffer;
  /** Whether nothing more will arrive. */
  readonly hasEnded: boolean;
  /** Called before something is taken: a client may wait for permission to send (RFC 9110 section 10.1.1). */
  invite(): void;
  /** Called when there is room for more. */
  taken(): void;
}

/** Takes at most this much at a time. */
const PIECE_BYTES = 65_536;

/** A body that is being read. */
export class RequestBody {
  readonly #source: BodySource;
  readonly #body: Body;
  /** Why no more of it can be read. */
  #problem: Error | null = null;
  #wake: (() => void) | null = null;
  #isCancelled = false;
  #stream: ReadableStream<Uint8Array<ArrayBuffer>> | null = null;

  constructor(source: BodySource, body: Body) {
    this.#source = source;
    this.#body = body;
  }

  /** Whether all of it has been read. */
  get hasEnded(): boolean {
    return this.#body.ended;
  }

  /** Whether its framing is broken, or the client has left. */
  get isBroken(): boolean {
    return this.#problem !== null;
  }

  /** Whether its handler waits for more. */
  get isWaiting(): boolean {
    return this.#wake !== null;
  }

  /** Whether its handler may still read it. */
  get isLocked(): boolean {
    return this.#stream !== null && this.#stream.locked && !this.#isCancelled;
  }

  /** The body as a stream of bytes. */
  get stream(): ReadableStream<Uint8Array<ArrayBuffer>> {
    return this.#stream ??= new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const view = controller.byobRequest?.view;
        const piece = await this.#next(Math.min(view?.byteLength ?? PIECE_BYTES, PIECE_BYTES));
        if (piece === null) {
          controller.close();
          controller.byobRequest?.respond(0);
        } else if (view) {
          new Uint8Array(view.buffer, view.byteOffset).set(piece);
          controller.byobRequest!.respond(piece.length);
        } else controller.enqueue(piece);
      },
      cancel: () => void (this.#isCancelled = true),
    }) as ReadableStream<Uint8Array<ArrayBuffer>>;
  }

  /** Notices that something has arrived, or that nothing will. */
  advance(): void {
    const wake = this.#wake;
    this.#wake = null;
    wake?.();
  }

  /** Lets reading fail. */
  fail(problem: Error): void {
    this.#problem ??= problem;
    this.advance();
  }

  /** Discards what has arrived, up to a number of bytes; returns how many. */
  discard(most: number): number {
    let discarded = 0;
    while (discarded < most && !this.#body.ended && this.#problem === null) {
      const piece = this.#take(PIECE_BYTES);
      if (piece === null) break;
      discarded += piece.length;
    }
    return discarded;
  }

  async #next(most: number): Promise<Uint8Array<ArrayBuffer> | null> {
    if (!this.#body.ended) this.#source.invite();
    for (;;) {
      if (this.#problem) throw this.#problem;
      const piece = this.#take(most);
      if (piece !== null) return piece;
      if (this.#problem) throw this.#problem;
      if (this.#body.ended) return null;
      if (this.#source.hasEnded && this.#body.endsWithConnection) return null;
      if (this.#source.hasEnded) throw this.#problem = new HttpError(400, "The request body is incomplete");
      await new Promise<void>((resolve) => this.#wake = resolve);
    }
  }

  #take(most: number): Uint8Array<ArrayBuffer> | null {
    const piece = this.#body.take(this.#source.input, most);
    if (piece instanceof Rejection) {
      this.#problem = new HttpError(piece.status, SENTENCES[piece.code]);
      return null;
    }
    if (piece !== null) this.#source.taken();
    return piece;
  }
}
