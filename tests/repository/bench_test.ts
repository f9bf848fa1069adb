/** What the benchmark computes from the output of its clients and from the accounting of the system. */

import { assert, assertEquals, assertStringIncludes } from "@std/assert";
import type { Case } from "../../tools/bench/cases.ts";
import { CASES, CGI_CASES } from "../../tools/bench/cases.ts";
import { parseH2load, parseWrk } from "../../tools/bench/clients.ts";
import { ownCpuSeconds } from "../../tools/bench/processes.ts";
import { PEERS } from "../../tools/bench/peers.ts";
import { REASONS } from "../../tools/bench/reasons.ts";
import { caseTable, goalTable, overview, report, type Samples } from "../../tools/bench/report.ts";
import { median, percentile } from "../../tools/bench/statistics.ts";

const WRK = `Running 1s test @ http://127.0.0.1:9760/1k.txt
  1 threads and 64 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   541.13us  229.79us   4.72ms   96.48%
    Req/Sec   119.34k     5.16k  124.75k    60.00%
  Latency Distribution
     50%  521.00us
     75%  551.00us
     90%  590.00us
     99%    1.02ms
  118260 requests in 1.00s, 142.56MB read
Requests/sec: 118136.19
Transfer/sec:    142.41MB
`;

const H2LOAD = `starting benchmark...
Application protocol: h2

finished in 1.02s, 76726.00 req/s, 84.15MB/s
requests: 153462 total, 153718 started, 153462 done, 153452 succeeded, 10 failed, 3 errored, 0 timeout
status codes: 153452 2xx, 0 3xx, 7 4xx, 0 5xx
`;

Deno.test("the output of wrk is read: requests, time, p99, error responses and broken connections", () => {
  assertEquals(parseWrk(WRK), { requests: 118_260, seconds: 1, p99: 1.02, errors: 0, broken: 0 });
  const bad = WRK.replace("1.02ms", "590.00us").replace("in 1.00s", "in 1.50m") +
    "  Socket errors: connect 1, read 20, write 300, timeout 4000\n  Non-2xx or 3xx responses: 17\n";
  assertEquals(parseWrk(bad), { requests: 118_260, seconds: 90, p99: 0.59, errors: 17, broken: 4_321 });
  assertEquals(parseWrk("unable to connect to 127.0.0.1:1 Connection refused\n"), null);
});

Deno.test("the output of h2load is read, and p99 from its log; HTTP/1.1 does not count", () => {
  const log = Array.from({ length: 200 }, (_, index) => `1795829160487220\t200\t${(index + 1) * 1_000}\n`).join("");
  assertEquals(parseH2load(H2LOAD, log), { requests: 153_452, seconds: 2, p99: 198, errors: 7, broken: 3 });
  assertEquals(parseH2load(H2LOAD.replace(": h2", ": http/1.1"), log), null);
  assertEquals(parseH2load("", ""), null);
});

Deno.test("medians and percentiles", () => {
  assertEquals([[3, 1, 20], [4, 1, 20, 2], [5]].map(median), [3, 3, 5]);
  assertEquals(median([]), NaN);
  const hundred = Array.from({ length: 100 }, (_, index) => 100 - index);
  assertEquals([0, 0.5, 0.99, 1].map((share) => percentile(hundred, share)), [1, 50, 99, 100]);
  assertEquals(percentile([], 0.99), NaN);
});

/** Prints the CPU seconds that it has used, at least 0.2, each time a line comes in. */
const BUSY = `
  const { cpuUsage } = (await import("node:process")).default;
  const used = () => Object.values(cpuUsage()).reduce((sum, micros) => sum + micros / 1e6, 0);
  for await (const _ of Deno.stdin.readable) {
    const least = used() + 0.2;
    while (used() < least) JSON.parse(JSON.stringify(Array.from({ length: 1_000 })));
    console.log(used());
  }
`;

Deno.test({
  name: "CPU time is read from the system's clock of a process",
  ignore: Deno.build.os !== "linux",
  sanitizeResources: false, // the C library stays open
  async fn() {
    const pipes = { stdin: "piped", stdout: "piped" } as const;
    await using child = new Deno.Command(Deno.execPath(), { args: ["eval", BUSY], ...pipes }).spawn();
    const writer = child.stdin.getWriter();
    const reader = child.stdout.pipeThrough(new TextDecoderStream()).getReader();
    const ask = async () => {
      await writer.write(new TextEncoder().encode("?\n"));
      return Number((await reader.read()).value);
    };
    const before = await ask();
    const own = ownCpuSeconds(child.pid);
    const after = await ask();
    assert(before > 0.2 && own >= before - 0.02 && own <= after, `${own} s, ${before} to ${after} s are expected`);
    await reader.cancel();
    await writer.close();
  },
});

