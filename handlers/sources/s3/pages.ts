/**
 * The keys of a bucket, page by page.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import type { StoreClient } from "./client.ts";
import { parseXml, textOf, type XmlElement, XmlError } from "./xml.ts";

/** An object in a list. */
export interface ListedObject {
  readonly key: string;
  readonly size: number;
  /** In milliseconds since 1970; null if unknown. */
  readonly modified: number | null;
  /** Its entity tag as sent; null if there is none. */
  readonly etag: string | null;
}

/** A page of keys, in the order of the store. */
export interface KeyPage {
  readonly objects: readonly ListedObject[];
  /** The prefixes up to and including the next delimiter. */
  readonly prefixes: readonly string[];
}

/** What to list. */
export interface ListOptions {
  readonly prefix: string;
  /** Whether keys with another slash are listed as their prefixes. */
  readonly isFlat: boolean;
  /** Maximum number of keys of a page; defaults to 1,000. */
  readonly most?: number;
  readonly signal?: AbortSignal | undefined;
}

/** Reads the pages one after the other: memory holds one at a time. */
export async function* pagesOf(
  client: StoreClient,
  { prefix, isFlat, most, signal }: ListOptions,
): AsyncGenerator<KeyPage> {
  const query = {
    "list-type": "2",
    "encoding-type": "url", // XML cannot contain control characters
    prefix,
    ...(isFlat && { delimiter: "/" }),
    ...(most !== undefined && { "max-keys": String(most) }),
  };
  let token: string | null = null;
  do {
    const text: string = await client.text({
      method: "GET",
      query: token === null ? query : { ...query, "continuation-token": token },
      signal,
    });
    const { page, next } = read(text, prefix);
    yield page;
    if (next !== null && next === token) throw invalid(new XmlError("A continuation token is repeated"));
    token = next;
  } while (token !== null);
}

function read(text: string, prefix: string): { page: KeyPage; next: string | null } {
  try {
    const root = parseXml(text);
    if (root.name !== "ListBucketResult") throw new XmlError(`The root element is ${root.name}`);
    const decode = textOf(root, "EncodingType") === "url" ? decoded : (text: string) => text;
    const objects = root.elements.filter(({ name }) => name === "Contents").map((element) => objectOf(element, decode));
    const prefixes = root.elements.filter(({ name }) => name === "CommonPrefixes")
      .map((element) => decode(textOf(element, "Prefix") ?? ""));
    if ([...prefixes, ...objects.map(({ key }) => key)].some((key) => !key.startsWith(prefix))) {
      throw new XmlError("A key does not have the prefix");
    }
    const isTruncated = textOf(root, "IsTruncated") === "true";
    const next = textOf(root, "NextContinuationToken");
    if (isTruncated && !next) throw new XmlError("There is no continuation token");
    return { page: { objects, prefixes }, next: isTruncated ? next : null };
  } catch (error) {
    throw invalid(error);
  }
}

function objectOf(element: XmlElement, decode: (text: string) => string): ListedObject {
  const [key, size, time, etag] = ["Key", "Size", "LastModified", "ETag"].map((name) => textOf(element, name));
  if (key === null || key === undefined || !/^\d{1,16}$/.test(size ?? "")) throw new XmlError("An object is malformed");
  const modified = Date.parse(time ?? "");
  return {
    key: decode(key),
    size: Number(size),
    modified: Number.isNaN(modified) ? null : modified,
    etag: etag ?? null,
  };
}

/** Decodes a key as stores encode it: a space may be a plus, as in a form. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll("+", " "));
  } catch {
    return text; // not UTF-8, which keys have to be: the object will not be found
  }
}

function invalid(error: unknown): HttpError {
  return new HttpError(502, "The file store sent an invalid answer", { cause: error });
}
