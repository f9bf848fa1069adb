/**
 * The server's own host names, and when requests must use them.
 *
 * @module
 */

import { HttpError } from "./errors.ts";
import { isLoopback, isNamed, isOwnHost } from "../http/own_host.ts";
import { Refusal } from "../http/refusal.ts";
import type { Context, HostNames, LocalAddress } from "./types.ts";

/** Accepted host names: a list, or `"any"`. */
export type Hosts = readonly string[] | "any";

/** The refusal for the name of another host. */
export const NOT_OWN: Refusal = new Refusal(
  421,
  "This host name is not accepted; allow it with --allow-host (in the library: hosts)",
);

/** The host names of one server, created by `toFetch` and available in the context of each request. */
export class OwnHosts implements HostNames {
  readonly #given: readonly string[];
  readonly #isAny: boolean;
  readonly #isForAll: boolean;
  readonly #local: () => LocalAddress | null;
  #machine: readonly string[] | null = null;
  #last = "";

  /**
   * Takes the operator's configuration.
   *
   * @param hosts As in `ToFetchOptions`.
   * @param local Returns the address the server listens on; null if unknown.
   */
  constructor(hosts: Hosts | undefined, local: () => LocalAddress | null) {
    this.#isAny = hosts === "any";
    this.#isForAll = hosts !== undefined && !this.#isAny;
    this.#given = hosts === undefined || hosts === "any" ? [] : hosts;
    this.#local = local;
  }

  isOwn(host: string): boolean {
    if (this.#isAny || host === this.#last) return true;
    if (!isOwnHost(host, [...this.#given, ...this.#names()])) return false;
    this.#last = host;
    return true;
  }

  isGiven(host: string): boolean {
    return isNamed(host, this.#given);
  }

  areRequired(context: Context): boolean {
    if (this.#isAny || this.#isForAll) return !this.#isAny;
    // If it is unknown who can reach the server, a request from this machine counts as one to a loopback server.
    return isLoopback(this.#local()?.hostname ?? context.remoteAddress);
  }

  /** The refusal for an unacceptable host name, regardless of the resource; or null. */
  refusalOf(request: Request, context: Context): Refusal | null {
    return !this.areRequired(context) || usesOwnHost(request, this) ? null : NOT_OWN;
  }

  #names(): readonly string[] {
    const bound = this.#local()?.name;
    this.#machine ??= namesOfMachine();
    return bound === undefined ? this.#machine : [bound, ...this.#machine];
  }
}

/**
 * Throws if the request was refused (`context.refusal`), or its host is not one of this server's names (421): for
 * handlers that write or run programs.
 *
 * Prevents DNS rebinding, by which a page of another site points its own name at this server to become same-origin. The
 * accepted names are `hosts` of `toFetch`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { type Handler, toFetch } from "@x/pyserve";
 * import { requireOwnHost } from "@x/pyserve/handlers";
 *
 * const counted: Handler = (request, context) => {
 *   if (request.method !== "POST") return null;
 *   requireOwnHost(request, context);
 *   return new Response("counted");
 * };
 * const fetch = toFetch(counted);
 * const ask = async (url: string) => (await fetch(new Request(url, { method: "POST" }))).status;
 * assert(await ask("http://localhost/") === 200 && await ask("http://rebound.example/") === 421);
 * ```
 */
export function requireOwnHost(request: Request, context: Context): void {
  if (context.refusal) throw HttpError.from(context.refusal);
  if (!usesOwnHost(request, context.hosts)) throw HttpError.from(NOT_OWN);
}

/**
 * Whether a request uses only own host names. If there are two, both are checked: an absolute-form target overrides
 * Host (RFC 9112 section 3.2.2), and so does `:authority` (RFC 9113 section 8.3.1).
 */
export function usesOwnHost({ headers, url }: Request, hosts: HostNames): boolean {
  const host = headers.get("host");
  if (host !== null && !hosts.isOwn(host)) return false;
  const authority = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
  // For a Unix socket (`http+unix:`), the runtime puts the socket path in place of the authority; ignore it.
  return authority === undefined || authority === host || hosts.isOwn(authority);
}

/** The machine's host name, with and without its domain, and its mDNS name (RFC 6762); none without --allow-sys. */
export function namesOfMachine(): readonly string[] {
  // Never request the permission: on a terminal, the runtime would prompt the operator during a request.
  if (Deno.permissions.querySync({ name: "sys", kind: "hostname" }).state !== "granted") return [];
  const name = Deno.hostname();
  const first = name.split(".")[0]!;
  return first === "" ? [] : [name, first, `${first}.local`];
}
