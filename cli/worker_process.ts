/**
 * A worker process, as seen by the command.
 *
 * @module
 */

import type { Logger } from "../handlers/core/types.ts";
import type { Samples } from "../handlers/layers/exposition.ts";
import type { TlsPair } from "../handlers/transport/certificates.ts";
import { SIGNAL_NUMBERS, type StopSignal } from "./signals.ts";
import { StartError } from "./start_error.ts";
import { ASK, lifelineStart } from "./worker_seat.ts";

/** Maximum length of an unterminated line; a worker's lines are far shorter. */
const MAX_LINE = 1024 * 1024;

/** Time for a worker to tell its metrics, in milliseconds: it may be busy. */
const ANSWER_MS = 2_000;

/** Time to read the rest of an exited worker's log, in milliseconds: a child of it may keep the pipe open. */
const LAST_LINES_MS = 1_000;

/** A running worker with its lifeline. */
export class WorkerProcess {
  /** Resolves when it listens. Rejects with {@linkcode StartError} and its first output if it exits before. */
  readonly listening: Promise<void>;
  /** Resolves with the cause when it has exited and its output has been logged. */
  readonly ended: Promise<string>;
  readonly #child: Deno.ChildProcess;
  readonly #lifeline: WritableStreamDefaultWriter<Uint8Array>;
  /** Its output before it listens: the error message if it never does, otherwise for the log. */
  #early: string[] | null = [];
  /** Its metrics when it told them last. */
  #samples: Samples = {};
  #answer: PromiseWithResolvers<void> | null = null;

  /** Starts a worker; its lines are logged whole and in order. */
  constructor(args: readonly string[], tls: TlsPair | null, log: Logger) {
    this.#child = new Deno.Command(Deno.execPath(), {
      args: [...args],
      stdin: "piped",
      stdout: "piped",
      stderr: "piped",
    }).spawn();
    this.#lifeline = this.#child.stdin.getWriter();
    this.#lifeline.closed.catch(() => {});
    this.#lifeline.write(lifelineStart(tls)).catch(() => {});
    const logged = this.#log(log).catch(() => {});
    this.ended = this.#end(logged);
    this.listening = this.#listen(log);
    this.listening.catch(() => {});
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** Its metrics; those that it has told last, if it does not answer in time or has exited. */
  async samples(): Promise<Samples> {
    if (this.#early !== null) return this.#samples; // it does not listen yet
    const answer = this.#answer ??= Promise.withResolvers<void>();
    this.#lifeline.write(new Uint8Array([ASK])).catch(() => {});
    const timer = setTimeout(() => this.#answered(), ANSWER_MS);
    await Promise.race([answer.promise, this.ended]);
    clearTimeout(timer);
    return this.#samples;
  }

  /** Forwards a signal; ignored if the worker has exited. */
  tell(signal: StopSignal): void {
    this.#lifeline.write(new Uint8Array([SIGNAL_NUMBERS[signal]])).catch(() => {});
  }

  /** Kills it. */
  kill(): void {
    try {
      this.#child.kill("SIGKILL");
    } catch {
      // It has already exited.
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

  /** The error it printed instead of listening. */
  #reason(): string | null {
    return this.#early?.[0]?.replace(/^(pyserve|error): /, "") ?? null;
  }

  async #listenToAnswers(): Promise<void> {
    for await (const line of linesOf(this.#child.stdout)) {
      this.#samples = JSON.parse(line);
      this.#answered();
    }
  }

  #answered(): void {
    this.#answer?.resolve();
    this.#answer = null;
  }

  async #listen(log: Logger): Promise<void> {
    const reader = this.#child.stdout.getReader();
    const { done } = await reader.read();
    if (!done) {
      for (const line of this.#early!) log.access(line);
      this.#early = null;
      reader.releaseLock();
      this.#listenToAnswers().catch(() => {});
      return;
    }
    const how = await this.ended;
    throw new StartError(this.#reason() ?? `A worker exited at startup (${how})`);
  }
}

/** Splits a stream into lines. Drops an unterminated last one, left by a killed process. */
async function* linesOf(stream: ReadableStream<Uint8Array<ArrayBuffer>>): AsyncGenerator<string> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!.slice(0, MAX_LINE);
    yield* lines;
  }
}
