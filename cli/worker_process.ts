/**
 * One worker, seen from the command.
 *
 * @module
 */

import type { Logger } from "../handlers/types.ts";
import { SIGNAL_NUMBERS, type StopSignal } from "./signals.ts";
import { StartError } from "./start_error.ts";

/** Characters of a line that is not at its end; a worker's lines are shorter by far. */
const MAX_LINE = 1024 * 1024;

/** Milliseconds that the log of a worker that has ended gets: something it started may hold the pipe open. */
const LAST_LINES_MS = 1_000;

/** A process that runs, with a lifeline to it. */
export class WorkerProcess {
  /** Resolves when it listens. Rejects with {@linkcode StartError}, and its first words, where it ends before. */
  readonly listening: Promise<void>;
  /** Resolves when it has ended and all its lines are in the log, with how it ended. */
  readonly ended: Promise<string>;
  readonly #child: Deno.ChildProcess;
  readonly #lifeline: WritableStreamDefaultWriter<Uint8Array>;
  /** What it said before it listened: the reason where it never does, else for the log. */
  #early: string[] | null = [];

  /** Starts a worker; its lines go to the log, whole and in order. */
  constructor(args: readonly string[], log: Logger) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lifeline = this.#child.stdin.getWriter();
    this.#lifeline.closed.catch(() => {});
    const logged = this.#log(log).catch(() => {});
    this.ended = this.#end(logged);
    this.listening = this.#listen(log);
    this.listening.catch(() => {});
  }

  /** Its process. */
  get pid(): number {
    return this.#child.pid;
  }

  /** Hands a signal on. A worker that has ended takes none, and that is all right. */
  tell(signal: StopSignal): void {
    this.#lifeline.write(new Uint8Array([SIGNAL_NUMBERS[signal]])).catch(() => {});
  }

  /** Ends it at once. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has ended by itself.
    }
  }

  async #log(log: Logger): Promise<void> {
    for await (const line of linesOf(this.#child.stderr)) {
      if (this.#early) this.#early.push(line);
      else log.access(line);
    }
  }

  async #end(logged: Promise<void>): Promise<string> {
    const { code, signal } = await this.#child.status;
    const late = Promise.withResolvers<void>();
    const timer = setTimeout(late.resolve, LAST_LINES_MS);
    await Promise.race([logged, late.promise]);
    clearTimeout(timer);
    await this.#lifeline.close().catch(() => {});
    const reason = this.#reason();
    return `${signal ?? `status ${code}`}${reason === null ? "" : `: ${reason}`}`;
  }

  /** Why it does not listen, as it said itself. */
  #reason(): string | null {
    return this.#early?.[0]?.replace(/^(pyserve|error): /, "") ?? null;
  }

  async #listen(log: Logger): Promise<void> {
    const reader = this.#child.stdout.getReader();
    const { done } = await reader.read();
    if (!done) {
      for (const line of this.#early!) log.access(line);
      this.#early = null;
      reader.cancel().catch(() => {});
      return;
    }
    const how = await this.ended;
    throw new StartError(this.#reason() ?? `A worker ended at its start (${how})`);
  }
}

/** The lines of a stream. A last one without an end is what a process that was killed could not finish: left out. */
async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!.slice(0, MAX_LINE);
    yield* lines;
  }
}
