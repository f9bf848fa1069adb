/**
 * Readers of options that are rarely used: headers for some paths, mounts and virtual hosts with options of their own.
 *
 * @module
 */

import { headerRule, type HeaderRuleText, pathPattern } from "./header_rule.ts";
import { InvalidValue } from "./option.ts";
import { UsageError } from "./usage_error.ts";

export { siteOptions } from "./site_options.ts";

/** Headers for some paths. Throws {@linkcode UsageError}. */
export function headerRuleOf(text: string): HeaderRuleText {
  return read("headers", text, headerRule);
}

/** Throws {@linkcode UsageError} for what cannot be a pattern of `--spa-ignore`. */
export function requirePatterns(patterns: readonly string[]): void {
  for (const pattern of patterns) read("spa-ignore", pattern, pathPattern);
}

function read<T>(name: string, text: string, parse: (text: string) => T): T {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof InvalidValue)) throw error;
    const where = error.path.length === 0 ? "" : `${error.path.join(".")}: `;
    throw new UsageError(`Cannot use --${name} '${text}': ${where}${error.message}`);
  }
}
