/** The benchmark cases and their goals. */

import { entryName, type Root, SIZES } from "./site.ts";

/** A figure of one server, or the quotient or difference of the figures of two, and its limits. */
export interface Goal {
  /** The figure of the case. */
  readonly metric: string;
  /** One server, or two to be compared. */
  readonly of: readonly [peer: string, other?: string];
  readonly by?: "quotient" | "difference";
  readonly atLeast?: number;
  readonly atMost?: number;
}

/** A figure of a case. */
export interface Metric {
  readonly key: string;
  readonly title: string;
}

interface Common {
  readonly name: string;
  readonly title: string;
  readonly root: Root;
  /** The first is the leading figure. */
  readonly metrics: readonly Metric[];
  /** A remark for readers of the results. */
  readonly note?: string;
  readonly goals: readonly Goal[];
  /** Peers that are only measured in cases that name them; those named by goals are included. */
  readonly named?: readonly string[];
  /** Only pyserve and the peers named are measured. */
  readonly few?: true;
  /** Part of a quick run. */
  readonly quick?: true;
  /** Measured once, because it hardly varies, like memory. */
  readonly once?: true;
}

/** Requests at full speed. */
export interface Load extends Common {
  readonly kind: "load";
  readonly path: string;
  readonly connections: number;
  readonly status: number;
  readonly headers?: readonly string[];
  /** Headers of the user, which servers without authentication get too. */
  readonly login?: "cookie" | "basic";
  /** Expected size of the body. */
  readonly size?: number;
  /** Text expected in the body. */
  readonly contains?: string;
  /** Conditional requests. */
  readonly conditional?: true;
  readonly tls?: true;
  /** HTTP/2 streams per connection. */
  readonly streams?: number;
  /** Directories to create, with this many entries each. */
  readonly lists?: { readonly entries: number; readonly count: number };
  /** The directories `path`/0/, `path`/1/ … in turn, each modified before it is requested again. */
  readonly cold?: true;
}

/** A large page, one request at a time, while another client requests a small file at a steady pace. */
export interface Page extends Common {
  readonly kind: "page";
  readonly path: string;
  readonly entries: number;
}

/** Special cases, implemented by kind in measure.ts. */
export interface Special extends Common {
  readonly kind: "start" | "memory" | "slow";
}

export type Case = Load | Page | Special;

/** The key of the leading figure of loads. */
export const CPU = "cpu";

const OURS = "pyserve";
const NATIVE = "native";
const RATES: readonly Metric[] = [{ key: "rate", title: "requests/s" }, { key: "p99", title: "p99, ms" }];
const LOAD: readonly Metric[] = [{ key: CPU, title: "CPU, µs/request" }, ...RATES];

const RANGE_START = 8_000_000;
const RANGE_SIZE = 1_000_000;

/** What Chromium sends with a navigation, in addition to Host and Connection. */
const BROWSER: readonly string[] = [
  "Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8",
  "Accept-Encoding: gzip, deflate, br, zstd",
  "Accept-Language: en-US,en;q=0.9",
  "Cache-Control: no-cache",
  "Pragma: no-cache",
  'Sec-Ch-Ua: "Chromium";v="140", "Not=A?Brand";v="24"',
  "Sec-Ch-Ua-Mobile: ?0",
  'Sec-Ch-Ua-Platform: "Linux"',
  "Sec-Fetch-Dest: document",
  "Sec-Fetch-Mode: navigate",
  "Sec-Fetch-Site: none",
  "Sec-Fetch-User: ?1",
  "Upgrade-Insecure-Requests: 1",
  "User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36",
];

const SMALL = file("1k", "1 KiB, 64 connections", "1k.txt", 64, [
  cpu("nginx", 0.95),
  cpu("ceiling", 0.95),
  cpu("ceiling-grown", 0.95),
]);
const LARGE = file("100k", "100 KiB, 64 connections", "100k.txt", 64, [cpu("nginx", 0.85)]);

