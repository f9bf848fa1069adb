/**
 * `pyserve init`: writes a configuration file with comments.
 *
 * @module
 */

import { CONFIG_NAME } from "./config_reader.ts";
import { sentence } from "./help.ts";
import { GROUPS, type Option } from "./option.ts";
import { OPTION_ROWS, type OptionName } from "./options.ts";
import { isConfigurable } from "./options_reader.ts";
import { StartError } from "./start_error.ts";
import type { SubcommandIo } from "./subcommands.ts";
import { UsageError } from "./usage_error.ts";
import { parseWords } from "./words.ts";

const HELP = `Writes a configuration file in which every option is a comment.

Usage: pyserve init [FILE]

  FILE defaults to ${CONFIG_NAME}, which pyserve reads when it is started in its
  directory, apart from options that let clients do more than read: for these,
  name the file with --config. An existing file is not changed.

  -h, --help  Show this help

  A directory with the name "init" is served by: pyserve ./init
`;

/** Runs `pyserve init`; returns the exit status. */
export async function init(args: readonly string[], io: SubcommandIo): Promise<number> {
  const { words: [path = CONFIG_NAME, ...others], given } = parseWords(args, {});
  if (given.has("help")) {
    io.out(HELP);
    return 0;
  }
  if (others.length > 0) throw new UsageError("pyserve init takes one FILE");
  await write(path);
  io.line(`Wrote ${path}: remove the "//" of the options that you want to set`);
  return 0;
}

async function write(path: string): Promise<void> {
  try {
    await Deno.writeTextFile(path, template(), { createNew: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotCapable) throw error;
    const reason = error instanceof Deno.errors.AlreadyExists ? "it exists already" : StartError.reason(error);
    throw new StartError(`Cannot write "${path}": ${reason}`);
  }
}

/** The text of the file: valid as it is, and with any of its comments made an option. */
export function template(): string {
  const groups = GROUPS.map((group) => {
    const rows = OPTION_ROWS.filter(([name, option]) => option.group === group && isConfigurable(name));
    return rows.length === 0 ? "" : `\n  // ${group}\n${rows.map(entry).join("")}`;
  });
  return `// Configuration of pyserve: the options of the command, without hyphens.\n{${groups.join("")}}\n`;
}

function entry([name, option]: readonly [OptionName, Option]): string {
  return `\n  // ${sentence(option)}\n  // "${name}": ${EXAMPLES[name] ?? exampleOf(option)},\n`;
}

/** Examples of options whose placeholder says little. */
const EXAMPLES: Readonly<Partial<Record<OptionName, string>>> = {
  mount: '{"/docs": "docs", "/incoming": {"directory": "incoming", "no-listing": true}}',
  hosts: '{"a.example": "a", "*.b.example": {"directory": "b", "spa": true}}',
  headers: '[{"for": "/assets/**", "set": {"Cache-Control": "max-age=3600"}}]',
};

function exampleOf({ value, bare, repeatable }: Option): string {
  if (value === undefined || bare !== undefined) return "true";
  return repeatable ? `["${value}"]` : `"${value}"`;
}
