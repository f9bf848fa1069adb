/** Renders the results as Markdown tables. */

import type { Case, Goal, Metric } from "./cases.ts";
import type { Sample } from "./measure.ts";
import type { Peer } from "./peers.ts";
import { REASONS } from "./reasons.ts";

/** The samples of each peer in a case, one per round; null if it does not support the case. */
export type Samples = ReadonlyMap<string, readonly (Sample | null)[]>;

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
const BAR = 40;

/** The cases in the chart. */
const CHARTED = ["1k", "100k", "304", "list1000", "cgi"];

/** Renders RESULTS.md. */
export function report(results: Results): string {
  const { title, command, rounds, seconds, minutes, load } = results;
  return [
    `# ${title}`,
    "",
    `Written by \`${command}\`: do not edit. ${rounds} rounds of ${seconds} s, the order rotated each round;`,
    `${minutes.toFixed(0)} minutes in total, on ${new Date().toISOString().slice(0, 10)}. ${machine()}. ${load}.`,
    "",
    "Three figures with strokes are least / **median** / most of the rounds. `pyserve ÷ it` divides round by round. Load",
    "and server share the cores, so rates and their ratios swing when other work runs; **the CPU that the server's whole",
    "process tree takes for a request hardly does**. `-`: it cannot do it, or did not within the time.",
    "",
    "## Chart",
    "",
    ...chart(results),
    "",
    "## Goals",
    "",
    ...goalTable(results),
    "",
    ...reasons(results),
    "## Servers",
    "",
    ...peerTable(results),
    "",
    ...results.cases.flatMap(([one, samples]) => {
      return [`## ${one.title}`, "", ...one.note ? [one.note, ""] : [], ...caseTable(one, samples), ""];
    }),
  ].join("\n");
}

/** The figures of one case. */
export function caseTable({ metrics }: Pick<Case, "metrics">, samples: Samples): string[] {
  const main = metrics[0]!;
  const cpu = metrics[1]?.key === "cpu" ? metrics[1] : null;
  const header = ["server", ...metrics.map(({ title }) => title), `pyserve ÷ it, ${main.title}`];
  if (cpu) header.push("CPU: it ÷ pyserve");
  const rows = [...samples].map(([name]) => {
    const row = [name, ...metrics.map(({ key }) => spread(figures(samples, name, key), number))];
    row.push(spread(ratios(samples, name, main.key), ratio));
    if (cpu) row.push(show(median(inverse(ratios(samples, name, cpu.key))), ratio));
    return row;
  });
  return table(header, rows);
}

/** The goals and whether they were reached. */
export function goalTable({ cases }: Pick<Results, "cases">): string[] {
  const rows = cases.flatMap(([one, samples]) => one.goals.map((goal) => goalRow(one, goal, samples)));
  return table(["case", "goal", "measured", "by CPU", ""], rows);
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
  const missed = cases.filter(([one, samples]) =>
    one.goals.some((goal) => goalRow(one, goal, samples).at(-1) !== "met")
  );
  const lines = missed.flatMap(([{ name, title }]) => REASONS[name] ? [`- **${title}**: ${REASONS[name]}`] : []);
  return lines.length === 0 ? [] : ["Why goals were missed:", "", ...lines, ""];
}

function goalRow(one: Case, goal: Goal, samples: Samples): string[] {
  const metric = one.metrics.find(({ key }) => key === goal.metric)!;
  const wanted = goal.atLeast === undefined ? `≤ ${goal.atMost}` : `≥ ${goal.atLeast}`;
  const unit = goal.against === undefined ? metric.title : `× ${goal.against}, ${metric.title}`;
  const values = goal.against === undefined
    ? figures(samples, OURS, metric.key)
    : ratios(samples, goal.against, metric.key);
  const value = median(values);
  const byCpu = goal.against !== undefined && metric.key === "rate"
    ? median(inverse(ratios(samples, goal.against, "cpu")))
    : NaN;
  const format = goal.against === undefined ? number : ratio;
  return [one.title, `${wanted} ${unit}`, spread(values, format), show(byCpu, ratio), verdict(goal, value, byCpu)];
}

function verdict(goal: Goal, value: number, byCpu: number): string {
  if (Number.isNaN(value)) return "not measured";
  if (reaches(goal, value)) return "met";
  return reaches(goal, byCpu) ? "met by CPU time only" : "**missed**";
}

function reaches({ atLeast = -Infinity, atMost = Infinity }: Goal, value: number): boolean {
  return value >= atLeast && value <= atMost;
}

/** A bar chart of the rates, relative to the fastest. */
function chart({ cases }: Results): string[] {
  const charted = cases.filter(([{ name }]) => CHARTED.includes(name));
  const lines = charted.flatMap(([one, samples]) => {
    return ["", `${one.title}, ${one.metrics[0]!.title}`, ...bars(one, samples)];
  });
  return ["```text", ...lines.slice(1), "```"];
}

function bars({ metrics }: Case, samples: Samples): string[] {
  const key = metrics[0]!.key;
  const rates = [...samples.keys()].map((name) => ({ name, rate: median(figures(samples, name, key)) }));
  const known = rates.filter(({ rate }) => !Number.isNaN(rate)).sort((a, b) => b.rate - a.rate);
  const most = Math.max(...known.map(({ rate }) => rate));
  const width = Math.max(...known.map(({ name }) => name.length));
  return known.map(({ name, rate }) => {
    return `  ${name.padEnd(width)} ${"█".repeat(Math.max(1, Math.round(rate / most * BAR)))} ${number(rate)}`;
  });
}

function figures(samples: Samples, name: string, key: Metric["key"]): number[] {
  return (samples.get(name) ?? []).map((sample) => sample?.[key]).filter((value) => value !== undefined);
}

/** Ratios of our figure to a peer's in the same round. */
function ratios(samples: Samples, name: string, key: Metric["key"]): number[] {
  const ours = samples.get(OURS) ?? [];
  const theirs = samples.get(name) ?? [];
  const quotients = ours.map((sample, round) => (sample?.[key] ?? NaN) / (theirs[round]?.[key] ?? NaN));
  return quotients.filter((value) => !Number.isNaN(value));
}

function spread(values: readonly number[], format: (value: number) => string): string {
  if (values.length === 0) return "-";
  const [least, most] = [Math.min(...values), Math.max(...values)];
  if (values.length === 1) return `**${format(least)}**`;
  return `${format(least)} / **${format(median(values))}** / ${format(most)}`;
}

/** Inverts the ratios of CPU time, so that more is better, as with rates. */
function inverse(quotients: readonly number[]): number[] {
  return quotients.map((quotient) => 1 / quotient);
}

function show(value: number, format: (value: number) => string): string {
  return Number.isNaN(value) ? "-" : format(value);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  if (sorted.length === 0) return NaN;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
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