/** The cases in the order in which they run. */
export const CASES: readonly Case[] = [
  { ...SMALL, named: ["pyserve-quiet", "nginx-log"], quick: true },
  {
    ...SMALL,
    name: "browser",
    title: "1 KiB with the 14 headers of a browser, 64 connections",
    goals: [cpu("nginx", 0.95)],
    headers: BROWSER,
    named: ["ceiling"],
    few: true,
    quick: true,
  },
  { ...load("404", "404 Not Found, 64 connections", "/missing.txt", 64, 404), ...against(0.7), quick: true },
  {
    ...load("304", "304 Not Modified, 64 connections", "/1k.txt", 64, 304),
    ...against(0.8),
    size: 0,
    conditional: true,
  },
  { ...LARGE, named: ["ceiling"], quick: true },
  file("1m", "1 MiB, 16 connections", "1m.bin", 16, []),
  {
    ...load("range", "A range of 1 MB of 16 MiB, 16 connections", "/16m.bin", 16, 206),
    goals: [cpu("nginx", 0.5)],
    headers: [`Range: bytes=${RANGE_START}-${RANGE_START + RANGE_SIZE - 1}`],
    size: RANGE_SIZE,
    quick: true,
  },
  ...secure(),
  list("list100", "Listing of 100, unchanged, 8 connections", 100, 6),
  list("list1000", "Listing of 1,000, unchanged, 8 connections", 1_000, 30),
  cold("cold100", "Listings of 100 that have just changed, 1 connection", 100, 300, 0.45),
  { ...cold("cold1000", "Listings of 1,000 that have just changed, 1 connection", 1_000, 50, 0.55), quick: true },
  {
    kind: "page",
    name: "list100000",
    title: "A listing of 100,000 that has just changed, and a client that requests 1 KiB every 5 ms",
    root: "lists",
    path: "/list100000/",
    entries: 100_000,
    metrics: [
      { key: "p99", title: "other client's p99, ms" },
      { key: "first", title: "first byte, ms" },
      { key: "total", title: "whole page, ms" },
      { key: CPU, title: "CPU, ms/page" },
      { key: "names", title: "names in the page" },
    ],
    goals: [{ of: [OURS], metric: "p99", atMost: 8 }],
  },
  authenticated("cookie", "1 KiB with the cookie of a session, 64 connections"),
  authenticated("basic", "1 KiB with name and password (Basic), 64 connections"),
  {
    kind: "start",
    name: "start",
    title: "From process start to the first response",
    root: "files",
    metrics: [{ key: "start", title: "ms" }],
    goals: [{ of: [OURS, "python"], by: "quotient", metric: "start", atMost: 0.7 }],
  },
  {
    kind: "memory",
    name: "memory",
    title: "Resident memory of a new process: after its first response, and after 1 KiB on 64 connections",
    root: "files",
    metrics: [{ key: "idle", title: "idle, MiB" }, { key: "loaded", title: "loaded, MiB" }],
    goals: [{ of: [OURS], metric: "idle", atMost: 45 }],
    once: true,
  },
  {
    kind: "slow",
    name: "slow",
    title: "200 slow readers of 16 MiB: resident memory per reader",
    root: "files",
    metrics: [{ key: "each", title: "KiB" }],
    goals: [{ of: [OURS], metric: "each", atMost: 256 }],
    once: true,
  },
];

/** CGI programs: the minimal one. */
export const CGI_CASES: readonly Case[] = [
  {
    ...load("cgi", "A shell script that prints hello, by CGI, 8 connections", "/cgi-bin/hello.sh", 8, 200),
    root: "cgi",
    contains: "hello",
    goals: [rate("apache", 1), rate("python", 3)],
    metrics: [
      { key: CPU, title: "CPU of server and scripts, µs/request" },
      { key: "own", title: "thereof the server's own" },
      ...RATES,
    ],
    named: ["pyserve-300m"],
    quick: true,
    note:
      `The server's own CPU time is that of its permanent processes, including the copying of page tables for a fork; the
rest is that of the scripts, as accounted by the system when they have exited. \`pyserve-300m\` is pyserve with 300 MiB of
additional memory in use. pyserve starts each script through setsid(1), in its own process group: this loads a second
program for each, which takes 0.4 ms and which no other server does. apache is mod_cgi with prefork; a single request takes
it 2 ms in the median and 19 ms on average, because it sometimes waits, so its rate hardly depends on the load of the
machine.`,
  },
];

