/**
 * Parses JSON with comments and trailing commas, keeping the position of each value for error messages.
 *
 * @module
 */

/** A position in a text, counted from 1. */
export interface Position {
  /** The line. */
  readonly line: number;
  /** The column, in UTF-16 code units. */
  readonly column: number;
}

/** A member of an object. */
export interface JsonMember {
  readonly key: string;
  /** Where the key begins. */
  readonly at: Position;
  readonly value: JsonValue;
}

/** A value, and where it begins. */
export type JsonValue =
  & { readonly at: Position }
  & (
    | { readonly kind: "object"; readonly members: readonly JsonMember[] }
    | { readonly kind: "array"; readonly items: readonly JsonValue[] }
    | { readonly kind: "string"; readonly text: string }
    | { readonly kind: "number"; readonly text: string }
    | { readonly kind: "true" | "false" | "null" }
  );

/** A syntax error; the message completes the sentence "Cannot use FILE:LINE:COLUMN: ...". */
export class JsonSyntaxError extends Error {
  /** Always `"JsonSyntaxError"`. */
  override readonly name: string = "JsonSyntaxError";
  /** Where it is. */
  readonly at: Position;

  /** Creates it. */
  constructor(message: string, at: Position) {
    super(message);
    this.at = at;
  }
}

/** Parses a text. Throws {@linkcode JsonSyntaxError}. */
export function parseJsonText(text: string): JsonValue {
  return new Parser(text.replace(/^\ufeff/, " ")).document();
}

/** Configurations are flat: deeper nesting is a mistake. */
const MAX_DEPTH = 16;

const BLANKS = /(?:\s|\/\/[^\n]*|\/\*[^*]*\*+(?:[^/*][^*]*\*+)*\/)*/y;
const STRING = /"(?:[^"\\\n\r]|\\.)*"/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?/y;
const WORD = /[\w$.-]+/y;

class Parser {
  readonly #text: string;
  #at = 0;
  #depth = 0;
  #line = 1;
  #lineStart = 0;
  #lineEnd = -1;

  constructor(text: string) {
    this.#text = text;
  }

  document(): JsonValue {
    const value = this.#value();
    this.#skip();
    if (this.#at < this.#text.length) this.#fail("unexpected text after the value");
    return value;
  }

  #value(): JsonValue {
    this.#skip();
    const at = this.#position();
    if (this.#take("{")) return { kind: "object", at, members: this.#list("}", () => this.#member()) };
    if (this.#take("[")) return { kind: "array", at, items: this.#list("]", () => this.#value()) };
    if (this.#text[this.#at] === '"') return { kind: "string", at, text: this.#string() };
    const number = this.#match(NUMBER);
    if (number !== null) return { kind: "number", at, text: number };
    const word = this.#match(WORD);
    if (word === "true" || word === "false" || word === "null") return { kind: word, at };
    throw new JsonSyntaxError(word === null ? this.#unexpected("a value") : `text needs quotes: "${word}"`, at);
  }

  #member(): JsonMember {
    const at = this.#position();
    if (this.#text[this.#at] !== '"') this.#fail(this.#unexpected("a name in quotes"));
    const key = this.#string();
    this.#skip();
    if (!this.#take(":")) this.#fail(`a colon is missing after "${key}"`);
    return { key, at, value: this.#value() };
  }

  /** The elements up to the closing character; a comma may follow the last one. */
  #list<T>(end: string, element: () => T): T[] {
    if (++this.#depth > MAX_DEPTH) this.#fail("it is nested too deeply");
    const elements: T[] = [];
    for (;;) {
      this.#skip();
      if (this.#take(end)) break;
      elements.push(element());
      this.#skip();
      if (this.#take(",")) continue;
      if (this.#take(end)) break;
      this.#fail(this.#unexpected(`"," or "${end}"`));
    }
    this.#depth -= 1;
    return elements;
  }

  #string(): string {
    const quoted = this.#match(STRING);
    if (quoted === null) this.#fail("a closing quote is missing");
    try {
      return JSON.parse(quoted);
    } catch {
      this.#at -= quoted.length;
      return this.#fail("the text has an invalid escape or a control character");
    }
  }

  #skip(): void {
    this.#match(BLANKS);
    if (this.#text.startsWith("/*", this.#at)) this.#fail("the comment has no end");
  }

  #take(character: string): boolean {
    if (this.#text[this.#at] !== character) return false;
    this.#at += 1;
    return true;
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? null;
    this.#at += found?.length ?? 0;
    return found;
  }

  #unexpected(wanted: string): string {
    const found = this.#text[this.#at];
    return `expected ${wanted}, found ${found === undefined ? "the end" : JSON.stringify(found)}`;
  }

  /** Lines are counted once, as positions only increase: a file with many values would otherwise take minutes. */
  #position(): Position {
    while (this.#lineEnd < this.#at) {
      if (this.#lineEnd >= 0) [this.#line, this.#lineStart] = [this.#line + 1, this.#lineEnd + 1];
      const end = this.#text.indexOf("\n", this.#lineStart);
      this.#lineEnd = end < 0 ? Infinity : end;
    }
    return { line: this.#line, column: this.#at - this.#lineStart + 1 };
  }

  #fail(message: string): never {
    throw new JsonSyntaxError(message, this.#position());
  }
}
