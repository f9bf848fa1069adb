/**
 * Changes of objects: each either happens completely or not at all.
 *
 * @module
 */

import { mediaType } from "../../http/media_type.ts";
import type { StoreClient, StoreRequest } from "./client.ts";
import { storeError, StoreFailure } from "./errors.ts";
import { Mutex } from "./mutex.ts";
import { escapeXml, parseXml, textOf, type XmlElement } from "./xml.ts";

/** What must hold when an object gets its content: nothing, that there is none, or that it is this version. */
export type Condition = "any" | "new" | { readonly version: string };

/** A part of an object: bytes, or another object. */
export type Piece = { readonly body: Uint8Array<ArrayBuffer> } | CopiedPiece;

/** Another object, or a range of it; with a version, only if it is still that one. */
export interface CopiedPiece {
  readonly from: string;
  readonly version?: string;
  readonly range?: { readonly start: number; readonly end: number };
}

/** Pieces copied at the same time. */
const AT_ONCE = 4;

/** Attempts at completing an upload whose answer is an error although its status is 200. */
const ATTEMPTS = 3;

/** Tells an object stored by a request whose answer was lost from that of somebody else. */
const MARK = "x-amz-meta-pyserve";

/** Writes objects of a bucket. */
export class Writes {
  readonly client: StoreClient;
  /** Whether the store evaluates conditions; otherwise they hold within this process. */
  readonly isConditional: boolean;
  readonly #mutex = new Mutex();

  constructor(client: StoreClient, isConditional: boolean) {
    this.client = client;
    this.isConditional = isConditional;
  }

