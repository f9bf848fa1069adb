/** Examples as programs, started by the command in the comment at their top, with its permissions and no others. */

import { assert } from "@std/assert";
import { type RunningCommand, startProcess } from "../support/command.ts";
import { ROOT } from "../support/paths.ts";

/** How to start an example. */
export interface ExampleOptions {
  /** The directory to run it in; the checkout unless given. */
  readonly cwd?: string;
  /** Replacements in the command. */
  readonly with?: Readonly<Record<string, string>>;
}

/** The command of an example, as words; the last one whose program is Deno. */
export async function commandOf(name: string): Promise<string[]> {
  const source = await Deno.readTextFile(`${ROOT}examples/${name}.ts`);
  const [comment] = source.split("*/");
  const lines = comment!.replaceAll(/ \\\n \* +/g, " ").matchAll(/^ \* {5}(.*\bdeno (?:run|serve) .*)$/gm);
  const [command] = [...lines].map(([, line]) => line!);
  assert(command !== undefined, `examples/${name}.ts does not say how to start it`);
  return command.split(" ");
}

/** Starts an example on a free port of 127.0.0.1. */
export async function startExample(name: string, options: ExampleOptions = {}): Promise<RunningCommand> {
  const replaced = { "8000": "0", [`examples/${name}.ts`]: `${ROOT}examples/${name}.ts`, ...options.with };
  const words = (await commandOf(name)).map((word) => {
    return Object.entries(replaced).reduce((text, [from, to]) => text.replaceAll(from, to), word);
  });
  const isSetting = (word: string) => /^[A-Z_]+=/.test(word);
  const env = Object.fromEntries(words.filter(isSetting).map((word) => word.split("=", 2)));
  const [, subcommand, ...args] = words.filter((word) => !isSetting(word));
  const address = subcommand === "serve" ? ["--host", "127.0.0.1", "--port", "0"] : [];
  const flags = ["--no-prompt", "--no-lock", "--config", `${ROOT}deno.json`, ...address];
  return await startProcess(Deno.execPath(), [subcommand!, ...flags, ...args], { cwd: options.cwd ?? ROOT, env });
}
