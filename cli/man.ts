/**
 * `pyserve man`: the manual page, generated from the table of options.
 *
 * @module
 */

import { variableOf } from "./environment.ts";
import { sentence, valueText } from "./help.ts";
import { GROUPS, type Option } from "./option.ts";
import { OPTION_ROWS, type OptionName } from "./options.ts";
import type { SubcommandIo } from "./subcommands.ts";
import { UsageError } from "./usage_error.ts";
import { parseWords } from "./words.ts";

const HELP = `Prints the manual page in the format of man(7).

Usage: pyserve man > ~/.local/share/man/man1/pyserve.1

  -h, --help  Show this help

  A directory with the name "man" is served by: pyserve ./man
`;

/** Runs `pyserve man`; returns the exit status. */
export function man(args: readonly string[], io: SubcommandIo): Promise<number> {
  const { words, given } = parseWords(args, {});
  if (words.length > 0) throw new UsageError("pyserve man takes no arguments");
  io.out(given.has("help") ? HELP : manualPage());
  return Promise.resolve(0);
}

/** The text of the page. */
export function manualPage(): string {
  return `.TH PYSERVE 1
.SH NAME
pyserve \\- serve a directory over HTTP
.SH SYNOPSIS
.B pyserve
.RI [ OPTIONS ]
.RI [ DIRECTORY ]
.RI [ /PREFIX=PATH ]...
.RI [[ ADDRESS :] PORT ]
.br
.B pyserve
.BR passwd | token | share | init | config | completions | man
.RI [ ... ]
.SH DESCRIPTION
Serves a directory for browsing, previewing, downloading and, if allowed, uploading; runs CGI programs.
Without arguments, it serves the current directory on port 8000, as
.B python \\-m http.server
does.
.PP
Options may come before and after the arguments.
They are also read from the environment
.RB ( PYSERVE_PORT=8080 )
and from
.I pyserve.json
in the current directory; the command line takes precedence over the environment, and the environment over the file.
${GROUPS.map(section).join("")}.SH EXIT STATUS
0 after a regular stop, 1 if the system refused something, 2 for an invalid command line.
`;
}

function section(group: typeof GROUPS[number]): string {
  const rows = OPTION_ROWS.filter(([, option]) => option.group === group);
  return `.SH ${escaped(group.toUpperCase())} OPTIONS\n${rows.map(entry).join("")}`;
}

function entry([name, option]: readonly [OptionName, Option]): string {
  const short = [...option.short ?? ""].map((letter) => `-${letter}, `).join("");
  const variable = variableOf(name);
  const environment = variable === null ? "" : `Environment: ${escaped(variable)}\n`;
  return `.TP\n.B ${escaped(`${short}--${name}${valueText(option)}`)}\n${escaped(sentence(option))}.\n${environment}`;
}

/** Text without control characters of roff. */
function escaped(text: string): string {
  return text.replaceAll("\\", "\\e").replaceAll("-", "\\-").replace(/^([.'])/, "\\&$1");
}
