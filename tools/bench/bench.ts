/**
 * Benchmarks pyserve and every other installed server, interleaved and from another process: `deno task bench`, and for
 * CGI programs `deno task bench:cgi`.
 *
 * Options: `--suite NAME` (`files`, the default, or `cgi`), `--rounds N`, `--seconds S` (duration of each load, whole
 * seconds), `--only CASE,...`, `--peers NAME,...`, and `--quick`: one round, with only the servers named by the goals
 * of each case. A full run writes RESULTS.md or RESULTS-CGI.md; any other only prints.
 *
 * Needs Linux, wrk and curl; openssl for HTTPS and h2load for HTTP/2.
 */

import { type Case, CASES, CGI_CASES } from "./cases.ts";
import { type Bench, measure, prepare, type Sample } from "./measure.ts";
import { PEERS } from "./peers.ts";
import { busySeconds, onInterrupt, run, stopAll } from "./processes.ts";
import { caseTable, goalTable, peerTable, report, type Results, type Samples } from "./report.ts";
import { type Contestant, Servers } from "./servers.ts";
import { makeSite } from "./site.ts";

/** A suite of cases whose results go to one file. */
interface Suite {
  readonly title: string;
  readonly command: string;
  readonly cases: readonly Case[];
  readonly file: string;
  /** Default number of rounds and seconds. */
  readonly rounds: string;
  readonly seconds: string;
}

const SUITES: Readonly<Record<string, Suite>> = {
  files: {
    title: "Results",
    command: "deno task bench",
    cases: CASES,
    file: "RESULTS.md",
    rounds: "3",
    seconds: "1",
  },
  cgi: {
    title: "Results: CGI",
    command: "deno task bench:cgi",
    cases: CGI_CASES,
    file: "RESULTS-CGI.md",
    rounds: "15",
    seconds: "1",
  },
};

/** Takes part in every case of a quick run, in addition to the servers named by the goals. */
const BASELINE = "nginx";

interface Options {
  readonly suite: Suite;
  readonly rounds: number;
  readonly seconds: number;
  readonly only: readonly string[] | null;
  readonly peers: readonly string[] | null;
  readonly quick: boolean;
}

async function main(args: readonly string[]): Promise<void> {
  const options = parseOptions(args);
  const missing = await missingTools();
  if (missing.length > 0) {
    throw new Error(`Cannot measure without ${missing.join(", ")}`);
  }
  const directory = await Deno.makeTempDir({ prefix: "pyserve-bench-" });
  onInterrupt();
  try {
    const results = await runAll(options, args, directory);
    print(["", ...goalTable(results)].join("\n"));
    const whole = !options.quick && options.only === null && options.peers === null;
    if (whole) await writeReport(results, options.suite);
    print(`\n${results.minutes.toFixed(1)} minutes${whole ? `; written to bench/${options.suite.file}` : ""}`);
  } finally {
    await cleanUp(directory);
  }
}

/** Writes the report of a suite, formatted with deno fmt. */
async function writeReport(results: Results, { file }: Suite): Promise<void> {
  const url = new URL(`./${file}`, import.meta.url);
  await Deno.writeTextFile(url, report(results));
  await run([Deno.execPath(), "fmt", "--quiet", decodeURIComponent(url.pathname)]);
}

function parseOptions(args: readonly string[]): Options {
  const known = ["--suite", "--rounds", "--seconds", "--only", "--peers"];
  const given = new Map<string, string>();
  for (let index = 0; index < args.length; index++) {
    const name = args[index]!;
    const value = name === "--quick" ? "" : known.includes(name) ? args[++index] : undefined;
    if (value === undefined) {
      throw new Error(`Cannot read the option "${name}": known are --quick and, with a value, ${known.join(", ")}`);
    }
    given.set(name, value);
  }
  const quick = given.has("--quick");
  const suite = suiteOf(given.get("--suite") ?? "files");
  return {
    suite,
    rounds: count(given.get("--rounds") ?? (quick ? "1" : suite.rounds)),
    seconds: count(given.get("--seconds") ?? suite.seconds),
    only: names(given.get("--only"), suite.cases),
    peers: names(given.get("--peers"), PEERS),
    quick,
  };
}

function suiteOf(name: string): Suite {
  const suite = SUITES[name];
  if (suite === undefined) {
    throw new Error(`Cannot find the suite "${name}": known are ${Object.keys(SUITES).join(", ")}`);
  }
  return suite;
}

