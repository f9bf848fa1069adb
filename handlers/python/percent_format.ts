/**
 * Python's `format % args`, to the extent that log messages and error pages use it.
 *
 * @module
 */

import { pythonRepr } from "./repr.ts";

const CONVERSION = /%(?:\((\w+)\))?(-|0)?(\d+)?(?:\.(\d+))?([sdirfxX%])/g;

/**
 * Formats `%s`, `%d`, `%i`, `%r`, `%f`, `%x`, `%X` and `%%`, with width and precision, from positional arguments, and
 * `%(name)s` from a record. A placeholder without an argument is kept, where Python raises TypeError: a log line should
 * not fail a response.
 */
export function percentFormat(format: string, args: readonly unknown[] | Readonly<Record<string, unknown>>): string {
  let next = 0;
  return format.replace(
    CONVERSION,
    (all, name?: string, flag?: string, width?: string, digits?: string, kind?: string) => {
      if (kind === "%") return "%";
      const missing = name === undefined ? next >= (args.length as number) : !Object.hasOwn(args, name);
      if (missing) return all;
      const value = name === undefined ? (args as readonly unknown[])[next++] : (args as Record<string, unknown>)[name];
      const text = converted(value, kind!, digits === undefined ? undefined : Number(digits));
      const size = Number(width ?? 0);
      return flag === "-" ? text.padEnd(size) : text.padStart(size, flag === "0" ? "0" : " ");
    },
  );
}

function converted(value: unknown, kind: string, digits: number | undefined): string {
  if (kind === "d" || kind === "i") return String(Math.trunc(Number(value)));
  if (kind === "f") return Number(value).toFixed(digits ?? 6);
  if (kind === "x") return Number(value).toString(16);
  if (kind === "X") return Number(value).toString(16).toUpperCase();
  const text = kind === "r" && typeof value === "string" ? pythonRepr(value) : String(value);
  return digits === undefined ? text : text.slice(0, digits);
}
