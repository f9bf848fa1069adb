/**
 * PUT: a whole file at once (RFC 9110 section 9.3.4).
 *
 * @module
 */

import { contentLengthOf, readBody } from "../core/request_body.ts";
import { HttpError } from "../errors.ts";
import { withoutVariants } from "../http/etag.ts";
import { evaluatePreconditions } from "../http/preconditions.ts";
import type { SitePath } from "../http/target.ts";
import type { PartFile } from "../sources/writer.ts";
import type { Context } from "../types.ts";
import { storedResponse } from "./answers.ts";
import { wishOf } from "./conflict.ts";
import { parseDigests, Verification } from "./digest.ts";
import { writeError } from "./refusals.ts";
import { fileLimit, Spool } from "./spool.ts";
import type { Store } from "./store.ts";

/** Stores the content of a request, or leaves nothing. */
export async function putFile(store: Store, request: Request, context: Context): Promise<Response> {
  const { path } = fileTarget(context);
  const wish = wishOf(request.headers, context.target.query, store.settings.onConflict);
  const expected = await checkPreconditions(store, request, path);
  await store.checkWish(context, path, wish);
  const length = contentLengthOf(request);
  store.checkSize(length ?? 0);
  const verification = verificationOf(request.headers);
  const part = await begin(store, path);
  try {
    await store.checkRoom(part, length);
    await receive(
      readBody(request.body, { stallMs: store.settings.stallMs }),
      new Spool(part, fileLimit(store.settings.maxBytes), verification),
    );
    verification?.check();
    return storedResponse(store, request, context, await store.commit(part, path, wish, expected));
  } catch (error) {
    await part.discard();
    throw writeError(error, path);
  }
}

/** The target as the path of a file; throws where it cannot be one, or the content is not simply the file. */
export function fileTarget({ target }: Context): { path: SitePath } {
  if (!target.slash) return { path: target.path };
  throw new HttpError(409, "The path ends in a slash, so it names a directory; MKCOL makes one, POST takes a form");
}

/** Throws where the content of a request is not simply the bytes of the file. */
export function checkCoding(headers: Headers): void {
  // RFC 9110 section 14.4: who ignores it would take a part for the whole.
  if (headers.has("content-range")) throw new HttpError(400, "Content-Range is not understood; PATCH takes pieces");
  const coding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
  if (coding === "identity") return;
  throw new HttpError(415, "The content is coded; it is stored as it comes, so send it as it is to be", {
    headers: { "accept-encoding": "identity" },
  });
}

/**
 * Throws 412 where a precondition does not hold. Returns the version that must still be there when it is replaced, for the
 * conditions that speak of one.
 */
export async function checkPreconditions(store: Store, request: Request, path: SitePath): Promise<string | undefined> {
  const { headers, method } = request;
  const conditions = ["if-match", "if-none-match", "if-unmodified-since"].filter((name) => headers.has(name));
  if (conditions.length === 0) return undefined;
  const stat = await store.source.stat(path);
  const lastModified = stat?.modified === undefined || stat.modified === null
    ? null
    : Math.floor(stat.modified / 1000) * 1000;
  const etag = stat && `${stat.settled ? "" : "W/"}"${stat.version}"`;
  const holds = stat === null
    ? !headers.has("if-match")
    : evaluatePreconditions(method, ofBytes(headers), { etag, lastModified }) === "proceed";
  if (!holds) {
    throw new HttpError(412, "What is there is not in the state that the request requires", {
      problem: { name: path.name },
    });
  }
  const isOfVersion = conditions.some((name) => name !== "if-none-match") && headers.get("if-match")?.trim() !== "*";
  return isOfVersion ? stat?.version : undefined;
}

/** Conditions about the bytes only: a file that is sent in another way, since a client has seen it, is still the one it saw. */
function ofBytes(headers: Headers): Headers {
  const asked = new Headers(headers);
  for (const name of ["if-match", "if-none-match"]) {
    const value = headers.get(name);
    if (value !== null) asked.set(name, withoutVariants(value));
  }
  return asked;
}

/** What verifies the checksums that the header promises; null where it promises none. The content is the whole file. */
function verificationOf(headers: Headers): Verification | null {
  const promised = ["content-digest", "repr-digest"].flatMap((name) => parseDigests(headers.get(name)) ?? []);
  return promised.length === 0 ? null : new Verification(promised);
}

/** Begins a part that only this request knows. */
export async function begin(store: Store, path: SitePath): Promise<PartFile> {
  try {
    return await (await store.writer()).create(path, crypto.randomUUID());
  } catch (error) {
    throw writeError(error, path);
  }
}

/** Takes all there is. Nothing is being written any more when that is done, or when it fails. */
export async function receive(chunks: AsyncIterable<Uint8Array>, spool: Spool): Promise<void> {
  try {
    for await (const chunk of chunks) await spool.push(chunk);
    await spool.finish();
  } finally {
    await spool.idle();
  }
}
