/**
 * A body that is made while it is sent, once for all who read it.
 *
 * @module
 */

/** A piece of the body, and the way to the next one: what all readers have behind them is let go. */
interface Link {
  readonly bytes: Uint8Array<ArrayBuffer>;
  next: Link | null;
}

interface Reader {
  at: Link | null;
  readonly controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
}

/** Who wants to know what becomes of a {@linkcode SharedStream}. */
export interface StreamOwner {
  /** It is made to its end, or has failed (null). Says whether it is kept for later readers. */
  ended(bytes: number | null): boolean;
  /** Nobody reads it any more. */
  idle(): void;
}

/**
 * Pieces of bytes, made as fast as the fastest reader takes them. Where all readers leave, making it ends; where making
 * it fails, every reader's stream fails and none ends cleanly.
 */
export class SharedStream {
  readonly #pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>;
  readonly #stop: AbortController;
  readonly #owner: StreamOwner;
  readonly #readers = new Set<Reader>();
  #first: Link | null = { bytes: new Uint8Array(), next: null };
  #last: Link = this.#first!;
  #size = 0;
  #state: "growing" | "whole" | "failed" = "growing";
  #growing: Promise<void> | null = null;

  /**
   * @param pieces Makes the pieces; nothing runs before the first is read.
   * @param stop Aborted where the rest is not wanted.
   */
  constructor(pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>, stop: AbortController, owner: StreamOwner) {
    this.#pieces = pieces;
    this.#stop = stop;
    this.#owner = owner;
  }

  /** A stream of the whole from its beginning, or null where that is gone. */
  open(): ReadableStream<Uint8Array<ArrayBuffer>> | null {
    const first = this.#first;
    if (first === null || this.#state === "failed") return null;
    let reader: Reader;
    return new ReadableStream({
      start: (controller) => {
        reader = { at: first, controller };
        this.#readers.add(reader);
      },
      pull: () => this.#pull(reader),
      cancel: () => this.#leave(reader),
    }, { highWaterMark: 0 });
  }

  /** Ends what nobody reads. */
  endUnread(): void {
    if (this.#readers.size > 0) return;
    if (this.#state === "growing") this.#fail(new Error("Nobody reads the listing"));
    else this.#owner.idle();
  }

  /** Breaks off all readers. */
  cut(): void {
    this.#fail(new Error("The listing was broken off: too many are being sent"));
  }

  async #pull(reader: Reader): Promise<void> {
    try {
      while (reader.at?.next === null && this.#state === "growing") await (this.#growing ??= this.#grow());
    } catch (error) {
      this.#leave(reader);
      throw error;
    }
    if (reader.at === null) return; // cut meanwhile
    reader.at = reader.at.next;
    if (reader.at !== null) return reader.controller.enqueue(reader.at.bytes);
    reader.controller.close();
    this.#leave(reader);
  }

  async #grow(): Promise<void> {
    try {
      const { done, value } = await this.#pieces.next();
      if (this.#state !== "growing") return;
      if (done) this.#end();
      else this.#append(value);
    } catch (error) {
      this.#fail(error);
      throw error;
    } finally {
      this.#growing = null;
    }
  }

  #append(bytes: Uint8Array<ArrayBuffer>): void {
    this.#size += bytes.length;
    this.#last.next = { bytes, next: null };
    this.#last = this.#last.next;
  }

  #end(): void {
    this.#state = "whole";
    if (!this.#owner.ended(this.#size)) this.#first = null;
  }

  #leave(reader: Reader): void {
    reader.at = null;
    if (this.#readers.delete(reader)) this.endUnread();
  }

  #fail(error: unknown): void {
    const grew = this.#state === "growing";
    this.#state = "failed";
    this.#first = null;
    const readers = [...this.#readers];
    this.#readers.clear();
    for (const reader of readers) {
      reader.at = null;
      reader.controller.error(error);
    }
    if (grew) {
      this.#stop.abort(error);
      // It may be in the middle of its work, which then ends by the signal; either way nobody waits for it.
      this.#pieces.return(undefined).catch(() => {});
      this.#owner.ended(null);
    }
    this.#owner.idle();
  }
}
