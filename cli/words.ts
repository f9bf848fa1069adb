/**
 * Parses the arguments of a subcommand, with the conventions of `parse.ts`: `--name=value`, `--name value`, `--`,
 * options before and after the words.
 *
 * @module
 */

import { UsageError } from "./usage_error.ts";

/** The options of a subcommand without their hyphens: the placeholder of a value, or null for a switch. */
export type WordOptions = Readonly<Record<string, string | null>>;

/** The parsed arguments of a subcommand. */
export interface Words {
  /** The words that are no options. */
  readonly words: readonly string[];
  /** The given options; a switch has the value `""`. */
  readonly given: ReadonlyMap<string, string>;
}

/** Parses them; `--help` and `-h` are always options. Throws {@linkcode UsageError}. */
export function parseWords(args: readonly string[], options: WordOptions): Words {
  const words: string[] = [];
  const given = new Map<string, string>();
  const rest = [...args];
  while (rest.length > 0) {
    const word = rest.shift()!;
    if (word === "--") words.push(...rest.splice(0));
    else if (word.startsWith("-") && word !== "-") given.set(...takeOption(word, rest, options));
    else words.push(word);
  }
  return { words, given };
}

function takeOption(word: string, rest: string[], options: WordOptions): [name: string, value: string] {
  if (word === "-h" || word === "--help") return ["help", ""];
  const [, name = "", value] = /^--([^=]+)(?:=(.*))?$/s.exec(word) ?? [];
  if (!Object.hasOwn(options, name)) {
    const names = Object.keys(options).map((option) => `--${option}`);
    throw new UsageError(`There is no option ${word.split("=", 1)}, only ${names.join(", ")}`);
  }
  const placeholder = options[name];
  if (placeholder === null) {
    if (value !== undefined) throw new UsageError(`The option --${name} takes no value`);
    return [name, ""];
  }
  const text = value ?? rest.shift();
  if (text === undefined) throw new UsageError(`The option --${name} needs ${placeholder}`);
  return [name, text];
}
