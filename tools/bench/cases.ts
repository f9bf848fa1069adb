/** The benchmark cases and their goals. */

import { entryName, type Root, SIZES } from "./site.ts";

/** A goal of a case. */
export interface Goal {
  /** The peer to compare with, as a ratio; without it, the goal is our own figure. */
  readonly against?: string;
  /** The figure of the case. */
  readonly metric: string;
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
  readonly metrics: readonly Metric[];
  /** A remark for readers of the results. */
  readonly note?: string;
  readonly goals: readonly Goal[];
  /** Peers that are only measured in cases that name them; those named by goals are included. */
  readonly named?: readonly string[];
  /** Measured once, because it hardly varies, like memory. */
  readonly once?: true;
}

/** Requests at full speed. */
export interface Load extends Common {
  readonly kind: "load";
  readonly path: string;
  readonly connections: number;
  readonly status: number;
  readonly range?: string;
  /** Expected size of the body. */
  readonly size?: number;
  /** Text expected in the body. */
  readonly contains?: string;
  /** Conditional requests. */
  readonly conditional?: true;
  /** Too large to download completely: checked with HEAD, and measured in bytes per second. */
  readonly huge?: true;
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

const LOAD: readonly Metric[] = [{ key: "rate", title: "requests/s" }, { key: "cpu", title: "server CPU, µs/request" }];
const BULK: readonly Metric[] = [{ key: "rate", title: "MB/s" }, { key: "cpu", title: "server CPU, ms/GB" }];

const GIBIBYTE = 1024 ** 3;
const RANGE_START = GIBIBYTE / 2;
const MEGABYTE = 1_000_000;

/** The cases in the order in which they run. */
export const CASES: readonly Case[] = [
  withCosts(file("1k", "1 KiB, 64 connections", "1k.txt", 64, [
    ["clone", 0.72],
    ["nginx", 0.78],
    ["caddy", 2.5],
    ["std", 5],
    ["http-server", 5],
    ["sirv", 5],
    ["python", 20],
  ])),
  file("10k", "10 KiB, 64 connections", "10k.txt", 64, []),
  file("100k", "100 KiB, 64 connections", "100k.txt", 64, [["nginx", 1.2]]),
  file("1m", "1 MiB, 16 connections", "1m.bin", 16, [["nginx", 1.2]]),
  { ...file("1g", "1 GiB, 2 connections", "1g.bin", 2, [["nginx", 1]]), metrics: BULK, huge: true },
  {
    ...file("range", "A range of 1 MB of 1 GiB, 8 connections", "1g.bin", 8, [["nginx", 0.85]]),
    status: 206,
    range: `bytes=${RANGE_START}-${RANGE_START + MEGABYTE - 1}`,
    size: MEGABYTE,
  },
  {
    ...file("304", "304 Not Modified, 64 connections", "1k.txt", 64, [["nginx", 0.9]]),
    status: 304,
    size: 0,
    conditional: true,
  },
  load("404", "404 Not Found, 64 connections", "/missing.txt", 64, 404, [["nginx", 0.9]]),
  list("list100", "Listing of 100, unchanged, 8 connections", 100, 8, [["nginx", 3.5]]),
  list("list1000", "Listing of 1,000, unchanged, 8 connections", 1_000, 8, [["nginx", 25]]),
  list("list10000", "Listing of 10,000, unchanged, 1 connection", 10_000, 1, []),
  cold("cold100", "Listings of 100 that have just changed, 1 connection", 100, 300),
  cold("cold1000", "Listings of 1,000 that have just changed, 1 connection", 1_000, 50),
  {
    kind: "page",
    name: "list100000",
    title: "A listing of 100,000 that has just changed, and a client that requests 1 KiB every 5 ms",
    root: "lists",
    path: "/list100000/",
    entries: 100_000,
    metrics: [
      { key: "total", title: "whole page, ms" },
      { key: "first", title: "first byte, ms" },
      { key: "p99", title: "other client's p99, ms" },
      { key: "cpu", title: "server CPU, ms/page" },
      { key: "names", title: "names in the page" },
    ],
    goals: [{ metric: "first", atMost: 20 }, { metric: "p99", atMost: 20 }],
  },
  { ...file("tls", "1 KiB, HTTPS with HTTP/1.1, 64 connections", "1k.txt", 64, [["nginx", 0.35]]), tls: true },
  {
    ...file("h2", "1 KiB, HTTPS with HTTP/2, 8 connections of 32 streams", "1k.txt", 8, [["nginx", 1]]),
    tls: true,
    streams: 32,
  },
  {
    kind: "start",
    name: "start",
    title: "From process start to the first response",
    root: "files",
    metrics: [{ key: "start", title: "ms" }],
    goals: [{ against: "python", metric: "start", atMost: 1.2 }],
  },
  {
    kind: "memory",
    name: "memory",
    title: "Resident memory of a new process: after its first response, and after 1 KiB on 64 connections",
    root: "files",
    metrics: [{ key: "idle", title: "idle, MiB" }, { key: "loaded", title: "loaded, MiB" }],
    goals: [{ metric: "idle", atMost: 50 }],
    once: true,
  },
  {
    kind: "slow",
    name: "slow",
    title: "200 slow readers of 16 MiB: resident memory per reader",
    root: "files",
    metrics: [{ key: "each", title: "KiB" }],
    goals: [{ metric: "each", atMost: 256 }],
    once: true,
  },
];

/** CGI programs: the minimal one. */
export const CGI_CASES: readonly Case[] = [
  {
    ...load("cgi", "A shell script that prints hello, by CGI, 8 connections", "/cgi-bin/hello.sh", 8, 200, [
      ["apache", 1],
      ["python", 3],
    ]),
    root: "cgi",
    contains: "hello",
    metrics: [
      { key: "rate", title: "requests/s" },
      { key: "cpu", title: "CPU of server and scripts, µs/request" },
      { key: "own", title: "thereof the server's own" },
    ],
    named: ["pyserve-300m"],
    note:
      `The server's own CPU time is that of its permanent processes, including the copying of page tables for a fork; the
rest is that of the scripts, as accounted by the system when they have exited. \`pyserve-300m\` is pyserve with 300 MiB of
additional memory in use. pyserve starts each script through setsid(1), in its own process group: this loads a second
program for each, which takes 0.4 ms and which no other server does. apache is mod_cgi with prefork; a single request takes
it 2 ms in the median and 19 ms on average, because it sometimes waits, so its rate hardly depends on the load of the
machine.`,
  },
];

/** A peer, and the minimum ratio of our rate to its rate. */
type Ratio = readonly [peer: string, times: number];

function load(name: string, title: string, path: string, connections: number, status: number, goals: readonly Ratio[]) {
  return {
    kind: "load",
    name,
    title,
    path,
    connections,
    status,
    root: "files",
    metrics: LOAD,
    goals: goals.map(([against, atLeast]): Goal => ({ against, metric: "rate", atLeast })),
  } as const satisfies Load;
}

function file(name: string, title: string, path: string, connections: number, goals: readonly Ratio[]): Load {
  return { ...load(name, title, `/${path}`, connections, 200, goals), size: SIZES[path]! };
}

/** Also measures the cost of logging, and the upper bound. */
function withCosts(one: Load): Load {
  const goal = { against: "pyserve-log", metric: "rate", atMost: 1.12 };
  return { ...one, goals: [...one.goals, goal], named: ["clone", "constant"] };
}

function list(name: string, title: string, entries: number, connections: number, goals: readonly Ratio[]): Load {
  return {
    ...load(name, title, `/${name}/`, connections, 200, goals),
    root: "lists",
    contains: entryName(entries - 1),
    lists: { entries, count: 1 },
  };
}

function cold(name: string, title: string, entries: number, count: number): Load {
  return {
    ...list(name, title, entries, 1, [["nginx", 0.5]]),
    path: `/${name}/0/`,
    lists: { entries, count },
    cold: true,
  };
}
