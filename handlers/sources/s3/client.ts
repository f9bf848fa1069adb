/**
 * Requests to an object store: signed, retried a few times, bounded in time.
 *
 * @module
 */

import { concatenate } from "../../core/concatenate.ts";
import type { Awaitable } from "../../core/types.ts";
import { encodeSegment } from "../../http/escape.ts";
import { clock } from "../clock.ts";
import { answerOf, mayPass, type StoreAnswer, storeError, StoreFailure } from "./errors.ts";
import { type Bytes, Receiver, tooLate } from "./receiver.ts";
import { EMPTY_HASH, type Keys, queryText, sha256, Signer } from "./sign.ts";

/** Keys that may expire. */
export interface ExpiringKeys extends Keys {
  /** When they expire, in milliseconds since 1970. */
  readonly expires?: number | undefined;
}

/** Where a store is, and how it is asked. */
export interface ClientOptions {
  readonly bucket: string;
  readonly endpoint: URL;
  readonly region: string;
  /** Whether the bucket is part of the path, not of the host name. */
  readonly pathStyle: boolean;
  /** The keys, asked for again before they expire; null for requests without a signature. */
  readonly keys: () => Awaitable<ExpiringKeys | null>;
  /** Maximum time for the head of an answer, and for each piece of its body, in milliseconds. */
  readonly timeoutMs: number;
}

/** A request. */
export interface StoreRequest {
  readonly method: "GET" | "HEAD" | "PUT" | "POST" | "DELETE";
  /** The key of an object; absent for the bucket. */
  readonly key?: string;
  readonly query?: Readonly<Record<string, string>>;
  /** Headers, with names in lower case. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Uint8Array<ArrayBuffer>;
  /** Statuses of errors that the caller expects. */
  readonly expects?: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

/** How often a request is sent at most, and the pause before the second attempt in milliseconds; it doubles. */
const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 100;
const MAX_PAUSE_MS = 2_000;

/** Keys are replaced this long before they expire. */
const EARLY_MS = 60_000;

/** Maximum size of an answer that is not an object: a page of 1,000 keys of 1,024 bytes, percent-encoded. */
const MAX_ANSWER_BYTES = 8_388_608;

/** Errors are not read further than this. */
const MAX_ERROR_BYTES = 65_536;

/** A signature that is later or earlier than this is refused. */
const SKEW_MS = 300_000;

/** The client of a bucket. */
export class StoreClient {
  readonly #options: ClientOptions;
  readonly #host: string;
  readonly #base: string;
  #signer: { readonly keys: ExpiringKeys; readonly signer: Signer } | null = null;
  /** How far the clock of the store is ahead. */
  #skew = 0;

  constructor(options: ClientOptions) {
    const { endpoint, bucket, pathStyle } = options;
    this.#options = options;
    this.#host = pathStyle ? endpoint.host : `${bucket}.${endpoint.host}`;
    this.#base = endpoint.pathname.replace(/\/$/, "") + (pathStyle ? `/${encodeSegment(bucket)}` : "");
  }

  /** The path of an object as a header of a copy names it. */
  copySource(key: string): string {
    return `/${encodeSegment(this.#options.bucket)}/${encodedKey(key)}`;
  }

  /**
   * Sends a request; the caller reads or cancels the body of the answer.
   *
   * @throws {HttpError} For any error that is not expected, after some attempts.
   */
  async send(request: StoreRequest): Promise<Response> {
    let isCorrected = false;
    for (let attempt = 1;; attempt++) {
      try {
        return await this.#sendOnce(request);
      } catch (error) {
        if (!(error instanceof StoreFailure)) throw error;
        if (!isCorrected && error.answer?.code === "RequestTimeTooSkewed" && this.#skew !== 0) {
          isCorrected = true;
          continue;
        }
        if (attempt === ATTEMPTS || !mayPass(error) || request.signal?.aborted) throw storeError(error);
      }
      await pause(attempt, request.signal);
    }
  }

  /** Sends a request and reads its answer as text. */
  async text(request: StoreRequest): Promise<string> {
    return (await this.exchange(request)).text;
  }