const CASE: Case = {
  kind: "load",
  name: "1k",
  title: "1 KiB",
  path: "/1k.txt",
  connections: 64,
  status: 200,
  root: "files",
  metrics: [{ key: "cpu", title: "CPU, µs" }, { key: "rate", title: "requests/s" }],
  goals: [
    { of: ["nginx", "pyserve"], by: "quotient", metric: "cpu", atLeast: 0.95 },
    { of: ["slower", "pyserve"], by: "difference", metric: "cpu", atMost: 3 },
    { of: ["pyserve"], metric: "rate", atMost: 45_000 },
    { of: ["absent", "pyserve"], by: "quotient", metric: "cpu", atLeast: 1 },
  ],
};

const SAMPLES: Samples = new Map([
  ["pyserve", [{ cpu: 20, rate: 50_000 }, { cpu: 10, rate: 40_000 }, { cpu: 12, rate: 60_000 }]],
  ["nginx", [{ cpu: 20, rate: 90_000 }, { cpu: 9, rate: 80_000 }, null]],
  ["slower", [{ cpu: 25, rate: 9 }, { cpu: 12, rate: 8 }, { cpu: 14, rate: 7 }]],
]);

Deno.test("ratios are taken round by round, and a round without one of the two does not count", () => {
  assertEquals(caseTable(CASE, SAMPLES), [
    "| server | CPU, µs | it ÷ pyserve | requests/s |",
    "| --- | ---: | ---: | ---: |",
    "| pyserve | 10.0 / **12.0** / 20.0 | 1.00 | 50,000 |",
    "| nginx | 9.0 / **14.5** / 20.0 | 0.95 | 85,000 |",
    "| slower | 12.0 / **14.0** / 25.0 | 1.20 | 8.0 |",
  ]);
});

Deno.test("a goal is a quotient, a difference or a figure; met, missed or not measured", () => {
  assertEquals(goalTable({ cases: [[CASE, SAMPLES]] }).slice(2), [
    "| 1 KiB | nginx ÷ pyserve: CPU, µs ≥ 0.95 | 0.90 / **0.95** / 1.00 | met |",
    "| 1 KiB | slower − pyserve: CPU, µs ≤ 3 | 2.0 / **2.0** / 5.0 | met |",
    "| 1 KiB | pyserve: requests/s ≤ 45000 | 40,000 / **50,000** / 60,000 | **missed** |",
    "| 1 KiB | absent ÷ pyserve: CPU, µs ≥ 1 | - | not measured |",
  ]);
});

Deno.test("the overview has one row per load, and only servers that were measured", () => {
  const lines = overview({ cases: [[CASE, SAMPLES], [{ ...CASE, kind: "start" } as Case, SAMPLES]] });
  assertEquals(lines.length, 3);
  assertStringIncludes(lines[0]!, "| case | pyserve, CPU µs | nginx, CPU µs | nginx ÷ pyserve |");
  assertStringIncludes(lines[2]!, "| 1 KiB | 12.0 | 14.5 | 0.95 | 50,000 · 85,000 |");
});

Deno.test({
  name: "the report gives reasons for the goals that were missed, and only for these",
  ignore: Deno.build.os !== "linux",
  fn() {
    const met = { ...CASE, name: "404", goals: CASE.goals.slice(0, 1) };
    const run = { title: "Results", command: "deno task bench", rounds: 3, seconds: 1, minutes: 9, load: "1 core" };
    const text = report({ ...run, peers: [], cases: [[CASE, SAMPLES], [met, SAMPLES]] });
    assertStringIncludes(text, `- **1 KiB**: ${REASONS["1k"]}`);
    assertEquals(text.includes(REASONS["404"]!), false);
  },
});

Deno.test("cases have distinct names; goals and reasons refer to what exists", () => {
  const cases = [...CASES, ...CGI_CASES];
  assertEquals(new Set(cases.map(({ name }) => name)).size, cases.length);
  const peers = PEERS.map((peer) => peer.name);
  for (const { goals, metrics, named = [] } of cases) {
    for (const { of, metric } of goals) {
      assertEquals([...of, ...named].filter((name) => !peers.includes(name ?? "")), []);
      assert(metrics.some(({ key }) => key === metric), metric);
    }
  }
  assertEquals(Object.keys(REASONS).filter((name) => !cases.some((one) => one.name === name)), []);
});
