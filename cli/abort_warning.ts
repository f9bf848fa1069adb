// deno-lint-ignore-file no-console

/**
 * One warning of the runtime that tells the user of the command nothing.
 *
 * @module
 */

import type { Feature } from "../handlers/feature.ts";

/**
 * How the warning begins that Deno 2.9 prints at the first look at the signal of any request, because the signal aborts
 * at the end of good answers too. CGI and FastCGI look at it to end what is done for clients that have left, and stop looking when
 * the answer begins: it is right with the old behaviour and with the new one.
 */
const ABORT_WARNING = "Deno.serve: request.signal aborts on successful responses";

/** Keeps that one warning from standard error until a feature that would cause it ends. */
export function withoutAbortWarning(feature: Feature): Feature {
  const { warn } = console;
  const filtered = (...words: unknown[]) => {
    if (!(typeof words[0] === "string" && words[0].startsWith(ABORT_WARNING))) warn.apply(console, words);
  };
  console.warn = filtered;
  const end = async () => {
    await feature.end?.();
    if (console.warn === filtered) console.warn = warn; // else somebody has put another in its place
  };
  return { ...feature, end };
}
