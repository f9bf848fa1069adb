/**
 * The worker's side of `--workers`.
 *
 * A worker is the same command with the same arguments, preceded by {@linkcode WORKER_WORD} and what it shares: a
 * port, or the descriptor of a socket (`fd:7`). Its standard input is its lifeline: a byte is a signal number, and the
 * end of the stream means that the command has exited. Its standard output reports that it listens. It ignores system
 * signals: Ctrl-C in a terminal and a stop by systemd reach every process, and the command decides what they mean.
 *
 * @module
 */

import { SIGNAL_NUMBERS, type StopSignal } from "./signals.ts";

/** The first argument of a worker, before what it shares; internal. */
export const WORKER_WORD = "--as-worker";

/** What the processes listen on: a port, each with its own socket, or one shared socket. */
export type Shared = { readonly port: number } | { readonly fd: number };

/** The command's environment in a worker. */
export interface WorkerIo {
  readonly shared: Shared;
  readonly out: (text: string) => void;
  readonly colors: { readonly out: boolean; readonly err: boolean };
  readonly onSignal: (callback: (signal: StopSignal) => void) => () => void;
}

/** Arguments and environment of a worker, or null if this process is not one. */
export function workerSeat(words: readonly string[]): { args: readonly string[]; io: WorkerIo } | null {
  const [first, place = "", ...args] = words;
  const [, fd, port] = /^(?:fd:(\d+)|(\d+))$/.exec(place) ?? [];
  if (first !== WORKER_WORD || (fd ?? port) === undefined) return null;
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => {});
  const shared = fd === undefined ? { port: Number(port) } : { fd: Number(fd) };
  const io = { shared, out: reportOnce(), colors: { out: false, err: false }, onSignal: onLifeline };
  return { args, io };
}

/** The start line is printed by the command; here it only reports that this worker listens. */
function reportOnce(): (text: string) => void {
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
  // The command has exited or is unreachable: nothing else would stop this worker.
  listen().catch(() => {}).then(() => callback("SIGINT"));
  return () => void reader.cancel().catch(() => {});
}
