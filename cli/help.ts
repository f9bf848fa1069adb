/**
 * The text of `--help`.
 *
 * @module
 */

import { GROUPS, type Option, OPTIONS } from "./options.ts";

/** Columns of the left half, and of the whole. */
const LEFT = 30;
const WIDTH = 80;

/** Renders the help, grouped, from the table of options. */
export function help(): string {
  const groups = GROUPS.map((group) => {
    const lines = OPTIONS.filter((option) => option.group === group).map(entry);
    return `${group}:\n${lines.join("")}`;
  });
  return `Serves a directory over HTTP.

Usage: pyserve [OPTIONS] [DIRECTORY] [[ADDRESS:]PORT]

  pyserve                      the current directory on port 8000
  pyserve 8080                 on port 8080
  pyserve site -b 127.0.0.1    the directory "site", for this machine only
  pyserve localhost:8080       for this machine only, on port 8080

${groups.join("\n")}`;
}

function entry(option: Option): string {
  const short = option.short ? [...option.short].map((letter) => `-${letter}, `).join("") : "    ";
  const value = option.value ? (option.optional ? `[=${option.value}]` : ` ${option.value}`) : "";
  const left = `  ${short}--${option.name}${value}`;
  const [first, ...more] = fold(option.help, WIDTH - LEFT);
  const fits = left.length < LEFT - 1;
  const lines = fits ? [left.padEnd(LEFT) + first, ...more.map(indent)] : [left, ...[first!, ...more].map(indent)];
  return lines.map((line) => line + "\n").join("");
}

function indent(line: string): string {
  return " ".repeat(LEFT) + line;
}

function fold(text: string, width: number): string[] {
  const lines: string[] = [];
  for (const word of text.split(" ")) {
    const last = lines.at(-1);
    if (last !== undefined && last.length + 1 + word.length <= width) lines[lines.length - 1] = `${last} ${word}`;
    else lines.push(word);
  }
  return lines;
}
