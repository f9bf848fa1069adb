/**
 * Where the spans in a text of Markdown begin and end. Each text is looked through once, whatever is opened in it and
 * never closed: what is known of a place is not looked for again.
 */

/** Characters in the brackets of a link at most, and between its parentheses. */
const LABEL = 1_000;
const DESTINATION = 2_000;
/** Characters in the brackets of a definition at most, and of what refers to it. */
export const REFERENCE = 200;

export class Spans {
  #text;
  /** @type {Map<string, { from: number, end: number }>} Where emphasis ends, by its marks. */
  #ends = new Map();
  /** @type {Map<number, { starts: number[], next: number }> | null} Runs of backticks, by their length. */
  #ticks = null;
  /** @type {Map<number, number> | null} Which bracket closes which. */
  #brackets = null;

  /** @param {string} text */
  constructor(text) {
    this.#text = text;
  }

  /** The first end by a run of marks that is not before a place; -1 where there is none. @param {string} run @param {number} from */
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
   * The code that begins with the backticks at a place, and where it ends; without an end, the backticks themselves and
   * null. Ask for one place after the other.
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

  /** Where the bracket that is opened at a place is closed; -1 for nowhere near. @param {number} at */
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

/** A blank on both sides is there for a backtick beside it. @param {string} text */
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

/** Parentheses inside each other in an address at most. */
const PARENTHESES = 4;

/** @type {Record<string, RegExp>} What a title is in: it ends at the first mark that could begin or end another one. */
const TITLES = { '"': /"[^"]*"/y, "'": /'[^']*'/y, "(": /\([^()]*\)/y };

/**
 * What stands behind the brackets of a link: an address in parentheses, in `<>` or not, maybe with a title, which is left
 * out.
 *
 * @param {string} text
 * @param {number} at Where the parenthesis would be.
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

/** Where an address without `<>` ends; its parentheses must be closed. @param {string} text @param {number} at */
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

/** Where a title ends that begins behind blanks; the place itself where there is none. @param {string} text @param {number} at */
function titleEnd(text, at) {
  const start = skipBlanks(text, at);
  const pattern = start === at ? undefined : TITLES[text[start] ?? ""];
  const title = pattern && match(pattern, text, start);
  return title ? start + title[0].length : at;
}

/** What is in the second brackets of `[text][reference]`, or null. @param {string} text @param {number} at Where they would be. */
export function referenceAt(text, at) {
  if (text[at] !== "[") return null;
  const end = text.slice(at, at + REFERENCE + 2).indexOf("]");
  return end < 0 ? null : text.slice(at + 1, at + end);
}
