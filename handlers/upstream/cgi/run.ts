/**
 * Running a program for a request: its input fed and its output read at the same time, within bounds of time, and nothing
 * of it left behind.
 *
 * @module
 */

import { Watchdog } from "../../core/watchdog.ts";
import { HttpError } from "../../core/errors.ts";
import type { Spooled } from "../spool.ts";
import { Feeding } from "./feeding.ts";
import { bestStyle, launch, type ProcessGroup, type ProgramLaunch, type Style } from "./process_group.ts";
import { isBusy, spawnError } from "./spawn_errors.ts";
import { collectStderr, type StderrReader } from "./stderr.ts";

/** A program, its input, and what it stands for. */
export interface ScriptStart extends ProgramLaunch {
  /** What it reads on its standard input, null for nothing. It is disposed of when the program has ended. */
  readonly input: Spooled | null;
  /**
   * The file that the URL named: a start that fails because this is gone is a 404. Null where the URL names a program
   * that is part of the server's set-up. `command` by default.
   */
  readonly file?: string | null;
}

/** How long a script may take for what. All in milliseconds, 0 for as long as it likes. */
export interface ScriptLimits {
  /** From its start until `headersDone()`. */
  readonly headerMs: number;
  /** Without output, after that, while output is waited for. */
  readonly idleMs: number;
  /** To run on after its output has ended. */
  readonly lingerMs: number;
  /** With output pending: the client has stopped reading, but not disconnected. */
  readonly stallMs: number;
}

/** How a script has ended, and what it said. */
export interface PostMortem {
  /** Exit status; 128 and the number of the signal where that ended it. Null where it still runs. */
  readonly code: number | null;
  /** The signal that ended it. */
  readonly signal: Deno.Signal | null;
  /** The last lines of its standard error, not escaped. */
  readonly stderr: readonly string[];
}

/** A script that runs. Read it to its end, or `discard()` or `kill()` it. */
export interface RunningScript extends AsyncDisposable {
  /**
   * The next of its output, null at its end. One call at a time; nothing is read that is not asked for.
   *
   * It ends when everybody has closed the output, or a second after the script itself has ended although a process that it
   * left behind still has it.
   *
   * @throws HttpError 404, 500, 503, ... where it could not be started, 504 where it took too long, 502 where a signal
   *   killed it: what was read then is no whole reply.
   */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Says that it has sent its headers: `idleMs` and `stallMs` count from here on, `headerMs` no more. */
  headersDone(): void;
  /** Reads and throws away what it still sends, in the background, for `lingerMs` at most. */
  discard(): void;
  /** Ends it and all it has started: TERM, and KILL after a second. */
  kill(): void;
  /** Resolves when the script itself has ended, and its input is free. */
  readonly ended: Promise<Deno.CommandStatus>;
  /** The last lines of its standard error up to now, not escaped. */
  readonly stderrTail: readonly string[];
  /** What became of it, once that is known: a tenth of a second after its output at most. For error messages. */
  postMortem(): Promise<PostMortem>;
}

/** What a left-behind process may keep the output open after the script has ended. */
const DAEMON_GRACE_MS = 1_000;
/** How long the end of the output waits for the end of the script, which tells whether it is a whole reply. */
const EXIT_GRACE_MS = 50;
/** How long is waited for the rest of the output where only daemons hold it: it is there, or it is not. */
const LEFTOVER_MS = 50;
/** What a pipe and a read ahead hold: more than this does not come from the script itself. */
const LEFTOVER_BYTES = 1 << 18;
const BUSY_PAUSE_MS = 50;
const POST_MORTEM_MS = 100;

/** Exit statuses by which a program in front of another says that it could not start it. */
const NOT_STARTED = [126, 127];

/**
 * Starts a script.
 *
 * @param onStderr Takes each line of its standard error, bounded in length and number, and as it is: a log has to escape
 *   it.
 * @throws HttpError where the system refuses: 404 the script is gone, 403 it may not be run, 431 too large an environment,
 *   503 out of descriptors, processes, memory, or the script is being written (tried twice), 500 all else.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { startScript } from "./run.ts";
 *
 * const program = { command: "/bin/sh", args: ["-c", "echo hello"], cwd: "/", env: {}, input: null };
 * const limits = { headerMs: 30_000, idleMs: 60_000, lingerMs: 5_000, stallMs: 300_000 };
 * await using script = await startScript(program, limits, (line) => console.error(line));
 * assert(new TextDecoder().decode((await script.read())!) === "hello\n");
 * assert(await script.read() === null);
 * ```
 */
export async function startScript(
  start: ScriptStart,
  limits: ScriptLimits,
  onStderr: (line: string) => void,
): Promise<RunningScript> {
  const style = bestStyle(start);
  try {
    return new Script(start, limits, onStderr, await launchPatiently(start, style), style);
  } catch (thrown) {
    start.input?.[Symbol.dispose]();
    throw thrown;
  }
}

