/**
 * Responses that shared caches must not store.
 *
 * @module
 */

import { internalsOf } from "./internals.ts";
import type { Context } from "./types.ts";

/** Whether responses are for a user who has logged in. */
export function isForUser(context: Context): boolean {
  const name = internalsOf(context).visitor?.name;
  return name !== null && name !== undefined;
}

/** Shared caches must not store what a user gets: a cookie, unlike Authorization, does not tell them (RFC 9111 section 3.5). */
export function keepPrivate(headers: Headers): void {
  const policy = headers.get("cache-control") ?? "no-cache";
  if (/\b(?:private|no-store|immutable)\b/.test(policy)) return;
  headers.set("cache-control", `private, ${policy.replace(/\bpublic\b,? */, "")}`);
}
