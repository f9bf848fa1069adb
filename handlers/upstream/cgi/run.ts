/**
 * Runs a program for a request: feeds its input while reading its output, enforces time limits, and cleans up after it.
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

/** A program, its input, and the file it stands for. */
export interface ScriptStart extends ProgramLaunch {
  /** Its standard input, or null for none. Disposed of when the program has exited. */
  readonly input: Spooled | null;
  /**
   * The file named by the URL: if the start fails because it no longer exists, the status is 404. Null if the URL names
   * a program of the server's configuration. Defaults to `command`.
   */
  readonly file?: string | null;
}

/** Time limits of a script, in milliseconds; 0 = unlimited. */
export interface ScriptLimits {
  /** From its start until `headersDone()`. */
  readonly headerMs: number;
  /** Without output, after that, while a read is pending. */
  readonly idleMs: number;
  /** To keep running after the end of its output. */
  readonly lingerMs: number;
  /** With output pending: the client has stopped reading, but not disconnected. */
  readonly stallMs: number;
}

/** How a script ended, and its last error output. */
export interface PostMortem {
  /** Exit status; 128 plus the signal number if a signal ended it. Null if it is still running. */
  readonly code: number | null;
  /** The signal that ended it. */
  readonly signal: Deno.Signal | null;
  /** The last lines of its standard error, not escaped. */
  readonly stderr: readonly string[];
}

/** A running script. Read it to its end, or call `discard()` or `kill()`. */
export interface RunningScript extends AsyncDisposable {
  /**
   * The next chunk of output, null at the end. One call at a time; nothing is read ahead.
   *
   * The output ends when all processes have closed it, or one second after the script has exited if a background
   * process still holds it open.
   *
   * @throws HttpError 404, 500, 503, ... if it could not be started, 504 if it took too long, 502 if a signal killed
   *   it: the output so far is then incomplete.
   */
  read(): Promise<Uint8Array<ArrayBuffer> | null>;
  /** Marks the end of the header: from here on, `idleMs` and `stallMs` apply instead of `headerMs`. */
  headersDone(): void;
  /** Discards the remaining output in the background, for at most `lingerMs`. */
  discard(): void;
  /** Kills it and its child processes: SIGTERM, and SIGKILL after a second. */
  kill(): void;
  /** Resolves when the script itself has exited and its input has been released. */
  readonly ended: Promise<Deno.CommandStatus>;
  /** The last lines of its standard error so far, not escaped. */
  readonly stderrTail: readonly string[];
  /** How it ended, available at most a tenth of a second after the end of its output. For error messages. */
  postMortem(): Promise<PostMortem>;
}

/** How long a background process may keep the output open after the script has exited. */
const DAEMON_GRACE_MS = 1_000;
/** How long the end of the output waits for the script to exit, which tells whether the reply is complete. */
const EXIT_GRACE_MS = 50;
/**
 * How long to wait for remaining output that only background processes hold open: either it is there already, or it is
 * not.
 */
const LEFTOVER_MS = 50;
/** Size of a pipe plus one read: anything beyond was not written by the script itself. */
const LEFTOVER_BYTES = 1 << 18;
const BUSY_PAUSE_MS = 50;
const POST_MORTEM_MS = 100;

/** Exit statuses with which setsid(1) reports that it could not start the program. */
const NOT_STARTED = [126, 127];

/**
 * Starts a script.
 *
 * @param onStderr Receives each line of its standard error, limited in length and number, not escaped: a log must do
 *   that.
 * @throws HttpError If the system refuses: 404 the script no longer exists, 403 permission denied, 431 environment too
 *   large, 503 out of descriptors, processes or memory, or the script is being written (tried twice), 500 otherwise.
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

/** Launches the program, with one retry if it is being written. */
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
type PendingRead = PromiseWithResolvers<Uint8Array<ArrayBuffer> | null>;

