/**
 * What an option of the command is, and the kinds there are: a switch, one value, a list.
 *
 * @module
 */

/** The headings of `--help all`, in order; the first word of each, in lower case, is a topic: `--help cgi`. */
export const GROUPS = [
  "Address",
  "Files",
  "Uploads",
  "CGI",
  "Responses",
  "HTTPS",
  "Log",
  "Other",
] as const;

/** A heading of `--help all`. */
export type Group = typeof GROUPS[number];

/** A value that an option cannot take; the message ends the sentence "Cannot use --port "x": ...". */
export class InvalidValue extends Error {
  /** Always `"InvalidValue"`. */
  override readonly name: string = "InvalidValue";
}

/** One option of the command, of which parsing, checks, help, environment variables and the reference are made. */
export interface Option<T = unknown> {
  /** The heading in `--help all`. */
  readonly group: Group;
  /** What it does, in a sentence or two without the default. */
  readonly help: string;
  /** The place in the short help, from 1 on; without it, the option is in `--help all` only. */
  readonly rank?: number;
  /** The one-letter names, without the hyphen: `vV` is `-v` and `-V`. */
  readonly short?: string;
  /** What other servers call it, without the hyphens: suggested, but not accepted. */
  readonly elsewhere?: readonly string[];
  /** Whether it lets clients change what is served: then no error message suggests it. */
  readonly writes?: boolean;
  /** What the value is called in the help; an option without it is a switch. */
  readonly value?: string;
  /** What it means without a value; then the value is given after `=` only. */
  readonly bare?: string;
  /** Whether the value may be two words, `NAME VALUE`. */
  readonly pair?: boolean;
  /** Whether it may be given several times. */
  readonly repeatable?: boolean;
  /** The default in words, for the help. */
  readonly shown?: string;
  /** Options of which one must be given as well. */
  readonly needs?: readonly string[];
  /** Options that cannot be given as well. */
  readonly excludes?: readonly string[];
  /** Makes the typed value of the texts that were given, each once for a list; of none, the default. */
  readonly make: (texts: readonly string[]) => T;
}

/** What a row of the table says besides how its value is read. */
type Row = Omit<Option, "make" | "value" | "repeatable">;

/** A switch: off by default. */
export function flag(row: Row): Option<boolean> {
  return { ...row, make: (texts) => texts.length > 0 };
}

/** An option with one value, read by `read`, which throws {@linkcode InvalidValue}. */
export function one<T, const D>(row: Row & { value: string; default: D }, read: (text: string) => T): Option<T | D> {
  return { ...row, make: ([text]) => text === undefined ? row.default : read(text) };
}

/** An option that may be given several times. */
export function list<T>(row: Row & { value: string }, read: (text: string) => T): Option<readonly T[]> {
  return { ...row, repeatable: true, make: (texts) => texts.map(read) };
}
