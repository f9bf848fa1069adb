/**
 * Signatures of requests to object stores (AWS Signature Version 4).
 *
 * Synchronous (`node:crypto`): five HMACs by WebCrypto take more time than the rest of a request.
 *
 * @module
 */

import { createHmac, hash } from "node:crypto";
import { encodeSegment } from "../../http/escape.ts";

/** The keys of an account. */
export interface Keys {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  /** The token of temporary keys. */
  readonly sessionToken?: string | undefined;
}

/** What a signature covers. */
export interface SignedRequest {
  readonly method: string;
  readonly host: string;
  /** The path as sent: percent-encoded by {@linkcode encodeSegment}. */
  readonly path: string;
  /** The parameters, not encoded. */
  readonly query: Readonly<Record<string, string>>;
  /** The headers to be signed, besides `host`: names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  /** The SHA-256 of the body, in hexadecimal. */
  readonly bodyHash: string;
}

/** The SHA-256 of an empty body. */
export const EMPTY_HASH: string = sha256(new Uint8Array());

/** SHA-256 in hexadecimal. */
export function sha256(bytes: string | Uint8Array): string {
  return hash("sha256", bytes, "hex");
}

/** Signs requests with the keys of an account. */
export class Signer {
  readonly #keys: Keys;
  readonly #region: string;
  /** The key of the day that it is valid for. */
  #day = "";
  #dayKey: Uint8Array = new Uint8Array();

  constructor(keys: Keys, region: string) {
    this.#keys = keys;
    this.#region = region;
  }

  /** The headers to be added to a request, besides those that it has. */
  sign({ method, host, path, query, headers, bodyHash }: SignedRequest, now: number): Record<string, string> {
    const time = new Date(now).toISOString().replace(/[-:]|\.\d+/g, "");
    const { accessKeyId, sessionToken } = this.#keys;
    const own: Record<string, string> = {
      "x-amz-content-sha256": bodyHash,
      "x-amz-date": time,
      ...(sessionToken !== undefined && { "x-amz-security-token": sessionToken }),
    };
    const signed = Object.entries({ ...headers, ...own, host }).sort(byName);
    const names = signed.map(([name]) => name).join(";");
    const lines = signed.map(([name, value]) => `${name}:${value.trim().replace(/ +/g, " ")}\n`).join("");
    const canonical = [method, path, queryText(query), lines, names, bodyHash].join("\n");
    const scope = `${time.slice(0, 8)}/${this.#region}/s3/aws4_request`;
    const text = ["AWS4-HMAC-SHA256", time, scope, sha256(canonical)].join("\n");
    const signature = createHmac("sha256", this.#keyOf(time.slice(0, 8))).update(text).digest("hex");
    const credential = `Credential=${accessKeyId}/${scope}`;
    return {
      ...own,
      authorization: `AWS4-HMAC-SHA256 ${credential}, SignedHeaders=${names}, Signature=${signature}`,
    };
  }

  #keyOf(day: string): Uint8Array {
    if (day === this.#day) return this.#dayKey;
    const steps = [day, this.#region, "s3", "aws4_request"];
    this.#dayKey = steps.reduce<Uint8Array>(
      (key, step) => createHmac("sha256", key).update(step).digest(),
      new TextEncoder().encode(`AWS4${this.#keys.secretAccessKey}`),
    );
    this.#day = day;
    return this.#dayKey;
  }
}

/** The query as signed, and as sent: encoded, and sorted by name. */
export function queryText(query: Readonly<Record<string, string>>): string {
  return Object.entries(query).map(([name, value]) => [encodeSegment(name), encodeSegment(value)] as const).sort(byName)
    .map(([name, value]) => `${name}=${value}`).join("&");
}

function byName([a]: readonly [string, string], [b]: readonly [string, string]): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
