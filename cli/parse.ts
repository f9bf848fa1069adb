/**
 * Parses a command line into typed options, with the conventions of Python's argparse: `--name=value`, `-bVALUE`,
 * unambiguous prefixes, options before and after the arguments, `--`, and the last value of an option that is given
 * several times.
 * @module
 */

import type { ConfigFile } from "./config_file.ts";
import { readEnvironment, variableOf } from "./environment.ts";
import { InvalidValue, type Option } from "./option.ts";
import { OPTION_ROWS, type OptionName, OPTIONS, type Options } from "./options.ts";
import { nearest } from "../handlers/core/nearest.ts";
import { type Texts, withPlace } from "./place.ts";
import { UsageError } from "./usage_error.ts";

/** A parsed command line. */
export interface Given {
  /** The typed value of every option. */
  readonly options: Options;
  /** The names of the options set on the command line or in the environment. */
  readonly names: ReadonlySet<OptionName>;
  /** Their values as given. */
  readonly texts: ReadonlyMap<OptionName, readonly string[]>;
  /** Where each of them is set: on the command line (`--port`), in a variable (`PYSERVE_PORT`), or `pyserve.json:2:3`. */
  readonly origins: ReadonlyMap<OptionName, string>;
  /** The options of environment and file as arguments, for processes that do not inherit them. */
  readonly inherited: readonly string[];
}

/**
 * Reads a configuration file, given its path, or null for the default one, and the options that the operator has given;
 * returns null if there is none.
 */
export type ConfigReader = (path: string | null, given: ReadonlySet<OptionName>) => ConfigFile | null;

/**
 * Parses a command line, adds environment variables (`PYSERVE_PORT=8080`) where it does not override them, then a
 * configuration file where neither does, and validates everything against the table. Throws {@linkcode UsageError}.
 */
export function parse(
  args: readonly string[],
  environment: Readonly<Record<string, string>> = {},
  readConfig: ConfigReader = () => null,
): Given {
  const { texts, words } = split(args);
  // Help takes precedence over any error.
  if (texts.has("help") || texts.has("version")) return given(onlyInformation(texts), NOTHING);
  const own = withPlace(texts, words);
  const variables = missingFrom(own, withPlace(readEnvironment(environment), []));
  const near: Texts = new Map([...own, ...variables]);
  const file = configOf(near, readConfig);
  const configured = missingFrom(near, withPlace(file?.texts ?? new Map(), []));
  const all: Texts = new Map([...near, ...configured]);
  return given(checked(all, file?.places), { variables, configured, places: file?.places ?? new Map() });
}

/** The options that are not on the command line. */
interface Sources {
  readonly variables: Texts;
  readonly configured: Texts;
  readonly places: ReadonlyMap<OptionName, string>;
}

const NOTHING: Sources = { variables: new Map(), configured: new Map(), places: new Map() };

function configOf(texts: Texts, readConfig: ConfigReader): ConfigFile | null {
  const [path = null] = texts.get("config") ?? [];
  return path === "none" ? null : readConfig(path, new Set(texts.keys()));
}

function split(args: readonly string[]): { texts: Texts; words: string[] } {
  const texts: Texts = new Map();
  const words: string[] = [];
  const rest = [...args];
  while (rest.length > 0) {
    const word = rest.shift()!;
    if (word === "--") {
      words.push(...rest.splice(0));
    } else if (isOption(word)) {
      const { name, text } = takeOption(word, rest);
      if (name === "auth" && texts.has(name)) {
        throw new UsageError("The option --auth can be given only once: put all users into one file", "users");
      }
      texts.set(name, OPTIONS[name].repeatable ? [...texts.get(name) ?? [], text] : [text]);
    } else {
      words.push(word);
    }
  }
  return { texts, words };
}

/** A number is not an option, as in argparse: `-1` is an invalid port, not an unknown option. */
function isOption(word: string): boolean {
  return word.startsWith("-") && word !== "-" && !/^-\d/.test(word);
}

