/**
 * XML bodies of requests, with bounds.
 *
 * @module
 */

import { concatenate } from "../core/concatenate.ts";
import { HttpError } from "../core/errors.ts";
import { readBody } from "../core/request_body.ts";
import type { XmlElement } from "./xml_element.ts";
import { XmlParser } from "./xml_parser.ts";

export type { XmlAttribute, XmlElement } from "./xml_element.ts";

/** Bounds for {@linkcode readXml}. */
export interface XmlLimits {
  /** Maximum size in bytes; defaults to 64 KiB. */
  readonly maxBytes?: number;
  /** Maximum depth; defaults to 32. */
  readonly maxDepth?: number;
  /** Maximum number of elements and attributes together; defaults to 1,000. */
  readonly maxNodes?: number;
  /** Maximum length of a name or namespace in characters; defaults to 1,024. */
  readonly maxName?: number;
  /** Time without data after which the request is refused, in milliseconds; defaults to 30,000. */
  readonly stallMs?: number;
}

const DEFAULTS = { maxBytes: 65_536, maxDepth: 32, maxNodes: 1_000, maxName: 1_024, stallMs: 30_000 };

/**
 * Reads the XML document in the body of a request; null for an empty body.
 *
 * @throws {HttpError} 400 for a document that is malformed or exceeds a bound; 408 and 413 as {@linkcode readBody}.
 */
export async function readXml(
  body: ReadableStream<Uint8Array> | null,
  limits: XmlLimits = {},
): Promise<XmlElement | null> {
  const bounds = { ...DEFAULTS, ...limits };
  const pieces: Uint8Array[] = [];
  for await (const piece of readBody(body, { max: bounds.maxBytes, stallMs: bounds.stallMs })) {
    pieces.push(piece.slice()); // its buffer is reused
  }
  const bytes = concatenate(pieces);
  return bytes.length === 0 ? null : new XmlParser(decoded(bytes), bounds).document();
}

/** UTF-8 or, with a byte order mark, UTF-16: what an XML processor must know (XML 1.0 section 4.3.3). */
function decoded(bytes: Uint8Array<ArrayBuffer>): string {
  const mark = bytes[0]! << 8 | (bytes[1] ?? 0);
  const encoding = mark === 0xfeff ? "utf-16be" : mark === 0xfffe ? "utf-16le" : "utf-8";
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(bytes);
  } catch {
    throw new HttpError(400, "The XML document is neither UTF-8 nor UTF-16");
  }
}
