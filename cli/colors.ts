/**
 * Terminal colours, those of Python 3.15. The text must be escaped already.
 *
 * @module
 */

const RESET = "\x1b[0m";
const GREY = "\x1b[90m";
const CYAN = "\x1b[36m";
const GREEN = "\x1b[32m";
const YELLOW = "\x1b[33m";
const RED = "\x1b[31m";
const BRIGHT_CYAN = "\x1b[96m";

/** Colours the start line: green, its URL cyan. */
export function colorStartLine(line: string): string {
  return GREEN + line.replace(/\(([^\s()]+)\)/, `(${CYAN}$1${RESET}${GREEN})`) + RESET;
}

/** Colours a log line in Python's format; returns any other line unchanged. */
export function colorLogLine(line: string): string {
  const match = /^(\S* - - \[[^\]]*\]) (.*)$/.exec(line);
  if (!match) return line;
  const [, prefix, message] = match as unknown as [string, string, string];
  const request = /^"(\S*) (.*) (\S*)" (\d{3}) -$/.exec(message);
  if (!request) return `${GREY}${prefix}${RESET} ${YELLOW}${message}${RESET}`;
  const [, method, target, version, status] = request as unknown as [string, string, string, string, string];
  return `${GREY}${prefix}${RESET} "${method} ${CYAN}${target}${RESET} ${version}" ${colorStatus(status)} -`;
}

function colorStatus(status: string): string {
  const color = { "5": RED, "4": YELLOW, "3": BRIGHT_CYAN, "2": GREEN }[status[0]!];
  return color ? color + status + RESET : status;
}
