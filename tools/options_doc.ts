/**
 * Generates what describes the options from their table: docs/options.md, the short table in README.md, the schema of
 * the configuration file, and the manual page.
 *
 * `deno task options` writes them; a test compares.
 */

import { variableOf } from "../cli/environment.ts";
import { sentence, valueText } from "../cli/help.ts";
import { manualPage } from "../cli/man.ts";
import { GROUPS } from "../cli/option.ts";
import { OPTION_ROWS, type OptionName, OPTIONS } from "../cli/options.ts";
import { schema } from "../cli/schema.ts";

/** Markers around the table in README.md. */
const [BEGIN, END] = ["<!-- options: written by deno task options -->", "<!-- end of options -->"];

/** The text of docs/options.md. */
export function reference(): string {
  return `# Options

Written by \`deno task options\` from the table in [cli/options.ts](../cli/options.ts).

\`\`\`text
pyserve [OPTIONS] [DIRECTORY] [/PREFIX=PATH]... [[ADDRESS:]PORT]
\`\`\`

As with Python, options may come before and after the arguments, \`--dir\` is enough for \`--directory\`, \`-b127.0.0.1\` works,
and if an option is given twice, the last value counts. A positional argument that is a number is the port,
\`localhost:8080\` is an address and a port, anything else is the directory (\`./8080\` for a directory with that name).

Every option can be set by an environment variable. The command line takes precedence. A switch is \`1\`, \`true\`, \`yes\` or \`on\`;
a repeatable option takes one value per line; an empty variable counts as unset. A variable that begins with
\`PYSERVE_\` and names no option is an error. \`-p\` is the port, or as in Python the protocol: \`HTTP/1.0\` or \`HTTP/1.1\`.

Options can also be set in a configuration file, \`pyserve.json\` in the current directory or the file named by \`--config\`;
command line and environment take precedence over it. It is a JSON object of options without hyphens, and may have
comments:

\`\`\`jsonc
{
  "port": 8080, // a number or text
  "compress": true, // a switch
  "header": ["X-Site: mine"], // a repeatable option
  "headers": [{ "for": "/assets/**", "set": { "Cache-Control": "max-age=3600" } }], // for some paths
  "mount": { "/docs": { "directory": "docs", "no-listing": true } } // with options of its own
}
\`\`\`

[Mounts and virtual hosts](mounts.md#options-of-a-mount) can have options of their own, and [headers](development.md#headers-and-types)
can be for some paths only. Relative paths lead from the file. Because a \`pyserve.json\` may have come with somebody else's files, options that let
clients do more than read what is in the directory (uploads, programs, dotfiles, links that lead out of it) are only
accepted from a file named by \`--config\`, as is \`state\`. If the command line or the environment enables one of them, or
names users, so are the options that decide who may use it and from where (\`bind\`, \`auth\`, \`access\`, \`public\`, \`cors\`,
\`header\` and the like). \`pyserve init\` writes a file with all options as comments, \`pyserve config\`
shows which options are set and where, [pyserve.schema.json](pyserve.schema.json) (\`pyserve config --schema\`) helps
editors. \`pyserve completions SHELL\` prints completions for bash, zsh, fish and PowerShell, and \`pyserve man\` the manual
page ([pyserve.1](pyserve.1)).

Exit status: 0 after a regular stop, 1 if the system refused something, 2 for an invalid command line.

${GROUPS.map(section).join("\n")}`;
}

function section(group: typeof GROUPS[number]): string {
  const rows = OPTION_ROWS.filter(([, option]) => option.group === group);
  const lines = rows.map(([name]) => `| ${flags(name)} | ${environment(name)} | ${cell(sentence(OPTIONS[name]))} |`);
  return `## ${group}\n\n| Option | Environment | What it does |\n| --- | --- | --- |\n${lines.join("\n")}\n`;
}

function flags(name: OptionName): string {
  const { short = "" } = OPTIONS[name];
  return [...[...short].map((letter) => `-${letter}`), `--${name}${valueText(OPTIONS[name])}`]
    .map((flag) => `\`${flag.replaceAll("|", "\\|")}\``).join(", ");
}

function environment(name: OptionName): string {
  const variable = variableOf(name);
  return variable === null ? "" : `\`${variable}\``;
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|").replaceAll("*", "\\*").replaceAll("<", "&lt;");
}

/** README.md with the table of the most used options replaced. */
export function withTable(readme: string): string {
  const [start, end] = [readme.indexOf(BEGIN), readme.indexOf(END)];
  if (start < 0 || end < start) throw new Error("README.md has no markers for the table of options");
  const rows = OPTION_ROWS.filter(([, { rank }]) => rank !== undefined).toSorted(([, a], [, b]) => a.rank! - b.rank!);
  const lines = rows.map(([name]) => `| ${flags(name)} | ${cell(sentence(OPTIONS[name]))} |`);
  const table = `| Option | What it does |\n| --- | --- |\n${lines.join("\n")}`;
  return `${readme.slice(0, start)}${BEGIN}\n\n${table}\n\n${readme.slice(end)}`;
}

/** Formats text with deno fmt. */
export async function formatted(text: string, extension: "md" | "json" = "md"): Promise<string> {
  const command = new Deno.Command(Deno.execPath(), {
    args: ["fmt", "--config", new URL("../deno.json", import.meta.url).pathname, "--ext", extension, "-"],
    stdin: "piped",
    stdout: "piped",
  }).spawn();
  const writer = command.stdin.getWriter();
  await writer.write(new TextEncoder().encode(text));
  await writer.close();
  return new TextDecoder().decode((await command.output()).stdout);
}

/** The text of docs/pyserve.schema.json. */
export function schemaText(): string {
  return `${JSON.stringify(schema(), null, 2)}\n`;
}

if (import.meta.main) {
  const readme = new URL("../README.md", import.meta.url);
  await Deno.writeTextFile(
    new URL("../docs/pyserve.schema.json", import.meta.url),
    await formatted(schemaText(), "json"),
  );
  await Deno.writeTextFile(new URL("../docs/pyserve.1", import.meta.url), manualPage());
  await Deno.writeTextFile(new URL("../docs/options.md", import.meta.url), await formatted(reference()));
  await Deno.writeTextFile(readme, await formatted(withTable(await Deno.readTextFile(readme))));
}
