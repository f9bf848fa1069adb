// deno-lint-ignore-file no-console
/**
 * Suppresses a warning of the runtime that does not concern users of the command.
 *
 * @module
 */

import type { Feature } from "../handlers/serving/feature.ts";

/**
 * Beginning of the warning that Deno 2.9 prints when a request's signal is first read, because the signal also aborts
 * after successful responses. Programs and applications are stopped by it when their clients disconnect, and it is no
 * longer read once the response begins: correct with the old and the new behaviour.
 */
const ABORT_WARNING = "Deno.serve: request.signal aborts on successful responses";

/** Number of features that read signals and are still running. */
let looking = 0;
let restore = () => {};

/** Suppresses the warning until the feature ends. */
export function withoutAbortWarning(feature: Feature): Feature {
  if (looking++ === 0) restore = filterWarnings();
  const end = async () => {
    await feature.end?.();
    if (--looking === 0) restore();
  };
  return { ...feature, end };
}

/** Returns a function that restores `console.warn`, unless it has been replaced again. */
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
