/**
 * The methods of WebDAV, and what OPTIONS says about it. Loaded at the start of a server with WebDAV.
 *
 * @module
 */

import type { Right } from "../core/types.ts";
import type { StoreRights } from "../store/access.ts";

/** The methods, and the right that each requires for the target of the request. */
export const DAV_METHODS: Readonly<Record<string, Right>> = { PROPFIND: "read" };

/** The method for properties. */
export const PROPERTY_METHODS: Readonly<Record<string, Right>> = { PROPPATCH: "create" };

/** The methods for locks. */
export const LOCK_METHODS: Readonly<Record<string, Right>> = { LOCK: "change", UNLOCK: "change" };

/** The methods of uploads that WebDAV answers in its own way, unless they have a query. */
const FILE_METHODS: Readonly<Record<string, keyof StoreRights>> = {
  PUT: "create",
  MKCOL: "create",
  COPY: "create",
  DELETE: "change",
  MOVE: "change",
};

/** Those of them that a store allows. */
export function fileMethods(rights: StoreRights): Record<string, Right> {
  return Object.fromEntries(Object.entries(FILE_METHODS).filter(([, right]) => rights[right]));
}

/** Whether WebDAV answers a method of uploads in its own way: those with a query are for pages and scripts. */
export function isFileRequest(method: string, query: string): boolean {
  return query === "" && Object.hasOwn(FILE_METHODS, method);
}

/** What OPTIONS says besides Allow. Microsoft's clients look for the second one. */
export const DAV_HEADERS: Readonly<Record<string, string>> = { dav: "1", "ms-author-via": "DAV" };
