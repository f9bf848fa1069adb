/**
 * What clients are told of locks: the properties `lockdiscovery` and `supportedlock`, and refusals because of locks (RFC 4918
 * sections 14, 15.8, 15.10 and 16).
 *
 * @module
 */

import type { Context } from "../core/types.ts";
import type { SitePath } from "../http/target.ts";
import { identityOf } from "../upload/rights.ts";
import type { Lock, LockSet } from "./lock_set.ts";
import type { LockConflict } from "./lock_table.ts";
import { davDocument, errorDocument, multistatus, XML_HEADERS } from "./multistatus.ts";
import { escapeXml } from "./xml_text.ts";

/** The value of `supportedlock`. */
const SUPPORTED_LOCK: string = ["exclusive", "shared"].map((scope) =>
  `<D:lockentry><D:lockscope><D:${scope}/></D:lockscope><D:locktype><D:write/></D:locktype></D:lockentry>`
).join("");

/** The value of `lockdiscovery` for a path: the locks that cover it. */
export function lockDiscovery(locks: LockSet, path: SitePath, context: Context): string {
  return locks.covering(path).map((lock) => activeLock(lock, context)).join("");
}

/** The token is shown to those who can use it only. */
function activeLock({ token, root, isDeep, isShared, owner, by, expires, seconds }: Lock, context: Context): string {
  const left = Math.max(0, Math.min(seconds, Math.ceil((expires - Date.now()) / 1_000)));
  const canUse = by === null || by === identityOf(context);
  return `<D:activelock><D:lockscope><D:${isShared ? "shared" : "exclusive"}/></D:lockscope>` +
    `<D:locktype><D:write/></D:locktype><D:depth>${isDeep ? "infinity" : "0"}</D:depth>` +
    (owner === "" ? "" : `<D:owner>${owner}</D:owner>`) +
    `<D:timeout>Second-${left}</D:timeout>` +
    (canUse ? `<D:locktoken>${hrefElement(token)}</D:locktoken>` : "") +
    `<D:lockroot>${hrefElement(hrefOf(root, context))}</D:lockroot></D:activelock>`;
}

/** A lock that was taken, or prolonged: then without Lock-Token (section 9.10.2). */
export function lockResponse(
  status: 200 | 201,
  lock: Lock,
  context: Context,
  { isNew = true }: { readonly isNew?: boolean } = {},
): Response {
  const body = davDocument("prop", `<D:lockdiscovery>${activeLock(lock, context)}</D:lockdiscovery>`);
  return new Response(body, { status, headers: { ...XML_HEADERS, ...isNew && { "lock-token": `<${lock.token}>` } } });
}

/** The properties of locks. */
export interface LockProperties {
  readonly names: readonly string[];
  /** The value of a property of a path, as XML. */
  valueOf(name: string, path: SitePath): string;
}

/** The properties of locks, as they are now. */
export function lockProperties(locks: LockSet, context: Context): LockProperties {
  return {
    names: ["lockdiscovery", "supportedlock"],
    valueOf: (name, path) => name === "supportedlock" ? SUPPORTED_LOCK : lockDiscovery(locks, path, context),
  };
}

/** The refusal of a lock because of others: 423, or 207 if these are on something in the directory (section 9.10.3). */
export function lockConflictResponse({ roots }: LockConflict, context: Context): Response {
  const { path, slash } = context.target;
  const shown = roots.filter((root) => context.may("read", root));
  const below = shown.filter((root) => root.text !== path.text && root.below(path) !== null);
  const hrefs = shown.map((root) => hrefElement(hrefOf(root, context)));
  if (below.length === 0) return errorDocument(423, "no-conflicting-lock", hrefs.join(""));
  const failed = (href: string, status: string) =>
    `<D:response>${hrefElement(href)}<D:status>HTTP/1.1 ${status}</D:status></D:response>`;
  return multistatus([
    ...below.map((root) => failed(hrefOf(root, context), "423 Locked")),
    failed(`${hrefOf(path, context)}${slash && path.parent !== null ? "/" : ""}`, "424 Failed Dependency"),
  ].join(""));
}

function hrefElement(href: string): string {
  return `<D:href>${escapeXml(href)}</D:href>`;
}

function hrefOf(path: SitePath, { base }: Context): string {
  return base.join(path).href;
}
