/**
 * Benchmarks pyserve and every other installed server, interleaved and from another process: `deno task bench`, and for
 * CGI programs `deno task bench:cgi`.
 *
 * Options:
 *
 * - `--quick`: at most two minutes, for use while working: only pyserve, nginx and the runtime's ceiling, in a part of the
 *   cases, or in those of `--only`, with as many rounds as there is time for
 * - `--against DIR`: also measures pyserve in another checkout, such as a worktree of an older commit
 * - `--only CASE,...`, `--peers NAME,...`, `--rounds N`, `--seconds S` (duration of each load, whole seconds)
 * - `--suite NAME`: `files` (the default), `cgi` or `native`
 *
 * A run without options, except `--suite`, writes RESULTS.md, RESULTS-CGI.md or RESULTS-NATIVE.md; any other only prints.
 *
 * Needs Linux, wrk and curl; openssl for HTTPS and h2load for HTTP/2.
 */

import { type Case, CASES, CGI_CASES, NATIVE_CASES } from "./cases.ts";
import { type Bench, measure, prepare } from "./measure.ts";
import { otherCheckout, PEERS } from "./peers.ts";
import { busySeconds, onInterrupt, run, stopAll } from "./processes.ts";
import { caseTable, goalTable, overview, peerTable, report, type Results, type Taken } from "./report.ts";
import { type Contestant, Servers } from "./servers.ts";
import { makeSite } from "./site.ts";

/** A suite of cases whose results go to one file. */
interface Suite {
  readonly title: string;
  readonly command: string;
  readonly cases: readonly Case[];
  readonly file: string;
  /** Default number of rounds. */
  readonly rounds: number;
}

const SUITES: Readonly<Record<string, Suite>> = {
  files: { title: "Results", command: "deno task bench", cases: CASES, file: "RESULTS.md", rounds: 5 },
  cgi: {
    title: "Results: CGI",
    command: "deno task bench:cgi",
    cases: CGI_CASES,
    file: "RESULTS-CGI.md",
    rounds: 15,
  },
  native: {
    title: "Results: the native engine",
    command: "deno task bench:native",
    cases: NATIVE_CASES,
    file: "RESULTS-NATIVE.md",
    rounds: 5,
  },
};

/** A quick run starts no round that would end later if it took as long as the one before. */
const QUICK_MS = 115_000;

/** The server that issues cookies for the cases that need them. */
const ISSUER = "pyserve-auth";

/** The peers of a quick run. */
const QUICK_PEERS = ["pyserve", "native", "other", ISSUER, "nginx", "ceiling"];

interface Options {
  readonly suite: Suite;
  /** The cases to run. */
  readonly cases: readonly Case[];
  readonly rounds: number;
  readonly seconds: number;
  readonly peers: readonly string[] | null;
  readonly against: string | null;
  readonly quick: boolean;
  /** Whether the results are written to the file of the suite. */
  readonly whole: boolean;
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
    const results = await runAll(options, directory);
    print(summary(results, options).join("\n"));
    if (options.whole) await writeReport(results, options.suite);
  } finally {
    await stopAll();
    await Deno.remove(directory, { recursive: true }).catch(() => {});
  }
}

/** What is printed at the end. */
function summary(results: Results, { quick, whole, suite }: Options): string[] {
  const { rounds, minutes } = results;
  const tables = results.cases.flatMap(([one, taken]) => ["", `### ${one.title}`, "", ...caseTable(one, taken)]);
  const end = `${rounds} rounds, ${minutes.toFixed(1)} minutes${whole ? `; written to tools/bench/${suite.file}` : ""}`;
  return [...quick ? ["", ...overview(results)] : tables, "", ...goalTable(results), "", end];
}

/** Writes the report of a suite, formatted with deno fmt. */
async function writeReport(results: Results, { file }: Suite): Promise<void> {
  const url = new URL(`./${file}`, import.meta.url);
  await Deno.writeTextFile(url, report(results));
  await run([Deno.execPath(), "fmt", "--quiet", decodeURIComponent(url.pathname)]);
}

