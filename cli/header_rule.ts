/**
 * Headers for some paths, as an option: `{"for": "/assets/**", "set": {"Cache-Control": "max-age=3600"}, "remove":
 * "Server"}`.
 *
 * @module
 */

import { nearest } from "../handlers/core/nearest.ts";
import { patternProblem } from "../handlers/http/path_patterns.ts";
import type { HeaderField } from "../handlers/layers/headers.ts";
import { InvalidValue } from "./option.ts";
import { headerField, headerName } from "./values.ts";

/** A rule, to be made by `headersFor`. */
export interface HeaderRuleText {
  readonly patterns: readonly string[];
  readonly fields: readonly HeaderField[];
}

const KEYS = ["for", "set", "remove"];

/** Parses a rule. */
export function headerRule(given: string): HeaderRuleText {
  const rule = objectOf(parsed(given), []);
  for (const key of Object.keys(rule)) {
    if (KEYS.includes(key)) continue;
    const meant = nearest(key, KEYS);
    throw new InvalidValue(`it has no "${key}"${meant === null ? "" : `; did you mean "${meant}"?`}`, [key]);
  }
  const patterns = textsOf(rule.for, ["for"]).map(({ text, path }) => within(path, () => pathPattern(text)));
  if (patterns.length === 0) throw new InvalidValue('it needs "for": a pattern of paths, such as /assets/**');
  const set = Object.entries(objectOf(rule.set ?? {}, ["set"])).flatMap(([name, value]) => {
    return textsOf(value, ["set", name]).map(({ text, path }) => within(path, () => headerField(name, text)));
  });
  const names = new Set(set.map(([name]) => name.toLowerCase()));
  const removed = textsOf(rule.remove, ["remove"]).map(({ text, path }) => {
    if (names.has(text.toLowerCase())) throw new InvalidValue(`it both sets and removes "${text}"`, path);
    return [within(path, () => headerName(text)), null] as const;
  });
  if (set.length + removed.length === 0) throw new InvalidValue('it needs "set" or "remove"');
  return { patterns, fields: [...set, ...removed] };
}

/** A pattern of paths. */
export function pathPattern(given: string): string {
  const problem = patternProblem(given);
  if (problem !== null) throw new InvalidValue(problem);
  return given;
}

type Path = readonly (string | number)[];

function parsed(given: string): unknown {
  try {
    return JSON.parse(given);
  } catch {
    throw new InvalidValue('it is not JSON such as {"for": "/assets/**", "set": {"Cache-Control": "max-age=3600"}}');
  }
}

function objectOf(value: unknown, path: Path): Record<string, unknown> {
  if (typeof value === "object" && value !== null && !Array.isArray(value)) return value as Record<string, unknown>;
  throw new InvalidValue("it must be an object", path);
}

/** A text or a number, or a list of them; none if it is missing. */
function textsOf(value: unknown, path: Path): { readonly text: string; readonly path: Path }[] {
  if (value === undefined) return [];
  if (Array.isArray(value)) return value.flatMap((item, index) => textsOf(item, [...path, index]));
  if (typeof value === "string" || typeof value === "number") return [{ text: String(value), path }];
  throw new InvalidValue("it must be text", path);
}

/** Says where a value is that is not valid. */
function within<T>(path: Path, read: () => T): T {
  try {
    return read();
  } catch (error) {
    throw error instanceof InvalidValue ? new InvalidValue(error.message, path) : error;
  }
}
