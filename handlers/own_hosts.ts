/**
 * The names a server is asked under: which are its own, and when they have to be.
 *
 * @module
 */

import { HttpError } from "./errors.ts";
import { isLoopback, isNamed, isOwnHost } from "./http/own_host.ts";
import { Refusal } from "./http/refusal.ts";
import type { Context, HostNames, LocalAddress } from "./types.ts";

/** Names under which a server may be asked: a list, or `"any"`. */
export type Hosts = readonly string[] | "any";

const NOT_OWN = new Refusal(
  421,
  "The server does not go by this name; the option --allow-host (in the library: hosts) adds it",
);

/** The names of one server; made by `toFetch`, and found in the context of each request. */
export class OwnHosts implements HostNames {
  readonly #given: readonly string[];
  readonly #isAny: boolean;
  readonly #isForAll: boolean;
  readonly #local: () => LocalAddress | null;
  #machine: readonly string[] | null = null;
  #last = "";

  /**
   * Makes them of what the operator has said.
   *
   * @param hosts As in `ToFetchOptions`.
   * @param local Says where the server listens; null where that is not known.
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
    // Where it is not known who can reach the server, a request of this machine is taken for one that only it can make.
    return isLoopback(this.#local()?.hostname ?? context.remoteAddress);
  }

  /** Why a request cannot be answered because of the name that it asks under, whatever it asks for; or null. */
  refusalOf(request: Request, context: Context): Refusal | null {
    return !this.areRequired(context) || asksUnderOwnName(request, this) ? null : NOT_OWN;
  }

  #names(): readonly string[] {
    const bound = this.#local()?.name;
    this.#machine ??= namesOfMachine();
    return bound === undefined ? this.#machine : [bound, ...this.#machine];
  }
}

/**
 * Throws the error of a request that has been refused (`context.refusal`), or that asks under a name which is not one of
 * this server (421): for handlers that write or run programs.
 *
 * A page of another site can make a name of its own resolve to this server (DNS rebinding), and would otherwise pass for a
 * page of this server. `hosts` of `toFetch` says which names there are.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { type Handler, requireOwnHost, toFetch } from "@x/pyserve";
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
  if (!asksUnderOwnName(request, context.hosts)) throw HttpError.from(NOT_OWN);
}

/**
 * Whether a request names own hosts only. Both count where there are two: an absolute-form target wins over Host (RFC 9112
 * section 3.2.2), and so does `:authority` (RFC 9113 section 8.3.1).
 */
export function asksUnderOwnName({ headers, url }: Request, hosts: HostNames): boolean {
  const host = headers.get("host");
  if (host !== null && !hosts.isOwn(host)) return false;
  const authority = /^https?:\/\/([^/?#]*)/i.exec(url)?.[1];
  // Of a Unix socket (`http+unix:`) the runtime shows the path in its place, which says nothing.
  return authority === undefined || authority === host || hosts.isOwn(authority);
}

/** The name of the machine, that without its domain, and the one of multicast DNS (RFC 6762); none without --allow-sys. */
function namesOfMachine(): readonly string[] {
  // Not merely tried: on a terminal, the runtime would ask the operator in the middle of a request.
  if (Deno.permissions.querySync({ name: "sys", kind: "hostname" }).state !== "granted") return [];
  const name = Deno.hostname();
  const first = name.split(".")[0]!;
  return first === "" ? [] : [name, first, `${first}.local`];
}
