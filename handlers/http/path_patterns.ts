/**
 * Patterns of paths, as operators write them: names, paths and globs.
 *
 * @module
 */

import { foldedName, Glob, isGlob } from "./glob.ts";
import type { SitePath, Target } from "./target.ts";

/**
 * A predicate for paths that patterns cover: a pattern without a slash matches a name at any depth, one with a slash a
 * path from the root; what is below a matching directory is covered as well. Without `*`, `?` or `[`, it must match
 * exactly.
 */
export function coveredBy(patterns: readonly string[]): (path: SitePath) => boolean {
  const names = new Set(patterns.filter((pattern) => !isGlob(pattern) && !inPath(pattern)).map(bare));
  const paths = patterns.filter((pattern) => !isGlob(pattern) && inPath(pattern)).map(bare);
  const globs = patterns.filter(isGlob).map((pattern) => {
    return { isPath: inPath(pattern), glob: new Glob(foldedName(bare(pattern))) };
  });
  return ({ segments }) => {
    for (const [depth, name] of segments.entries()) {
      if (names.has(name)) return true;
      if (paths.length + globs.length === 0) continue;
      const path = segments.slice(0, depth + 1).join("/");
      if (paths.includes(path)) return true;
      if (globs.some(({ isPath, glob }) => glob.matches(foldedName(isPath ? path : name)))) return true;
    }
    return false;
  };
}

/** Why a text is no pattern of paths, or null. Other servers have braces, which would match nothing here. */
export function patternProblem(pattern: string): string | null {
  if (pattern === "") return "it is empty";
  if (!/[{}]/.test(pattern.replace(/\[[{}]\]/g, ""))) return null;
  return "braces are not supported: give several patterns, or write [{] for the character";
}

/**
 * A predicate for the targets of requests that a pattern matches as a whole: one without a slash matches the last
 * segment (which is empty for `/docs/`), one with a slash the whole path, with the slash at its end if there is one.
 * Case makes no difference, so that no spelling of a name escapes the pattern on a disk that ignores case.
 *
 * @throws {TypeError} For one that is empty or has braces.
 */
export function matchedBy(pattern: string): (target: Pick<Target, "path" | "slash">) => boolean {
  const problem = patternProblem(pattern);
  if (problem !== null) throw new TypeError(`Cannot use the pattern ${JSON.stringify(pattern)}: ${problem}`);
  if (!pattern.includes("/")) {
    const glob = new Glob(foldedName(pattern));
    return ({ path, slash }) => glob.matches(slash ? "" : foldedName(path.name));
  }
  const glob = new Glob(foldedName(pattern.startsWith("/") ? pattern : `/${pattern}`));
  return ({ path, slash }) => glob.matches(foldedName(slash && path.parent !== null ? `${path.text}/` : path.text));
}

/** A slash at the end only says that a directory is meant. */
function inPath(pattern: string): boolean {
  return pattern.slice(0, -1).includes("/");
}

function bare(pattern: string): string {
  return pattern.replace(/^\//, "").replace(/\/$/, "");
}
