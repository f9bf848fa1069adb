/**
 * Asks for a password.
 *
 * @module
 */

import { SIGNAL_NUMBERS } from "./signals.ts";
import { StartError } from "./start_error.ts";

/** The longest line that is read, in bytes. */
const MAX_BYTES = 64 * 1024;

const [CTRL_C, CTRL_D, BACKSPACE, CTRL_U, ESCAPE, DELETE] = [0x03, 0x04, 0x08, 0x15, 0x1B, 0x7F];

/** Signals that end the process, and must not leave the terminal without echo; Ctrl-C is a key here. */
const SIGNALS = Deno.build.os === "windows" ? [] : ["SIGTERM", "SIGHUP"] as const;

/** The prompt was cancelled. */
export class Cancelled extends Error {
  /** Always `"Cancelled"`. */
  override readonly name: string = "Cancelled";
  /** The exit status: 130 for Ctrl-C, as a shell reports SIGINT. */
  readonly status: number;

  /** Takes the exit status. */
  constructor(status: number) {
    super("Cancelled");
    this.status = status;
  }
}

/**
 * Asks on the terminal, twice and without echo; where standard input is no terminal, reads one line from it instead.
 *
 * @throws Cancelled for Ctrl-C and Ctrl-D; StartError where the two answers differ or there is no line.
 */
export async function readPassword(prompt: string): Promise<string> {
  if (!Deno.stdin.isTerminal()) return await readLine();
  const first = await ask(prompt);
  const second = await ask("The same again: ");
  if (first !== second) throw new StartError("The two passwords differ; nothing was changed");
  return first;
}

/** Reads up to the end of the line; what follows is ignored. */
async function readLine(): Promise<string> {
  const bytes: number[] = [];
  const buffer = new Uint8Array(4096);
  for (;;) {
    const count = await Deno.stdin.read(buffer);
    const end = buffer.subarray(0, count ?? 0).indexOf(0x0A);
    bytes.push(...buffer.subarray(0, end < 0 ? count ?? 0 : end));
    if (bytes.length > MAX_BYTES) throw new StartError("The password is too long");
    if (end >= 0 || count === null) break;
  }
  if (bytes.length === 0) throw new StartError("Standard input has no password: write it as one line");
  return text(bytes).replace(/\r$/, "");
}

/** The terminal is as before when it returns or throws, and when a signal ends the process. */
async function ask(prompt: string): Promise<string> {
  using _raw = new RawTerminal(); // before the prompt, or else what is typed at once is shown
  Deno.stderr.writeSync(new TextEncoder().encode(prompt));
  try {
    return await typedLine();
  } finally {
    Deno.stderr.writeSync(new TextEncoder().encode("\r\n"));
  }
}

/** A terminal that does not echo, and leaves all keys to the program, until it is disposed of. */
class RawTerminal implements Disposable {
  readonly #listeners = SIGNALS.map((signal) => [signal, () => this.#end(signal)] as const);

  constructor() {
    Deno.stdin.setRaw(true);
    for (const [signal, listener] of this.#listeners) Deno.addSignalListener(signal, listener);
  }

  #end(signal: "SIGTERM" | "SIGHUP"): never {
    this[Symbol.dispose]();
    Deno.exit(128 + SIGNAL_NUMBERS[signal]);
  }

  [Symbol.dispose](): void {
    for (const [signal, listener] of this.#listeners) Deno.removeSignalListener(signal, listener);
    try {
      Deno.stdin.setRaw(false);
    } catch {
      // The terminal has gone.
    }
  }
}

async function typedLine(): Promise<string> {
  const line = new TypedLine();
  const byte = new Uint8Array(1); // one at a time, so that what is typed ahead is left for the next question
  while (await Deno.stdin.read(byte) !== null) {
    if (line.type(byte[0]!)) return line.text;
  }
  throw new Cancelled(1);
}

/** A line that is being typed: Backspace and Ctrl-U edit it, other keys that are no characters are ignored. */
class TypedLine {
  #characters: string[] = [];
  #pending: number[] = [];
  /** The state of an escape sequence, such as that of an arrow key. */
  #escape: "none" | "begun" | "parameters" = "none";

  get text(): string {
    return this.#characters.join("");
  }

  /** Takes a byte; whether the line has ended. */
  type(byte: number): boolean {
    if (this.#escape !== "none" || byte === ESCAPE) this.#skip(byte);
    else if (byte === 0x0D || byte === 0x0A) return true;
    else if (byte === CTRL_C) throw new Cancelled(130);
    else if (byte === CTRL_D && this.#characters.length === 0) throw new Cancelled(1);
    else if (byte === BACKSPACE || byte === DELETE) this.#characters.pop();
    else if (byte === CTRL_U) this.#characters = [];
    else if (byte >= 0x20) this.#add(byte);
    return false;
  }

  #skip(byte: number): void {
    if (this.#escape === "none") this.#escape = "begun";
    else if (this.#escape === "begun" && (byte === 0x5B || byte === 0x4F)) this.#escape = "parameters"; // [ or O
    else if (this.#escape === "begun" || byte >= 0x40) this.#escape = "none";
  }

  /** Collects the bytes of one character of UTF-8. */
  #add(byte: number): void {
    this.#pending.push(byte);
    const [first = 0] = this.#pending;
    const length = first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4;
    if (this.#pending.length < length) return;
    this.#characters.push(text(this.#pending));
    this.#pending = [];
  }
}

function text(bytes: readonly number[]): string {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(new Uint8Array(bytes));
  } catch {
    throw new StartError("The password is not UTF-8");
  }
}
