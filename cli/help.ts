/**
 * The text of `--help`.
 *
 * @module
 */

import { type Group, GROUPS, type Option } from "./option.ts";
import { OPTION_ROWS, type OptionName } from "./options.ts";

/** Width of the left column, and of the whole text. */
const LEFT = 30;
const WIDTH = 80;

const USAGE = `Serves a directory over HTTP.

Usage: pyserve [OPTIONS] [DIRECTORY] [/PREFIX=PATH]... [[ADDRESS:]PORT]

`;

const EXAMPLES = `  pyserve                      the current directory on port 8000
  pyserve 8080                 on port 8080
  pyserve site localhost:8080  the directory "site", for this machine only
  pyserve report.pdf           a single file
  pyserve site.zip/            the files in an archive
  pyserve . /docs=~/docs       another directory besides, at /docs/
  pyserve --upload             accept uploads, from this machine only
  pyserve -b 0.0.0.0 --upload  accept uploads from the network
  pyserve --cgi                run the programs in cgi-bin

`;

/**
 * Renders the help from the table of options: the most used ones by default, all of them for `all`, one group for its
 * name in lower case. Null for an unknown topic.
 */
export function help(topic: string): string | null {
  if (topic === "") return USAGE + EXAMPLES + section("Options", common()) + more();
  const groups = GROUPS.filter((group) => topic === "all" || (ALIASES[topic] ?? topic) === group.toLowerCase());
  if (groups.length === 0) return null;
  const users = groups.includes("Users") ? `\n${SUBCOMMANDS}` : "";
  return USAGE + groups.map((group) => section(group, inGroup(group))).join("\n") + users;
}

/** One option, by its name or letter, with or without hyphens; null if there is none. */
export function helpOnOption(word: string): string | null {
  const name = word.replace(/^--?/, "");
  const row = OPTION_ROWS.find(([own, { short = "" }]) => own === name || name.length === 1 && short.includes(name));
  if (row === undefined) return null;
  const { group } = row[1];
  return `${section(group, [row])}\nMore on this topic: pyserve help ${group.toLowerCase()}\n`;
}

const SUBCOMMANDS = "Users, tokens and share links: pyserve passwd --help (or token, share)\n";
const CONFIGURATION =
  "Configuration file, shell completions, man page: pyserve init --help\n  (or config, completions, man)\n" +
  "One option: pyserve help OPTION\n";

/** Other names of topics. */
const ALIASES: Readonly<Partial<Record<string, string>>> = { tls: "https", config: "other" };

export function topics(): string {
  return ["all", ...GROUPS.map((group) => group.toLowerCase())].join(", ");
}

function more(): string {
  return `
${fold(`Topics: ${topics()}`, WIDTH - 2).join("\n  ")}
${SUBCOMMANDS}${CONFIGURATION}Every option can be an environment variable: --tls-cert is PYSERVE_TLS_CERT.
`;
}

type NamedOption = readonly [name: OptionName, option: Option];

function common(): readonly NamedOption[] {
  const ranked = OPTION_ROWS.filter(([, { rank }]) => rank !== undefined);
  return ranked.toSorted(([, a], [, b]) => a.rank! - b.rank!);
}

function inGroup(group: Group): readonly NamedOption[] {
  return OPTION_ROWS.filter(([, option]) => option.group === group);
}

function section(heading: string, rows: readonly NamedOption[]): string {
  return `${heading}:\n${rows.map(entry).join("")}`;
}

function entry([name, option]: NamedOption): string {
  const short = option.short ? [...option.short].map((letter) => `-${letter}, `).join("") : "    ";
  const left = `  ${short}--${name}${valueText(option)}`;
  const [first, ...more] = fold(sentence(option), WIDTH - LEFT);
  const fits = left.length < LEFT - 1;
  const lines = fits ? [left.padEnd(LEFT) + first, ...more.map(indent)] : [left, ...[first!, ...more].map(indent)];
  return lines.map((line) => line + "\n").join("");
}

/** The value placeholder of an option, with its separator. */
export function valueText({ value, bare }: Option): string {
  if (value === undefined) return "";
  return bare === undefined ? ` ${value}` : `[=${value}]`;
}

/** The description of an option, whether it is repeatable, and its default. */
export function sentence({ help, shown, repeatable }: Option): string {
  return `${help}${repeatable ? "; may be repeated" : ""}${shown ? ` (default: ${shown})` : ""}`;
}

function indent(line: string): string {
  return " ".repeat(LEFT) + line;
}

function fold(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
