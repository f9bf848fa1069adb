/**
 * Finds inline spans in Markdown. Each text is scanned once, however many spans are opened and never closed: results
 * are cached by offset.
 */

/** Maximum number of characters in the brackets of a link, and in its parentheses. */
const LABEL = 1_000;
const DESTINATION = 2_000;
/** Maximum length of a reference label. */
export const REFERENCE = 200;

export class Spans {
  #text;
  /** @type {Map<string, { from: number, end: number }>} Ends of emphasis by delimiter run. */
  #ends = new Map();
  /** @type {Map<number, { starts: number[], next: number }> | null} Backtick runs by length. */
  #ticks = null;
  /** @type {Map<number, number> | null} Matching brackets. */
  #brackets = null;

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
  }

  /**
   * The first closing delimiter run at or after an offset; -1 if there is none.
   *
   * @param {string} run
   * @param {number} from
   */
  emphasisEnd(run, from) {
    const known = this.#ends.get(run);
    if (known && from >= known.from && (from <= known.end || known.end < 0)) return known.end;
    const text = this.#text;
    let end = text.indexOf(run, from);
    while (
      end >= 0 && (/\s/.test(text[end - 1] ?? "") || (run[0] === "_" && /\w/.test(text[end + run.length] ?? "")))
    ) {
      end = text.indexOf(run, end + 1);
    }
    this.#ends.set(run, { from, end });
    return end;
  }

  /**
   * The code span that begins with the backticks at an offset, and its end; without closing backticks, the opening ones
   * and null. Offsets must be passed in ascending order.
   *
   * @param {number} at
   * @returns {{ ticks: string, code: string | null, end: number }}
   */
  code(at) {
    const text = this.#text;
    const ticks = text.slice(at, runEnd(text, at));
    const runs = (this.#ticks ??= ticksOf(text)).get(ticks.length);
    while (runs && (runs.starts[runs.next] ?? Infinity) < at + ticks.length) runs.next += 1;
    const close = runs?.starts[runs.next];
    if (close === undefined) return { ticks, code: null, end: at + ticks.length };
    return { ticks, code: codeText(text.slice(at + ticks.length, close)), end: close + ticks.length };
  }

  /** The closing bracket for the one at an offset; -1 if there is none within the limit. @param {number} at */
  closingBracket(at) {
    const end = (this.#brackets ??= bracketsOf(this.#text)).get(at) ?? -1;
    return end - at < LABEL ? end : -1;
  }
}

/** @param {string} text @param {number} at */
function runEnd(text, at) {
  let end = at;
  while (text[end] === "`") end += 1;
  return end;
}

/** @param {string} text */
function ticksOf(text) {
  /** @type {Map<number, { starts: number[], next: number }>} */
  const runs = new Map();
  for (let at = text.indexOf("`"); at >= 0;) {
    const end = runEnd(text, at);
    const known = runs.get(end - at);
    if (known) known.starts.push(at);
    else runs.set(end - at, { starts: [at], next: 0 });
    at = text.indexOf("`", end);
  }
  return runs;
}

/** A space on both sides separates the content from the backticks and is dropped. @param {string} text */
function codeText(text) {
  const line = text.replaceAll("\n", " ");
  const isPadded = line.length > 2 && line.startsWith(" ") && line.endsWith(" ") && line.trim() !== "";
  return isPadded ? line.slice(1, -1) : line;
}

/** @param {string} text */
function bracketsOf(text) {
  /** @type {Map<number, number>} */
  const pairs = new Map();
  /** @type {number[]} */
  const open = [];
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "\\") at += 1;
    else if (text[at] === "[") open.push(at);
    else if (text[at] === "]") {
      const start = open.pop();
      if (start !== undefined) pairs.set(start, at);
    }
  }
  return pairs;
}

/** Maximum nesting depth of parentheses in a URL. */
const PARENTHESES = 4;

/**
 * @type {Record<string, RegExp>} Titles by opening delimiter; a title ends at the first delimiter that could begin or
 * end another.
 */
const TITLES = { '"': /"[^"]*"/y, "'": /'[^']*'/y, "(": /\([^()]*\)/y };

/**
 * The destination after the brackets of a link: a URL in parentheses, with or without `<>`, and perhaps a title, which
 * is dropped.
 *
 * @param {string} text
 * @param {number} at Offset of the expected parenthesis.
 * @returns {{ target: string, end: number } | null}
 */
export function destinationAt(text, at) {
  if (text[at] !== "(") return null;
  const rest = text.slice(at, at + DESTINATION);
  const start = skipBlanks(rest, 1);
  const pointed = match(/<([^<>\n]*)>/y, rest, start);
  const targetEnd = pointed ? start + pointed[0].length : bareEnd(rest, start);
  if (targetEnd < 0) return null;
  const end = skipBlanks(rest, titleEnd(rest, targetEnd));
  if (rest[end] !== ")") return null;
  return { target: pointed ? pointed[1] ?? "" : rest.slice(start, targetEnd), end: at + end + 1 };
}

/** @param {RegExp} pattern A sticky one. @param {string} text @param {number} at */
function match(pattern, text, at) {
  pattern.lastIndex = at;
  return pattern.exec(text);
}

/** @param {string} text @param {number} at */
function skipBlanks(text, at) {
  return at + (match(/\s*/y, text, at)?.[0].length ?? 0);
}

/** End of a URL without `<>`; its parentheses must be balanced. @param {string} text @param {number} at */
function bareEnd(text, at) {
  let end = at;
  for (let depth = 0;;) {
    end += match(/[^\s()]*/y, text, end)?.[0].length ?? 0;
    if (text[end] === "(" && depth < PARENTHESES) depth += 1;
    else if (text[end] === ")" && depth > 0) depth -= 1;
    else return depth > 0 ? -1 : end;
    end += 1;
  }
}

/** End of a title after spaces; the offset itself if there is none. @param {string} text @param {number} at */
function titleEnd(text, at) {
  const start = skipBlanks(text, at);
  const pattern = start === at ? undefined : TITLES[text[start] ?? ""];
  const title = pattern && match(pattern, text, start);
  return title ? start + title[0].length : at;
}

/**
 * The label in the second brackets of `[text][reference]`, or null.
 *
 * @param {string} text
 * @param {number} at Offset of the expected brackets.
 */
export function referenceAt(text, at) {
  if (text[at] !== "[") return null;
  const end = text.slice(at, at + REFERENCE + 2).indexOf("]");
  return end < 0 ? null : text.slice(at + 1, at + end);
}