/** Launches; a program that is being written gets a second chance. */
async function launchPatiently(start: ScriptStart, style: Style): Promise<ProcessGroup> {
  const stdin = start.input === null ? "null" : "piped";
  try {
    try {
      return launch(start, stdin, style);
    } catch (thrown) {
      if (!isBusy(thrown)) throw thrown;
      await new Promise((resolve) => setTimeout(resolve, BUSY_PAUSE_MS));
      return launch(start, stdin, style);
    }
  } catch (thrown) {
    throw spawnError(thrown, isGone(start));
  }
}

function isGone({ command, file = command }: ScriptStart): boolean {
  if (file === null) return false;
  try {
    Deno.statSync(file);
    return false;
  } catch (thrown) {
    return thrown instanceof Deno.errors.NotFound;
  }
}

/** A pending `read()`. */
type Reading = PromiseWithResolvers<Uint8Array<ArrayBuffer> | null>;

class Script implements RunningScript {
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #start: ScriptStart;
  readonly #limits: ScriptLimits;
  readonly #onStderr: (line: string) => void;
  readonly #ended = Promise.withResolvers<Deno.CommandStatus>();
  /** What the script is given time for, while it runs. */
  readonly #patience = new Watchdog();
  /** What the ends of it are given time for. */
  readonly #grace = new Watchdog();
  #style: Style;
  #group!: ProcessGroup;
  #output!: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  #stderr!: StderrReader;
  #feeding: Feeding | null = null;
  #secondStart: Promise<void> | null = null;
  /** One callback that every end shares: a race per chunk against a promise that lives long would keep all chunks. */
  #reading: Reading | null = null;
  #hasOutput = false;
  #hasHeaders = false;
  /** Its output has ended, or is of no interest any more. */
  #outputOver = false;
  #stderrOver = false;
  #exit: Deno.CommandStatus | null = null;
  /** Bytes that may still come after the time of the daemons is over; null before that. */
  #leftover: number | null = null;
  /** What a reader is told at the end, null for a good one. */
  #verdict: { readonly error: unknown } | null = null;

  constructor(
    start: ScriptStart,
    limits: ScriptLimits,
    onStderr: (line: string) => void,
    group: ProcessGroup,
    style: Style,
  ) {
    this.#start = start;
    this.#limits = limits;
    this.#onStderr = onStderr;
    this.#style = style;
    this.ended = this.#ended.promise;
    this.#adopt(group);
  }

  get stderrTail(): readonly string[] {
    return this.#stderr.tail;
  }

