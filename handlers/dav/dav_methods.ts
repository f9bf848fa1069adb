/**
 * The methods of WebDAV, and what OPTIONS says about it. Loaded at the start of a server with WebDAV.
 *
 * @module
 */

import type { Right } from "../core/types.ts";

/** The methods, and the right that each requires for the target of the request. */
export const DAV_METHODS: Readonly<Record<string, Right>> = { PROPFIND: "read" };

/** The methods for locks. */
export const LOCK_METHODS: Readonly<Record<string, Right>> = { LOCK: "change", UNLOCK: "change" };

/** What OPTIONS says besides Allow. Microsoft's clients look for the second one. */
export const DAV_HEADERS: Readonly<Record<string, string>> = { dav: "1", "ms-author-via": "DAV" };
