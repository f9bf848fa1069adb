// deno-lint-ignore-file no-console
/**
 * One warning of the runtime that tells the user of the command nothing.
 *
 * @module
 */

import type { Feature } from "../handlers/feature.ts";

/**
 * How the warning begins that Deno 2.9 prints at the first look at the signal of any request, because the signal aborts
 * at the end of good answers too. Programs and applications are ended by it when their clients have left, and nobody looks
 * any more when the answer begins: that is right with the old behaviour and with the new one.
 */
const ABORT_WARNING = "Deno.serve: request.signal aborts on successful responses";

/** Features that look at signals and have not ended. */
let looking = 0;
let restore = () => {};

/** Keeps that one warning from standard error until the feature ends. */
export function withoutAbortWarning(feature: Feature): Feature {
  if (looking++ === 0) restore = filterWarnings();
  const end = async () => {
    await feature.end?.();
    if (--looking === 0) restore();
  };
  return { ...feature, end };
}

/** Returns what puts `console.warn` back as it was, unless somebody else has put another in its place. */
function filterWarnings(): () => void {
  const { warn } = console;
  const filtered = (...words: unknown[]) => {
    if (!String(words[0]).startsWith(ABORT_WARNING)) warn.apply(console, words);
  };
  console.warn = filtered;
  return () => {
    if (console.warn === filtered) console.warn = warn;
  };
}
