/**
 * A strict parser of XML 1.0 with namespaces, for small documents without a document type declaration.
 *
 * Without one there are no entities but the five predefined ones, so nothing can be expanded or loaded. It does not
 * recurse, and takes linear time.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { XML_NAMESPACE, type XmlAttribute, type XmlElement } from "./xml_element.ts";

/** The namespace of the attributes that declare namespaces. */
const XMLNS_NAMESPACE = "http://www.w3.org/2000/xmlns/";

/** Bounds of a document. */
export interface XmlBounds {
  /** Maximum depth. */
  readonly maxDepth: number;
  /** Maximum number of elements and attributes together. */
  readonly maxNodes: number;
  /** Maximum length of a name or namespace in characters. */
  readonly maxName: number;
}

/** An element that is being read. */
interface OpenElement extends XmlElement {
  readonly tag: string;
  readonly children: XmlElement[];
  readonly content: (XmlElement | string)[];
  text: string;
  readonly scope: Scope;
}

/** Prefixes declared by an element, and those of outer ones. */
interface Scope {
  readonly prefixes: ReadonlyMap<string, string>;
  readonly outer: Scope | null;
}

interface RawAttribute {
  readonly name: string;
  readonly value: string;
}

const OUTERMOST: Scope = { prefixes: new Map([["xml", XML_NAMESPACE], ["", ""]]), outer: null };

const NAME_START =
  "A-Z_a-z\\u{c0}-\\u{d6}\\u{d8}-\\u{f6}\\u{f8}-\\u{2ff}\\u{370}-\\u{37d}\\u{37f}-\\u{1fff}\\u{200c}\\u{200d}\\u{2070}-\\u{218f}\\u{2c00}-\\u{2fef}\\u{3001}-\\u{d7ff}\\u{f900}-\\u{fdcf}\\u{fdf0}-\\u{fffd}\\u{10000}-\\u{effff}";
const NAME_CHARACTER = `${NAME_START}\\-.0-9\\u{b7}\\u{300}-\\u{36f}\\u{203f}\\u{2040}`;
const NC_NAME = `[${NAME_START}][${NAME_CHARACTER}]*`;

const NAME = new RegExp(`${NC_NAME}(?::${NC_NAME})?`, "uy");
const PLAIN_NAME = new RegExp(NC_NAME, "uy");
const BLANKS = /[ \t\n]+/y;
const DECLARATION =
  /^<\?xml[ \t\n]+version[ \t\n]*=[ \t\n]*(?:"1\.\d+"|'1\.\d+')(?:[ \t\n]+encoding[ \t\n]*=[ \t\n]*(?:"([A-Za-z][\w.-]*)"|'([A-Za-z][\w.-]*)'))?(?:[ \t\n]+standalone[ \t\n]*=[ \t\n]*(?:"(?:yes|no)"|'(?:yes|no)'))?[ \t\n]*\?>/;
const ENCODINGS: readonly string[] = ["utf-8", "utf-16", "us-ascii", "ascii"];

/** Anything that is not a Char of XML 1.0. */
const NOT_CHARACTER = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/u;

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

/** Parses one document. */
export class XmlParser {
  readonly #text: string;
  readonly #bounds: XmlBounds;
  readonly #open: OpenElement[] = [];
  #root: XmlElement | null = null;
  #at = 0;
  #nodes = 0;

  /** Takes the decoded document. */
  constructor(text: string, bounds: XmlBounds) {
    if (NOT_CHARACTER.test(text)) throw malformed("it has a character that XML does not allow");
    this.#text = text.replace(/\r\n?/g, "\n");
    this.#bounds = bounds;
  }

