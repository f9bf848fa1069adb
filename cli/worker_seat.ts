/**
 * The side of a worker: what a process does otherwise that the command has started for `--workers`.
 *
 * It is the same command with the same words, behind {@linkcode WORKER_WORD} and the port. Its standard input is its
 * lifeline: a byte that comes is the number of a signal, and its end is the end of the command. Its standard output says
 * that it listens. Signals of the system it ignores: Ctrl-C in a terminal, and a stop by systemd, reach every process,
 * and it is the command that decides what they mean.
 *
 * @module
 */

import { SIGNAL_NUMBERS, type StopSignal } from "./signals.ts";

/** The first word of a worker's command line, before the port; for the command's own use. */
export const WORKER_WORD = "--as-worker";

/** What the command touches of the world when it is a worker. */
export interface WorkerIo {
  readonly sharedPort: number;
  readonly out: (text: string) => void;
  readonly colors: { readonly out: boolean; readonly err: boolean };
  readonly onSignal: (callback: (signal: StopSignal) => void) => () => void;
}

/** What a worker is to be run with, or null where this process is none. */
export function workerSeat(words: readonly string[]): { args: readonly string[]; io: WorkerIo } | null {
  const [first, port, ...args] = words;
  if (first !== WORKER_WORD || !/^\d+$/.test(port ?? "")) return null;
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => {});
  const io = { sharedPort: Number(port), out: tellOnce(), colors: { out: false, err: false }, onSignal: onLifeline };
  return { args, io };
}

/** The start line is the command's to print; that there is one says that this worker listens. */
function tellOnce(): (text: string) => void {
  let told = false;
  return () => {
    if (!told) Deno.stdout.writeSync(new Uint8Array([10]));
    told = true;
  };
}

function onLifeline(callback: (signal: StopSignal) => void): () => void {
  const reader = Deno.stdin.readable.getReader();
  const listen = async () => {
    for (let { value } = await reader.read(); value; { value } = await reader.read()) {
      for (const byte of value) callback(byte === SIGNAL_NUMBERS.SIGTERM ? "SIGTERM" : "SIGINT");
    }
  };
  // The command has ended, or cannot be heard: nobody would stop this worker any more.
  listen().catch(() => {}).then(() => callback("SIGINT"));
  return () => void reader.cancel().catch(() => {});
}
