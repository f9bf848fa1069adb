/** Renders the results as Markdown tables. */

import { type Case, CPU, type Goal, type Metric } from "./cases.ts";
import type { Sample } from "./measure.ts";
import type { Peer } from "./peers.ts";
import { NATIVE_REASONS, REASONS } from "./reasons.ts";
import { median } from "./statistics.ts";

/** The samples of each peer in a case, one per round; null if it does not support the case. */
export type Samples = ReadonlyMap<string, readonly (Sample | null)[]>;

/** The same while they are taken. */
export type Taken = ReadonlyMap<string, (Sample | null)[]>;

/** All results of a run. */
export interface Results {
  readonly title: string;
  readonly command: string;
  readonly rounds: number;
  readonly seconds: number;
  readonly minutes: number;
  readonly load: string;
  /** Each peer with its version; null if it is not installed. */
  readonly peers: readonly (readonly [Peer, string | null])[];
  readonly cases: readonly (readonly [Case, Samples])[];
}

const OURS = "pyserve";

/** The servers in the overview, if they have been measured. */
const COMPARED = ["other", "nginx", "ceiling"];

/** Renders RESULTS.md. */
export function report(results: Results): string {
  const { title, command, rounds, seconds, minutes, load } = results;
  return [
    `# ${title}`,
    "",
    `Written by \`${command}\`: do not edit. ${rounds} interleaved rounds of ${seconds} s, the order rotated each round;`,
    `${minutes.toFixed(0)} minutes in total, on ${new Date().toISOString().slice(0, 10)}. ${machine()}. ${load}.`,
    "",
    "**CPU is the time of all threads of a server's whole process tree, user and system, for a request**, from the",
    "system's accounting: load and servers share the cores, so rates and latencies swing when other work runs; CPU hardly",
    "does. The latencies are those of a saturated server. Three figures are least / **median** / most of the rounds, one",
    "figure is the median; ratios are taken round by round. pyserve logs every request, to /dev/null; nginx runs one",
    "worker, and logs only as `nginx-log`. `ceiling` is `Deno.serve` with a constant response. `-`: not supported, or",
    "not in time.",
    "",
    "## Goals",
    "",
    ...goalTable(results),
    "",
    ...reasons(results),
    "## Overview",
    "",
    ...overview(results),
    "",
    "## Servers",
    "",
    ...peerTable(results),
    "",
    ...results.cases.flatMap(([one, samples]) => {
      return [`## ${one.title}`, "", ...one.note ? [one.note, ""] : [], ...caseTable(one, samples), ""];
    }),
  ].join("\n");
}

/** The figures of one case; the first is compared with ours. */
export function caseTable({ metrics }: Pick<Case, "metrics">, samples: Samples): string[] {
  const [main, ...others] = metrics as readonly [Metric, ...Metric[]];
  const rows = [...samples.keys()].map((name) => [
    name,
    spread(figures(samples, name, main.key), number),
    show(median(quotients(samples, [name, OURS], main.key)), ratio),
    ...others.map(({ key }) => show(median(figures(samples, name, key)), number)),
  ]);
  return table(["server", main.title, "it ÷ pyserve", ...others.map(({ title }) => title)], rows);
}

/** The CPU per request of the servers that matter most, and their rates and latencies. */
export function overview({ cases }: Pick<Results, "cases">): string[] {
  const loads = cases.filter(([{ kind }]) => kind === "load");
  const others = COMPARED.filter((name) => loads.some(([, samples]) => samples.has(name)));
  const names = [OURS, ...others];
  const rows = loads.map(([{ title }, samples]) => {
    const medians = (key: string) => names.map((name) => show(median(figures(samples, name, key)), number));
    const times = others.map((name) => show(median(quotients(samples, [name, OURS], CPU)), ratio));
    return [title, ...medians(CPU), ...times, medians("rate").join(" · "), medians("p99").join(" · ")];
  });
  const header = ["case", ...names.map((name) => `${name}, CPU µs`), ...others.map((name) => `${name} ÷ ${OURS}`)];
  return table([...header, `requests/s: ${names.join(" · ")}`, "p99, ms"], rows);
}

