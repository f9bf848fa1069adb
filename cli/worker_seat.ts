/**
 * The worker's side of `--workers`.
 *
 * A worker is the same command with the same arguments, preceded by {@linkcode WORKER_WORD} and what it shares: a port,
 * or the descriptor of a socket (`fd:7`). Its standard input is its lifeline: it begins with the certificate, then a
 * byte is a signal number or asks for the metrics, and the end of the stream means that the command has exited. Its
 * standard output reports that it listens, and then has the answers. It ignores system signals: Ctrl-C in a terminal
 * and a stop by systemd reach every process, and the command decides what they mean.
 *
 * @module
 */

import type { TlsPair } from "../handlers/transport/certificates.ts";
import { SIGNAL_NUMBERS, type StopSignal } from "./signals.ts";

/** The first argument of a worker, before what it shares; internal. */
export const WORKER_WORD = "--as-worker";

/** What the processes listen on: a port, each with its own socket, or one shared socket. */
export type Shared = ({ readonly port: number } | { readonly fd: number }) & {
  /** The certificate and key in use, which the files may no longer contain; null without TLS. */
  readonly tls?: TlsPair | null;
};

/** A byte on the lifeline that asks for the metrics; the answer is a line on standard output. */
export const ASK = 0xff;

/** The certificate and key, as the first bytes of a worker's standard input: their length, then JSON. */
export function lifelineStart(tls: TlsPair | null): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(JSON.stringify(tls));
  const bytes = new Uint8Array(LENGTH_BYTES + text.length);
  new DataView(bytes.buffer).setUint32(0, text.length);
  bytes.set(text, LENGTH_BYTES);
  return bytes;
}

const LENGTH_BYTES = 4;

/** Reads what {@linkcode lifelineStart} has made; null if the command has exited. */
function readLifelineStart(): TlsPair | null {
  const head = readExactly(LENGTH_BYTES);
  const text = head && readExactly(new DataView(head.buffer).getUint32(0));
  return text && JSON.parse(new TextDecoder().decode(text));
}

function readExactly(length: number): Uint8Array<ArrayBuffer> | null {
  const bytes = new Uint8Array(length);
  for (let at = 0; at < length;) {
    const count = Deno.stdin.readSync(bytes.subarray(at));
    if (count === null) return null;
    at += count;
  }
  return bytes;
}

/** The command's environment in a worker. */
export interface WorkerIo {
  readonly shared: Shared;
  readonly out: (text: string) => void;
  readonly colors: { readonly out: boolean; readonly err: boolean };
  readonly onSignal: (callback: (signal: StopSignal) => void) => () => void;
  readonly onAsk: (answer: () => string) => void;
}

/** Arguments and environment of a worker, or null if this process is not one. */
export function workerSeat(words: readonly string[]): { args: readonly string[]; io: WorkerIo } | null {
  const [first, place = "", ...args] = words;
  const [, fd, port] = /^(?:fd:(\d+)|(\d+))$/.exec(place) ?? [];
  if (first !== WORKER_WORD || (fd ?? port) === undefined) return null;
  for (const signal of ["SIGHUP", "SIGINT", "SIGTERM"] as const) Deno.addSignalListener(signal, () => {});
  const tls = readLifelineStart();
  const shared = fd === undefined ? { port: Number(port), tls } : { fd: Number(fd), tls };
  let answer = () => "{}";
  const io = {
    shared,
    out: reportOnce(),
    colors: { out: false, err: false },
    onSignal: (callback: (signal: StopSignal) => void) => onLifeline(callback, () => writeLine(answer())),
    onAsk: (given: () => string) => void (answer = given),
  };
  return { args, io };
}

/** The start line is printed by the command; here it only reports that this worker listens. */
function reportOnce(): (text: string) => void {
  let told = false;
  return () => {
    if (!told) writeLine("");
    told = true;
  };
}

function writeLine(text: string): void {
  const bytes = new TextEncoder().encode(`${text}\n`);
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}

function onLifeline(callback: (signal: StopSignal) => void, asked: () => void): () => void {
  const reader = Deno.stdin.readable.getReader();
  const listen = async () => {
    for (let { value } = await reader.read(); value; { value } = await reader.read()) {
      for (const byte of value) {
        if (byte === ASK) asked();
        else callback(byte === SIGNAL_NUMBERS.SIGTERM ? "SIGTERM" : "SIGINT");
      }
    }
  };
  // The command has exited or is unreachable: nothing else would stop this worker.
  listen().catch(() => {}).then(() => callback("SIGINT"));
  return () => void reader.cancel().catch(() => {});
}