  /** The root element; throws {@linkcode HttpError} 400. */
  document(): XmlElement {
    this.#declaration();
    while (this.#at < this.#text.length) {
      if (this.#text[this.#at] === "<") this.#markup();
      else this.#characters();
    }
    if (this.#root === null || this.#open.length > 0) throw malformed("it is truncated");
    return this.#root;
  }

  #declaration(): void {
    if (!/^<\?xml[ \t\n?]/.test(this.#text)) return;
    const found = DECLARATION.exec(this.#text);
    if (found === null) throw malformed("its XML declaration is malformed");
    const encoding = found[1] ?? found[2];
    if (encoding !== undefined && !ENCODINGS.includes(encoding.toLowerCase())) {
      throw malformed("its encoding is not supported; use UTF-8");
    }
    this.#at = found[0].length;
  }

  #markup(): void {
    if (this.#skip("</")) return this.#endTag();
    if (this.#skip("<!--")) return this.#comment();
    if (this.#skip("<![CDATA[")) return this.#append(this.#until("]]>"));
    if (this.#skip("<?")) return this.#instruction();
    if (this.#text.startsWith("<!", this.#at)) throw malformed("a document type declaration is not accepted");
    this.#at += 1;
    this.#startTag();
  }

  #comment(): void {
    this.#until("--");
    if (!this.#skip(">")) throw malformed("a comment contains --");
  }

  #instruction(): void {
    const target = this.#match(PLAIN_NAME);
    if (target === null || target.toLowerCase() === "xml") throw malformed("a processing instruction has a wrong name");
    if (!this.#text.startsWith("?>", this.#at) && this.#match(BLANKS) === null) {
      throw malformed("a processing instruction is malformed");
    }
    this.#until("?>");
  }

  #startTag(): void {
    const tag = this.#name();
    const attributes: RawAttribute[] = [];
    let isEmpty = false;
    for (;;) {
      const isApart = this.#match(BLANKS) !== null;
      if (this.#skip(">")) break;
      if (this.#skip("/>")) {
        isEmpty = true;
        break;
      }
      if (!isApart) throw malformed("a tag is malformed");
      attributes.push(this.#attribute());
    }
    this.#begin(tag, attributes);
    if (isEmpty) this.#end();
  }

  #attribute(): RawAttribute {
    this.#count();
    const name = this.#name();
    this.#match(BLANKS);
    if (!this.#skip("=")) throw malformed("an attribute has no value");
    this.#match(BLANKS);
    const quote = this.#text[this.#at];
    if (quote !== '"' && quote !== "'") throw malformed("the value of an attribute is not quoted");
    this.#at += 1;
    const raw = this.#until(quote);
    if (raw.includes("<")) throw malformed("the value of an attribute contains <");
    return { name, value: expanded(raw.replace(/[\t\n]/g, " ")) };
  }

  #begin(tag: string, raw: readonly RawAttribute[]): void {
    this.#count();
    if (this.#root !== null) throw malformed("it has more than one root element");
    const { maxDepth } = this.#bounds;
    if (this.#open.length === maxDepth) throw malformed(`its elements are nested more than ${maxDepth} deep`);
    const outer = this.#open.at(-1);
    const scope = this.#scope(raw, outer?.scope ?? OUTERMOST);
    const own = raw.filter(({ name }) => name !== "xmlns" && !name.startsWith("xmlns:"));
    const attributes = distinct(own.map(({ name, value }) => ({ ...this.#expand(name, scope, ""), value })));
    const language = attributes.find(({ namespace, name }) => namespace === XML_NAMESPACE && name === "lang")?.value;
    const named = this.#expand(tag, scope, lookUp(scope, "")!);
    // It cannot be declared as a default namespace, which is how elements are written again.
    if (named.namespace === XML_NAMESPACE) throw malformed("an element has the prefix xml");
    this.#open.push({
      ...named,
      tag,
      scope,
      attributes,
      children: [],
      content: [],
      text: "",
      language: language ?? outer?.language ?? "",
    });
  }

  #endTag(): void {
    const tag = this.#name();
    this.#match(BLANKS);
    if (!this.#skip(">") || this.#open.at(-1)?.tag !== tag) throw malformed("an end tag does not match its start tag");
    this.#end();
  }

  #end(): void {
    const { tag: _tag, scope: _scope, ...element } = this.#open.pop()!;
    const outer = this.#open.at(-1);
    if (outer === undefined) this.#root = element;
    else {
      outer.children.push(element);
      outer.content.push(element);
    }
  }

  #characters(): void {
    const end = this.#text.indexOf("<", this.#at);
    const raw = this.#text.slice(this.#at, end < 0 ? undefined : end);
    this.#at += raw.length;
    if (this.#open.length === 0) {
      if (/[^ \t\n]/.test(raw)) throw malformed("it has text outside of its root element");
      return;
    }
    if (raw.includes("]]>")) throw malformed("it has ]]> in a text");
    this.#append(expanded(raw));
  }

  #append(text: string): void {
    const element = this.#open.at(-1);
    if (element === undefined) throw malformed("it has text outside of its root element");
    if (text === "") return;
    element.text += text;
    if (typeof element.content.at(-1) === "string") element.content.push(element.content.pop() + text);
    else element.content.push(text);
  }

  /** The namespaces that an element declares, on top of those around it. */
  #scope(attributes: readonly RawAttribute[], outer: Scope): Scope {
    const prefixes = new Map<string, string>();
    for (const { name, value } of attributes) {
      if (name !== "xmlns" && !name.startsWith("xmlns:")) continue;
      const prefix = name === "xmlns" ? "" : name.slice("xmlns:".length);
      const isReserved = prefix === "xmlns" || value === XMLNS_NAMESPACE ||
        (prefix === "xml") !== (value === XML_NAMESPACE);
      if (isReserved || prefixes.has(prefix) || (prefix !== "" && value === "")) {
        throw malformed("it declares a namespace wrongly");
      }
      if (value.length > this.#bounds.maxName) throw malformed("the name of a namespace is too long");
      prefixes.set(prefix, value);
    }
    return prefixes.size === 0 ? outer : { prefixes, outer };
  }

  #expand(qualified: string, scope: Scope, unprefixed: string): { namespace: string; name: string } {
    const colon = qualified.indexOf(":");
    if (colon < 0) return { namespace: unprefixed, name: qualified };
    const namespace = lookUp(scope, qualified.slice(0, colon));
    if (namespace === null) throw malformed("it uses a prefix without a namespace");
    return { namespace, name: qualified.slice(colon + 1) };
  }

  #name(): string {
    const name = this.#match(NAME);
    if (name === null) throw malformed("a name is missing or has a wrong character");
    if (name.length > this.#bounds.maxName) throw malformed("a name is too long");
    return name;
  }

  #count(): void {
    this.#nodes += 1;
    if (this.#nodes > this.#bounds.maxNodes) throw malformed(`it has more than ${this.#bounds.maxNodes} elements`);
  }

  #match(pattern: RegExp): string | null {
    pattern.lastIndex = this.#at;
    const [found] = pattern.exec(this.#text) ?? [null];
    this.#at += found?.length ?? 0;
    return found;
  }

  #skip(text: string): boolean {
    if (!this.#text.startsWith(text, this.#at)) return false;
    this.#at += text.length;
    return true;
  }

  /** The text up to a delimiter, which is skipped. */
  #until(delimiter: string): string {
    const end = this.#text.indexOf(delimiter, this.#at);
    if (end < 0) throw malformed("it is truncated");
    const text = this.#text.slice(this.#at, end);
    this.#at = end + delimiter.length;
    return text;
  }
}

function lookUp(scope: Scope, prefix: string): string | null {
  for (let each: Scope | null = scope; each !== null; each = each.outer) {
    const namespace = each.prefixes.get(prefix);
    if (namespace !== undefined) return namespace;
  }
  return null;
}

function distinct(attributes: XmlAttribute[]): XmlAttribute[] {
  const names = new Set(attributes.map(({ namespace, name }) => `${namespace} ${name}`));
  if (names.size < attributes.length) throw malformed("an element has an attribute twice");
  return attributes;
}

/** Replaces references to characters and to the predefined entities. */
function expanded(raw: string): string {
  if (!raw.includes("&")) return raw;
  return raw.replace(/&(?:#(\d+|x[\da-fA-F]+)|([a-z]+));|&/g, (_all, number?: string, entity?: string) => {
    const character = number === undefined ? ENTITIES[entity ?? ""] : characterOf(number);
    if (character === undefined) throw malformed("it refers to an entity that is not predefined");
    return character;
  });
}

function characterOf(number: string): string | undefined {
  const code = number.startsWith("x") ? Number.parseInt(number.slice(1), 16) : Number(number);
  const character = code > 0x10ffff ? "\0" : String.fromCodePoint(code);
  return NOT_CHARACTER.test(character) ? undefined : character;
}

function malformed(reason: string): HttpError {
  return new HttpError(400, `The XML document is refused: ${reason}`);
}
