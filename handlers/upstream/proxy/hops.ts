/**
 * Detects proxies that lead back to this server.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import type { Context } from "../../core/types.ts";

/** Most servers of this kind that a request passes: several processes of one server do not know each other's names. */
const MAX_HOPS = 10;

/** The entries of one proxy in Via (RFC 9110 section 7.6.3). */
export class Hops {
  /** Tells this proxy apart from all others, also on the same machine. */
  readonly #name = `pyserve-${crypto.randomUUID().slice(0, 8)}`;

  /**
   * The value of Via for a request after this proxy.
   *
   * @throws {HttpError} 508 if the request has passed this proxy before.
   */
  after(request: Request, { protocol }: Context): string {
    const before = request.headers.get("via") ?? "";
    const names: readonly string[] = before.match(/pyserve-[0-9a-f]{8}/g) ?? [];
    if (names.includes(this.#name) || names.length >= MAX_HOPS) {
      throw new HttpError(508, "The address of the application leads back to this server");
    }
    // Deno does not expose the version, but only HTTP/2 requests lack a Host header.
    const version = protocol?.slice("HTTP/".length) ?? (request.headers.has("host") ? "1.1" : "2.0");
    return `${before === "" ? "" : `${before}, `}${version} ${this.#name}`;
  }
}
