/**
 * Elements of XML documents.
 *
 * @module
 */

/** The namespace of the prefix `xml`, as in `xml:lang`. */
export const XML_NAMESPACE = "http://www.w3.org/XML/1998/namespace";

/** An attribute of an element; declarations of namespaces are not among them. */
export interface XmlAttribute {
  /** The URI of its namespace; `""` for none. */
  readonly namespace: string;
  /** The name, without a prefix. */
  readonly name: string;
  /** The value. */
  readonly value: string;
}

/** An element. */
export interface XmlElement {
  /** The URI of its namespace; `""` for none. */
  readonly namespace: string;
  /** The name, without a prefix. */
  readonly name: string;
  /** Its attributes. */
  readonly attributes: readonly XmlAttribute[];
  /** The elements in it. */
  readonly children: readonly XmlElement[];
  /** The text in it, without that of elements in it. */
  readonly text: string;
  /** Text and elements in their order. */
  readonly content: readonly (XmlElement | string)[];
  /** The language of its text, from `xml:lang` of this element or an outer one; `""` for none. */
  readonly language: string;
}