function parseOptions(args: readonly string[]): Options {
  const known = ["--suite", "--rounds", "--seconds", "--only", "--peers", "--against"];
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
  const only = names(given.get("--only"), suite.cases);
  const rounds = given.get("--rounds");
  return {
    suite,
    cases: suite.cases.filter((one) => only?.includes(one.name) ?? (!quick || one.quick)),
    rounds: rounds !== undefined ? count(rounds) : quick ? Infinity : suite.rounds,
    seconds: count(given.get("--seconds") ?? "1"),
    peers: names(given.get("--peers"), PEERS),
    against: given.get("--against") ?? null,
    quick,
    whole: [...given.keys()].every((name) => name === "--suite"),
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

async function runAll(options: Options, directory: string): Promise<Results> {
  const begin = performance.now();
  const { cases, suite: { title, command }, seconds } = options;
  const found = await findPeers(options);
  const contestants = found.filter((peer): peer is Contestant => peer.installed !== null);
  const versions = found.map((peer) => [peer, peer.installed?.version ?? null] as const);
  print(peerTable({ peers: versions }).join("\n"));

  await makeSite(directory);
  await prepare(cases, directory);
  const issuer = contestants.find(({ name }) => name === ISSUER)!;
  const bench = { servers: new Servers(directory), issuer, directory, seconds, note: print };
  const entries = cases.map((one) => {
    const peers = contestants.filter((peer) => takesPart(peer, one, options));
    return { one, peers, taken: new Map(peers.map(({ name }) => [name, []])) as Taken };
  });
  const before = busySeconds();
  const rounds = await runRounds(entries, options, begin, bench);
  const elapsed = (performance.now() - begin) / 1000;
  const cores = (busySeconds() - before) / elapsed;
  return {
    title,
    command,
    rounds,
    seconds,
    minutes: elapsed / 60,
    load: `${cores.toFixed(1)} cores were busy on average, including other work`,
    peers: versions,
    cases: entries.map(({ one, taken }) => [one, taken]),
  };
}

/** The peers that may take part, with what is known of their installation. */
async function findPeers({ suite, peers, against, quick }: Options) {
  const all = against === null ? PEERS : [...PEERS, otherCheckout(await Deno.realPath(against))];
  const wanted = all.filter(({ name, cgi }) => {
    if (["pyserve", "other", ISSUER].includes(name)) return true;
    if (suite === SUITES.cgi && !cgi) return false;
    return peers?.includes(name) ?? (!quick || QUICK_PEERS.includes(name));
  });
  return await Promise.all(wanted.map(async (peer) => ({ ...peer, installed: await peer.find() })));
}

/** Whether a peer is measured in a case; one that lacks a feature is included unless that is known in advance. */
function takesPart(peer: Contestant, one: Case, { quick, peers }: Options): boolean {
  const { name } = peer;
  if (name === "pyserve" || name === "other") return true;
  if (one.root === "lists" && peer.noLists) return false;
  if (one.root === "cgi" && !peer.cgi) return false;
  if (one.kind === "load" && one.tls && !peer.tls) return false;
  if (quick && !peers && !QUICK_PEERS.includes(name)) return false;
  const named = [...one.goals.flatMap(({ of }) => of), ...quick ? [] : one.named ?? []].includes(name);
  return named || (!peer.onlyNamed && !one.few);
}

/** A case with its peers, and their samples so far. */
interface Entry {
  readonly one: Case;
  readonly peers: readonly Contestant[];
  readonly taken: Taken;
}

/** All cases in each round, so that a disturbance of the machine hits one round of each; returns their number. */
async function runRounds(entries: readonly Entry[], options: Options, begin: number, bench: Bench): Promise<number> {
  const elapsed = () => performance.now() - begin;
  let round = 0;
  for (let last = 0; round < options.rounds; round++) {
    const start = elapsed();
    if (options.quick && round > 0 && start + last > QUICK_MS) break;
    for (const entry of entries) {
      if (round === 0 || !entry.one.once) await runRound(entry, round, bench);
    }
    last = elapsed() - start;
    print(`Round ${round + 1}: ${(last / 1000).toFixed(0)} s`);
  }
  return round;
}

/** A round of a case: every peer once, in an order rotated from round to round. */
async function runRound({ one, peers, taken }: Entry, round: number, bench: Bench): Promise<void> {
  const turn = round % peers.length;
  for (const peer of [...peers.slice(turn), ...peers.slice(0, turn)]) {
    const before = taken.get(peer.name)!;
    // A single failure may be chance: a server with a short accept queue can reject a whole load.
    const failed = before.length > 1 && before.every((sample) => sample === null);
    before.push(failed ? null : await measure(one, peer, bench));
  }
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
