/**
 * LOCK and UNLOCK (RFC 4918 sections 9.10 and 9.11), and the If header on all methods.
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { Context } from "../core/types.ts";
import { clientOf } from "../http/client.ts";
import { parseIf } from "../http/if_header.ts";
import type { SitePath } from "../http/target.ts";
import { WriteRefused } from "../sources/writer.ts";
import { answered } from "../upload/refusals.ts";
import { identityOf, operationsFor } from "../upload/rights.ts";
import { transfer } from "../upload/tree.ts";
import { lockConflictResponse, lockResponse } from "./lock_answers.ts";
import { type LockTerms, lockTerms } from "./lock_request.ts";
import { canUse, type Lock } from "./lock_set.ts";
import { errorDocument } from "./multistatus.ts";
import type { LockSite } from "./lock_site.ts";
import { LockConflict } from "./lock_table.ts";
import { readXml } from "./xml.ts";

/** Takes a lock, or prolongs one if the request has no body. */
export async function lock(site: LockSite, request: Request, context: Context): Promise<Response> {
  const { path } = context.target;
  // Without it, a lock would tell whether something exists.
  if (!context.may("read", path)) throw new HttpError(403, "Locking requires the right to read");
  const operations = operationsFor(site, request, context);
  await answered(path, () => operations.requireChange(path));
  const info = await readXml(request.body, { stallMs: site.settings.stallMs });
  const terms = lockTerms(request.headers, info);
  return terms.kind === null ? refresh(site, request, context, terms) : await take(site, request, context, terms);
}

/** Ends a lock. */
export function unlock(site: LockSite, request: Request, context: Context): Response {
  const { path } = context.target;
  const [, token] = /^<([^<>\s]+)>$/.exec(request.headers.get("lock-token")?.trim() ?? "") ?? [];
  if (token === undefined) throw new HttpError(400, "Lock-Token is missing or malformed");
  const lock = site.locks.current().find(token, path);
  if (lock === null) return errorDocument(409, "lock-token-matches-request-uri");
  if (!canUse(lock, { identity: identityOf(context), tokens: [token] })) {
    throw new HttpError(403, "Only the user who has taken a lock can release it; it expires by itself");
  }
  if (lock.by === null && !context.may("create", path) && !context.may("change", path)) {
    throw new HttpError(403, "Releasing a lock requires the right to write");
  }
  site.locks.release(lock);
  return new Response(null, { status: 204 });
}

function refresh({ locks }: LockSite, { headers }: Request, context: Context, { seconds }: LockTerms): Response {
  const tokens = parseIf(headers.get("if") ?? "")?.tokens ?? [];
  if (tokens.length === 0) {
    throw new HttpError(
      400,
      "The request has neither a body, to take a lock, nor the token of a lock in If, to prolong it",
    );
  }
  const lock = locks.refresh(context.target.path, { identity: identityOf(context), tokens }, seconds);
  if (lock === null) throw new HttpError(412, "You have no lock with this token");
  return lockResponse(200, lock, context, { isNew: false });
}

async function take(site: LockSite, request: Request, context: Context, terms: LockTerms): Promise<Response> {
  const { path } = context.target;
  if (path.parent === null && terms.isDeep) {
    throw new HttpError(403, "The root cannot be locked with all that is in it");
  }
  const isThere = await answered(path, () => requireLockable(site, request, context, terms));
  const lock = taken(site, request, context, terms);
  if (lock instanceof LockConflict) return lockConflictResponse(lock, context);
  if (isThere) return lockResponse(200, lock, context);
  try {
    const operations = operationsFor(site, request, context, [lock.token]);
    await answered(path, () => operations.create(path, []));
  } catch (error) {
    site.locks.release(lock);
    throw error;
  }
  return lockResponse(201, lock, context);
}

function taken(
  { locks }: LockSite,
  { headers }: Request,
  context: Context,
  { kind, isDeep, owner, seconds }: LockTerms,
): Lock | LockConflict {
  const by = identityOf(context);
  const address = by === null ? clientOf(context.remoteAddress, headers) : "";
  try {
    return locks.take({ root: context.target.path, isDeep, isShared: kind === "shared", owner, by, address, seconds });
  } catch (error) {
    if (error instanceof LockConflict) return error;
    throw error;
  }
}

/**
 * Requires the rights to write with a lock on a path; returns whether something exists there, or a file is to be created.
 * Writing to that replaces it: without the right to do so, the file would stay empty.
 */
async function requireLockable(
  site: LockSite,
  request: Request,
  context: Context,
  { isDeep }: LockTerms,
): Promise<boolean> {
  const { path, slash } = context.target;
  const operations = operationsFor(site, request, context);
  const there = await operations.known("read").stat(path);
  if (isDeep && there?.kind === "directory") {
    await transfer(site, request, context, (signal) => operations.requireChange(path, { deep: true, signal }));
  }
  if (there !== null) return true;
  if (slash) throw new WriteRefused("absent");
  await operations.requireFile(path, {});
  await requireParent(site, path);
  return false;
}

/** A lock creates a file, but no directories (RFC 4918 section 9.10.4). */
async function requireParent({ store }: LockSite, path: SitePath): Promise<void> {
  const parent = await store.source.stat(path.parent!);
  if (parent === null) throw new WriteRefused("no directory");
  if (parent.kind !== "directory") throw new WriteRefused("not a directory");
}
