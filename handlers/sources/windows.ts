/**
 * Names that mean something else on Windows than what they say.
 *
 * @module
 */

const DEVICE = /^(?:CON|PRN|AUX|NUL|COM[0-9¹²³]|LPT[0-9¹²³]|CONIN\$|CONOUT\$)(?:\..*)?$/i;

/**
 * Whether Windows takes a name for just that name: no separator, no stream or drive (`:`), no wildcard or control
 * character, no dot or space at the end, no device (`NUL`, `COM1.txt`), and no 8.3 short name (`PROGRA~1`), which
 * would be a second name for a file that a rule knows by its first.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isPlainOnWindows } from "@x/pyserve";
 *
 * assert(isPlainOnWindows("a.txt") && !isPlainOnWindows("a.txt::$DATA") && !isPlainOnWindows("nul.txt"));
 * ```
 */
export function isPlainOnWindows(name: string): boolean {
  // deno-lint-ignore no-control-regex
  return !/[\\/:*?"<>|\x00-\x1f]/.test(name) && !/[. ]$/.test(name) && !DEVICE.test(name) && !/~\d/.test(name);
}
