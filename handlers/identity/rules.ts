/**
 * Access rules: who has which rights below which prefix. Pure; independent of HTTP and of how users are authenticated.
 *
 * @module
 */

import type { Right } from "../core/types.ts";
import { Refusal } from "../http/refusal.ts";
import { parseTarget, SitePath } from "../http/target.ts";
import { parseRights as parseUserRights, USER_RIGHTS, type UserRight } from "./user_rights.ts";

/** What handlers ask for ({@linkcode Right}), by the names used in rules. */
export const RIGHTS: Readonly<Record<UserRight, Right>> = {
  read: "read",
  upload: "create",
  delete: "change",
  run: "run",
  share: "share",
};

const ALL_RIGHTS: readonly Right[] = Object.values(RIGHTS);

/** `anyone`, including clients that have not logged in; `users`, everyone who has; or one user. */
export type Who = { readonly kind: "anyone" } | { readonly kind: "users" } | {
  readonly kind: "user";
  readonly name: string;
};

/** One rule: `ann:read,upload@/team`. */
export interface AccessRule {
  /** To whom it applies. */
  readonly who: Who;
  /** The rights granted; empty for `none`. */
  readonly rights: ReadonlySet<Right>;
  /** The path to which it applies, with everything below. */
  readonly prefix: SitePath;
}

/** An invalid rule; the message completes the sentence `Cannot use --access "x": ...`. */
export class InvalidRule extends Error {
  /** Always `"InvalidRule"`. */
  override readonly name: string = "InvalidRule";
}

/**
 * Parses `WHO:RIGHTS[@PATH]`. WHO is `anyone`, `users` or a user's name; RIGHTS is a list of `read`, `upload`,
 * `delete`, `run` and `share` separated by commas, or `all`, or `none`; PATH is a path that starts with a slash and
 * defaults to `/`. Percent escapes in the prefix are decoded.
 *
 * @throws {InvalidRule} If it is malformed.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { parseAccessRule } from "@x/pyserve/identity";
 *
 * const { who, rights, prefix } = parseAccessRule("ann:read,upload@/team");
 * assert(who.kind === "user" && rights.has("create") && prefix.text === "/team");
 * ```
 */
export function parseAccessRule(text: string): AccessRule {
  const colon = text.indexOf(":");
  if (colon <= 0) throw new InvalidRule("a rule is WHO:RIGHTS or WHO:RIGHTS@PATH, such as ann:read,upload@/team");
  const rest = text.slice(colon + 1);
  const at = rest.indexOf("@");
  return {
    who: parseWho(text.slice(0, colon)),
    rights: parseRights(at < 0 ? rest : rest.slice(0, at)),
    prefix: at < 0 ? SitePath.root : parsePrefix(rest.slice(at + 1)),
  };
}

function parseWho(text: string): Who {
  if (text === "anyone" || text === "users") return { kind: text };
  return { kind: "user", name: text.normalize("NFC") };
}

function parseRights(text: string): ReadonlySet<Right> {
  if (text === "all") return new Set(ALL_RIGHTS);
  if (text === "none") return new Set();
  const names = parseUserRights(text.split(","));
  if (typeof names !== "string") return new Set(names.map((name) => RIGHTS[name]));
  const known = new Intl.ListFormat("en", { type: "disjunction" }).format([...USER_RIGHTS, "all", "none"]);
  throw new InvalidRule(`"${names}" is not a right; the rights are ${known}`);
}

function parsePrefix(text: string): SitePath {
  if (!text.startsWith("/")) throw new InvalidRule("the PATH after @ must start with a slash");
  const target = parseTarget(text);
  if (target instanceof Refusal || /[?#]/.test(text)) throw new InvalidRule("PATH is not a path of the site");
  return target.path;
}

/** The rights of one client. */
export interface Rights {
  /** Whether the client has a right to a path. The path must be canonical: rules know nothing of links. */
  may(right: Right, path: SitePath): boolean;
  /** The name of this set of rights: equal for clients to whom the same rules apply. */
  readonly view: string;
}

/** The rules with one prefix, and those with longer ones. */
class Node {
  readonly rules: AccessRule[] = [];
  readonly children = new Map<string, Node>();

  child(name: string): Node {
    const known = this.children.get(name);
    if (known) return known;
    const made = new Node();
    this.children.set(name, made);
    return made;
  }
}

/**
 * A set of access rules.
 *
 * The rules with the longest prefix that covers a path decide, and only they: nothing is inherited from shorter
 * prefixes, so a directory with rules of its own is closed to everyone whom these do not name. Several rules with the
 * same prefix add up. Where no rule covers a path, there is no right. Prefixes cover whole segments (`/priv` does not
 * cover `/private`) and are compared in Unicode normalization form C.
 */
export class AccessRules {
  readonly #root = new Node();
  readonly #named = new Set<string>();

  /** Compiles the rules; their order does not matter. */
  constructor(rules: readonly AccessRule[]) {
    for (const rule of rules) {
      const node = rule.prefix.segments.reduce((node, name) => node.child(name.normalize("NFC")), this.#root);
      node.rules.push(rule);
      if (rule.who.kind === "user") this.#named.add(rule.who.name);
    }
  }

  /** The rights of a user, or of clients that have not logged in (null). */
  of(user: string | null): Rights {
    const name = user?.normalize("NFC") ?? null;
    return { may: (right, path) => this.#may(name, right, path), view: this.#view(name) };
  }

  #may(user: string | null, right: Right, path: SitePath): boolean {
    let node: Node | undefined = this.#root;
    let deciding = node.rules;
    for (const name of path.segments) {
      node = node.children.get(isAscii(name) ? name : name.normalize("NFC"));
      if (node === undefined) break;
      if (node.rules.length > 0) deciding = node.rules;
    }
    return deciding.some((rule) => applies(rule.who, user) && rule.rights.has(right));
  }

  #view(user: string | null): string {
    if (user === null) return "anyone";
    return this.#named.has(user) ? `user ${user}` : "users";
  }

  /** Whether any rule with a prefix below a path could deny what holds for the path itself. */
  divides(path: SitePath): boolean {
    let node: Node | undefined = this.#root;
    for (const name of path.segments) {
      node = node.children.get(name.normalize("NFC"));
      if (node === undefined) return false;
    }
    return node.children.size > 0;
  }
}

function applies(who: Who, user: string | null): boolean {
  if (who.kind === "anyone") return true;
  if (user === null) return false;
  return who.kind === "users" || who.name === user;
}

/** Normalization is only needed for other text, and takes longer than the lookup. */
function isAscii(text: string): boolean {
  for (let at = 0; at < text.length; at++) if (text.charCodeAt(at) > 0x7f) return false;
  return true;
}
