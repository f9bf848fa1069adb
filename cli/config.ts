/**
 * `pyserve config`: shows which options are set, and where.
 *
 * @module
 */

import { configReader } from "./config_reader.ts";
import { OPTIONS } from "./options.ts";
import { type Given, parse } from "./parse.ts";
import { schema } from "./schema.ts";
import { lateOptions, settingsOf } from "./settings.ts";
import type { SubcommandIo } from "./subcommands.ts";

const HELP = `Shows the options that are set, and where each value comes from.

Usage: pyserve config [OPTIONS] [DIRECTORY] [/PREFIX=PATH]... [[ADDRESS:]PORT]
       pyserve config --schema

  Takes the options of pyserve, and starts nothing. The command line takes
  precedence over the environment, the environment over the configuration file,
  the file over the defaults.

      --schema  Print the JSON schema of the configuration file, for editors
  -h, --help    Show this help

  A directory with the name "config" is served by: pyserve ./config
`;

/** Longer values, such as options of a mount, do not move the column after them. */
const MOST_WIDTH = 48;

/** Runs `pyserve config`; returns the exit status. */
export async function config(args: readonly string[], io: SubcommandIo): Promise<number> {
  if (args.includes("--help") || args.includes("-h")) io.out(HELP);
  else if (args.length === 1 && args[0] === "--schema") io.out(`${JSON.stringify(schema(), null, 2)}\n`);
  else await show(parse(args, io.env, await configReader(args, io.env)), io);
  return 0;
}

async function show(given: Given, io: SubcommandIo): Promise<void> {
  settingsOf(given, null, io.env, await lateOptions(given)); // throws for what contradicts itself
  const rows = [...given.texts].flatMap(([name, texts]) => {
    const { value, json } = OPTIONS[name];
    const values = value === undefined ? ["on"] : json === undefined ? [texts.join(", ")] : texts;
    return values.map((value) => [name, value, given.origins.get(name)!] as const);
  });
  const width = (column: 0 | 1, most: number) => Math.min(most, Math.max(0, ...rows.map((row) => row[column].length)));
  const [names, values] = [width(0, Infinity), width(1, MOST_WIDTH)];
  for (const [name, value, origin] of rows) io.line(`${name.padEnd(names)}  ${value.padEnd(values)}  ${origin}`);
  io.line(rows.length === 0 ? "All options have their defaults" : "All other options have their defaults");
}
