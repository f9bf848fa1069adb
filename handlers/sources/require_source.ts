/**
 * Detects at construction what is not a source.
 *
 * @module
 */

import { kindOf } from "../core/origin.ts";
import type { FileSource } from "./types.ts";

/** Whether a value has the methods of a source. */
export function isSource(value: unknown): boolean {
  const { stat, list, open } = (value ?? {}) as Partial<FileSource>;
  return typeof stat === "function" && typeof list === "function" && typeof open === "function";
}

/** Throws a TypeError for anything that is not a source. */
export function requireSource(value: unknown, title: string): void {
  if (isSource(value)) return;
  const hint = typeof value === "string" ? `; for a directory, use disk(${JSON.stringify(value)})` : "";
  throw new TypeError(`Cannot use ${title}: it is ${kindOf(value)}, not a FileSource${hint}`);
}
