/**
 * How a request wants name conflicts resolved.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import { CONFLICT_POLICIES, type ConflictPolicy } from "../store/conflict.ts";

/** How a request wants conflicts resolved; `Fallback` is the type of the policy of one that does not say. */
export interface Wish<Fallback = ConflictPolicy> {
  readonly policy: ConflictPolicy | Fallback;
  /** The status of a refusal: 412 if the request made it a precondition, 409 otherwise. */
  readonly status: 409 | 412;
}

/**
 * Determines the policy of a request: from its preconditions, `?on-conflict=`, or the server's default.
 *
 * `If-None-Match: *` (RFC 9110 section 13.1.2) and `Overwrite: F` (RFC 4918 section 10.6) mean `fail`; If-Match,
 * If-Unmodified-Since and `Overwrite: T` mean `overwrite`. Without `Overwrite`, the server's policy applies rather than
 * the RFC's default of T: that suits WebDAV clients, which are explicit about overwriting.
 */
export function wishOf<Fallback extends ConflictPolicy | null>(
  headers: Headers,
  query: string,
  fallback: Fallback,
): Wish<Fallback> {
  const overwrite = overwriteOf(headers);
  if (headers.get("if-none-match")?.trim() === "*" || overwrite === "F") return { policy: "fail", status: 412 };
  const asked = new URLSearchParams(query).get("on-conflict");
  if (asked !== null) return { policy: policyOf(asked), status: 409 };
  const replaces = overwrite === "T" || headers.has("if-match") || headers.has("if-unmodified-since");
  return { policy: replaces ? "overwrite" : fallback, status: 409 };
}

/** The value of Overwrite; 400 for anything but one T or F, because ignoring it could overwrite a file. */
function overwriteOf(headers: Headers): string | undefined {
  const overwrite = headers.get("overwrite")?.trim().toUpperCase();
  if (overwrite === undefined || overwrite === "T" || overwrite === "F") return overwrite;
  throw new HttpError(400, "Overwrite is neither T nor F");
}

/** A policy by name; 400 if it is unknown. */
export function policyOf(name: string): ConflictPolicy {
  const policy = CONFLICT_POLICIES.find((each) => each === name);
  if (policy) return policy;
  throw new HttpError(400, `The parameter "on-conflict" is not one of ${CONFLICT_POLICIES.join(", ")}`);
}