  read(): Promise<Uint8Array<ArrayBuffer> | null> {
    if (this.#verdict !== null) return told(this.#verdict.error);
    this.#reading = Promise.withResolvers();
    this.#timeOutput();
    this.#readOn();
    return this.#reading.promise;
  }

  headersDone(): void {
    this.#hasHeaders = true;
    this.#timeReader();
  }

  discard(): void {
    if (this.#verdict !== null) return;
    this.#close(null);
    void this.#drain();
  }

  kill(): void {
    this.#fail(new HttpError(502, "The program was ended"));
  }

  async postMortem(): Promise<PostMortem> {
    const pause = Promise.withResolvers<void>();
    const timer = setTimeout(pause.resolve, POST_MORTEM_MS);
    await Promise.race([Promise.all([this.#group.exited, this.#stderr.done]), pause.promise]);
    clearTimeout(timer);
    return { code: this.#exit?.code ?? null, signal: this.#exit?.signal ?? null, stderr: [...this.stderrTail] };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.kill();
    await Promise.all([this.ended, this.#secondStart]);
    this.#stderr.stop();
    await Promise.all([this.#group.ended, this.#stderr.done]);
  }

  /** Takes a process over: the first one, or the second where the first could not become the program. */
  #adopt(group: ProcessGroup): void {
    this.#patience.set(this.#limits.headerMs, () => this.#fail(tooLong("The program did not answer in time")));
    this.#group = group;
    this.#output = group.child.stdout.getReader();
    this.#stderr = collectStderr(group.child.stderr, this.#onStderr);
    this.#stderr.done.then(() => this.#onStderrEnd());
    if (this.#start.input !== null) this.#feed(group.child.stdin, this.#start.input);
    group.exited.then((status) => this.#onExit(status));
  }

  #feed(stdin: WritableStream<Uint8Array<ArrayBuffer>>, input: Spooled): void {
    this.#feeding = new Feeding(stdin, input, (thrown) => this.#fail(thrown));
  }

  #readOn(): void {
    this.#output.read().then(
      ({ value }) => value === undefined ? this.#onEof() : this.#onOutput(value),
      () => this.#onEof(), // a pipe that breaks has ended
    );
  }

  #onOutput(bytes: Uint8Array<ArrayBuffer>): void {
    this.#hasOutput = true;
    if (this.#leftover !== null) this.#leftover -= bytes.length;
    this.#timeReader();
    this.#answer((reading) => reading.resolve(bytes));
  }

  #onEof(): void {
    this.#outputOver = true;
    if (this.#verdict === null) {
      if (this.#exit !== null) this.#conclude();
      else this.#grace.set(EXIT_GRACE_MS, () => this.#close(null)); // it runs on
    }
    this.#rest();
  }

  #onStderrEnd(): void {
    this.#stderrOver = true;
    this.#rest();
  }

  #onExit(status: Deno.CommandStatus): void {
    this.#exit = status;
    this.#patience.stop();
    this.#grace.set(DAEMON_GRACE_MS, () => this.#leaveDaemons());
    if (this.#verdict !== null || !this.#mayBeUnstarted()) this.#settle(status);
    if (this.#verdict === null && this.#outputOver) this.#conclude();
    this.#rest();
  }

  /** The script has ended and gives its input back. */
  #settle(status: Deno.CommandStatus): void {
    this.#feeding?.stop();
    this.#start.input?.[Symbol.dispose]();
    this.#ended.resolve(status);
  }

  /** A second after its end: a process that still holds its outputs is a daemon. */
  #leaveDaemons(): void {
    this.#stderr.stop();
    if (this.#verdict !== null) return this.#giveUpOutput();
    this.#leftover = LEFTOVER_BYTES;
    if (this.#reading !== null) this.#conclude();
  }

  /** Script and output have ended: was it a whole reply? */
  #conclude(): void {
    if (this.#mayBeUnstarted()) return void (this.#secondStart = this.#startOtherwise(this.#exit!));
    const { signal } = this.#exit!;
    if (signal !== null) return this.#fail(new HttpError(502, `The program was killed by ${signal}`));
    this.#close(null);
    this.#giveUpOutput();
  }

  #mayBeUnstarted(): boolean {
    return this.#style === "setsid" && !this.#hasOutput && NOT_STARTED.includes(this.#exit!.code);
  }

  /** setsid(1) says in words why it did not become the program; the runtime says it in numbers, and may have more luck. */
  async #startOtherwise(status: Deno.CommandStatus): Promise<void> {
    this.#style = "detached";
    await Promise.all([this.#stderr.done, this.#feeding?.done]);
    if (this.#verdict !== null || !isComplaint(this.stderrTail, this.#start.command)) {
      this.#settle(status);
      if (this.#verdict === null) this.#conclude();
      return;
    }
    await this.#relaunch(status);
  }

  async #relaunch(status: Deno.CommandStatus): Promise<void> {
    try {
      const group = await launchPatiently(this.#start, "detached");
      this.#exit = null;
      this.#outputOver = this.#stderrOver = false;
      this.#adopt(group);
    } catch (thrown) {
      this.#settle(status);
      return this.#fail(thrown);
    }
    if (this.#verdict !== null) this.#fail(this.#verdict.error); // ended meanwhile
    else if (this.#reading !== null) this.#readOn();
  }

  #close(error: unknown): void {
    this.#verdict = { error };
    this.#answer((reading) => error === null ? reading.resolve(null) : reading.reject(error));
    if (this.#exit !== null) this.#settle(this.#exit);
    else this.#patience.set(this.#limits.lingerMs, () => void this.#group.end());
  }

  #fail(error: unknown): void {
    if (this.#verdict === null) this.#close(error);
    this.#patience.rest();
    // What a script that has ended by itself leaves behind is left alone, once its output is over.
    if (this.#exit === null || !this.#outputOver) void this.#group.end();
    this.#giveUpOutput();
  }

  #answer(how: (reading: Reading) => void): void {
    const reading = this.#reading;
    this.#reading = null;
    if (reading !== null) how(reading);
  }

  #giveUpOutput(): void {
    if (this.#outputOver) return;
    this.#outputOver = true;
    this.#output.cancel().catch(() => {});
    this.#rest();
  }

  /** Where there is nothing to wait for, a timer would only hold up the end of the server. */
  #rest(): void {
    if (this.#exit !== null && this.#outputOver && this.#stderrOver) this.#grace.stop();
  }

  async #drain(): Promise<void> {
    try {
      while (!(await this.#output.read()).done);
    } catch {
      // A pipe that breaks has ended.
    }
    this.#onEof();
  }

  /** Output is waited for. */
  #timeOutput(): void {
    if (this.#leftover !== null) {
      this.#grace.set(this.#leftover > 0 ? LEFTOVER_MS : 1, () => this.#conclude());
    } else if (this.#hasHeaders && this.#exit === null) {
      this.#patience.set(this.#limits.idleMs, () => this.#fail(tooLong("The program has fallen silent")));
    }
  }

  /** The next reading is waited for. */
  #timeReader(): void {
    if (this.#leftover !== null) this.#grace.rest();
    if (!this.#hasHeaders || this.#exit !== null || this.#verdict !== null) return;
    this.#patience.set(this.#limits.stallMs, () => this.#fail(tooLong("The client has stopped reading")));
  }
}

function tooLong(message: string): HttpError {
  return new HttpError(504, message);
}

function told(error: unknown): Promise<null> {
  return error === null ? Promise.resolve(null) : Promise.reject(error);
}

/** Whether all that was said is that a program in front of this one could not start it. */
function isComplaint(stderr: readonly string[], command: string): boolean {
  return stderr.length === 1 && /^(?:setsid|setpriv): /.test(stderr[0]!) && stderr[0]!.includes(command);
}