function count(text: string): number {
  if (!/^[1-9]\d*$/.test(text)) {
    throw new Error(`Cannot count "${text}": a whole number from 1 is expected`);
  }
  return Number(text);
}

function names(text: string | undefined, all: readonly { readonly name: string }[]): string[] | null {
  const wanted = text?.split(",") ?? null;
  const unknown = wanted?.find((name) => !all.some((one) => one.name === name));
  if (unknown !== undefined) {
    throw new Error(`Cannot find "${unknown}": known are ${all.map(({ name }) => name).join(", ")}`);
  }
  return wanted;
}

async function missingTools(): Promise<string[]> {
  if (Deno.build.os !== "linux") return ["Linux: the figures come from /proc"];
  const found = await Promise.all([isThere("wrk"), isThere("curl")]);
  return ["wrk", "curl"].filter((_, index) => !found[index]);
}

async function isThere(program: string): Promise<boolean> {
  return await run(["sh", "-c", `command -v ${program}`]) !== null;
}

async function runAll(options: Options, args: readonly string[], directory: string): Promise<Results> {
  const begin = performance.now();
  const { cases: all, title, command } = options.suite;
  const able = PEERS.filter((peer) => peer.cgi || all.some(({ root }) => root !== "cgi"));
  const wanted = able.filter(({ name }) => name === "pyserve" || (options.peers?.includes(name) ?? true));
  const found = await Promise.all(wanted.map(async (peer) => ({ ...peer, installed: await peer.find() })));
  const contestants = found.filter((peer): peer is Contestant => peer.installed !== null);
  const peers = found.map((peer) => [peer, peer.installed?.version ?? null] as const);
  print(peerTable({ peers }).join("\n"));

  await makeSite(directory);
  const bench = { servers: new Servers(directory), directory, seconds: options.seconds, note: print };
  const cases: [Case, Samples][] = [];
  const before = busySeconds();
  for (const one of all.filter(({ name }) => options.only?.includes(name) ?? true)) {
    const samples = await runCase(one, contestants.filter((peer) => takesPart(peer, one, options)), options, bench);
    cases.push([one, samples]);
    print(["", `### ${one.name}: ${one.title}`, "", ...caseTable(one, samples)].join("\n"));
  }
  const seconds = (performance.now() - begin) / 1000;
  const cores = (busySeconds() - before) / seconds;
  return {
    title,
    command: [command, ...args.filter((arg, index) => arg !== "--suite" && args[index - 1] !== "--suite")].join(" "),
    rounds: options.rounds,
    seconds: options.seconds,
    minutes: seconds / 60,
    load: `${cores.toFixed(1)} cores were busy on average, including other work`,
    peers,
    cases,
  };
}

/** Whether a peer is measured in a case; one that lacks a feature is included unless that is known in advance. */
function takesPart(peer: Contestant, one: Case, { quick }: Options): boolean {
  if (peer.name === "pyserve") return true;
  if (one.root === "lists" && peer.noLists) return false;
  if (one.root === "cgi" && !peer.cgi) return false;
  if (one.kind === "load" && one.tls && !peer.tls) return false;
  const named = [...one.goals.map(({ against }) => against), ...one.named ?? []];
  return named.includes(peer.name) || (!peer.onlyNamed && (!quick || peer.name === BASELINE));
}

/** The rounds of a case: every peer once in each, in an order rotated from round to round. */
async function runCase(one: Case, peers: readonly Contestant[], options: Options, bench: Bench): Promise<Samples> {
  await prepare(one, bench.directory);
  const samples = new Map(peers.map(({ name }) => [name, [] as (Sample | null)[]]));
  const rounds = one.once ? 1 : options.rounds;
  for (let round = 0; round < rounds; round++) {
    const turn = round % peers.length;
    for (const peer of [...peers.slice(turn), ...peers.slice(0, turn)]) {
      const before = samples.get(peer.name)!;
      // A single failure may be chance: a server with a short accept queue can reject a whole load.
      const failed = before.length > 1 && before.every((sample) => sample === null);
      before.push(failed ? null : await measure(one, peer, bench));
    }
  }
  return samples;
}

async function cleanUp(directory: string): Promise<void> {
  await stopAll();
  await Deno.remove(directory, { recursive: true }).catch(() => {});
}

function print(text: string): void {
  // deno-lint-ignore no-console
  console.log(text);
}

if (import.meta.main) {
  try {
    await main(Deno.args);
  } catch (error) {
    print(error instanceof Error ? error.message : String(error));
    Deno.exitCode ||= 1;
  } finally {
    // Signal listeners would keep the process alive.
    Deno.exit();
  }
}
