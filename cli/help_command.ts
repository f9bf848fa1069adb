/**
 * `pyserve help`: the same texts as `--help`, by topic, option or subcommand.
 *
 * @module
 */

import { help, helpOnOption, topics } from "./help.ts";
import { SUBCOMMAND_NAMES, type SubcommandIo, subcommandOf } from "./subcommands.ts";
import { UsageError } from "./usage_error.ts";

const HELP = `Shows help.

Usage: pyserve help [TOPIC|OPTION|COMMAND]

  pyserve help uploads  a topic, as with --help uploads
  pyserve help --auth   an option; also without the hyphens
  pyserve help share    a subcommand, as with share --help

  -h, --help  Show this help

  A directory with the name "help" is served by: pyserve ./help
`;

/** Runs `pyserve help`; returns the exit status. */
export async function helpCommand(args: readonly string[], io: SubcommandIo): Promise<number> {
  const [word = "", ...others] = args;
  if (others.length > 0) throw new UsageError("pyserve help needs one topic, option or command");
  if (word === "--help" || word === "-h") io.out(HELP);
  else return await showHelp(word, io);
  return 0;
}

/** Shows the help on a topic, an option or a subcommand. Throws {@linkcode UsageError} if there is none. */
export async function showHelp(word: string, io: SubcommandIo): Promise<number> {
  const topic = help(word);
  const subcommand = topic === null ? subcommandOf([word]) : null;
  if (subcommand) return await (await subcommand())(["--help"], io);
  const text = topic ?? helpOnOption(word);
  if (text === null) {
    const commands = SUBCOMMAND_NAMES.filter((name) => name !== "help").join(", ");
    throw new UsageError(`No help on "${word}"; topics are ${topics()}; commands are ${commands}`);
  }
  io.out(text);
  return 0;
}
