/**
 * The headers of a request as Python's handlers see them.
 *
 * @module
 */

import type { Field } from "../http1/header_fields.ts";

/**
 * Headers in the order and the spelling they came in: Python's `http.client.HTTPMessage`.
 *
 * Values are text of one character a byte (ISO 8859-1), folded lines are joined. It cannot be changed.
 *
 * Python: `self.headers["Content-Length"]`, `self.headers.get("Cookie", "")`, `self.headers.get_all("Accept")`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { HTTPMessage } from "@x/pyserve";
 *
 * const headers = new HTTPMessage([["Accept", "text/html"], ["accept", "text/plain"]]);
 * assert(headers.get("ACCEPT") === "text/html");
 * assert(headers.get_all("accept")?.length === 2);
 * assert(headers.get("cookie", "none") === "none");
 * ```
 */
export class HTTPMessage {
  readonly #fields: readonly Field[];

  /** Makes headers of pairs of name and value. */
  constructor(fields: readonly Field[] = []) {
    this.#fields = fields;
  }

  /** The first value of a name, in any case; `failobj`, null unless given, where there is none. Python: `get`. */
  get<T extends string | null = null>(name: string, failobj: T = null as T): string | T {
    const lower = name.toLowerCase();
    for (const [field, value] of this.#fields) {
      if (field.length === name.length && field.toLowerCase() === lower) return value;
    }
    return failobj;
  }

  /** All values of a name, or null where there is none. Python: `get_all`. */
  get_all(name: string): string[] | null {
    const lower = name.toLowerCase();
    const values = this.#fields.filter(([field]) => field.toLowerCase() === lower).map(([, value]) => value);
    return values.length === 0 ? null : values;
  }

  /** Whether a name is there. Python: `name in headers`. */
  has(name: string): boolean {
    return this.get(name) !== null;
  }

  /** The media type in Content-Type, lower case, `text/plain` where there is none. Python: `get_content_type`. */
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

  /** Pairs of name and value. Python: `items`. */
  items(): Field[] {
    return [...this.#fields];
  }

  /** How many there are. Python: `len(headers)`. */
  get length(): number {
    return this.#fields.length;
  }

  /** The same for Web APIs, several of one name joined: by commas, cookies by semicolons. Python has no such thing. */
  to_headers(): Headers {
    return new Headers(this.pairs());
  }

  /**
   * What Web APIs make headers of. They would join cookies by commas, too (RFC 9113 section 8.2.3).
   *
   * @internal
   */
  pairs(): [name: string, value: string][] {
    const pairs = this.#fields as [string, string][];
    const cookies = this.get_all("cookie");
    if (cookies === null || cookies.length === 1) return pairs;
    return [...pairs.filter(([name]) => name.toLowerCase() !== "cookie"), ["cookie", cookies.join("; ")]];
  }

  /** The lines, for a log. Python: `str(headers)`. */
  toString(): string {
    return this.#fields.map(([name, value]) => `${name}: ${value}\n`).join("") + "\n";
  }

  /** Iterates over pairs of name and value; Python iterates over names. */
  [Symbol.iterator](): Iterator<Field> {
    return this.#fields[Symbol.iterator]();
  }
}
