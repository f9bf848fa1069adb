/** Measures a case: the load comes from another process, CPU and memory of the server are read from /proc. */

import type { Case, Load, Page } from "./cases.ts";
import { cpuSeconds, ownCpuSeconds, residentBytes, run, stop } from "./processes.ts";
import type { Contestant, Server, Servers } from "./servers.ts";
import { entryName, makeList, touch } from "./site.ts";

/** The figures of one measurement by metric. */
export type Sample = Readonly<Record<string, number>>;

/** Resources of a measurement. */
export interface Bench {
  readonly servers: Servers;
  /** Contains the site, and takes scripts. */
  readonly directory: string;
  /** Duration of a load. */
  readonly seconds: number;
  /** Reports why a server was not measured. */
  readonly note: (text: string) => void;
}

/** Interval between touches of directories that must look changed; a server returns to each of them less often. */
const TOUCH_MS = 30;

/** File times may have a resolution of one second: only after that can a server be sure that nothing has changed. */
const AGE_MS = 2_000;

/** Maximum time for a server to finish requests of clients that have left. */
const SETTLE_MS = 5_000;

/** Request interval of the client next to a large page, and its duration. */
const PROBE_MS = 5;
const PAGE_MS = 1_000;

/** Time limit for a page. */
const PAGE_LIMIT_SECONDS = 10;

const READERS = 200;
const READER_PAUSE_MS = 50;
const READER_BYTES = 16 * 1024;
const READING_MS = 2_000;

const MIB = 1024 * 1024;

/** Servers that are warmed up. */
const warm = new WeakSet<Server>();

/** Creates the directories of a case, and lets them age if they are to count as unchanged. */
export async function prepare(one: Case, directory: string): Promise<void> {
  if (one.kind === "page") makeList(directory, one.path, one.entries);
  if (one.kind !== "load" || one.lists === undefined) return;
  for (const path of listPaths(one)) makeList(directory, path, one.lists.entries);
  if (!one.cold) await pause(AGE_MS);
}

/** Measures a peer in a case once; null if it does not support the case. */
export async function measure(one: Case, peer: Contestant, bench: Bench): Promise<Sample | null> {
  switch (one.kind) {
    case "load":
      return await measureLoad(one, peer, bench);
    case "page":
      return await measurePage(one, peer, bench);
    case "start":
      return await withFresh(peer, bench, ({ startMs }) => ({ start: startMs }));
    case "memory":
      return await withFresh(peer, bench, (server) => measureMemory(server));
    case "slow":
      return await withFresh(peer, bench, (server) => measureSlowReaders(server));
  }
}

async function measureLoad(one: Load, peer: Contestant, bench: Bench): Promise<Sample | null> {
  const server = await running(peer, one, bench);
  if (server === null) return null;
  const headers = await requestHeaders(one, server);
  const wrong = headers === null ? "sends no validator" : await faultOf(one, server, headers);
  if (headers === null || wrong !== null) {
    bench.note(`${peer.name} ${wrong}`);
    return null;
  }
  const options = headers.flatMap((header) => ["-H", header]);
  if (one.cold) options.push("-s", writeCycle(one, bench.directory));
  await warmUp(one, server, options);
  const { pid } = server.child;
  const before = { all: cpuSeconds(pid), own: ownCpuSeconds(pid) };
  const done = await fire(one, server, { seconds: bench.seconds, options });
  await settle(server);
  if (done === null || (one.huge ? done.bytes : done.requests) === 0) {
    bench.note(`${peer.name} did not respond in time`);
    return null;
  }
  if (one.status < 400 && done.errors > 0) {
    bench.note(`${peer.name} responds to ${done.errors} of ${done.requests} requests with an error`);
    return null;
  }
  const cpu = { all: cpuSeconds(pid) - before.all, own: ownCpuSeconds(pid) - before.own };
  return one.huge ? bulkSample(done, cpu, peer) : loadSample(done, cpu, peer);
}

