import type { Spooled } from "../spool.ts";

/** Feeds an input to a program, for as long as the program takes it. */
export class Feeding {
  /** Resolves when nothing is fed any more; never rejects. */
  readonly done: Promise<void>;
  readonly #writer: WritableStreamDefaultWriter<Uint8Array<ArrayBuffer>>;
  #stopped = false;

  /** Begins. `onUnreadable` is told when the input breaks: what the program has got then is not all. */
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
   * Gives up. Where a process that the program left behind holds the pipe and does not read, the pipe stays open until that
   * process ends: the runtime cannot take a write back.
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

  /** Returns whether the program took it: one that does not read its input closes the pipe, which is its right. */
  async #write(chunk: Uint8Array<ArrayBuffer>): Promise<boolean> {
    try {
      await this.#writer.write(chunk);
      return true;
    } catch {
      return false;
    }
  }
}
