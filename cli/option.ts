/**
 * Option types of the command: switches, single values, lists.
 *
 * @module
 */

/** The headings of `--help all`, in order; the first word of each, in lower case, is a topic: `--help cgi`. */
export const GROUPS = [
  "Address",
  "Files",
  "Users",
  "Uploads",
  "CGI",
  "Proxy",
  "Responses",
  "HTTPS",
  "Log",
  "Other",
] as const;

/** A heading of `--help all`. */
export type Group = typeof GROUPS[number];

/** An invalid option value; the message completes the sentence "Cannot use --port "x": ...". */
export class InvalidValue extends Error {
  /** Always `"InvalidValue"`. */
  override readonly name: string = "InvalidValue";
  /** Where it is in a value that is JSON: keys and positions. */
  readonly path: readonly (string | number)[];

  /** Creates it. */
  constructor(message: string, path: readonly (string | number)[] = []) {
    super(message);
    this.path = path;
  }
}

/** One option of the command: the source of parsing, validation, help, environment variables and the reference. */
export interface Option<T = unknown> {
  /** The heading in `--help all`. */
  readonly group: Group;
  /** What it does, in a sentence or two, without the default. */
  readonly help: string;
  /** Position in the short help, from 1; without it, the option is only in `--help all`. */
  readonly rank?: number;
  /** The one-letter names without the hyphen: `vV` means `-v` and `-V`. */
  readonly short?: string;
  /** Its names in other servers, without the hyphens: suggested, but not accepted. */
  readonly elsewhere?: readonly string[];
  /** Whether it lets clients change files: then it is never suggested in an error message. */
  readonly writes?: boolean;
  /**
   * Whether it lets clients do more than read what is in the directory, or runs something: then a configuration file
   * that merely lies there, perhaps with files of somebody else, must not set it. `beside`: it does so in addition to
   * an option that is risky or names users, so such a file must not set it where the operator has given one.
   */
  readonly isRisky?: boolean | "beside";
  /** Whether the value is the path of a file, or contains one after `=`; in a configuration file, it is relative to that. */
  readonly isPath?: boolean | "after =";
  /**
   * Whether the value is JSON: `object`, or `members`: `KEY=VALUE`, where VALUE may be an object of options. In a
   * configuration file, these are objects.
   */
  readonly json?: "object" | "members";
  /**
   * Where a configuration can set it besides for the whole server: for a virtual host, and with `mount` also for a
   * mount. These inherit its value, unless it `isOwn`.
   */
  readonly within?: "host" | "mount";
  /** Whether mounts and virtual hosts have it only if they set it themselves. */
  readonly isOwn?: boolean;
  /** The value's placeholder in the help; without it, the option is a switch. */
  readonly value?: string;
  /** Its meaning without a value; a value can then only follow `=`. */
  readonly bare?: string;
  /** Whether the value may be two words, `NAME VALUE`. */
  readonly pair?: boolean;
  readonly repeatable?: boolean;
  /** The default in words, for the help. */
  readonly shown?: string;
  /** Options of which at least one is also required. */
  readonly needs?: readonly string[];
  /** Options that conflict with it. */
  readonly excludes?: readonly string[];
  /** Converts the given texts to the typed value: one call for a list, none for the default. */
  readonly make: (texts: readonly string[]) => T;
}

/** A row of the table without the value's type. */
type OptionTraits = Omit<Option, "make" | "value" | "repeatable">;

/** A switch, off by default. */
export function flag(row: OptionTraits): Option<boolean> {
  return { ...row, make: (texts) => texts.length > 0 };
}

/** An option with one value, parsed by `read`, which throws {@linkcode InvalidValue}. */
export function one<T, const D>(
  row: OptionTraits & { value: string; default: D },
  read: (text: string) => T,
): Option<T | D> {
  return { ...row, make: ([text]) => text === undefined ? row.default : read(text) };
}

/** A repeatable option. */
export function list<T>(row: OptionTraits & { value: string }, read: (text: string) => T): Option<readonly T[]> {
  return { ...row, repeatable: true, make: (texts) => texts.map(read) };
}
