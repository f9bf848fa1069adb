// deno-lint-ignore-file no-console

/**
 * One warning of the runtime that tells the user of the command nothing.
 *
 * @module
 */

/**
 * How the warning begins that Deno 2.9 prints at the first look at the signal of any request, because the signal aborts
 * at the end of good answers too. CGI looks at it in order to end programs whose clients have left, and stops looking when
 * the answer begins: it is right with the old behaviour and with the new one.
 */
const ABORT_WARNING = "Deno.serve: request.signal aborts on successful responses";

/** Keeps that one warning from standard error. Returns what puts `console.warn` back as it was. */
export function withoutAbortWarning(): () => void {
  const { warn } = console;
  const filtered = (...words: unknown[]) => {
    if (!(typeof words[0] === "string" && words[0].startsWith(ABORT_WARNING))) warn.apply(console, words);
  };
  console.warn = filtered;
  return () => {
    if (console.warn === filtered) console.warn = warn; // else somebody has put another in its place
  };
}
