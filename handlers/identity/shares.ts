/**
 * Share links: capabilities bound to paths, rights and an expiry. Whoever holds one can make a narrower one offline, by
 * adding a condition (the construction of macaroons: each code is the key of the next).
 *
 * @module
 */

import type { Right } from "../core/types.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget, SitePath } from "../http/target.ts";
import { randomBytes, sameText } from "./bytes.ts";
import { decodePart, encodePart, keyFor, macOf } from "./signer.ts";

/** What a share permits. */
export interface ShareTerms {
  /** The shared files and directories. */
  readonly paths: readonly SitePath[];
  /** The rights to them and everything below. */
  readonly rights: ReadonlySet<Right>;
  /** When it expires, in milliseconds since 1970; Infinity for never. */
  readonly expires: number;
}

/** A verified share. */
export interface Share extends ShareTerms {
  /** Random; also of all narrower shares made from it, so that revoking it ends these as well. */
  readonly id: string;
  /** The user who made it; null for the operator. It never permits more than this user may do. */
  readonly by: string | null;
  /** The id of the token with which it was made, and with which it ends; null for none. */
  readonly token?: string | null;
}

/** Conditions of one link in the chain, as encoded. */
interface Condition {
  /** The directory in which the paths are, if there are several: it makes links shorter. */
  readonly in?: string;
  readonly paths?: readonly string[];
  readonly rights?: readonly Right[];
  readonly expires?: number;
  readonly by?: string;
  readonly token?: string;
}

/** Bounds on what a client can make the server verify. Proxies and chat programs break longer links. */
const MAX_LENGTH = 4_096;
const MAX_CONDITIONS = 16;

/** Number of verified shares kept, so that a request costs a lookup. */
const MAX_KNOWN = 1_000;

/**
 * Makes and verifies share links. Revocation and the rights of the user are checked by the caller: `auth` does it for
 * the links of {@linkcode shares}.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { SitePath } from "@x/pyserve";
 * import { narrowShare, Shares } from "@x/pyserve/identity";
 *
 * const links = new Shares(crypto.getRandomValues(new Uint8Array(32)));
 * const paths = [SitePath.root.child("docs")!];
 * const { token } = links.make({ paths, rights: new Set(["read", "create"]), expires: Infinity }, null);
 * const narrower = narrowShare(token, { rights: new Set(["read"]) });
 * assert(links.verify(narrower)!.rights.has("create") === false);
 * assert(links.verify(`${token}x`) === null);
 * ```
 */
export class Shares {
  readonly #secret: () => Uint8Array;
  readonly #site: string;
  readonly #now: () => number;
  readonly #known = new Map<string, Share>();
  #current: Uint8Array;
  #key: Uint8Array;

  /**
   * The key has at least 32 random bytes and is shared by all processes of a server. With another key, all shares end.
   * Sites that share a key accept only their own shares: `site` is any text that tells them apart.
   */
  constructor(key: Uint8Array | (() => Uint8Array), now: () => number = Date.now, site = "") {
    this.#secret = typeof key === "function" ? key : () => key;
    this.#site = site;
    this.#current = this.#secret();
    this.#key = shareKeyOf(this.#current, site);
    this.#now = now;
  }