  /** Stores an object; returns its entity tag, or null if the condition does not hold. */
  async put(key: string, body: Uint8Array<ArrayBuffer>, condition: Condition): Promise<string | null> {
    return await this.#mutex.run(key, async () => {
      if (!this.isConditional && !await this.#holds(key, condition)) return null;
      const mark = crypto.randomUUID();
      const response = await this.client.send({
        method: "PUT",
        key,
        body,
        headers: { ...contentHeaders(key), ...this.isConditional && conditionHeaders(condition), [MARK]: mark },
        expects: condition === "any" ? [] : [404, 409, 412],
      });
      await response.body?.cancel();
      if (response.status < 300) return response.headers.get("etag") ?? "";
      return await this.#ownTag(key, mark);
    });
  }

  /** Copies an object; null if it is no longer the version. */
  async copy(key: string, source: CopiedPiece): Promise<string | null> {
    return await this.#copy({ method: "PUT", key }, source);
  }

  /** Copies to an object or a part; null if the source is no longer the version. */
  async #copy(request: StoreRequest, source: CopiedPiece): Promise<string | null> {
    const { from, version } = source;
    const headers = copyHeaders(this.client, source);
    const answer = await this.#answer({ ...request, headers, expects: [404, 412] });
    if (answer.name !== "Error") return textOf(answer, "ETag") ?? "";
    const isVersion = () => version !== undefined && this.#holds(from, { version });
    if (!await isVersion()) return null;
    const { version: _version, ...unconditional } = source; // see `remove`
    const tag = await this.#copy(request, unconditional);
    return await isVersion() ? tag : null;
  }

  /** Makes an object of pieces; all but the last have at least 5 MiB. */
  async assemble(key: string, pieces: readonly Piece[], condition: Condition): Promise<string | null> {
    const mark = crypto.randomUUID();
    const upload = await this.#begin(key, mark);
    try {
      const tags = await eachOf(pieces, (piece, index) => this.#add(upload, index + 1, piece));
      if (tags.includes(null)) {
        await this.#abort(upload);
        return null;
      }
      const tag = await this.#mutex.run(key, () => this.#complete(upload, tags as string[], condition));
      if (tag === null) await this.#abort(upload);
      return tag;
    } catch (error) {
      await this.#abort(upload).catch(() => {}); // the first error counts
      throw error;
    }
  }

  /** Deletes an object; false if it is no longer the version. */
  async remove(key: string, version?: string): Promise<boolean> {
    const headers: Record<string, string> = version === undefined ? {} : { "if-match": `"${version}"` };
    const { status, body } = await this.client.send({ method: "DELETE", key, headers, expects: [404, 412, 501] });
    await body?.cancel();
    if (version === undefined || (status !== 412 && status !== 501)) return true;
    // Not implemented, or refused although it is the version: Swift does so for objects that were uploaded in parts.
    return await this.#holds(key, { version }) && await this.remove(key);
  }

  /** Whether a condition holds now: for stores that do not evaluate it themselves. */
  async #holds(key: string, condition: Condition): Promise<boolean> {
    if (condition === "any") return true;
    const { status, headers } = await this.client.send({ method: "HEAD", key, expects: [404] });
    if (condition === "new") return status === 404;
    return status !== 404 && headers.get("etag") === `"${condition.version}"`;
  }

  /** The entity tag of an object that this request has stored after all; null if somebody else has. */
  async #ownTag(key: string, mark: string): Promise<string | null> {
    const { status, headers } = await this.client.send({ method: "HEAD", key, expects: [404] });
    return status !== 404 && headers.get(MARK) === mark ? headers.get("etag") ?? "" : null;
  }

  async #begin(key: string, mark: string): Promise<Upload> {
    const headers = { ...contentHeaders(key), [MARK]: mark };
    const id = textOf(await this.#answer({ method: "POST", key, query: { uploads: "" }, headers }), "UploadId");
    if (!id) throw storeError(new StoreFailure(`POST ${key}?uploads`, null, new Error("there is no upload id")));
    return { key, id, mark };
  }

  /** Adds a piece; null if what it is copied from is no longer the version. */
  async #add({ key, id }: Upload, number: number, piece: Piece): Promise<string | null> {
    const query = { partNumber: String(number), uploadId: id };
    if ("body" in piece) {
      const { body } = piece;
      const response = await this.client.send({ method: "PUT", key, query, body });
      await response.body?.cancel();
      return response.headers.get("etag") ?? "";
    }
    return await this.#copy({ method: "PUT", key, query }, piece);
  }

  async #complete(upload: Upload, tags: readonly string[], condition: Condition): Promise<string | null> {
    const { key, id, mark } = upload;
    if (!this.isConditional && !await this.#holds(key, condition)) return null;
    const parts = tags.map((tag, index) =>
      `<Part><PartNumber>${index + 1}</PartNumber><ETag>${escapeXml(tag)}</ETag></Part>`
    );
    const answer = await this.#answer({
      method: "POST",
      key,
      query: { uploadId: id },
      headers: { "content-type": "application/xml", ...this.isConditional && conditionHeaders(condition) },
      body: new TextEncoder().encode(`<CompleteMultipartUpload>${parts.join("")}</CompleteMultipartUpload>`),
      expects: [404, 409, 412],
    });
    return answer.name === "Error" ? await this.#ownTag(key, mark) : textOf(answer, "ETag") ?? "";
  }

  async #abort({ key, id }: Upload): Promise<void> {
    const response = await this.client.send({ method: "DELETE", key, query: { uploadId: id }, expects: [404] });
    await response.body?.cancel();
  }

  /** Sends a request whose answer is XML. An error with status 200 is one that came up late: it is tried again. */
  async #answer(request: StoreRequest): Promise<XmlElement> {
    const expected = new Set(request.expects?.map(String));
    for (let attempt = 1;; attempt++) {
      const { status, text } = await this.client.exchange(request);
      const answer = parseXml(text);
      if (answer.name !== "Error" || expected.has(String(status))) return answer;
      const failure = { status: 500, code: textOf(answer, "Code") ?? "", message: textOf(answer, "Message") ?? "" };
      if (attempt === ATTEMPTS) throw storeError(new StoreFailure(`${request.method} ${request.key}`, failure));
    }
  }
}

interface Upload {
  readonly key: string;
  readonly id: string;
  readonly mark: string;
}

function copyHeaders(client: StoreClient, { from, version, range }: CopiedPiece): Record<string, string> {
  return {
    "x-amz-copy-source": client.copySource(from),
    ...(version !== undefined && { "x-amz-copy-source-if-match": `"${version}"` }),
    ...(range && { "x-amz-copy-source-range": `bytes=${range.start}-${range.end - 1}` }),
  };
}

function conditionHeaders(condition: Condition): Record<string, string> {
  if (condition === "any") return {};
  return condition === "new" ? { "if-none-match": "*" } : { "if-match": `"${condition.version}"` };
}

/** For others who read the bucket. */
function contentHeaders(key: string): Record<string, string> {
  return key.endsWith("/") ? {} : { "content-type": mediaType(key.slice(key.lastIndexOf("/") + 1)) };
}

/** Does the same for all, some at a time, in order. */
export async function eachOf<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = new Array(items.length);
  let next = 0;
  let isFailed = false;
  const worker = async () => {
    while (next < items.length && !isFailed) {
      const index = next++;
      try {
        results[index] = await work(items[index]!, index);
      } catch (error) {
        isFailed = true;
        throw error;
      }
    }
  };
  const done = await Promise.allSettled(Array.from({ length: Math.min(AT_ONCE, items.length) }, worker));
  const failed = done.find((each) => each.status === "rejected");
  if (failed) throw failed.reason;
  return results;
}
