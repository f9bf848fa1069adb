/**
 * The right that each method requires, and the actor of a request.
 *
 * @module
 */

import type { Context, Right } from "../core/types.ts";
import { internalsOf } from "../core/internals.ts";
import type { SitePath } from "../http/target.ts";
import { parseIf } from "../http/if_header.ts";
import type { Actor, StoreRights } from "../store/access.ts";
import type { Operations } from "../store/operations.ts";
import type { UploadSite } from "./upload_site.ts";
import type { Wish } from "./wish.ts";

/**
 * The right that each method requires: it must be enabled in the store and, for Allow, granted to the client at the
 * target.
 */
export const METHODS: Readonly<Record<string, keyof StoreRights>> = {
  PUT: "create",
  PATCH: "create",
  POST: "create",
  MKCOL: "create",
  COPY: "create",
  DELETE: "change",
  MOVE: "change",
};

/** The right that a method requires for the target of the request. */
export function targetRight(method: string): Right {
  return method === "COPY" ? "read" : METHODS[method]!; // it creates the destination
}

/** The methods that a store allows. */
export function methodsOf(rights: StoreRights): string[] {
  return Object.keys(METHODS).filter((method) => rights[METHODS[method]!]);
}

/**
 * The store operations on behalf of the client of a request.
 *
 * @param tokens Those of locks that the client has, besides the ones that it has submitted.
 */
export function operationsFor(
  { store, settings }: UploadSite,
  request: Request,
  context: Context,
  tokens: readonly string[] = [],
): Operations {
  // An index page would replace the listing for everyone: a link that takes files must not.
  const index = isByShare(context) ? settings.index : [];
  const isIndex = ({ name }: SitePath) => index.some((each) => each.toLowerCase() === name.toLowerCase());
  return store.as({
    may: (right, path) => context.may(right, path) && !(right === "create" && isIndex(path)),
    isUniform: context.view === "", // rights common to all clients apply to whole directories
    ...store.options.locks !== null && actorOf(request, context, tokens),
  });
}

/** Who the client is for locks. A malformed If header submits no tokens. */
function actorOf({ headers }: Request, context: Context, more: readonly string[]): Pick<Actor, "identity" | "tokens"> {
  const identity = identityOf(context);
  const tokens = [...parseIf(headers.get("if") ?? "")?.tokens ?? [], ...more];
  return { tokens, ...identity !== null && { identity } };
}

/** Tells clients apart that are known: users, and those who came by the same share link. Null for others. */
export function identityOf(context: Context): string | null {
  if (context.user !== null) return `user ${context.user}`;
  const share = internalsOf(context).visitor?.share;
  return share === undefined ? null : `share ${share}`;
}

/** WebDAV replaces what is there; clients that may not do so can still store files under names that are free. */
export function withinRights({ settings }: UploadSite, context: Context, path: SitePath, wish: Wish): Wish {
  if (!settings.isDav || wish.policy !== "overwrite" || context.may("change", path)) return wish;
  return { ...wish, policy: "fail" };
}

/**
 * The id under which an upload is stored: those of different users and share links never meet, though they choose the same
 * id, which cannot contain the separator.
 */
export function storedId(id: string, context: Context): string {
  const identity = identityOf(context);
  return identity === null ? id : `${id}\0${identity}`;
}

function isByShare(context: Context): boolean {
  return internalsOf(context).visitor?.share !== undefined;
}
