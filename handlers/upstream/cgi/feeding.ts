import type { Spooled } from "../spool.ts";

/** Writes an input to a program until the program stops reading. */
export class Feeding {
  /** Resolves when writing has ended; never rejects. */
  readonly done: Promise<void>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  #stopped = false;

  /** Begins. `onUnreadable` is called if the input cannot be read: the program has then received only part of it. */
  constructor(
    stdin: WritableStream<Uint8Array<ArrayBuffer>>,
    input: Spooled,
    onUnreadable: (thrown: unknown) => void,
  ) {
    this.#writer = stdin.getWriter();
    this.done = this.#feed(input).catch((thrown) => {
      if (!this.#stopped) onUnreadable(thrown);
      this.stop();
    });
  }

  /**
   * Stops. If a background process of the program holds the pipe without reading, the pipe stays open until that
   * process ends: the runtime cannot cancel a write.
   */
  stop(): void {
    this.#stopped = true;
    this.#writer.abort().catch(() => {});
  }

  async #feed(input: Spooled): Promise<void> {
    for await (const chunk of input.chunks()) {
      if (this.#stopped || !await this.#write(chunk)) return;
    }
    await this.#writer.close().catch(() => {});
  }

  /** Returns whether the program accepted it: a program may close the pipe without reading its input. */
  async #write(chunk: Uint8Array<ArrayBuffer>): Promise<boolean> {
    try {
      await this.#writer.write(chunk);
      return true;
    } catch {
      return false;
    }
  }
}
