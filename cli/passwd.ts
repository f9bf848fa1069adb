/**
 * `pyserve passwd`: sets the password of a user in a file.
 *
 * @module
 */

import { withHash, withoutUser } from "../handlers/identity/edit_lines.ts";
import { hashPassword, passwordProblem } from "../handlers/identity/password.ts";
import { nameProblem, normalizedName } from "../handlers/identity/user_name.ts";
import { Cancelled, readPassword } from "./read_password.ts";
import { StartError } from "./start_error.ts";
import type { SubcommandIo } from "./subcommands.ts";
import { UsageError } from "./usage_error.ts";
import { editUserFile, readUserFile, remainingProblem } from "./user_file_edit.ts";
import { parseWords } from "./words.ts";

const HELP = `Sets the password of a user in a file for --auth, and makes the file if needed.

Usage: pyserve passwd [--delete] FILE NAME

  Asks for the password twice, or reads one line from standard input where that
  is no terminal. Writes an argon2id hash; only you can then read the file. A
  running server notices the change within a second.

      --delete                Remove the user, with all tokens
  -h, --help                  Show this help

  A directory with the name "passwd" is served by: pyserve ./passwd
`;

/** Runs `pyserve passwd`; returns the exit status. */
export async function passwd(args: readonly string[], io: SubcommandIo): Promise<number> {
  const { words, given } = parseWords(args, { delete: null });
  if (given.has("help")) {
    io.out(HELP);
    return 0;
  }
  const [file, name] = fileAndName(words);
  if (given.has("delete")) {
    await remove(file, name, io);
    return 0;
  }
  return await set(file, name, io);
}

function fileAndName(words: readonly string[]): [file: string, name: string] {
  const [file, text, ...others] = words;
  if (!file || text === undefined) throw new UsageError("pyserve passwd needs a FILE and a NAME");
  if (others.length > 0) {
    throw new UsageError(
      "pyserve passwd takes a FILE and a NAME; the password is asked for, or read from standard input",
    );
  }
  const name = normalizedName(text);
  const problem = nameProblem(name);
  if (problem) throw new UsageError(`Cannot use the name "${text}": it ${problem}`);
  return [file, name];
}

async function set(file: string, name: string, io: SubcommandIo): Promise<number> {
  let password: string;
  try {
    password = await readPassword(`Password for ${name}: `);
  } catch (error) {
    if (error instanceof Cancelled) return error.status;
    throw error;
  }
  const problem = passwordProblem(password);
  if (problem) throw new StartError(`The password ${problem}`);
  const hash = await hashPassword(password);
  const { text, count } = await editUserFile(file, (text) => withHash(text, name, hash));
  io.line(count > 0 ? `Changed the password of "${name}" in ${file}` : `Added "${name}" to ${file}`);
  noteRemaining(file, text, io);
  return 0;
}

async function remove(file: string, name: string, io: SubcommandIo): Promise<void> {
  readUserFile(file); // without it, there would be no such user, rather than no file
  const { text } = await editUserFile(file, (text) => {
    const edited = withoutUser(text, name);
    if (edited.count === 0) throw new StartError(`There is no user "${name}" in ${file}`);
    return edited;
  });
  io.line(`Removed "${name}" from ${file}`);
  noteRemaining(file, text, io);
}

function noteRemaining(file: string, text: string, io: SubcommandIo): void {
  const problem = remainingProblem(text);
  if (problem) io.note(`pyserve: "${file}" still cannot be used for --auth: ${problem}`);
}