/** The goals and whether they were reached. */
export function goalTable({ cases }: Pick<Results, "cases">): string[] {
  const rows = cases.flatMap(([one, samples]) => one.goals.map((goal) => goalRow(one, goal, samples)));
  return table(["case", "goal", "measured", ""], rows);
}

/** The servers measured, and how to install those that were not. */
export function peerTable({ peers }: Pick<Results, "peers">): string[] {
  const rows = peers.map(([{ name, install }, version]) => {
    return [name, version ?? `not installed${install ? ` (${install})` : ""}`];
  });
  return table(["server", "version"], rows);
}

/** Why goals were missed. */
function reasons({ cases }: Results): string[] {
  const missed = cases.filter(([{ goals }, samples]) => goals.some((goal) => isMissed(goal, samples)));
  const lines = missed.flatMap(([{ name, title, goals }]) => {
    const isNative = goals.some(({ of }) => of.includes("native") || of.includes("native-x"));
    const reason = (isNative ? NATIVE_REASONS : REASONS)[name];
    return reason ? [`- **${title}**: ${reason}`] : [];
  });
  return lines.length === 0 ? [] : ["Why goals were missed:", "", ...lines, ""];
}

function goalRow(one: Case, goal: Goal, samples: Samples): string[] {
  const { title } = one.metrics.find(({ key }) => key === goal.metric)!;
  const sign = { quotient: " ÷ ", difference: " − " }[goal.by ?? "quotient"];
  const limit = goal.atLeast === undefined ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`;
  const values = valuesOf(goal, samples);
  const verdict = values.length === 0 ? "not measured" : isMissed(goal, samples) ? "**missed**" : "met";
  const format = goal.by === "quotient" ? ratio : number;
  return [one.title, `${goal.of.join(sign)}: ${title} ${limit}`, spread(values, format), verdict];
}

function isMissed(goal: Goal, samples: Samples): boolean {
  const { atLeast = -Infinity, atMost = Infinity } = goal;
  const value = median(valuesOf(goal, samples));
  return value < atLeast || value > atMost;
}

/** What a goal is about, round by round. */
function valuesOf({ of: [name, other], by, metric }: Goal, samples: Samples): number[] {
  if (other === undefined) return figures(samples, name, metric);
  return by === "difference"
    ? pairs(samples, [name, other], metric).map(([a, b]) => a - b)
    : quotients(samples, [name, other], metric);
}

function figures(samples: Samples, name: string, key: string): number[] {
  return (samples.get(name) ?? []).map((sample) => sample?.[key]).filter((value) => value !== undefined);
}

function quotients(samples: Samples, names: readonly [string, string], key: string): number[] {
  return pairs(samples, names, key).map(([a, b]) => a / b);
}

/** The figures of two peers in the same rounds. */
function pairs(samples: Samples, [name, other]: readonly [string, string], key: string): [number, number][] {
  const others = samples.get(other) ?? [];
  const both = (samples.get(name) ?? []).map((sample, round) => [sample?.[key], others[round]?.[key]]);
  return both.filter((pair): pair is [number, number] => pair.every((value) => value !== undefined));
}

function spread(values: readonly number[], format: (value: number) => string): string {
  if (values.length === 0) return "-";
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (values.length === 1) return `**${format(least)}**`;
  return `${format(least)} / **${format(median(values))}** / ${format(most)}`;
}

function show(value: number, format: (value: number) => string): string {
  return Number.isNaN(value) ? "-" : format(value);
}

function number(value: number): string {
  if (value >= 100) return Math.round(value).toLocaleString("en-US");
  return value.toFixed(1);
}

function ratio(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toFixed(2);
}

function table(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const align = header.map((_, column) => column === 0 ? "---" : "---:");
  return [header, align, ...rows].map((cells) => `| ${cells.join(" | ")} |`);
}

/** The machine the benchmark ran on. */
export function machine(): string {
  const info = Deno.readTextFileSync("/proc/cpuinfo");
  const cpu = /^model name\s*: (.*)$/m.exec(info)?.[1] ?? Deno.build.arch;
  const gibibytes = Math.round(Deno.systemMemoryInfo().total / 1024 ** 3);
  return `${navigator.hardwareConcurrency} cores of ${cpu}, ${gibibytes} GiB, Linux ${Deno.osRelease()}`;
}