/** The instance of a peer for a case. */
async function running(peer: Contestant, one: Load | Page, { servers, note }: Bench): Promise<Server | null> {
  const server = await servers.get(peer, { root: one.root, tls: one.kind === "load" ? one.tls : undefined });
  if (server === null) note(`${peer.name} did not start`);
  return server;
}

/** Warms up a server that has just started, so that its code is compiled. */
async function warmUp(one: Load, server: Server, options: readonly string[]): Promise<void> {
  if (warm.has(server)) return;
  warm.add(server);
  await fire(one, server, { seconds: 1, options });
}

/** Runs the load of a case. */
async function fire(one: Load, server: Server, options: Omit<WrkOptions, "connections">): Promise<Done | null> {
  const { connections, streams, path } = one;
  if (streams !== undefined) {
    return await h2load(server.url + path, connections, streams, options.seconds);
  }
  const toucher = one.cold
    ? setInterval(() => listPaths(one).forEach((list) => touch(server.root + list)), TOUCH_MS)
    : 0;
  try {
    return await wrk(server.url + path, { connections, ...options });
  } finally {
    clearInterval(toucher);
  }
}

/** The result of a load. */
interface Done {
  readonly requests: number;
  readonly bytes: number;
  readonly seconds: number;
  /** Number of error responses. */
  readonly errors: number;
}

/** CPU seconds of a server: with all its children, and without the exited ones. */
interface Cpu {
  readonly all: number;
  readonly own: number;
}

function loadSample({ requests, seconds }: Done, { all, own }: Cpu, { noCpu }: Contestant): Sample {
  return { rate: requests / seconds, ...(!noCpu && { cpu: all * 1e6 / requests, own: own * 1e6 / requests }) };
}

function bulkSample({ bytes, seconds }: Done, { all }: Cpu, { noCpu }: Contestant): Sample {
  return { rate: bytes / 1e6 / seconds, ...(!noCpu && { cpu: all * 1e3 / (bytes / 1e9) }) };
}

interface WrkOptions {
  readonly connections: number;
  readonly seconds: number;
  readonly options: readonly string[];
}

async function wrk(url: string, { connections, seconds, options }: WrkOptions): Promise<Done | null> {
  const command = ["wrk", "-t1", `-c${connections}`, `-d${seconds}s`, "--timeout", "10s", ...options, url];
  const output = await run(command, seconds + 30);
  const summary = /(\d+) requests in ([\d.]+)(ms|s|m), ([\d.]+)([KMGT]?)B read/;
  const [, requests, time, unit, amount, scale] = summary.exec(output ?? "") ?? [];
  if (requests === undefined) return null;
  return {
    requests: Number(requests),
    bytes: Number(amount) * 1024 ** " KMGT".indexOf(scale || " "),
    seconds: Number(time) * (unit === "ms" ? 0.001 : unit === "m" ? 60 : 1),
    errors: Number(/Non-2xx or 3xx responses: (\d+)/.exec(output ?? "")?.[1] ?? 0),
  };
}

async function h2load(url: string, clients: number, streams: number, seconds: number): Promise<Done | null> {
  const output = await run(["h2load", `-c${clients}`, `-m${streams}`, `-D${seconds}`, url], seconds + 30);
  const [, rate] = /finished in [\d.]+\w+, ([\d.]+) req\/s/.exec(output ?? "") ?? [];
  const [, good] = /(\d+) succeeded/.exec(output ?? "") ?? [];
  if (!rate || !good || !/^Application protocol: h2$/m.test(output ?? "")) return null;
  return { requests: Number(good), bytes: 0, seconds: Number(good) / Number(rate), errors: 0 };
}

