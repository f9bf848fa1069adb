/** Measures a case: the load comes from another process, CPU and memory of the server are read from the system. */

import { setTimeout as pause } from "node:timers/promises";
import { type Case, CPU, type Load, type Page } from "./cases.ts";
import { curl, type Done, h2load, wrk } from "./clients.ts";
import { credentials } from "./login.ts";
import { cpuSeconds, ownCpuSeconds, residentBytes, run, settle, stop } from "./processes.ts";
import type { Contestant, Server, Servers } from "./servers.ts";
import { entryName, makeList, touch } from "./site.ts";
import { percentile } from "./statistics.ts";

/** The figures of one measurement by metric. */
export type Sample = Readonly<Record<string, number>>;

/** Resources of a measurement. */
export interface Bench {
  readonly servers: Servers;
  /** The server that issues the credentials of the cases that need them. */
  readonly issuer: Contestant;
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

/** A server is warm after so many requests, or at the latest after so many seconds. */
const WARM_REQUESTS = 60_000;
const WARM_SECONDS = 3;

/** Servers that are warmed up. */
const warm = new WeakSet<Server>();

/** Creates the directories of all cases, and lets them age, so that they can count as unchanged. */
export async function prepare(cases: readonly Case[], directory: string): Promise<void> {
  for (const one of cases) {
    if (one.kind === "page") makeList(`${directory}/lists${one.path}`, one.entries);
    if (one.kind !== "load" || one.lists === undefined) continue;
    for (const path of listPaths(one)) makeList(`${directory}/lists${path}`, one.lists.entries);
  }
  if (cases.some(({ root }) => root === "lists")) await pause(AGE_MS);
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
  const headers = await requestHeaders(one, server, bench);
  const wrong = headers === null ? "sends no validator" : await faultOf(one, server, headers);
  if (headers === null || wrong !== null) {
    bench.note(`${peer.name}, ${one.name}: ${wrong}`);
    return null;
  }
  const script = one.cold ? writeCycle(one, bench.directory) : null;
  if (!warm.has(server)) await warmUp(one, server, { seconds: 1, headers, script });
  const { pid } = server.child;
  const before = { all: cpuSeconds(pid), own: ownCpuSeconds(pid) };
  const done = await fire(one, server, { seconds: bench.seconds, headers, script });
  await settle(pid);
  const problem = problemOf(one, done);
  if (done === null || problem !== null) {
    bench.note(`${peer.name}, ${one.name}: ${problem}`);
    return null;
  }
  const { requests, seconds, p99 } = done;
  const rates = { rate: requests / seconds, p99 };
  if (peer.noCpu) return rates;
  const micros = (total: number) => total * 1e6 / requests;
  return { [CPU]: micros(cpuSeconds(pid) - before.all), own: micros(ownCpuSeconds(pid) - before.own), ...rates };
}

/** Sends requests to a server that has just started, until its code is compiled and optimized. */
async function warmUp(one: Load, server: Server, firing: Firing): Promise<void> {
  warm.add(server);
  let requests = 0;
  for (let second = 0; second < WARM_SECONDS && requests < WARM_REQUESTS; second++) {
    requests += (await fire(one, server, firing))?.requests ?? 0;
  }
}

/** Why a load cannot be counted; null if it can. */
function problemOf({ status }: Load, done: Done | null): string | null {
  if (done === null || done.requests === 0) return "no response in time";
  if (status < 400 && done.errors > 0) return `${done.errors} of ${done.requests} responses are errors`;
  return null;
}

/** The instance of a peer for a case. */
async function running(peer: Contestant, one: Load | Page, { servers, note }: Bench): Promise<Server | null> {
  const { root } = one;
  const variant = one.kind === "load" ? { root, tls: one.tls, answer: one } : { root };
  const server = await servers.get(peer, variant);
  if (server === null) note(`${peer.name} did not start`);
  return server;
}

interface Firing {
  readonly seconds: number;
  readonly headers: readonly string[];
  readonly script: string | null;
}

/** Runs the load of a case. */
async function fire(one: Load, server: Server, firing: Firing): Promise<Done | null> {
  const { connections, streams, path } = one;
  const url = server.url + path;
  if (streams !== undefined) return await h2load(url, { ...firing, connections, streams });
  const toucher = one.cold
    ? setInterval(() => listPaths(one).forEach((list) => touch(server.root + list)), TOUCH_MS)
    : 0;
  try {
    return await wrk(url, { ...firing, connections });
  } finally {
    clearInterval(toucher);
  }
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

/** The request headers of a case; null if the server sends no validator for a conditional request. */
async function requestHeaders(one: Load, { url }: Server, { servers, issuer }: Bench): Promise<string[] | null> {
  const headers = [...one.headers ?? []];
  if (one.login !== undefined) {
    const from = await servers.get(issuer, { root: one.root });
    const credential = from && await credentials(one.login, from.url);
    if (credential === null) throw new Error("Cannot log in");
    headers.push(credential);
  }
  if (!one.conditional) return headers;
  const { head = "" } = await curl([url + one.path]) ?? {};
  const etag = /^etag: *(.*?)\r?$/im.exec(head)?.[1];
  const modified = /^last-modified: *(.*?)\r?$/im.exec(head)?.[1];
  if (!etag && !modified) return null;
  return [...headers, etag ? `If-None-Match: ${etag}` : `If-Modified-Since: ${modified}`];
}

/** The error in a server's response to a case's request, so that no error page is measured; null if it is correct. */
async function faultOf(one: Load, { url }: Server, headers: readonly string[]): Promise<string | null> {
  const got = await curl([...headers.flatMap((header) => ["-H", header]), url + one.path]);
  if (got === null) return "no response";
  if (got.status !== one.status) return `status ${got.status}`;
  if (one.size !== undefined && got.body.length !== one.size) return `${got.body.length} bytes`;
  return one.contains === undefined || got.body.includes(one.contains) ? null : "only some entries";
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
  const latencies = await delays;
  await settle(server.child.pid);
  if (pages.length === 0) {
    bench.note(`${peer.name}, ${one.name}: no page within ${PAGE_LIMIT_SECONDS} s`);
    return null;
  }
  return {
    first: Math.max(...pages.map(({ first }) => first)),
    total: pages.reduce((sum, { total }) => sum + total, 0) / pages.length,
    p99: percentile(latencies, 0.99),
    [CPU]: (cpuSeconds(server.child.pid) - before) * 1e3 / pages.length,
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
  const done = await wrk(`${url}/1k.txt`, { connections: 64, seconds: 1 });
  return done && { idle, loaded: residentBytes(pid) / MIB };
}

/** Clients that read a large file slowly. The file is sent once before, so that caching it does not count. */
async function measureSlowReaders({ url, port, child: { pid } }: Server): Promise<Sample | null> {
  const got = await curl([`${url}/16m.bin`]);
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
