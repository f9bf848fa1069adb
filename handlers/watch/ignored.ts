/**
 * What a watch ignores.
 *
 * @module
 */

import type { SitePath } from "../http/target.ts";
import { patternOf } from "../search/pattern.ts";

/** Directories full of files that are not served to pages, or not meant to be: watching them costs much for nothing. */
const ALWAYS = [".git", "node_modules"];

/**
 * A predicate for paths to be ignored: a pattern without a slash matches a name at any depth, one with a slash a path from the
 * root; what is in an ignored directory is ignored as well. Without `*`, `?` or `[`, it must match exactly.
 */
export function ignoring(patterns: readonly string[]): (path: SitePath) => boolean {
  const names = new Set([...ALWAYS, ...patterns.filter((pattern) => !isGlob(pattern) && !inPath(pattern)).map(bare)]);
  const paths = patterns.filter((pattern) => !isGlob(pattern) && inPath(pattern)).map(bare);
  const globs = patterns.filter(isGlob).map((pattern) => ({ isPath: inPath(pattern), glob: patternOf(bare(pattern)) }));
  return ({ segments }) => {
    for (const [depth, name] of segments.entries()) {
      if (names.has(name)) return true;
      if (paths.length + globs.length === 0) continue;
      const path = segments.slice(0, depth + 1).join("/");
      if (paths.includes(path) || globs.some(({ isPath, glob }) => glob.matches(isPath ? path : name))) return true;
    }
    return false;
  };
}

function isGlob(pattern: string): boolean {
  return /[*?[]/.test(pattern);
}

/** A slash at the end only says that a directory is meant. */
function inPath(pattern: string): boolean {
  return pattern.slice(0, -1).includes("/");
}

function bare(pattern: string): string {
  return pattern.replace(/^\//, "").replace(/\/$/, "");
}
