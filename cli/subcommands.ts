/**
 * Subcommands: the first word of the command line. A directory with such a name is `./passwd`.
 *
 * @module
 */

/** What a subcommand writes to. */
export interface SubcommandIo {
  /** Environment variables. */
  readonly env: Readonly<Record<string, string>>;
  /** Writes a line to standard output, synchronously; controls and invisible characters are escaped. */
  readonly line: (line: string) => void;
  /** Writes to standard output as it is, synchronously; the text must be escaped already. */
  readonly out: (text: string) => void;
  /** Writes a line to standard error; controls and invisible characters are escaped. */
  readonly note: (line: string) => void;
}

/** A subcommand: takes the words after its name, returns the exit status. Throws `UsageError` and `StartError`. */
export type Subcommand = (args: readonly string[], io: SubcommandIo) => Promise<number>;

/** Each is loaded only when it is called. */
const SUBCOMMANDS: Readonly<Record<string, () => Promise<Subcommand>>> = {
  completions: async () => (await import("./completions.ts")).completions,
  config: async () => (await import("./config.ts")).config,
  help: async () => (await import("./help_command.ts")).helpCommand,
  init: async () => (await import("./init.ts")).init,
  man: async () => (await import("./man.ts")).man,
  passwd: async () => (await import("./passwd.ts")).passwd,
  share: async () => (await import("./share.ts")).share,
  token: async () => (await import("./token.ts")).token,
};

/** The names of all subcommands. */
export const SUBCOMMAND_NAMES: readonly string[] = Object.keys(SUBCOMMANDS);

/** The subcommand that a command line calls; null if it serves. */
export function subcommandOf(args: readonly string[]): (() => Promise<Subcommand>) | null {
  const [word = ""] = args;
  return Object.hasOwn(SUBCOMMANDS, word) ? SUBCOMMANDS[word]! : null;
}
