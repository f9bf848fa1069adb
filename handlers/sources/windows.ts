/**
 * Names with a special meaning on Windows.
 *
 * @module
 */

const DEVICE = /^(?:CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³]|CONIN\$|CONOUT\$)(?:\..*)?$/i;

/**
 * Whether Windows takes a name literally: no separator, alternate data stream or drive (`:`), wildcard or control
 * character, no trailing dot or space, no device name (`NUL`, `COM1.txt`), and no 8.3 short name (`PROGRA~1`), an alias
 * by which a file could bypass a rule on its long name.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 *
 * assert(isPlainOnWindows("a.txt") && !isPlainOnWindows("a.txt::$DATA") && !isPlainOnWindows("nul.txt"));
 * ```
 */
export function isPlainOnWindows(name: string): boolean {
  // deno-lint-ignore no-control-regex
  return !/[\\/:*?"<>|\x00-\x1f]/.test(name) && !/[. ]$/.test(name) && !DEVICE.test(name) && !/~\d/.test(name);
}