/** A wrk script that requests a case's directories in turn. */
function writeCycle(one: Load, directory: string): string {
  const file = `${directory}/${one.name}.lua`;
  const requests = listPaths(one).map((path) => `"${path}"`).join(",");
  const next = `i = i % #paths + 1; return wrk.format("GET", paths[i])`;
  Deno.writeTextFileSync(file, `local paths = {${requests}}\nlocal i = 0\nfunction request() ${next} end\n`);
  return file;
}

function listPaths({ path, lists, cold }: Load): string[] {
  if (!cold) return [path];
  return Array.from({ length: lists?.count ?? 0 }, (_, index) => path.replace("/0/", `/${index}/`));
}

/** Waits until a server has finished requests whose clients have left, so that they do not count for the next. */
async function settle({ child: { pid } }: Server): Promise<void> {
  const begin = performance.now();
  for (let last = -1; last !== cpuSeconds(pid) && performance.now() - begin < SETTLE_MS;) {
    last = cpuSeconds(pid);
    await pause(40);
  }
}

/** The request headers of a case; null if the server sends no validator for a conditional request. */
async function requestHeaders({ conditional, range, path }: Load, { url }: Server): Promise<string[] | null> {
  if (range !== undefined) return [`Range: ${range}`];
  if (!conditional) return [];
  const { head = "" } = await curl(["-i", url + path]) ?? {};
  const etag = /^etag: *(.*?)\r?$/im.exec(head)?.[1];
  const modified = /^last-modified: *(.*?)\r?$/im.exec(head)?.[1];
  if (etag) return [`If-None-Match: ${etag}`];
  return modified ? [`If-Modified-Since: ${modified}`] : null;
}

/** The error in a server's response to a case's request, so that no error page is measured; null if it is correct. */
async function faultOf(one: Load, { url }: Server, headers: readonly string[]): Promise<string | null> {
  const options = headers.flatMap((header) => ["-H", header]);
  const got = await curl([one.huge ? "-I" : "-i", ...options, url + one.path]);
  if (got === null) return "does not respond";
  if (got.status !== one.status) return `answers ${got.status}`;
  if (one.size !== undefined && !one.huge && got.body.length !== one.size) {
    return `sends ${got.body.length} bytes`;
  }
  return one.contains === undefined || got.body.includes(one.contains) ? null : "lists only some entries";
}

async function curl(options: readonly string[]) {
  const output = await run(["curl", "-sk", "-m", String(PAGE_LIMIT_SECONDS), ...options], PAGE_LIMIT_SECONDS + 5);
  const [, status] = /^HTTP\/[\d.]+ (\d+)/.exec(output ?? "") ?? [];
  if (!output || !status) return null;
  const end = output.indexOf("\r\n\r\n") + 4;
  return { status: Number(status), head: output.slice(0, end), body: output.slice(end) };
}

async function measurePage(one: Page, peer: Contestant, bench: Bench): Promise<Sample | null> {
  const server = await running(peer, one, bench);
  if (server === null) return null;
  const file = `${bench.directory}/page.html`;
  const before = cpuSeconds(server.child.pid);
  const probing = new AbortController();
  const delays = probe(`${server.url}/1k.txt`, probing.signal);
  const pages: { first: number; total: number }[] = [];
  for (const end = performance.now() + PAGE_MS; pages.length === 0 || performance.now() < end;) {
    touch(server.root + one.path);
    const page = await fetchPage(server.url + one.path, file);
    if (page === null) break;
    pages.push(page);
  }
  probing.abort();
  const sorted = (await delays).sort((a, b) => a - b);
  await settle(server);
  if (pages.length === 0) {
    bench.note(`${peer.name} does not send the page within ${PAGE_LIMIT_SECONDS} s`);
    return null;
  }
  return {
    first: Math.max(...pages.map(({ first }) => first)),
    total: pages.reduce((sum, { total }) => sum + total, 0) / pages.length,
    p99: sorted[Math.floor(sorted.length * 0.99)] ?? NaN,
    cpu: (cpuSeconds(server.child.pid) - before) * 1e3 / pages.length,
    names: countNames(await Deno.readTextFile(file), one.entries),
  };
}

