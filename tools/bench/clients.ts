/** The clients that generate load: wrk and h2load, and curl for single requests. */

import { run } from "./processes.ts";
import { percentile } from "./statistics.ts";

/** The result of a load. */
export interface Done {
  readonly requests: number;
  readonly seconds: number;
  /** The 99th percentile of the latencies, in milliseconds. */
  readonly p99: number;
  /** Number of error responses. */
  readonly errors: number;
  /** Number of requests without a whole response, and of failed connections. */
  readonly broken: number;
}

/** A load. */
export interface Fire {
  readonly connections: number;
  /** A whole number. */
  readonly seconds: number;
  /** Fields as `Name: value`. */
  readonly headers?: readonly string[];
  /** The path of a wrk script. */
  readonly script?: string | null;
}

/** Time for a client to start and end. */
const SPARE_SECONDS = 30;

const MILLISECONDS: Readonly<Record<string, number>> = { us: 0.001, ms: 1, s: 1_000, m: 60_000 };

/** HTTP/1 at full speed; null if the server cannot be reached. */
export async function wrk(url: string, { connections, seconds, headers = [], script }: Fire): Promise<Done | null> {
  const options = [...headers.flatMap((header) => ["-H", header]), ...script ? ["-s", script] : []];
  const fixed = ["-t1", `-c${connections}`, `-d${seconds}s`, "--latency", "--timeout", "10s"];
  const output = await run(["wrk", ...fixed, ...options, url], seconds + SPARE_SECONDS);
  return output === null ? null : parseWrk(output);
}

/** Reads what wrk prints with `--latency`; null if no request was sent. */
export function parseWrk(output: string): Done | null {
  const [, requests, time, unit] = /(\d+) requests in ([\d.]+)(ms|s|m),/.exec(output) ?? [];
  if (requests === undefined) return null;
  const [, slow, scale] = /^ +99% +([\d.]+)(us|ms|s|m)$/m.exec(output) ?? [];
  const broken = /Socket errors: connect (\d+), read (\d+), write (\d+), timeout (\d+)/.exec(output)?.slice(1) ?? [];
  return {
    requests: Number(requests),
    seconds: Number(time) * MILLISECONDS[unit!]! / 1_000,
    p99: slow === undefined ? NaN : Number(slow) * MILLISECONDS[scale!]!,
    errors: Number(/Non-2xx or 3xx responses: (\d+)/.exec(output)?.[1] ?? 0),
    broken: broken.reduce((sum, count) => sum + Number(count), 0),
  };
}

/** HTTP/2 with a number of streams per connection at full speed; null if the server does not support it. */
export async function h2load(url: string, fire: Fire & { streams: number }): Promise<Done | null> {
  const { connections, streams, seconds, headers = [] } = fire;
  const log = await Deno.makeTempFile({ prefix: "pyserve-bench-" });
  try {
    const fixed = [`-c${connections}`, `-m${streams}`, `-D${seconds}`, `--log-file=${log}`];
    const command = ["h2load", ...fixed, ...headers.flatMap((header) => ["-H", header]), url];
    const output = await run(command, seconds + SPARE_SECONDS);
    return output === null ? null : parseH2load(output, await Deno.readTextFile(log));
  } finally {
    await Deno.remove(log);
  }
}

/** Reads what h2load prints, and the latencies (microseconds, in the third column) from its log. */
export function parseH2load(output: string, log: string): Done | null {
  const [, rate] = /finished in [\d.]+\w+, ([\d.]+) req\/s/.exec(output) ?? [];
  const [, good, failed, errored] = /(\d+) succeeded, (\d+) failed, (\d+) errored/.exec(output) ?? [];
  if (!Number(rate) || !/^Application protocol: h2$/m.test(output)) return null;
  const latencies = log.trimEnd().split("\n").map((line) => Number(line.split("\t")[2]));
  return {
    requests: Number(good),
    seconds: Number(good) / Number(rate),
    p99: percentile(latencies, 0.99) / 1_000,
    errors: Number(failed) - Number(errored),
    broken: Number(errored),
  };
}

/** A response; the body with one character per byte. */
export interface Got {
  readonly status: number;
  readonly head: string;
  readonly body: string;
}

/** A single request; null without a response within the time. */
export async function curl(options: readonly string[], seconds = 10): Promise<Got | null> {
  const output = await run(["curl", "-sik", "-m", String(seconds), ...options], seconds + 5);
  const [, status] = /^HTTP\/[\d.]+ (\d+)/.exec(output ?? "") ?? [];
  if (!output || !status) return null;
  const end = output.indexOf("\r\n\r\n") + 4;
  return { status: Number(status), head: output.slice(0, end), body: output.slice(end) };
}
