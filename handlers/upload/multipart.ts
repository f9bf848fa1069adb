/**
 * A streaming parser for multipart forms (RFC 7578): buffers at most one part header.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { Needle } from "./needle.ts";

/** Maximum size of a part header: its names may be paths of a few thousand characters. */
const MAX_HEADER_BYTES = 16_384;

/** Maximum number of lines in a part header, and of parameters in one: RFC 7578 defines three of each. */
const MOST_LINES = 32;
const MOST_PARAMETERS = 32;

/** Maximum length of a file name, which may be a path: PATH_MAX on Linux. */
const MAX_NAME_BYTES = 4_096;

/** Maximum size of the preamble and epilogue, which are ignored. RFC 7578 allows none. */
const MAX_ASIDE_BYTES = 65_536;

const LINE_END = new TextEncoder().encode("\r\n");
const END_OF_LINE = new Needle(LINE_END);
const END_OF_HEADER = new Needle(new TextEncoder().encode("\r\n\r\n"));

/** The header of a field. */
export interface FormField {
  readonly name: string;
  /** The file name, perhaps a path with `/`; null if the field is not a file. */
  readonly filename: string | null;
}

/** Parser events: a field begins, has content, ends. */
export type FormEvent =
  | { readonly kind: "field"; readonly field: FormField }
  | { readonly kind: "data"; readonly bytes: Uint8Array }
  | { readonly kind: "end" };

/** The boundary in a Content-Type; null if it is not a form with files, or has no valid boundary (RFC 2046). */
export function boundaryOf(contentType: string | null): string | null {
  const match = /^\s*multipart\/form-data\s*;(?:.*;)?\s*boundary=(?:"([^"]+)"|([^\s;"]+))/i.exec(contentType ?? "");
  const boundary = match?.[1] ?? match?.[2];
  return boundary !== undefined && /^[\w'()+,./:=? -]{0,69}[\w'()+,./:=?-]$/.test(boundary) ? boundary : null;
}

export class MultipartParser {
  readonly #delimiter: Needle;
  #state: "preamble" | "delimiter" | "header" | "content" | "epilogue" = "preamble";
  // The first delimiter may be at the very beginning; all others include the preceding line end.
  #rest: Uint8Array = LINE_END;
  #work = new Uint8Array();
  #aside = MAX_ASIDE_BYTES + LINE_END.length;

  /** @param boundary As returned by {@linkcode boundaryOf}. */
  constructor(boundary: string) {
    this.#delimiter = new Needle(new TextEncoder().encode(`\r\n--${boundary}`));
  }

  /** Whether the closing delimiter has been read; without it the form is truncated. */
  get isFinished(): boolean {
    return this.#state === "epilogue";
  }

  /** Parses a chunk. Use each event at once: the next chunk reuses the buffer. Throws 400 for a malformed form. */
  *push(bytes: Uint8Array): Generator<FormEvent> {
    this.#rest = this.#restAnd(bytes);
    for (let goesOn = true; goesOn;) {
      const before = this.#state;
      if (before === "epilogue") this.#ignore(this.#rest.length);
      else if (before === "delimiter") this.#takeDelimiter();
      else if (before === "header") yield* this.#takeHeader();
      else yield* this.#takeContent();
      goesOn = this.#state !== before;
    }
  }

  /** Concatenates the rest and new bytes in a reusable buffer. */
  #restAnd(bytes: Uint8Array): Uint8Array {
    const rest = this.#rest;
    const length = rest.length + bytes.length;
    if (this.#work.length < length) this.#work = new Uint8Array(length * 2);
    this.#work.set(rest); // copies correctly even within the same buffer
    this.#work.set(bytes, rest.length);
    return this.#work.subarray(0, length);
  }

