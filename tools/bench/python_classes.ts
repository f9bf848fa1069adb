/**
 * Benchmarks our port of Python's classes against CPython's, interleaved: `deno task bench:python`.
 *
 * Each port of `python_classes/server.py` responds with 1 KiB; both log every request, to /dev/null. The command is
 * measured too, with both its transports. A run writes RESULTS-PYTHON.md, unless `--rounds N` or `--seconds S` is
 * given.
 *
 * Needs Linux, wrk and Python 3.
 */

import { fileURLToPath } from "node:url";
import { wrk } from "./clients.ts";
import { cpuSeconds, run, start, stopAll } from "./processes.ts";
import { median } from "./statistics.ts";

/** A server and its content. */
interface Contestant {
  readonly name: string;
  readonly kind: "base" | "simple";
  /** Whether it supports persistent connections. */
  readonly keeps: boolean;
  readonly command: (port: number, root: string) => readonly string[];
}

/** The parameters of a load. */
interface Load {
  readonly name: string;
  readonly connections: number;
  readonly keep: boolean;
}

/** The result of one load. */
interface Sample {
  readonly perSecond: number;
  /** CPU microseconds per request. */
  readonly cpu: number;
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));
const deno = [Deno.execPath(), "run", "-A", "--no-lock"];
const ours = (kind: string) => (port: number, root: string) => {
  return [...deno, here("python_classes/server.ts"), kind, String(port), root];
};
const pythons = (kind: string) => (port: number, root: string) => {
  return ["python3", here("python_classes/server.py"), kind, String(port), root];
};
const command = (...options: string[]) => (port: number, root: string) => {
  return [...deno, here("../../cli.ts"), root, String(port), "-b", "127.0.0.1", ...options];
};

const CONTESTANTS: readonly Contestant[] = [
  { name: "CPython's ThreadingHTTPServer", kind: "base", keeps: true, command: pythons("base") },
  { name: "the same, writes buffered", kind: "base", keeps: true, command: pythons("base-buffered") },
  { name: "pyserve's ThreadingHTTPServer", kind: "base", keeps: true, command: ours("base") },
  { name: "CPython's SimpleHTTPRequestHandler", kind: "simple", keeps: true, command: pythons("simple") },
  { name: "the same, writes buffered", kind: "simple", keeps: true, command: pythons("simple-buffered") },
  { name: "pyserve's SimpleHTTPRequestHandler", kind: "simple", keeps: true, command: ours("simple") },
  { name: "`pyserve --protocol HTTP/1.0`", kind: "simple", keeps: false, command: command("-p", "HTTP/1.0") },
  { name: "`pyserve`", kind: "simple", keeps: true, command: command() },
];

const LOADS: readonly Load[] = [
  { name: "keep-alive, 1 connection", connections: 1, keep: true },
  { name: "keep-alive, 16 connections", connections: 16, keep: true },
  { name: "closed each time, 1 connection", connections: 1, keep: false },
  { name: "closed each time, 16 connections", connections: 16, keep: false },
];

const KINDS = {
  base: "`do_GET` that answers 1 KiB",
  simple: "a file of 1 KiB",
} as const;

async function listening(port: number): Promise<void> {
  for (const end = performance.now() + 20_000; performance.now() < end;) {
    try {
      return (await Deno.connect({ hostname: "127.0.0.1", port })).close();
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
  throw new Error(`Nothing listens on port ${port}`);
}

function freePort(): number {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  return listener.addr.port;
}

async function measure(load: Load, port: number, pid: number, seconds: number): Promise<Sample> {
  const before = cpuSeconds(pid);
  const { connections, keep } = load;
  const headers = keep ? [] : ["Connection: close"];
  const done = await wrk(`http://127.0.0.1:${port}/1k.txt`, { connections, seconds, headers });
  if (done === null || done.requests === 0 || done.errors > 0) throw new Error("wrk failed");
  return { perSecond: done.requests / done.seconds, cpu: (cpuSeconds(pid) - before) * 1e6 / done.requests };
}

function table(kind: keyof typeof KINDS, samples: ReadonlyMap<string, Sample[]>): string {
  const rows = LOADS.flatMap((load) => {
    const shown = CONTESTANTS.filter((one) => one.kind === kind && samples.has(`${one.kind} ${one.name} ${load.name}`));
    const medians = shown.map(({ name }) => {
      const taken = samples.get(`${kind} ${name} ${load.name}`)!;
      return { name, perSecond: median(taken.map((one) => one.perSecond)), cpu: median(taken.map((one) => one.cpu)) };
    });
    return medians.map(({ name, perSecond, cpu }) => {
      const factor = (perSecond / medians[0]!.perSecond).toFixed(1);
      const less = (medians[0]!.cpu / cpu).toFixed(1);
      return `| ${load.name} | ${name} | ${Math.round(perSecond).toLocaleString("en")} | ${factor} | ${
        Math.round(cpu)
      } | ${less} |`;
    });
  });
  return [
    `## ${KINDS[kind][0]!.toUpperCase()}${KINDS[kind].slice(1)}`,
    "",
    "| load | server | requests/s | times Python | CPU µs/request | times less |",
    "| --- | --- | ---: | ---: | ---: | ---: |",
    ...rows,
  ].join("\n");
}

function option(name: string, otherwise: number): number {
  const at = Deno.args.indexOf(`--${name}`);
  return at < 0 ? otherwise : Number(Deno.args[at + 1]);
}

async function main(): Promise<void> {
  const rounds = option("rounds", 5);
  const seconds = option("seconds", 2);
  const root = await Deno.makeTempDir();
  try {
    await Deno.writeTextFile(`${root}/1k.txt`, "x".repeat(1024));
    const servers = CONTESTANTS.map((one) => {
      const port = freePort();
      return { ...one, port, child: start(one.command(port, root)) };
    });
    for (const { port } of servers) await listening(port);
    const samples = new Map<string, Sample[]>();
    for (let round = -1; round < rounds; round++) { // the first is a warm-up
      for (const load of LOADS) {
        for (const { kind, name, keeps, port, child } of servers) {
          if (load.keep && !keeps) continue;
          const sample = await measure(load, port, child.pid, round < 0 ? 1 : seconds);
          const key = `${kind} ${name} ${load.name}`;
          if (round >= 0) samples.set(key, [...samples.get(key) ?? [], sample]);
        }
      }
    }
    const python = (await run(["python3", "--version"]))!.trim();
    const text = [
      "# Results: Python's classes",
      "",
      `Written by \`deno task bench:python\`: medians of ${rounds} rounds of ${seconds} seconds, interleaved, with ${python},`,
      `Deno ${Deno.version.deno}, and ${navigator.hardwareConcurrency} shared cores; the load comes from the same machine (wrk, one`,
      "thread). Python writes header and body separately, which on persistent connections triggers Nagle's algorithm;",
      "`wbufsize = -1` in a class avoids that, so both are shown. CPU is the server's, and more meaningful than the",
      "rate if there are few cores.",
      "",
      table("base", samples),
      "",
      table("simple", samples),
      "",
    ].join("\n");
    if (Deno.args.length === 0) await Deno.writeTextFile(here("RESULTS-PYTHON.md"), text);
    // deno-lint-ignore no-console
    console.log(text);
  } finally {
    await stopAll();
    await Deno.remove(root, { recursive: true });
  }
}

await main();
