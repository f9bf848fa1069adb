/**
 * From the words of a command line to what was given, by the table of options; with the conventions of Python's argparse:
 * `--name=value`, `-bVALUE`, prefixes that name one option only, options before and after the rest, `--`, and the last
 * value where an option that takes one is given several times.
 *
 * @module
 */

import { type Option, OPTIONS } from "./options.ts";
import { isNumber } from "./values.ts";

/** A command line that cannot be used as it is: one sentence, exit status 2. */
export class UsageError extends Error {
  /** Always `"UsageError"`. */
  override readonly name: string = "UsageError";
}

/** What was given: the values of each option (an empty text for a switch), and the words that are no options. */
export interface Given {
  readonly values: ReadonlyMap<string, readonly string[]>;
  readonly words: readonly string[];
}

/** Parses a command line and checks it against the table. Throws {@linkcode UsageError}. */
export function parse(args: readonly string[]): Given {
  const values = new Map<string, string[]>();
  const words: string[] = [];
  const rest = [...args];
  while (rest.length > 0) {
    const word = rest.shift()!;
    if (word === "--") {
      words.push(...rest.splice(0));
    } else if (isOption(word)) {
      const { option, value } = takeOption(word, rest);
      values.set(option.name, option.repeatable ? [...values.get(option.name) ?? [], value] : [value]);
    } else {
      words.push(word);
    }
  }
  // Who asks for help gets it, whatever else is wrong.
  if (!values.has("help") && !values.has("version")) check(values);
  return { values, words };
}

/** A number is none, as in argparse: `-1` is a bad port and not an unknown option. */
function isOption(word: string): boolean {
  return word.startsWith("-") && word !== "-" && !/^-\d/.test(word);
}

function takeOption(word: string, rest: string[]): { option: Option; value: string } {
  const [flag, inline] = splitFlag(word);
  const option = find(flag);
  if (option.value === undefined) {
    if (inline !== null) throw new UsageError(`The option ${flag} takes no value`);
    return { option, value: "" };
  }
  if (option.optional) return { option, value: inline ?? "" };
  const value = inline ?? takeValue(option, rest);
  // Python's -p is the protocol; what most people mean by it is the port.
  if (flag === "-p" && !isNumber(value)) return { option: byName("protocol"), value };
  // In two words, as Python's, unless the first is a whole header already.
  return { option, value: option.pair && !value.includes(":") ? `${value}:${takeValue(option, rest)}` : value };
}

function splitFlag(word: string): [flag: string, inline: string | null] {
  if (!word.startsWith("--")) return [word.slice(0, 2), word.length > 2 ? word.slice(2).replace(/^=/, "") : null];
  const at = word.indexOf("=");
  return at < 0 ? [word, null] : [word.slice(0, at), word.slice(at + 1)];
}

function takeValue(option: Option, rest: string[]): string {
  const value = rest.shift();
  if (value === undefined || isOption(value)) throw new UsageError(`The option --${option.name} needs ${option.value}`);
  return value;
}

function find(flag: string): Option {
  const exact = OPTIONS.find((option) => flag === `--${option.name}`) ?? byLetter(flag);
  if (exact) return exact;
  const meant = flag.startsWith("--") ? OPTIONS.filter((option) => `--${option.name}`.startsWith(flag)) : [];
  if (meant.length === 1) return meant[0]!;
  const names = meant.filter(({ writes }) => !writes).map(({ name }) => `--${name}`);
  if (names.length > 1) throw new UsageError(`The option ${flag} could be ${names.join(" or ")}`);
  if (meant.length > 1) throw new UsageError(`The option ${flag} could be several: write its whole name`);
  throw new UsageError(`There is no option ${flag}${suggestion(flag)}`);
}

function byName(name: string): Option {
  return OPTIONS.find((option) => option.name === name)!;
}

function byLetter(flag: string): Option | undefined {
  return flag.length === 2 ? OPTIONS.find(({ short }) => short?.includes(flag[1]!)) : undefined;
}

/** An option that is surely meant. Never one that lets clients write: a slip must not be answered by such an offer. */
function suggestion(flag: string): string {
  const offered = OPTIONS.filter(({ writes }) => !writes);
  const elsewhere = offered.find((option) => option.elsewhere?.includes(flag.replace(/^--?/, "")));
  if (elsewhere) return `; did you mean --${elsewhere.name}?`;
  if (flag.length === 2) return byLetter(swapCase(flag)) ? `; did you mean ${swapCase(flag)}?` : "";
  const ranked = offered.map(({ name }) => ({ name, distance: distance(flag, `--${name}`) }));
  const nearest = ranked.reduce((best, each) => each.distance < best.distance ? each : best);
  return nearest.distance <= Math.max(2, flag.length / 3) ? `; did you mean --${nearest.name}?` : "";
}

function swapCase(flag: string): string {
  return flag === flag.toLowerCase() ? flag.toUpperCase() : flag.toLowerCase();
}

/** How many letters must be put in, taken out or changed to make one word of the other (Levenshtein). */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + Number(a[i - 1] !== b[j - 1]));
    }
    row = next;
  }
  return row[b.length]!;
}

function check(values: ReadonlyMap<string, readonly string[]>): void {
  for (const option of OPTIONS.filter(({ name }) => values.has(name))) {
    const given = values.get(option.name)!;
    const flag = `--${option.name}`;
    if (option.needs && !option.needs.some((name) => values.has(name))) {
      throw new UsageError(`The option ${flag} needs ${option.needs.map((name) => `--${name}`).join(" or ")}`);
    }
    for (const other of option.excludes ?? []) {
      if (values.has(other)) throw new UsageError(`The options ${flag} and --${other} contradict each other`);
    }
    for (const value of given) checkValue(option, value);
  }
}

function checkValue({ name, choices, check }: Option, value: string): void {
  const problem = choices && !choices.includes(value) ? `it is not ${choices.join(", ")}` : check?.(value);
  if (problem) throw new UsageError(`Cannot use --${name} "${value}": ${problem}`);
}
