/**
 * Search patterns: plain text or globs. Never a regular expression from the client: some of those backtrack
 * exponentially (CVE-2025-54796).
 *
 * @module
 */

import { foldedName, Glob, isGlob } from "../http/glob.ts";

/** Decides whether an entry matches. */
export interface Pattern {
  /** Whether it matches against the path below the searched directory rather than the name. */
  readonly onPath: boolean;
  /** Whether a name or path matches. */
  matches(text: string): boolean;
}

/**
 * Compiles a query. With `*`, `?` or `[` it is a glob that must match the whole string; otherwise it matches anywhere.
 * With a `/` it matches against paths. Case and Unicode normalization are ignored.
 */
export function patternOf(query: string): Pattern {
  const text = foldedName(query);
  const onPath = text.includes("/");
  if (!isGlob(text)) return { onPath, matches: (name) => foldedName(name).includes(text) };
  const glob = new Glob(text);
  return { onPath, matches: (name) => glob.matches(foldedName(name)) };
}
