/**
 * The first line of a request (RFC 9112 section 3), as leniently as Python reads it; `strictVerdict` is stricter.
 *
 * @module
 */

import { Rejection } from "./rejection.ts";

/** Bytes of a line taken at most, the line end not counted: Python's limit for every line. */
export const MAX_LINE_BYTES = 65_536;

/** What a request line says. */
export interface RequestLine {
  /** The method, in the case it was sent in. */
  readonly command: string;
  /** The request target, slashes in front reduced to one (CVE-2021-28861). */
  readonly path: string;
  /** The version as sent; what the caller gave as default where the line has two words. */
  readonly version: string;
  /** Major and minor; [0, 9] where the line has two words. */
  readonly number: readonly [major: number, minor: number];
}

/** What Python's `str.split()` takes for white space in ISO 8859-1, line ends in between included. */
// deno-lint-ignore no-control-regex
const WHITESPACE = /[\t-\r\x1c-\x20\x85\xa0]+/;

/** Two numbers of at most ten digits (gh-103204). */
const VERSION = /^HTTP\/(\d{1,10})\.(\d{1,10})$/;

/**
 * Takes a request line apart, or says what is wrong with it.
 *
 * Runs of white space count as one, as RFC 9112 section 3 allows. `GET /x` of two words is HTTP/0.9.
 *
 * @param line The line without its line end, a character a byte.
 * @param defaultVersion What a line of two words is taken for.
 * @returns Null for a line without a word.
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

/** RFC 9112 section 3: one space on each side, a token, and one digit on each side of the dot; or HTTP/0.9. */
const STRICT_LINE = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+ [^\0-\x20\x7f]+(?: HTTP\/\d\.\d)?$/;

/** Where a target has its own authority (RFC 9112 section 3.2.2). */
const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/[^/?#]/i;

/**
 * Rejects request lines that Python accepts and RFC 9112 does not: other white space than single spaces, a method that is
 * not a token, control characters, a target in none of the four forms, or one that is not UTF-8. null for all others.
 *
 * Deno.serve rejects the same, so that a request means the same whichever engine serves a site.
 *
 * @param line The line without its line end, a character a byte.
 */
export function strictVerdict(line: string): Rejection | null {
  if (!STRICT_LINE.test(line)) return new Rejection("request-line", line);
  const [command, target, version = "HTTP/0.9"] = line.split(" ") as [string, string, string?];
  if (line.endsWith("HTTP/0.9")) return new Rejection("version", version);
  const isOfAForm = target.startsWith("/") ? command !== "CONNECT" : isOtherForm(command, target);
  if (isOfAForm && utf8OfBytes(target) !== null) return null;
  return new Rejection("target", target);
}

function isOtherForm(command: string, target: string): boolean {
  if (command === "CONNECT") return /^[^/?#*]+$/.test(target);
  return ABSOLUTE.test(target) || (command === "OPTIONS" && target === "*");
}

const UTF8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** Decodes bytes, given as characters, as UTF-8; null if they are not. Text with other characters is returned as it is. */
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
