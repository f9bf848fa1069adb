/**
 * Parses the request line (RFC 9112 section 3), as leniently as Python does; `strictVerdict` is strict.
 *
 * @module
 */

import { Rejection } from "./rejection.ts";

/** Maximum length of any line in bytes, without its line end: Python's limit. */
export const MAX_LINE_BYTES = 65_536;

/** A parsed request line. */
export interface RequestLine {
  /** The method, case preserved. */
  readonly command: string;
  /** The request target, multiple leading slashes reduced to one (CVE-2021-28861). */
  readonly path: string;
  /** The version as sent; the caller's default if the line has two words. */
  readonly version: string;
  /** Major and minor version; [0, 9] if the line has two words. */
  readonly number: readonly [major: number, minor: number];
}

/** The whitespace of Python's `str.split()` within ISO 8859-1, including line breaks. */
// deno-lint-ignore no-control-regex
const WHITESPACE = /[\t-\r\x1c-\x20\x85\xa0]+/;

/** Two numbers of at most ten digits (gh-103204). */
const VERSION = /^HTTP\/(\d{1,10})\.(\d{1,10})$/;

/**
 * Parses a request line, or returns why it is malformed.
 *
 * Accepts runs of whitespace between words, as RFC 9112 section 3 permits. Two words, as in `GET /x`, are HTTP/0.9.
 *
 * @param line The line as ISO 8859-1, without its line end.
 * @param defaultVersion The version assumed for a line of two words.
 * @returns Null for a blank line.
 */
export function parseRequestLine(line: string, defaultVersion: string): RequestLine | Rejection | null {
  const words = line.split(WHITESPACE).filter((word) => word !== "");
  if (words.length === 0) return null;
  const versioned = words.length >= 3 ? parseVersion(words.at(-1)!) : null;
  if (versioned instanceof Rejection) return versioned;
  if (words.length < 2 || words.length > 3) return new Rejection("request-line", line);
  const [command, target] = words as [string, string];
  if (versioned === null && command !== "GET") {
    return new Rejection("http09-method", command);
  }
  const path = target.startsWith("//") ? "/" + target.replace(/^\/+/, "") : target;
  return { command, path, version: words[2] ?? defaultVersion, number: versioned ?? [0, 9] };
}

function parseVersion(version: string): [major: number, minor: number] | Rejection {
  const match = VERSION.exec(version);
  if (match === null) return new Rejection("version", version);
  const [major, minor] = [Number(match[1]), Number(match[2])];
  return major >= 2 ? new Rejection("unsupported-version", version.slice(5)) : [major, minor];
}

/** RFC 9112 section 3: single spaces, a token, and one digit on each side of the dot; or HTTP/0.9. */
const STRICT_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [^\0-\x20\x7f]+(?: HTTP\/\d\.\d)?$/;

/** A target in absolute form (RFC 9112 section 3.2.2). */
const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/[^/?#]/i;

/**
 * Rejects request lines that Python accepts but RFC 9112 does not: whitespace other than single spaces, a method that
 * is not a token, control characters, a target in none of the four forms, or one that is not UTF-8. Null if valid.
 *
 * Deno.serve rejects the same, so that both engines interpret requests identically.
 *
 * @param line The line as ISO 8859-1, without its line end.
 */
export function strictVerdict(line: string): Rejection | null {
  if (!STRICT_LINE.test(line)) return new Rejection("request-line", line);
  const [command, target, version = "HTTP/0.9"] = line.split(" ") as [string, string, string?];
  if (line.endsWith("HTTP/0.9")) return new Rejection("version", version);
  return isTarget(command, target) ? null : new Rejection("target", target);
}

/** Whether a target is in one of the four forms (RFC 9112 section 3.2), and UTF-8. */
export function isTarget(command: string, target: string): boolean {
  const isOfAForm = target.startsWith("/") ? command !== "CONNECT" : isOtherForm(command, target);
  return isOfAForm && utf8OfBytes(target) !== null;
}

function isOtherForm(command: string, target: string): boolean {
  if (command === "CONNECT") return /^[^/?#*]+$/.test(target);
  return ABSOLUTE.test(target) || (command === "OPTIONS" && target === "*");
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/**
 * Decodes a string of bytes as UTF-8; null if it is invalid. A string with characters above U+00FF is returned
 * unchanged.
 */
export function utf8OfBytes(text: string): string | null {
  if (/^[\0-\x7f]*$/.test(text) || /[^\0-\xff]/.test(text)) return text;
  try {
    return UTF8.decode(Uint8Array.from(text, (character) => character.charCodeAt(0)));
  } catch {
    return null;
  }
}

/** Whether a version is at least HTTP/1.1. */
export function isAtLeast11([major, minor]: readonly [major: number, minor: number]): boolean {
  return major > 1 || (major === 1 && minor >= 1);
}
