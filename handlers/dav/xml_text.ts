/**
 * XML in responses: the only place where text becomes XML.
 *
 * @module
 */

import { XML_NAMESPACE, type XmlAttribute, type XmlElement } from "./xml_element.ts";

/** Anything that XML 1.0 cannot represent, not even by number: it is shown as U+FFFD. */
const UNREPRESENTABLE = /[^\t\n\r\x20-\ud7ff\ue000-\ufffd\u{10000}-\u{10ffff}]/gu;

const ESCAPES: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  // A parser would change these.
  "\t": "&#9;",
  "\n": "&#10;",
  "\r": "&#13;",
};

/** Escapes text for the content of elements and for values of attributes in double quotes. */
export function escapeXml(text: string): string {
  if (/^[\w .,:;/()+*=%~-]*$/.test(text)) return text; // most texts
  return text.replace(UNREPRESENTABLE, "\ufffd").replace(/[&<>"\t\n\r]/g, (character) => ESCAPES[character]!);
}

/**
 * An element as XML that means the same in any document: it declares its namespaces itself, and its language.
 *
 * The default namespace around it must be `outer`, that of no element where it is null.
 */
export function formatElement(element: XmlElement, outer: string | null = null): string {
  const { namespace, name, language } = element;
  const attributes = [...element.attributes];
  if (outer === null && language !== "" && !attributes.some(isLanguage)) {
    attributes.push({ namespace: XML_NAMESPACE, name: "lang", value: language });
  }
  const declared = namespace === outer ? "" : ` xmlns="${escapeXml(namespace)}"`;
  const tag = `${name}${declared}${attributes.map(formatAttribute).join("")}`;
  const content = formatContent(element);
  return content === "" ? `<${tag}/>` : `<${tag}>${content}</${name}>`;
}

/** What is in an element, as XML to be put into an element of the same namespace. */
export function formatContent({ content, namespace }: XmlElement): string {
  return content.map((part) => typeof part === "string" ? escapeXml(part) : formatElement(part, namespace)).join("");
}

function formatAttribute({ namespace, name, value }: XmlAttribute, index: number): string {
  const text = `="${escapeXml(value)}"`;
  if (namespace === "") return ` ${name}${text}`;
  if (namespace === XML_NAMESPACE) return ` xml:${name}${text}`;
  return ` xmlns:a${index}="${escapeXml(namespace)}" a${index}:${name}${text}`;
}

function isLanguage({ namespace, name }: XmlAttribute): boolean {
  return namespace === XML_NAMESPACE && name === "lang";
}
