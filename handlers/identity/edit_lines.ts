/**
 * Changing the text of a file of users, line by line: comments, the order and all other lines stay as they are, even
 * those that are malformed.
 *
 * @module
 */

import { type Line, splitLine } from "./user_lines.ts";

const BOM = "\uFEFF";

/** A changed text. */
export interface Edited {
  readonly text: string;
  /** How many lines were replaced or removed. */
  readonly count: number;
}

/** Sets the hash of a user: in the first line with that name, or in a new last line. Repetitions of the name go. */
export function withHash(text: string, name: string, hash: string): Edited {
  let count = 0;
  const { text: replaced } = mapLines(text, (line, raw) => {
    if (line?.name !== name || line.token !== null) return raw;
    count += 1;
    const [, ...more] = raw.slice(raw.indexOf(":") + 1).split(":");
    return count > 1 ? null : [name, hash, ...more].join(":");
  });
  return { text: count === 0 ? withLine(text, `${name}:${hash}`) : replaced, count };
}

/** Removes a user with all tokens. */
export function withoutUser(text: string, name: string): Edited {
  return mapLines(text, (line, raw) => line?.name === name ? null : raw);
}

/** Removes a token. */
export function withoutToken(text: string, id: string): Edited {
  return mapLines(text, (line, raw) => line?.token === id ? null : raw);
}

/** Adds a line at the end. */
export function withLine(text: string, line: string): string {
  const end = text.includes("\r\n") ? "\r\n" : "\n";
  const isOpen = !/(?:^|\n)$/.test(text.replace(BOM, ""));
  return `${text}${isOpen ? end : ""}${line}${end}`;
}

/** Whether there is a line of a user. */
export function hasUser(text: string, name: string): boolean {
  const { count } = mapLines(text, (line, raw) => line?.name === name && line.token === null ? null : raw);
  return count > 0;
}

/** Replaces lines, without their ends; null removes one. */
function mapLines(text: string, change: (line: Line | null, raw: string) => string | null): Edited {
  const mark = text.startsWith(BOM) ? BOM : "";
  let count = 0;
  const pieces = (text.slice(mark.length).match(/[^\n]*\n|[^\n]+$/g) ?? []).map((piece) => {
    const end = /\r?\n$/.exec(piece)?.[0] ?? "";
    const raw = piece.slice(0, piece.length - end.length);
    const changed = change(splitLine(raw), raw);
    if (changed !== raw) count += 1;
    return changed === null ? "" : changed + end;
  });
  return { text: mark + pieces.join(""), count };
}