/** Milliseconds to the first and to the last byte of a page, measured by a separate client. */
async function fetchPage(url: string, file: string): Promise<{ first: number; total: number } | null> {
  const format = "%{http_code} %{time_starttransfer} %{time_total}";
  const output = await run(["curl", "-s", "-m", String(PAGE_LIMIT_SECONDS), "-o", file, "-w", format, url]);
  const [status, first, total] = (output ?? "").split(" ").map(Number);
  return status === 200 ? { first: first! * 1e3, total: total! * 1e3 } : null;
}

/**
 * Sends requests at a steady pace without waiting for responses, so that a stall counts for every request it delays.
 */
export async function probe(url: string, signal: AbortSignal): Promise<number[]> {
  const delays: Promise<number>[] = [];
  for (let due = performance.now(); !signal.aborted; due += PROBE_MS) {
    await pause(Math.max(0, due - performance.now()));
    const begin = performance.now();
    delays.push(fetch(url).then((response) => response.bytes()).then(() => performance.now() - begin, () => Infinity));
  }
  return await Promise.all(delays);
}

/** Number of entries that a page names. */
function countNames(page: string, entries: number): number {
  const names = new Set(page.match(/f\d{6}\.txt/g));
  return Array.from({ length: entries }, (_, index) => entryName(index)).filter((name) => names.has(name)).length;
}

/** Measures a new process and stops it. */
async function withFresh(
  peer: Contestant,
  { servers, note }: Bench,
  use: (server: Server) => Sample | Promise<Sample | null> | null,
): Promise<Sample | null> {
  const server = await servers.fresh(peer, { root: "files" });
  if (server === null) {
    note(`${peer.name} did not start`);
    return null;
  }
  try {
    return await use(server);
  } finally {
    await stop(server.child);
  }
}

async function measureMemory({ url, child: { pid } }: Server): Promise<Sample | null> {
  await pause(300);
  const idle = residentBytes(pid) / MIB;
  const done = await wrk(`${url}/1k.txt`, { connections: 64, seconds: 1, options: [] });
  return done && { idle, loaded: residentBytes(pid) / MIB };
}

/** Clients that read a large file slowly. The file is sent once before, so that caching it does not count. */
async function measureSlowReaders({ url, port, child: { pid } }: Server): Promise<Sample | null> {
  const got = await curl(["-i", `${url}/16m.bin`]);
  if (got?.status !== 200) return null;
  const before = residentBytes(pid);
  const reading = new AbortController();
  const connections: Deno.Conn[] = [];
  try {
    // One after the other: some servers have a short accept queue and reject further connections.
    while (connections.length < READERS) connections.push(await Deno.connect({ hostname: "127.0.0.1", port }));
    const readers = connections.map((connection) => readSlowly(connection, reading.signal));
    let most = 0;
    for (const end = performance.now() + READING_MS; performance.now() < end;) {
      await pause(200);
      most = Math.max(most, residentBytes(pid));
    }
    reading.abort();
    const complete = (await Promise.all(readers)).every((alive) => alive);
    return complete ? { each: (most - before) / 1024 / READERS } : null;
  } finally {
    for (const connection of connections) connection.close();
  }
}

/** Whether the server kept sending to the end. */
async function readSlowly(connection: Deno.Conn, signal: AbortSignal): Promise<boolean> {
  const aborted = new Promise<number>((resolve) => signal.addEventListener("abort", () => resolve(0)));
  const buffer = new Uint8Array(READER_BYTES);
  try {
    await connection.write(new TextEncoder().encode("GET /16m.bin HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"));
    while (!signal.aborted) {
      if (await Promise.race([connection.read(buffer), aborted]) === null) return false;
      await pause(READER_PAUSE_MS);
    }
    return true;
  } catch {
    return false;
  }
}

function pause(milliseconds: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, milliseconds));
}
