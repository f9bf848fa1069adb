/**
 * The head of a response.
 *
 * @module
 */

import { statusText } from "../../core/errors.ts";
import type { Field } from "./response_parts.ts";

/** A head that is being put together. */
export interface ResponseHead {
  /** Status line and fields, without those about the connection and the length, and without the empty line. */
  readonly text: string;
  /** Where the Date field is that the engine has added; -1 if the handler has given one. */
  readonly dateAt: number;
  /** The Content-Length given by the handler; null for none. */
  readonly length: number | null;
  /** Whether the handler wants the connection to be closed. */
  readonly closes: boolean;
}

/** Writes what a handler has given. The engine manages the connection, and frames the body. */
export function responseHead(status: number, fields: Iterable<Field>): ResponseHead {
  let text = statusLine(status);
  let length: number | null = null;
  let closes = false;
  let isDated = false;
  for (const [given, value] of fields) {
    const name = given.toLowerCase();
    switch (name) {
      case "content-length":
        length = Number(value);
        continue;
      case "connection":
        closes ||= /(?:^|,)[ \t]*close[ \t]*(?:,|$)/i.test(value);
        continue;
      case "keep-alive":
      case "proxy-connection":
      case "te":
      case "trailer":
      case "transfer-encoding":
      case "upgrade":
        continue;
      case "date":
        isDated = true;
    }
    text += `${name}: ${value}\r\n`;
  }
  const dateAt = isDated ? -1 : text.length;
  if (!isDated) text += dateLine();
  return { text, dateAt, length, closes };
}

const statusLines: string[] = [];

function statusLine(status: number): string {
  return statusLines[status] ??= `HTTP/1.1 ${status} ${statusText(status)}\r\n`;
}

let second = NaN;
let line = "";

/** The Date field, which many responses share. */
export function dateLine(): string {
  const now = Math.floor(Date.now() / 1000);
  if (now !== second) [second, line] = [now, `date: ${new Date(now * 1000).toUTCString()}\r\n`];
  return line;
}
