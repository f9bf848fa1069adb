/** The command as a process. */

import { OPTION_ROWS } from "../../cli/options.ts";
import { CLI, fromFileUrl } from "./paths.ts";

/** A command that serves. */
export interface RunningCommand extends AsyncDisposable {
  readonly port: number;
  /** The output on stdout so far. */
  stdout(): string;
  /** The output on stderr so far. */
  stderr(): string;
  /** Waits until stderr contains something. */
  untilStderr(text: string): Promise<void>;
  /** Waits until stdout contains one of several texts. */
  untilStdout(...texts: readonly string[]): Promise<void>;
  /** Sends a signal and waits for the end. */
  stop(signal?: Deno.Signal): Promise<number>;
  readonly process: Deno.ChildProcess;
}

/** How to start it. */
export interface StartOptions {
  readonly cwd?: string;
  readonly env?: Record<string, string>;
  /** The flags and the module for `deno run`; everything allowed and cli.ts unless given. */
  readonly run?: readonly string[];
  /** Whether files count as old, so that responses are cached: the server's clock is ahead of theirs. Not for workers. */
  readonly clockAhead?: boolean;
}

/** The options for each engine. */
export const ENGINES: readonly (readonly string[])[] = [
  [],
  ["-p", "HTTP/1.0"],
  ...Deno.build.os === "linux" ? [["--engine", "native"]] : [],
];

/** Flags of Deno with which a server's clock is ahead of the timestamps of files. */
export const CLOCK_AHEAD: readonly string[] = ["--preload", fromFileUrl(import.meta.resolve("./clock_ahead.ts"))];

/** Starts `pyserve ...args`, on a free port of 127.0.0.1 unless they say otherwise, and waits for its start line. */
export async function start(args: readonly string[], options: StartOptions = {}): Promise<RunningCommand> {
  const { run = ["-A", CLI], cwd, env } = options;
  const preload = options.clockAhead ? CLOCK_AHEAD : [];
  const bind = args.includes("-b") || args.includes("--bind") ? [] : ["-b", "127.0.0.1"];
  const isSocket = args.some((arg) => /^(unix|fd):/.test(arg));
  const port = isSocket || args.some((arg, i) => /^(?:--port=)?\d+\+?$/.test(arg) && !takesValue(args[i - 1]))
    ? []
    : ["0"];
  return await startProcess(Deno.execPath(), [
    ...["run", "--no-lock", ...preload, ...run],
    ...[...args, ...bind, ...port, ...testedEngine(args, run)],
  ], { cwd, env });
}

/** What a suite is run with that is not about an engine: see tests/doors/native_door.ts. */
export const TESTED: { engine: "deno" | "native" } = { engine: "deno" };

/** Options with which the native engine cannot be used, or that choose one. */
const NOT_NATIVE = /^(?:-p|--protocol|--engine|--tls|--local-tls|--tls-.*)(?:=|$)/;

function testedEngine(args: readonly string[], run: readonly string[]): readonly string[] {
  const isPossible = run.some((flag) => flag === "-A" || flag === "--allow-ffi") &&
    !run.some((flag) => flag.startsWith("--deny-ffi") || flag.includes("no_libc"));
  if (TESTED.engine === "deno" || !isPossible || args.some((arg) => NOT_NATIVE.test(arg))) return [];
  return ["--engine", TESTED.engine];
}

/** Whether the next argument is this option's value rather than a port. */
function takesValue(word: string | undefined): boolean {
  return OPTION_ROWS.some(([name, { value, bare }]) =>
    word === `--${name}` && value !== undefined && bare === undefined
  );
}

/** The lines in which pyserve, `deno serve` and examples say where they listen. */
const START_LINE = /(?:Serving HTTPS?|Listening) on [^\n]*\n/;

/** Starts any program that prints such a line. */
export async function startProcess(
  program: string,
  args: readonly string[],
  { cwd, env, uid }: { cwd?: string | undefined; env?: Record<string, string> | undefined; uid?: number } = {},
): Promise<RunningCommand> {
  const process = new Deno.Command(program, {
    args: [...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...(cwd && { cwd }),
    ...(uid && { uid, gid: uid }),
    env: { NO_COLOR: "1", ...env },
  }).spawn();
  const out = collect(process.stdout);
  const err = collect(process.stderr);
  const command: RunningCommand = {
    process,
    get port() {
      const [, own, other] = /port (\d+)|Listening on http:[^\s:]+:(\d+)/.exec(out.text() + err.text()) ?? [];
      return Number(own ?? other);
    },
    stdout: out.text,
    stderr: err.text,
    untilStderr: (text) => err.until((all) => all.includes(text)),
    untilStdout: (...texts) => out.until((all) => texts.some((text) => all.includes(text))),
    async stop(signal = "SIGINT") {
      try {
        process.kill(signal);
      } catch {
        // It has already ended.
      }
      const { code } = await process.status;
      await Promise.all([out.done, err.done]);
      return code;
    },
    async [Symbol.asyncDispose]() {
      await command.stop("SIGKILL");
    },
  };
  const says = (all: string) => START_LINE.test(all);
  await Promise.race([out.until(says), err.until(says), process.status]);
  if (!says(out.text()) && !says(err.text())) {
    await Promise.all([out.done, err.done]);
    throw new Error(`The command did not start: ${out.text()}${err.text()}`);
  }
  return command;
}

/** What a command that ends by itself printed, and its exit status. */
export interface Ended {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs `pyserve ...args` to its end. */
export async function runCommand(args: readonly string[], options: StartOptions = {}): Promise<Ended> {
  const { run = ["-A", CLI], cwd, env } = options;
  const process = new Deno.Command(Deno.execPath(), {
    args: ["run", "--no-lock", ...run, ...args],
    stdin: "null",
    stdout: "piped",
    stderr: "piped",
    ...(cwd && { cwd }),
    env: { NO_COLOR: "1", ...env },
  }).spawn();
  const out = collect(process.stdout);
  const err = collect(process.stderr);
  // A command that serves instead of refusing would block the tests forever.
  let serves = false;
  out.until((all) => /^Serving HTTPS? on /m.test(all)).then(() => {
    serves = /^Serving HTTPS? on /m.test(out.text());
    if (serves) process.kill("SIGKILL");
  });
  const timer = setTimeout(() => process.kill("SIGKILL"), 60_000);
  const { code } = await process.status;
  clearTimeout(timer);
  await Promise.all([out.done, err.done]);
  if (serves) throw new Error(`The command serves, and does not end by itself: ${out.text()}${err.text()}`);
  return { code, stdout: out.text(), stderr: err.text() };
}

function collect(stream: ReadableStream<Uint8Array>) {
  let all = "";
  let changed = Promise.withResolvers<void>();
  let ended = false;
  const done = (async () => {
    for await (const text of stream.pipeThrough(new TextDecoderStream())) {
      all += text;
      changed.resolve();
      changed = Promise.withResolvers();
    }
    ended = true;
    changed.resolve();
  })();
  return {
    done,
    text: () => all,
    async until(holds: (all: string) => boolean) {
      while (!holds(all) && !ended) await changed.promise;
    },
  };
}