function takeOption(word: string, rest: string[]): { name: OptionName; text: string } {
  const [flag, inline] = splitFlag(word);
  const name = find(flag);
  const { value, bare, pair } = OPTIONS[name];
  if (value === undefined) {
    if (inline !== null) throw new UsageError(`The option ${flag} takes no value`);
    return { name, text: "" };
  }
  if (name === "help" && inline === null && isWord(rest[0])) return { name, text: rest.shift()! };
  if (bare !== undefined) return { name, text: inline || bare };
  const text = inline ?? takeValue(name, rest);
  // Python's -p is the protocol, but most people expect it to be the port.
  if (flag === "-p" && /^HTTP\//i.test(text)) return { name: "protocol", text };
  // Two words, as in Python, unless the first is a complete header already.
  return { name, text: pair && !text.includes(":") ? `${text}:${takeValue(name, rest)}` : text };
}

/** Whether the word after `--help` is a topic, if perhaps one that does not exist. */
function isWord(word: string | undefined): boolean {
  return word !== undefined && !word.startsWith("-");
}

function splitFlag(word: string): [flag: string, inline: string | null] {
  if (!word.startsWith("--")) return [word.slice(0, 2), word.length > 2 ? word.slice(2).replace(/^=/, "") : null];
  const at = word.indexOf("=");
  return at < 0 ? [word, null] : [word.slice(0, at), word.slice(at + 1)];
}

function takeValue(name: OptionName, rest: string[]): string {
  const value = rest.shift();
  if (value === undefined || isOption(value)) throw new UsageError(`The option --${name} needs ${OPTIONS[name].value}`);
  return value;
}

function find(flag: string): OptionName {
  const exact = OPTION_ROWS.find(([name]) => flag === `--${name}`)?.[0] ?? byLetter(flag);
  if (exact) return exact;
  const meant = flag.startsWith("--") ? OPTION_ROWS.filter(([name]) => `--${name}`.startsWith(flag)) : [];
  // As in other servers, --host means another option than the one that it is a prefix of.
  if (meant.length === 1 && (elsewhere(flag) ?? meant[0]![0]) === meant[0]![0]) return meant[0]![0];
  const names = meant.filter(([, { writes }]) => !writes).map(([name]) => `--${name}`);
  if (names.length > 1) throw new UsageError(`The option ${flag} could mean ${names.join(" or ")}`);
  if (meant.length > 1) throw new UsageError(`The option ${flag} is ambiguous: write the full name`);
  const hint = suggestion(flag);
  throw new UsageError(`There is no option ${flag}${hint}`, hint === "" && isWriting(flag) ? "uploads" : "");
}

/** Whether the most similar option lets clients write. */
function isWriting(flag: string): boolean {
  const meant = flag.length > 2 ? nearest(flag, OPTION_ROWS.map(([name]) => `--${name}`)) : null;
  return meant !== null && OPTION_ROWS.some(([name, { writes }]) => writes && meant === `--${name}`);
}

function byLetter(flag: string): OptionName | undefined {
  return flag.length === 2 ? OPTION_ROWS.find(([, { short }]) => short?.includes(flag[1]!))?.[0] : undefined;
}

/** The most similar option. Never one that lets clients write: a typo must not lead to such a suggestion. */
function suggestion(flag: string): string {
  const offered = OPTION_ROWS.filter(([, { writes }]) => !writes);
  const other = elsewhere(flag);
  if (other !== null) return `; did you mean --${other}?`;
  if (flag.length === 2) return byLetter(swapCase(flag)) ? `; did you mean ${swapCase(flag)}?` : "";
  const meant = nearest(flag, offered.map(([name]) => `--${name}`));
  return meant === null ? "" : `; did you mean ${meant}?`;
}

/** The option that has this name in other servers. */
function elsewhere(flag: string): OptionName | null {
  const name = flag.replace(/^--?/, "");
  return OPTION_ROWS.find(([, option]) => !option.writes && option.elsewhere?.includes(name))?.[0] ?? null;
}

function swapCase(flag: string): string {
  return flag === flag.toLowerCase() ? flag.toUpperCase() : flag.toLowerCase();
}

function onlyInformation(texts: Texts): Texts {
  return new Map([...texts].filter(([name]) => name === "help" || name === "version"));
}

/** Options of the environment that the command line neither sets nor excludes. */
function missingFrom(texts: Texts, inherited: Texts): Texts {
  const contradicted = (name: OptionName) =>
    [...texts.keys()].some((other) =>
      OPTIONS[other].excludes?.includes(name) || OPTIONS[name].excludes?.includes(other)
    );
  return new Map([...inherited].filter(([name]) => !texts.has(name) && !contradicted(name)));
}

function wordsOf(texts: Texts): string[] {
  return [...texts].flatMap(([name, values]) => {
    return values.map((value) => OPTIONS[name].value === undefined ? `--${name}` : `--${name}=${value}`);
  });
}

function given(texts: Texts, sources: Sources): Given {
  const origins = originsOf(texts, sources);
  const options = typed(texts, origins);
  const inherited = wordsOf(new Map([...sources.variables, ...sources.configured]));
  return { options, names: new Set(texts.keys()), texts, origins, inherited };
}

/** The typed values of all options. Throws {@linkcode UsageError}. */
export function typed(
  texts: ReadonlyMap<OptionName, readonly string[]>,
  origins: ReadonlyMap<OptionName, string> = new Map(),
): Options {
  const entries = OPTION_ROWS.map(([name, option]) => {
    return [name, valueOf(name, option, texts.get(name) ?? [], origins.get(name))];
  });
  return Object.fromEntries(entries) as Options;
}

function originsOf(texts: Texts, { variables, configured, places }: Sources): ReadonlyMap<OptionName, string> {
  return new Map([...texts.keys()].map((name) => {
    if (configured.has(name)) return [name, places.get(name) ?? "the configuration"];
    return [name, variables.has(name) ? variableOf(name)! : `--${name}`];
  }));
}

function valueOf(name: OptionName, option: Option, texts: readonly string[], origin = `--${name}`): unknown {
  try {
    return option.make(texts);
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    const bad = badText(option, texts);
    const isInFile = origin.includes(":");
    const what = isInFile ? `${origin}: "${name}" cannot be "${bad}"` : `${origin} "${bad}"`;
    throw new UsageError(`Cannot use ${what}: ${error.message}`, topicOf(name));
  }
}

/** The topic of the help: users and rights need more than the short help has. */
function topicOf(name: OptionName): string {
  return OPTIONS[name].group === "Users" ? "users" : "";
}

/** The first text that the option rejects. */
function badText(option: Option, texts: readonly string[]): string {
  return texts.find((text) => {
    try {
      option.make([text]);
      return false;
    } catch {
      return true;
    }
  }) ?? "";
}

/** The texts, if no option needs or excludes another one. Throws {@linkcode UsageError}. */
export function checked<T extends ReadonlyMap<OptionName, readonly string[]>>(
  texts: T,
  places: ReadonlyMap<OptionName, string> = new Map(),
): T {
  const has = (name: string) => texts.has(name as OptionName);
  for (const name of texts.keys()) {
    const { needs, excludes = [] } = OPTIONS[name];
    const place = places.get(name);
    const at = place === undefined ? "The option" : `Cannot use ${place}: the option`;
    if (needs && !needs.some(has)) {
      const others = needs.map((other) => `--${other}`).join(" or ");
      throw new UsageError(`${at} --${name} needs ${others}`, topicOf(name));
    }
    const other = excludes.find(has);
    if (other) throw new UsageError(`The options --${name} and --${other} cannot be combined`, topicOf(name));
  }
  return texts;
}
