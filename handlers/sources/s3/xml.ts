/**
 * A strict reader of XML answers of object stores: elements and text. Document types, entities of their own and
 * processing instructions are refused, as they have no place in such an answer.
 *
 * @module
 */

/** An element: its name without a prefix, its text, and the elements in it. */
export interface XmlElement {
  readonly name: string;
  readonly text: string;
  readonly elements: readonly XmlElement[];
}

/** Thrown for anything that is not a well-formed answer. */
export class XmlError extends Error {
  /** Always `"XmlError"`. */
  override readonly name: string = "XmlError";
}

/** Nesting is never deeper than this in an answer of a store. */
const MAX_DEPTH = 16;

interface OpenElement {
  readonly tag: string;
  text: string;
  readonly elements: XmlElement[];
}

/** Escapes text for an element. Control characters, which XML cannot contain, must not be in it. */
export function escapeXml(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Parses a document; returns its root element. Linear in the length of the text. */
export function parseXml(text: string): XmlElement {
  const open: OpenElement[] = [{ tag: "", text: "", elements: [] }];
  let at = skipDeclaration(text);
  for (let start = text.indexOf("<", at); start >= 0; start = text.indexOf("<", at)) {
    addText(open.at(-1)!, text.slice(at, start), open.length === 1);
    if (text.startsWith("<!--", start)) {
      at = endOf(text, "-->", start + 4);
      continue;
    }
    at = endOf(text, ">", start);
    takeTag(open, text.slice(start + 1, at - 1));
  }
  addText(open.at(-1)!, text.slice(at), open.length === 1);
  const [{ elements }] = open as [OpenElement];
  if (open.length !== 1 || elements.length !== 1) throw new XmlError("The document is incomplete");
  return elements[0]!;
}

/** The first element of a name in another one; undefined if there is none. */
export function childOf({ elements }: XmlElement, name: string): XmlElement | undefined {
  return elements.find((element) => element.name === name);
}

/** The text of an element; null if it is absent. */
export function textOf(element: XmlElement, name: string): string | null {
  return childOf(element, name)?.text ?? null;
}

function skipDeclaration(text: string): number {
  const start = text.length - text.trimStart().length; // some stores send spaces while they work
  return text.startsWith("<?xml", start) ? endOf(text, "?>", start) : start;
}

function endOf(text: string, mark: string, from: number): number {
  const end = text.indexOf(mark, from);
  if (end < 0) throw new XmlError("The document is incomplete");
  return end + mark.length;
}

/** A start tag; attributes are skipped: in answers of stores, their values contain no `>`. */
const START_TAG = /^([A-Za-z_][\w.:-]*)(?:[\s/][^<]*)?$/;

function takeTag(open: OpenElement[], tag: string): void {
  if (tag.startsWith("/")) {
    const closed = open.pop()!;
    if (open.length === 0 || closed.tag !== tag.slice(1).trimEnd()) throw new XmlError("A tag is not closed");
    open.at(-1)!.elements.push({ name: localName(closed.tag), text: closed.text, elements: closed.elements });
    return;
  }
  const [, name] = START_TAG.exec(tag) ?? [];
  if (name === undefined) throw new XmlError("A tag is malformed");
  if (open.length > MAX_DEPTH) throw new XmlError("The document is too deep");
  if (tag.endsWith("/")) open.at(-1)!.elements.push({ name: localName(name), text: "", elements: [] });
  else open.push({ tag: name, text: "", elements: [] });
}

function localName(tag: string): string {
  return tag.slice(tag.indexOf(":") + 1);
}

function addText(element: OpenElement, raw: string, isOutside: boolean): void {
  if (raw === "" || (isOutside && raw.trim() === "")) return;
  if (isOutside) throw new XmlError("There is text outside of the root element");
  element.text += raw.includes("&") ? raw.replace(/&([^;&]{0,8});?/g, characterOf) : raw;
}

const ENTITIES: Readonly<Record<string, string>> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };

function characterOf(reference: string, name: string): string {
  const named = ENTITIES[name];
  if (named !== undefined && reference.endsWith(";")) return named;
  const [, hexadecimal, decimal] = /^#(?:x([0-9a-fA-F]{1,6})|([0-9]{1,7}))$/.exec(name) ?? [];
  const code = hexadecimal === undefined ? Number(decimal ?? NaN) : parseInt(hexadecimal, 16);
  if (!reference.endsWith(";") || !(code > 0 && code <= 0x10ffff)) throw new XmlError("A reference is malformed");
  return String.fromCodePoint(code);
}