  *#takeContent(): Generator<FormEvent> {
    const { at, isCertain } = this.#findDelimiter();
    const isPart = this.#state === "content";
    if (at > 0 && isPart) yield { kind: "data", bytes: this.#rest.subarray(0, at) };
    if (isPart) this.#rest = this.#rest.subarray(at);
    else this.#ignore(at);
    if (!isCertain) return;
    this.#rest = this.#rest.subarray(this.#delimiter.bytes.length);
    this.#state = "delimiter";
    if (isPart) yield { kind: "end" };
  }

  #ignore(length: number): void {
    this.#aside -= length;
    if (this.#aside < 0) throw new HttpError(400, "The form has too much data before or after its fields");
    this.#rest = this.#rest.subarray(length);
  }

  /** Offset of the next delimiter, or of a possible one that is cut off by the end of the chunk. */
  #findDelimiter(): { at: number; isCertain: boolean } {
    const { length } = this.#delimiter.bytes;
    for (let from = 0;;) {
      const at = this.#delimiter.indexIn(this.#rest, from);
      if (at < 0) return { at: Math.max(0, this.#rest.length - length), isCertain: false };
      const behind = latin1(this.#rest.subarray(at + length, at + length + 2));
      if (behind === "" || behind === "-") return { at, isCertain: false };
      // A line that merely starts like the delimiter is content.
      if (/^(?:--|[\r\t ])/.test(behind)) return { at, isCertain: true };
      from = at + 1;
    }
  }

  /** Consumes the rest of a delimiter's line: only white space, or `--` at the end of the form. */
  #takeDelimiter(): void {
    if (this.#rest.length < 2) return;
    if (this.#rest[0] === 0x2d && this.#rest[1] === 0x2d) {
      this.#state = "epilogue";
      return;
    }
    const end = END_OF_LINE.indexIn(this.#rest);
    const line = this.#rest.subarray(0, end < 0 ? MAX_HEADER_BYTES + 1 : Math.min(end, MAX_HEADER_BYTES + 1));
    if (line.length > MAX_HEADER_BYTES || !/^[ \t]*\r?$/.test(latin1(line))) throw broken();
    if (end < 0) return;
    // Keep the line end: for a part without header fields it is the empty line.
    this.#rest = this.#rest.subarray(end);
    this.#state = "header";
  }

  *#takeHeader(): Generator<FormEvent> {
    const end = END_OF_HEADER.indexIn(this.#rest);
    if (end > MAX_HEADER_BYTES || (end < 0 && this.#rest.length > MAX_HEADER_BYTES)) {
      throw new HttpError(400, `A header in the form is longer than ${MAX_HEADER_BYTES} bytes`);
    }
    if (end < 0) return;
    const field = parseField(this.#rest.subarray(0, end));
    this.#rest = this.#rest.subarray(end + 4);
    this.#state = "content";
    yield { kind: "field", field };
  }
}

function latin1(bytes: Uint8Array): string {
  return String.fromCharCode(...bytes);
}

const UTF8 = new TextDecoder("utf-8", { fatal: true });

function parseField(header: Uint8Array): FormField {
  const lines = decode(header).split("\r\n", MOST_LINES + 1);
  if (lines.length > MOST_LINES) throw broken();
  const valueOf = (name: string) =>
    lines.find((line) => line.toLowerCase().startsWith(`${name}:`))?.slice(name.length + 1).trim();
  const encoding = valueOf("content-transfer-encoding")?.toLowerCase() ?? "binary";
  if (!["binary", "8bit", "7bit"].includes(encoding)) {
    throw new HttpError(
      415,
      "A form field has a Content-Transfer-Encoding, which is not supported (RFC 7578 section 4.7)",
    );
  }
  const parameters = parametersOf(valueOf("content-disposition") ?? "", /^form-data\s*(?=;|$)/i);
  const name = parameters.get("name");
  if (name === undefined) throw broken();
  return { name, filename: filenameOf(parameters) };
}

/**
 * The file name in a request's Content-Disposition (RFC 6266), or null. 400 if it is malformed. Only the last segment
 * of a path is used, because the directories are the client's own.
 */
export function parseDisposition(disposition: string): string | null {
  const filename = filenameOf(parametersOf(disposition, /^\s*[\w-]+\s*(?=;|$)/));
  return filename === null ? null : filename.replace(/^.*[/\\]/s, "");
}

function filenameOf(parameters: ReadonlyMap<string, string>): string | null {
  const extended = parameters.get("filename*");
  const filename = extended === undefined ? parameters.get("filename") : extendedValue(extended);
  if (filename !== undefined && isLongName(filename)) {
    throw new HttpError(400, `A file name is longer than ${MAX_NAME_BYTES} bytes`);
  }
  return filename ?? null;
}

/** Whether a name is too long in UTF-8. Does not keep a copy. */
function isLongName(name: string): boolean {
  return name.length > MAX_NAME_BYTES || new TextEncoder().encode(name).length > MAX_NAME_BYTES;
}

/** The parameters after a type; the first of duplicates. */
function parametersOf(disposition: string, ofType: RegExp): Map<string, string> {
  const parameters = new Map<string, string>();
  const type = ofType.exec(disposition);
  if (!type) throw broken();
  const next = /\s*;\s*(?:([^\s=;"]+)\s*=\s*)?/y;
  let count = 0;
  for (let at = type[0].length; at < disposition.length;) {
    next.lastIndex = at;
    const match = next.exec(disposition);
    if (!match || ++count > MOST_PARAMETERS) throw broken();
    const key = match[1]?.toLowerCase();
    at = next.lastIndex;
    if (key === undefined) continue;
    const { value, end } = valueAt(disposition, at);
    if (!parameters.has(key)) parameters.set(key, value);
    at = end;
  }
  return parameters;
}

/** The value of a parameter, quoted or not, and its end. */
function valueAt(text: string, start: number): { value: string; end: number } {
  if (text[start] !== '"') {
    const token = /[^\s;"]*/y;
    token.lastIndex = start;
    const value = token.exec(text)![0];
    return { value, end: start + value.length };
  }
  let end = text.indexOf('"', start + 1);
  while (end > 0 && isEscaped(text, end)) end = text.indexOf('"', end + 1);
  if (end < 0) throw broken();
  return { value: unquoted(text.slice(start + 1, end)), end: end + 1 };
}

/** Whether an odd number of backslashes precedes an offset. */
function isEscaped(text: string, at: number): boolean {
  let start = at;
  while (text[start - 1] === "\\") start -= 1;
  return (at - start) % 2 === 1;
}

/**
 * Browsers write a quote as %22 and line ends as %0D %0A, and everything else literally (HTML, "multipart form data");
 * other clients write a quote as \". A backslash before anything else is literal.
 */
function unquoted(text: string): string {
  if (!/[\\%]/.test(text)) return text;
  return text.replace(/\\"/g, '"').replace(/%22/g, '"').replace(/%0D/gi, "\r").replace(/%0A/gi, "\n");
}

/** RFC 8187, which RFC 7578 forbids in forms but some programs use for non-ASCII names. */
function extendedValue(text: string): string {
  const [, encoded] = /^utf-8'[^']*'((?:%[0-9a-f]{2}|[\w!#$&+.^`|~-])*)$/i.exec(text) ?? [];
  if (encoded === undefined) throw broken();
  return decode(Uint8Array.from(unescapeBytes(encoded)));
}

function* unescapeBytes(text: string): Generator<number> {
  for (let at = 0; at < text.length; at++) {
    if (text[at] !== "%") {
      yield text.charCodeAt(at);
    } else {
      yield parseInt(text.slice(at + 1, at + 3), 16);
      at += 2;
    }
  }
}

function decode(bytes: Uint8Array): string {
  try {
    return UTF8.decode(bytes);
  } catch {
    throw new HttpError(400, "A name in the form is not valid UTF-8");
  }
}

function broken(): HttpError {
  return new HttpError(400, "The form or a Content-Disposition in it is malformed (RFC 7578)");
}
