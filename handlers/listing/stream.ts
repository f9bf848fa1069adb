/**
 * A streamed body, generated once for all its readers.
 *
 * @module
 */

/** A chunk and the link to the next one: chunks that all readers have passed are garbage collected. */
interface Link {
  readonly bytes: Uint8Array<ArrayBuffer>;
  next: Link | null;
}

interface Reader {
  at: Link | null;
  readonly controller: ReadableStreamDefaultController<Uint8Array<ArrayBuffer>>;
}

/** A complete body. */
export interface Done {
  readonly bytes: number;
  /** The milliseconds that it took to generate, without those in which no reader wanted more. */
  readonly cost: number;
}

/** The owner of a {@linkcode SharedStream}. */
export interface StreamOwner {
  /** The body is complete, or has failed (null). Returns whether it is kept for later readers. */
  ended(done: Done | null): boolean;
  /** The last reader has left. */
  idle(): void;
}

/**
 * A chunked body, generated at the pace of the fastest reader. It stops when all readers have left; an error fails
 * every reader's stream, so none ends cleanly.
 */
export class SharedStream {
  readonly #pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>;
  readonly #stop: AbortController;
  readonly #owner: StreamOwner;
  readonly #readers = new Set<Reader>();
  #first: Link | null = { bytes: new Uint8Array(), next: null };
  #last: Link = this.#first!;
  #size = 0;
  #cost = 0;
  #state: "growing" | "whole" | "failed" = "growing";
  #growing: Promise<void> | null = null;

  /**
   * @param pieces Generates the chunks; it does not run before the first read.
   * @param stop Aborted when the rest is not needed.
   */
  constructor(pieces: AsyncGenerator<Uint8Array<ArrayBuffer>>, stop: AbortController, owner: StreamOwner) {
    this.#pieces = pieces;
    this.#stop = stop;
    this.#owner = owner;
  }

  /** A stream of the whole body, or null if its beginning has been released. */
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

  /** Stops the generator if there is no reader. */
  endUnread(): void {
    if (this.#readers.size > 0) return;
    if (this.#state === "growing") this.#fail(new Error("All readers of the listing have left"));
    else this.#owner.idle();
  }

  /** Aborts all readers. */
  cut(): void {
    this.#fail(new Error("The listing was aborted: too many large listings are being sent"));
  }

  async #pull(reader: Reader): Promise<void> {
    try {
      while (reader.at?.next === null && this.#state === "growing") await (this.#growing ??= this.#grow());
    } catch (error) {
      this.#leave(reader);
      throw error;
    }
    if (reader.at === null) return; // cut in the meantime
    reader.at = reader.at.next;
    if (reader.at !== null) return reader.controller.enqueue(reader.at.bytes);
    reader.controller.close();
    this.#leave(reader);
  }

  async #grow(): Promise<void> {
    const start = performance.now();
    try {
      const { done, value } = await this.#pieces.next();
      this.#cost += performance.now() - start;
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
    if (!this.#owner.ended({ bytes: this.#size, cost: this.#cost })) this.#first = null;
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
      // The signal stops it if it is running; either way there is no need to wait.
      this.#pieces.return(undefined).catch(() => {});
      this.#owner.ended(null);
    }
    this.#owner.idle();
  }
}