  /**
   * A new share: a token for a URL, of letters, digits, `-`, `_` and `.`.
   *
   * @param token The id of the bearer token with which the user makes it: the share ends with it.
   * @throws TypeError Without paths; RangeError if the expiry is not in the future (Infinity is).
   */
  make(
    terms: ShareTerms,
    by: string | null,
    token: string | null = null,
  ): { readonly id: string; readonly token: string } {
    if (terms.paths.length === 0) throw new TypeError("Cannot make the share: it has no paths");
    if (!(terms.expires > this.#now())) throw new RangeError("Cannot make the share: its expiry is not in the future");
    const id = randomBytes(9).toBase64({ alphabet: "base64url" });
    return { id, token: this.tokenOf({ ...terms, id, by, token }) };
  }

  /** The token of a share, the same each time; it is accepted if it is at most 4,096 characters long. */
  tokenOf({ id, by, token = null, paths, rights, expires }: Share): string {
    this.#refreshKey();
    const issuer = { ...(by !== null && { by }), ...(token !== null && { token }) };
    const first: Condition = { ...conditionOf({ paths, rights, expires }), ...issuer };
    return extended(id, macOf(this.#key, id), first);
  }

  /** Whether a token is too long to be accepted. */
  isTooLong(token: string): boolean {
    return token.length > MAX_LENGTH;
  }

  /** The share of a token; null if it is forged, malformed or expired. */
  verify(token: string): Share | null {
    this.#refreshKey();
    const share = this.#known.get(token) ?? this.#decode(token);
    return share !== null && share.expires > this.#now() ? share : null;
  }

  #refreshKey(): void {
    const key = this.#secret();
    if (key === this.#current) return;
    this.#key = shareKeyOf(key, this.#site);
    this.#current = key;
    this.#known.clear();
  }

  #decode(token: string): Share | null {
    if (token.length > MAX_LENGTH) return null;
    const [id, ...rest] = token.split(".") as [string, ...string[]];
    const mac = rest.pop();
    if (mac === undefined || rest.length === 0 || rest.length > MAX_CONDITIONS) return null;
    const expected = rest.reduce((key, part) => macOf(key, part), macOf(this.#key, id));
    if (!sameText(expected, mac)) return null;
    const share = shareOf(id, rest.map((part) => decodePart(part)));
    if (share === null) return null;
    if (this.#known.size >= MAX_KNOWN) this.#known.delete(this.#known.keys().next().value!);
    this.#known.set(token, share);
    return share;
  }
}

function shareKeyOf(key: Uint8Array, site: string): Uint8Array {
  if (key.length < 32) throw new RangeError("The key of shares needs at least 32 bytes");
  const shared = keyFor("share", key);
  return site === "" ? shared : keyFor(`share of ${site}`, shared);
}

/** The deepest directory that contains all paths, and is none of them. */
export function commonParent(paths: readonly SitePath[]): SitePath {
  let common = paths[0]?.parent ?? SitePath.root;
  while (!paths.every((path) => path.below(common)?.segments.length)) {
    if (common.parent === null) break;
    common = common.parent;
  }
  return common;
}

/** The paths without those that lie below others. */
export function outermost(paths: readonly SitePath[]): SitePath[] {
  const distinct = [...new Map(paths.map((path) => [path.href, path])).values()];
  return distinct.filter((path) => !distinct.some((other) => other !== path && path.below(other) !== null));
}

/**
 * A narrower share made from a token, without the key: its paths, rights and expiry are those that both permit.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { SitePath } from "@x/pyserve";
 * import { narrowShare, Shares } from "@x/pyserve/identity";
 *
 * const shares = new Shares(crypto.getRandomValues(new Uint8Array(32)));
 * const docs = SitePath.root.child("docs")!;
 * const { token } = shares.make({ paths: [docs], rights: new Set(["read"]), expires: Infinity }, null);
 * const narrower = narrowShare(token, { paths: [docs.child("a.txt")!], expires: Date.now() + 60_000 });
 * assert(shares.verify(narrower)!.paths[0]!.text === "/docs/a.txt");
 * ```
 *
 * @throws TypeError If the token is malformed; whether it is valid is only known to the server.
 */
export function narrowShare(token: string, terms: Partial<ShareTerms>): string {
  const parts = token.split(".");
  if (parts.length < 3) throw new TypeError("Cannot narrow the share: it is malformed");
  return extended(parts.slice(0, -1).join("."), parts.at(-1)!, conditionOf(terms));
}

/** Adds a condition to a chain whose last code is the key of the new one. */
function extended(chain: string, mac: string, condition: Condition): string {
  const part = encodePart(condition);
  return `${chain}.${part}.${macOf(mac, part)}`;
}

function conditionOf({ paths, rights, expires }: Partial<ShareTerms>): Condition {
  return {
    ...(paths && pathsOf(paths)),
    ...(rights && { rights: [...rights] }),
    ...(expires !== undefined && expires !== Infinity && { expires }),
  };
}

function pathsOf(paths: readonly SitePath[]): Condition {
  const directory = paths.length > 1 ? commonParent(paths) : SitePath.root;
  if (directory.parent === null) return { paths: paths.map(({ href }) => href) };
  return { in: directory.href, paths: paths.map((path) => path.below(directory)!.href.slice(1)) };
}

/** What all conditions permit together; null if one of them, which a holder may have written, is malformed. */
function shareOf(id: string, conditions: readonly unknown[]): Share | null {
  const [first, ...narrower] = conditions.map(termsOf);
  if (!first?.paths || !first.rights) return null;
  let { paths, rights, expires } = { ...first, paths: first.paths, rights: first.rights };
  for (const terms of narrower) {
    if (terms === null || terms === undefined) return null;
    const outer = paths;
    paths = terms.paths ? common(outer, terms.paths) : outer;
    rights = terms.rights ? rights.intersection(terms.rights) : rights;
    expires = Math.min(expires, terms.expires);
  }
  const { by = null, token = null } = conditions[0] as Condition;
  return { id, by, token, paths, rights, expires };
}

/** The paths that lie below one of both lists. */
function common(outer: readonly SitePath[], inner: readonly SitePath[]): SitePath[] {
  const within = (path: SitePath, others: readonly SitePath[]) => others.some((other) => path.below(other) !== null);
  const both = [...inner.filter((path) => within(path, outer)), ...outer.filter((path) => within(path, inner))];
  return [...new Map(both.map((path) => [path.href, path])).values()];
}

interface Terms {
  readonly paths: SitePath[] | null;
  readonly rights: ReadonlySet<Right> | null;
  readonly expires: number;
}

function termsOf(condition: unknown): Terms | null {
  if (typeof condition !== "object" || condition === null) return null;
  const { in: directory = "", paths, rights, expires = Infinity } = condition as Condition;
  if (typeof expires !== "number" || !isList(paths) || !isList(rights) || typeof directory !== "string") return null;
  const parsed = paths?.map((path) => pathOf(directory === "" ? path : `${directory}/${path}`)) ?? null;
  if (parsed?.includes(null)) return null;
  return { paths: parsed as SitePath[] | null, rights: rights ? new Set(rights) : null, expires };
}

function isList(value: unknown): boolean {
  return value === undefined || (Array.isArray(value) && value.every((item) => typeof item === "string"));
}

function pathOf(href: string): SitePath | null {
  const target = href.startsWith("/") ? parseTarget(href) : new Refusal(400, "");
  return target instanceof Refusal || target.query !== "" ? null : target.path;
}