  /** The same, with the status. */
  async exchange(request: StoreRequest): Promise<{ readonly status: number; readonly text: string }> {
    for (let attempt = 1;; attempt++) {
      const response = await this.send(request);
      try {
        const text = new TextDecoder().decode(await this.#readAll(response, MAX_ANSWER_BYTES));
        return { status: response.status, text };
      } catch (error) {
        const failure = new StoreFailure(`${request.method} ${this.#nameOf(request)}`, null, error);
        if (attempt === ATTEMPTS || request.signal?.aborted) throw storeError(failure);
      }
      await pause(attempt, request.signal);
    }
  }

  /** Receives a body. */
  receive(body: ReadableStream<Bytes>): Receiver {
    return new Receiver(body, this.#options.timeoutMs);
  }

  /** Reads a body up to a limit. */
  async #readAll({ body }: Response, limit: number): Promise<Bytes> {
    if (body === null) return new Uint8Array();
    const chunks: Bytes[] = [];
    let size = 0;
    using receiver = this.receive(body);
    for (let chunk = await receiver.next(); chunk !== null; chunk = await receiver.next()) {
      size += chunk.length;
      if (size > limit) throw new RangeError(`The answer is longer than ${limit} bytes`);
      chunks.push(chunk);
    }
    return concatenate(chunks);
  }

  async #sendOnce(request: StoreRequest): Promise<Response> {
    const name = `${request.method} ${this.#nameOf(request)}`;
    const response = await this.#fetch(name, request);
    const isExpected = response.status < 300 || request.expects?.includes(response.status);
    if (isExpected) return response;
    const answer = request.method === "HEAD" && response.status < 500
      ? await this.#explained(request, response.status)
      : answerOf(response.status, await this.#errorText(response));
    if (answer.code === "RequestTimeTooSkewed" && request.method !== "HEAD") this.#correctClock(response);
    throw new StoreFailure(name, answer);
  }

  /** The reason for an error of HEAD, which has no body, from that of GET. */
  async #explained(request: StoreRequest, status: number): Promise<StoreAnswer> {
    const get: StoreRequest = { ...request, method: "GET", headers: { ...request.headers, range: "bytes=0-0" } };
    const response = await this.#fetch(`GET ${this.#nameOf(request)}`, get);
    const text = await this.#errorText(response);
    const answer = answerOf(response.status, response.status < 300 ? "" : text);
    if (answer.code === "RequestTimeTooSkewed") this.#correctClock(response);
    return { ...answer, status };
  }

  async #fetch(name: string, request: StoreRequest): Promise<Response> {
    const { method, key, query = {}, headers = {}, body } = request;
    const path = `${this.#base}/${key === undefined ? "" : encodedKey(key)}`;
    const bodyHash = body ? sha256(body) : EMPTY_HASH;
    const signer = await this.#currentSigner();
    const time = clock.now() + this.#skew;
    const signature = signer?.sign(
      { method, host: this.#host, path, query, headers: signable(headers), bodyHash },
      time,
    );
    const search = queryText(query);
    const url = `${this.#options.endpoint.protocol}//${this.#host}${path}${search === "" ? "" : `?${search}`}`;
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(tooLate()), this.#options.timeoutMs + sendingMs(body));
    const signal = request.signal ? AbortSignal.any([request.signal, stop.signal]) : stop.signal;
    try {
      return await fetch(url, {
        method,
        headers: { ...headers, ...signature, "accept-encoding": "identity" }, // never decoded: ranges are of what is stored
        redirect: "manual",
        signal,
        ...(body && { body }),
      });
    } catch (error) {
      if (request.signal?.aborted) throw error;
      throw new StoreFailure(name, null, error);
    } finally {
      clearTimeout(timer);
    }
  }

  async #currentSigner(): Promise<Signer | null> {
    const known = this.#signer;
    if (known && (known.keys.expires ?? Infinity) > clock.now() + EARLY_MS) return known.signer;
    const keys = await this.#options.keys();
    if (keys === null) return null;
    this.#signer = { keys, signer: new Signer(keys, this.#options.region) };
    return this.#signer.signer;
  }

  async #errorText(response: Response): Promise<string> {
    try {
      return new TextDecoder().decode(await this.#readAll(response, MAX_ERROR_BYTES));
    } catch {
      return "";
    }
  }

  #correctClock({ headers }: Response): void {
    const skew = Date.parse(headers.get("date") ?? "") - clock.now();
    if (Math.abs(skew) > SKEW_MS) this.#skew = skew;
  }

  #nameOf({ key, query }: StoreRequest): string {
    const search = query ? `?${queryText(query)}` : "";
    return `s3://${this.#options.bucket}/${key === undefined ? "" : encodedKey(key)}${search}`;
  }
}

/** A key as a path: each segment percent-encoded. */
function encodedKey(key: string): string {
  return key.split("/").map(encodeSegment).join("/");
}

/** The headers that a signature has to cover. */
function signable(headers: Readonly<Record<string, string>>): Record<string, string> {
  return Object.fromEntries(Object.entries(headers).filter(([name]) => /^(?:x-amz-|content-type$)/.test(name)));
}

/** Additional time for sending a body, at 64 KiB/s. */
function sendingMs(body: Uint8Array | undefined): number {
  return body ? body.length / 65.536 : 0;
}

/** Waits before the next attempt: twice as long each time, and not the same for all. */
async function pause(attempt: number, signal: AbortSignal | undefined): Promise<void> {
  const longest = Math.min(MAX_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, longest / 2 + Math.random() * longest / 2);
  signal?.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
}
