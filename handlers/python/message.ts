/**
 * Request headers with Python's API.
 *
 * @module
 */

import type { Field } from "../http1/header_fields.ts";

/**
 * Request headers in their original order and spelling: Python's `http.client.HTTPMessage`.
 *
 * Values are decoded as ISO 8859-1, folded lines are joined. Immutable.
 *
 * Python: `self.headers["Content-Length"]`, `self.headers.get("Cookie", "")`, `self.headers.get_all("Accept")`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { HTTPMessage } from "@x/pyserve/python";
 *
 * const headers = new HTTPMessage([["Accept", "text/html"], ["accept", "text/plain"]]);
 * assert(headers.get("ACCEPT") === "text/html");
 * assert(headers.get_all("accept")?.length === 2);
 * assert(headers.get("cookie", "none") === "none");
 * ```
 */
export class HTTPMessage {
  readonly #fields: readonly Field[];

  /** Takes name and value pairs. */
  constructor(fields: readonly Field[] = []) {
    this.#fields = fields;
  }

  /** The first value of a header, case-insensitively; `failobj` (defaults to null) if it is missing. Python: `get`. */
  get<T extends string | null = null>(name: string, failobj: T = null as T): string | T {
    const lower = name.toLowerCase();
    for (const [field, value] of this.#fields) {
      if (field.length === name.length && field.toLowerCase() === lower) return value;
    }
    return failobj;
  }

  /** All values of a header, or null if it is missing. Python: `get_all`. */
  get_all(name: string): string[] | null {
    const lower = name.toLowerCase();
    const values = this.#fields.filter(([field]) => field.toLowerCase() === lower).map(([, value]) => value);
    return values.length === 0 ? null : values;
  }

  /** Whether a header is present. Python: `name in headers`. */
  has(name: string): boolean {
    return this.get(name) !== null;
  }

  /** The media type in Content-Type, in lower case; defaults to `text/plain`. Python: `get_content_type`. */
  get_content_type(): string {
    const type = (this.get("content-type") ?? "").split(";")[0]!.trim().toLowerCase();
    return /^[^/\s]+\/[^/\s]+$/.test(type) ? type : "text/plain";
  }

  /** The names, as sent. Python: `keys`. */
  keys(): string[] {
    return this.#fields.map(([name]) => name);
  }

  /** The values. Python: `values`. */
  values(): string[] {
    return this.#fields.map(([, value]) => value);
  }

  /** Name and value pairs. Python: `items`. */
  items(): Field[] {
    return [...this.#fields];
  }

  /** The number of header lines. Python: `len(headers)`. */
  get length(): number {
    return this.#fields.length;
  }

  /**
   * Converts to Web API headers; repeated headers are joined by commas, cookies by semicolons. Python has no
   * equivalent.
   */
  to_headers(): Headers {
    return new Headers(this.pairs());
  }

  /**
   * The initializer for Web API headers, with cookies joined: `Headers` would join them by commas (RFC 9113 section
   * 8.2.3).
   *
   * @internal
   */
  pairs(): [name: string, value: string][] {
    const pairs = this.#fields as [string, string][];
    const cookies = this.get_all("cookie");
    if (cookies === null || cookies.length === 1) return pairs;
    return [...pairs.filter(([name]) => name.toLowerCase() !== "cookie"), ["cookie", cookies.join("; ")]];
  }

  /** The header lines, for logging. Python: `str(headers)`. */
  toString(): string {
    return this.#fields.map(([name, value]) => `${name}: ${value}\n`).join("") + "\n";
  }

  /** Iterates over name and value pairs; Python iterates over names. */
  [Symbol.iterator](): Iterator<Field> {
    return this.#fields[Symbol.iterator]();
  }
}
