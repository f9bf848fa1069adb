/**
 * The right that each method requires, and the actor of a request.
 *
 * @module
 */

import type { Context, Right } from "../core/types.ts";
import type { StoreRights } from "../store/access.ts";
import type { Operations } from "../store/operations.ts";
import type { UploadSite } from "./upload_site.ts";

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

/** The store operations on behalf of the client of a request. */
export function operationsFor({ store }: UploadSite, request: Request, context: Context): Operations {
  return store.as({
    may: (right, path) => context.may(right, path),
    isUniform: context.view === "", // rights common to all clients apply to whole directories
    tokens: store.options.locks === null ? [] : lockTokens(request.headers.get("if") ?? ""),
  });
}

/** The state tokens in an If header (RFC 4918 section 10.4), which are written `(<token>)`; in linear time. */
function lockTokens(header: string): string[] {
  return [...header.matchAll(/\([^()]*\)/g)].flatMap(([list]) =>
    [...list.matchAll(/<([^<>]*)>/g)].map(([, token]) => token!)
  );
}
