/** The recipes of docs/deployment.md. */

import { assert, assertEquals } from "@std/assert";
import { join } from "@std/path/join";
import { parse } from "../../cli/parse.ts";
import { settingsOf } from "../../cli/settings.ts";
import { ROOT } from "../support/paths.ts";
import { missing } from "../support/programs.ts";
import { tempTree } from "../support/tree.ts";

const TEXT = await Deno.readTextFile(join(ROOT, "docs/deployment.md"));

/** The code blocks of a language. */
function blocksOf(language: string): string[] {
  return [...TEXT.matchAll(new RegExp(`^\`\`\`${language}\\n([^]*?)^\`\`\``, "gm"))].map(([, code]) => code!);
}

Deno.test("systemd accepts the units", { ignore: missing("systemd-analyze") }, async () => {
  await using tree = await tempTree();
  const units = blocksOf("ini").map((unit) => {
    const name = /^# \/etc\/systemd\/system\/(\S+)$/m.exec(unit)![1]!;
    Deno.writeTextFileSync(tree.at(name), unit.replace("/usr/local/bin/deno", Deno.execPath()));
    return tree.at(name);
  });
  assertEquals(units.length, 2);
  const { stdout, stderr } = await new Deno.Command("systemd-analyze", { args: ["verify", ...units] }).output();
  const said = new TextDecoder().decode(stdout) + new TextDecoder().decode(stderr);
  assertEquals(said.split("\n").filter((line) => line.includes(tree.path)), []);
});

Deno.test("the commands of systemd, containers and the shell are valid", () => {
  const start = /^ExecStart=.* jsr:@x\/pyserve\/cli (.*)$/m.exec(blocksOf("ini").join("\n"))![1]!.split(" ");
  const [docker] = blocksOf("dockerfile");
  const entry: string[] = JSON.parse(/^ENTRYPOINT (.*)$/m.exec(docker!)![1]!);
  const words: string[] = JSON.parse(/^CMD (.*)$/m.exec(docker!)![1]!);
  const shell = blocksOf("sh").join("").matchAll(/^pyserve ([^#\n]*)/gm).map(([, words]) => words!.trim().split(" "));
  const commands = [start, [...entry.slice(entry.indexOf("jsr:@x/pyserve/cli") + 1), ...words], ...shell];
  assert(commands.length > 5);
  for (const command of commands) settingsOf(parse(command));
});
