/** A directory with programs in it, served by the command. */

import { type RunningCommand, start, type StartOptions } from "../../support/command.ts";
import { type TempTree, tempTree } from "../../support/tree.ts";

/** A running command, and the directory it serves. */
export interface CgiSite extends AsyncDisposable {
  readonly tree: TempTree;
  readonly command: RunningCommand;
  readonly port: number;
  readonly base: string;
}

/** Serves files of which those that begin with `#!` can be run; `pyserve --cgi` unless other options are given. */
export async function cgiSite(
  files: Readonly<Record<string, string | Uint8Array>>,
  options: readonly string[] | ((tree: TempTree) => readonly string[]) = ["--cgi"],
  startOptions: StartOptions = {},
): Promise<CgiSite> {
  const tree = await tempTree(files);
  for (const [name, content] of Object.entries(files)) {
    if (typeof content === "string" && content.startsWith("#!")) await Deno.chmod(tree.at(name), 0o755);
  }
  const command = await start([tree.path, ...typeof options === "function" ? options(tree) : options], startOptions);
  return {
    tree,
    command,
    port: command.port,
    base: `http://127.0.0.1:${command.port}`,
    async [Symbol.asyncDispose]() {
      await command[Symbol.asyncDispose]();
      await tree[Symbol.asyncDispose]();
    },
  };
}

/** Runs a program to its end; returns its output as text. Throws with the output if it fails. */
export async function run(
  program: string,
  args: readonly string[],
  options: { cwd?: string; env?: Record<string, string> } = {},
): Promise<string> {
  const { success, stdout, stderr } = await new Deno.Command(program, { args: [...args], ...options }).output();
  const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
  if (!success) throw new Error(`${program} ${args.join(" ")} failed: ${decode(stdout)}${decode(stderr)}`);
  return decode(stdout);
}
