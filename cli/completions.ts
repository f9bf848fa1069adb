/**
 * `pyserve completions`: completions for shells, generated from the table of options.
 *
 * @module
 */

import { sentence } from "./help.ts";
import type { Option } from "./option.ts";
import { OPTION_ROWS, type OptionName } from "./options.ts";
import { SUBCOMMAND_NAMES, type SubcommandIo } from "./subcommands.ts";
import { UsageError } from "./usage_error.ts";
import { parseWords } from "./words.ts";

const HELP = `Prints a script that completes the options of pyserve in a shell.

Usage: pyserve completions bash|zsh|fish|powershell

  bash        pyserve completions bash > ~/.local/share/bash-completion/completions/pyserve
  zsh         pyserve completions zsh > _pyserve, in a directory of $fpath
  fish        pyserve completions fish > ~/.config/fish/completions/pyserve.fish
  powershell  pyserve completions powershell >> $PROFILE

  -h, --help  Show this help

  A directory with the name "completions" is served by: pyserve ./completions
`;

type Row = readonly [name: OptionName, option: Option];

const SCRIPTS: Readonly<Record<string, () => string>> = { bash, zsh, fish, powershell };

/** Runs `pyserve completions`; returns the exit status. */
export function completions(args: readonly string[], io: SubcommandIo): Promise<number> {
  const { words: [shell, ...others], given } = parseWords(args, {});
  if (given.has("help")) {
    io.out(HELP);
    return Promise.resolve(0);
  }
  const script = shell !== undefined && Object.hasOwn(SCRIPTS, shell) && others.length === 0 ? SCRIPTS[shell] : null;
  if (!script) throw new UsageError(`pyserve completions needs one of ${Object.keys(SCRIPTS).join(", ")}`);
  io.out(script());
  return Promise.resolve(0);
}

/** All names of an option, with hyphens. */
function flagsOf([name, { short = "" }]: Row): string[] {
  return [...[...short].map((letter) => `-${letter}`), `--${name}`];
}

function bash(): string {
  const flags = OPTION_ROWS.flatMap(flagsOf);
  const paths = OPTION_ROWS.filter(([, { isPath }]) => isPath).flatMap(flagsOf);
  const valued = OPTION_ROWS.filter(([, { value, bare, isPath }]) => value && bare === undefined && !isPath)
    .flatMap(flagsOf);
  return `# bash completion for pyserve
_pyserve() {
  local word=\${COMP_WORDS[COMP_CWORD]} before=\${COMP_WORDS[COMP_CWORD-1]}
  case $before in
    ${paths.join("|")}) COMPREPLY=($(compgen -f -- "$word")); return ;;
    ${valued.join("|")}) COMPREPLY=(); return ;;
  esac
  if [[ $word == -* ]]; then
    COMPREPLY=($(compgen -W "${flags.join(" ")}" -- "$word"))
  elif (( COMP_CWORD == 1 )); then
    COMPREPLY=($(compgen -W "${SUBCOMMAND_NAMES.join(" ")}" -- "$word") $(compgen -f -- "$word"))
  else
    COMPREPLY=($(compgen -f -- "$word"))
  fi
}
complete -o filenames -F _pyserve pyserve
`;
}

function zsh(): string {
  const specs = OPTION_ROWS.flatMap((row) => flagsOf(row).map((flag) => `  ${quoted(zshSpec(flag, row[1]))} \\\n`));
  return `#compdef pyserve
_arguments -s \\
${specs.join("")}  ${
    quoted(`1: :{ _alternative "commands:command:(${SUBCOMMAND_NAMES.join(" ")})" "files:file:_files" }`)
  } \\
  ${quoted("*:file:_files")}
`;
}

function zshSpec(flag: string, option: Option): string {
  const { value, bare, isPath, repeatable } = option;
  const name = `${repeatable ? "*" : ""}${flag}`;
  const text = `[${option.help.replace(/[[\]\\]/g, "\\$&")}]`;
  if (value === undefined) return name + text;
  if (bare !== undefined) return `${name}=-${text}::${zshWord(value)}: `;
  return `${name}${flag.startsWith("--") ? "=" : "+"}${text}:${zshWord(value)}:${isPath ? "_files" : " "}`;
}

function zshWord(text: string): string {
  return text.replace(/[:\\[\]]/g, "\\$&");
}

function fish(): string {
  const lines = OPTION_ROWS.map(([name, option]) => {
    const short = [...option.short ?? ""].map((letter) => ` -s ${letter}`).join("");
    const value = option.value === undefined || option.bare !== undefined ? "" : option.isPath ? " -r" : " -x";
    return `complete -c pyserve -l ${name}${short}${value} -d ${fishQuoted(sentence(option))}\n`;
  });
  const commands = `complete -c pyserve -n __fish_use_subcommand -a '${SUBCOMMAND_NAMES.join(" ")}'\n`;
  return `# fish completion for pyserve\n${commands}${lines.join("")}`;
}

function powershell(): string {
  const entries = OPTION_ROWS.flatMap((row) => {
    return flagsOf(row).map((flag) => `  @(${psQuoted(flag)}, ${psQuoted(sentence(row[1]))})\n`);
  });
  const commands = SUBCOMMAND_NAMES.map((name) => `  @(${psQuoted(name)}, ${psQuoted(`pyserve ${name}`)})\n`);
  return `# PowerShell completion for pyserve
Register-ArgumentCompleter -Native -CommandName pyserve -ScriptBlock {
  param($word)
  @(
${
    [...entries, ...commands].join("")
  }  ) | Where-Object { $_[0].StartsWith($word, [StringComparison]::Ordinal) } | ForEach-Object {
    [System.Management.Automation.CompletionResult]::new($_[0], $_[0], 'ParameterName', $_[1])
  }
}
`;
}

/** For POSIX shells. */
function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

function fishQuoted(text: string): string {
  return `'${text.replace(/['\\]/g, "\\$&")}'`;
}

function psQuoted(text: string): string {
  return `'${text.replaceAll("'", "''")}'`;
}