/** The native engine beside nginx, lighttpd, and pyserve with Deno.serve. */
export const NATIVE_CASES: readonly Case[] = [
  native({ ...file("1k-1", "1 KiB, 1 connection", "1k.txt", 1, []), quick: true }, [rate("nginx", 1.2, NATIVE)]),
  native({ ...SMALL, name: "1k-64", quick: true }, [rate("nginx", 1.7, NATIVE)]),
  native(file("1k-512", "1 KiB, 512 connections", "1k.txt", 512, []), [rate("nginx", 1.6, NATIVE)]),
  native({
    ...SMALL,
    name: "browser",
    title: "1 KiB with the 14 headers of a browser, 64 connections",
    headers: BROWSER,
    quick: true,
  }, [cpu("nginx", 1.5, NATIVE)]),
  native(load("404", "404 Not Found, 64 connections", "/missing.txt", 64, 404), [cpu("nginx", 1.25, NATIVE)]),
  native({
    ...load("304", "304 Not Modified, 64 connections", "/1k.txt", 64, 304),
    size: 0,
    conditional: true,
  }, [cpu("nginx", 1.25, NATIVE)]),
  native({ ...LARGE, quick: true }, [rate("nginx", 1.1, NATIVE)]),
  native({
    ...load("range", "A range of 1 MB of 16 MiB, 16 connections", "/16m.bin", 16, 206),
    headers: [`Range: bytes=${RANGE_START}-${RANGE_START + RANGE_SIZE - 1}`],
    size: RANGE_SIZE,
    quick: true,
  }, [rate("nginx", 1, NATIVE)]),
  native(file("16m", "16 MiB, 4 connections", "16m.bin", 4, []), [rate("nginx", 1, NATIVE)]),
  native(list("list100", "Listing of 100, unchanged, 8 connections", 100, NaN), [rate("nginx", 8, NATIVE)]),
  {
    ...load("handler", 'A handler, () => new Response("x"), 64 connections', "/", 64, 200),
    goals: [{ of: ["native-x", "deno-x"], by: "quotient", metric: CPU, atMost: 1 }],
    few: true,
  },
];

/** A case for the native engine and its peers. */
function native(one: Load, goals: readonly Goal[]): Load {
  return { ...one, goals, named: ["native", "nginx", "nginx-log", "lighttpd"], few: true };
}

function load(name: string, title: string, path: string, connections: number, status: number): Load {
  return { kind: "load", name, title, path, connections, status, root: "files", metrics: LOAD, goals: [] };
}

function file(name: string, title: string, path: string, connections: number, goals: readonly Goal[]): Load {
  return { ...load(name, title, `/${path}`, connections, 200), size: SIZES[path]!, goals };
}

/** HTTPS with HTTP/1.1 and HTTP/2. */
function secure(): Load[] {
  const h1 = (one: Load, connections: number, atLeast: number): Load => ({
    ...one,
    name: `tls-${one.name}-${connections}`,
    title: `${one.title.split(",")[0]}, HTTPS, ${connections} connection${connections > 1 ? "s" : ""}`,
    goals: [cpu("nginx", atLeast)],
    named: ["ceiling"],
    connections,
    tls: true,
  });
  const h2 = (one: Load, goals: readonly Goal[]): Load => ({
    ...h1(one, 8, NaN),
    name: `h2-${one.name}`,
    title: `${one.title.split(",")[0]}, HTTP/2, 8 connections of 32 streams`,
    goals,
    streams: 32,
  });
  return [
    h1(SMALL, 1, 0.9),
    { ...h1(SMALL, 64, 0.8), quick: true },
    h1(LARGE, 1, 1.1),
    h1(LARGE, 64, 1.1),
    { ...h2(SMALL, []), quick: true },
    h2(LARGE, [cpu("nginx", 0.8)]),
  ];
}

function list(name: string, title: string, entries: number, atLeast: number): Load {
  return {
    ...load(name, title, `/${name}/`, 8, 200),
    root: "lists",
    contains: entryName(entries - 1),
    lists: { entries, count: 1 },
    goals: [rate("nginx", atLeast)],
  };
}

function cold(name: string, title: string, entries: number, count: number, atLeast: number): Load {
  return {
    ...list(name, title, entries, NaN),
    goals: [cpu("nginx", atLeast)],
    path: `/${name}/0/`,
    connections: 1,
    lists: { entries, count },
    cold: true,
  };
}

/** Compares a server that authenticates with one that does not. */
function authenticated(login: "cookie" | "basic", title: string): Load {
  const goal: Goal = { of: ["pyserve-auth", OURS], by: "difference", metric: CPU, atMost: 3 };
  return { ...file(login, title, "1k.txt", 64, [goal]), login, few: true };
}

/** A goal for nginx's CPU per request divided by ours, and the runtime's share for comparison. */
function against(atLeast: number): Pick<Load, "goals" | "named"> {
  return { goals: [cpu("nginx", atLeast)], named: ["ceiling"] };
}

/** A goal for a peer's CPU per request divided by ours. */
function cpu(peer: string, atLeast: number, ours = OURS): Goal {
  return { of: [peer, ours], by: "quotient", metric: CPU, atLeast };
}

/** A goal for our rate divided by a peer's. */
function rate(peer: string, atLeast: number, ours = OURS): Goal {
  return { of: [ours, peer], by: "quotient", metric: "rate", atLeast };
}
