/**
 * Commands to copy into a shell.
 *
 * @module
 */

/** A word of a command, in quotes where a POSIX shell needs them. */
export function shellWord(text: string): string {
  return /^[\w\/.,:@%+=-]+$/.test(text) ? text : `'${text.replaceAll("'", "'\\''")}'`;
}