class Script implements RunningScript {
  readonly ended: Promise<Deno.CommandStatus>;
  readonly #start: ScriptStart;
  readonly #limits: ScriptLimits;
  readonly #onStderr: (line: string) => void;
  readonly #ended = Promise.withResolvers<Deno.CommandStatus>();
  /** Time limits of the running script. */
  readonly #patience = new Watchdog();
  /** Grace periods around its end. */
  readonly #grace = new Watchdog();
  #style: Style;
  #group!: ProcessGroup;
  #output!: ReadableStreamDefaultReader<Uint8Array<ArrayBuffer>>;
  #stderr!: StderrReader;
  #feeding: Feeding | null = null;
  #secondStart: Promise<void> | null = null;
  /**
   * A single promise resolved by every kind of end: racing each chunk against a long-lived promise would retain all
   * chunks.
   */
  #reading: PendingRead | null = null;
  #hasOutput = false;
  #hasHeaders = false;
  /** The output has ended, or is no longer needed. */
  #outputOver = false;
  #stderrOver = false;
  #exit: Deno.CommandStatus | null = null;
  /** Bytes still accepted after the background processes' grace period; null before that. */
  #leftover: number | null = null;
  /** What a reader receives at the end: an error, or null for success. */
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
    if (this.#verdict !== null) return rejected(this.#verdict.error);
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

  /** Takes over a process: the first one, or the second if the first could not exec the program. */
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
      () => this.#onEof(), // a broken pipe counts as ended
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
      else this.#grace.set(EXIT_GRACE_MS, () => this.#close(null)); // still running
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

  /** The script has exited and no longer needs its input. */
  #settle(status: Deno.CommandStatus): void {
    this.#feeding?.stop();
    this.#start.input?.[Symbol.dispose]();
    this.#ended.resolve(status);
  }

  /** One second after its exit: a process that still holds its output is a daemon. */
  #leaveDaemons(): void {
    this.#stderr.stop();
    if (this.#verdict !== null) return this.#giveUpOutput();
    this.#leftover = LEFTOVER_BYTES;
    if (this.#reading !== null) this.#conclude();
  }

  /** The script has exited and its output has ended: is the reply complete? */
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

  /**
   * setsid(1) reports why it could not exec the program only as text; the runtime reports an error code, and may
   * succeed.
   */
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
    // Background processes of a script that exited normally are not killed, once its output has ended.
    if (this.#exit === null || !this.#outputOver) void this.#group.end();
    this.#giveUpOutput();
  }

  #answer(how: (reading: PendingRead) => void): void {
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

  /** If nothing is pending, a timer would only delay the server's exit. */
  #rest(): void {
    if (this.#exit !== null && this.#outputOver && this.#stderrOver) this.#grace.stop();
  }

  async #drain(): Promise<void> {
    try {
      while (!(await this.#output.read()).done);
    } catch {
      // A broken pipe counts as ended.
    }
    this.#onEof();
  }

  /** A read is pending. */
  #timeOutput(): void {
    if (this.#leftover !== null) {
      this.#grace.set(this.#leftover > 0 ? LEFTOVER_MS : 1, () => this.#conclude());
    } else if (this.#hasHeaders && this.#exit === null) {
      this.#patience.set(this.#limits.idleMs, () => this.#fail(tooLong("The program has stopped sending output")));
    }
  }

  /** The next call of `read` is awaited. */
  #timeReader(): void {
    if (this.#leftover !== null) this.#grace.rest();
    if (!this.#hasHeaders || this.#exit !== null || this.#verdict !== null) return;
    this.#patience.set(this.#limits.stallMs, () => this.#fail(tooLong("The client has stopped reading")));
  }
}

function tooLong(message: string): HttpError {
  return new HttpError(504, message);
}

function rejected(error: unknown): Promise<null> {
  return error === null ? Promise.resolve(null) : Promise.reject(error);
}

/** Whether the only error output is setsid's message that it could not start the program. */
function isComplaint(stderr: readonly string[], command: string): boolean {
  return stderr.length === 1 && /^(?:setsid|setpriv): /.test(stderr[0]!) && stderr[0]!.includes(command);
}
