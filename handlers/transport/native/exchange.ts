/**
 * One request and its response.
 *
 * @module
 */

import { takeFileBody } from "../../core/file_body.ts";
import { HttpError } from "../../core/errors.ts";
import type { ConnectionInfo } from "../../core/fetch.ts";
import { bodyOf } from "../../http1/decoder.ts";
import { bodyFraming } from "../../http1/framing.ts";
import type { Head } from "../../http1/head.ts";
import type { Repeat } from "../../core/repeat.ts";
import { Rejection } from "../../http1/rejection.ts";
import { requestUrl } from "../../http1/request_url.ts";
import type { Connection } from "./connection.ts";
import { nativeRequest } from "./native_request.ts";
import type { Sent } from "./outbox.ts";
import { SENTENCES } from "./rejections.ts";
import { RequestBody } from "./request_body.ts";
import { responseHead } from "./response_head.ts";
import { partsOf, type ResponseParts } from "./response_parts.ts";

/** Methods whose content has no defined meaning (RFC 9110 section 9.3.1), and which handlers do not see. */
const BODILESS: readonly string[] = ["GET", "HEAD", "CONNECT"];

/** Statuses of responses that never have content. */
const EMPTY: readonly number[] = [101, 204, 205, 304];

/** How much unread content of a request is read, to keep the connection. */
const SKIPPED_BYTES = 65_536;

/** How long a source of unknown length may be silent after the client has stopped sending, in milliseconds. */
const FAREWELL_MS = 1_000;

const NOTHING = new Uint8Array(0);

/** In place of the head of a request that was not parsed. */
const NO_HEAD: Head = { method: "POST", target: "/", minor: 1, fields: [], end: 0 };

/** The fields of a request that are about the connection. */
interface Options {
  host: string | null;
  connection: string;
  expectsContinue: boolean;
}

const NO_OPTIONS: Options = { host: null, connection: "", expectsContinue: false };

/** One request and its response. */
export class Exchange {
  /** Whether the connection can be kept. */
  isPersistent: boolean;
  readonly #connection: Connection;
  readonly #head: Head;
  readonly #options: Options;
  /** The content of the request; null if there is none. */
  readonly #content: RequestBody | null;
  #aborting: AbortController | null = null;
  #abortReason: Error | null = null;
  #isInvited = false;
  #state: "handling" | "sending" | "skipping" | "done" = "handling";
  #skipped = 0;
  /** Continues a stream when everything has been sent. */
  #resume: (() => void) | null = null;
  #reader: ReadableStreamDefaultReader<Uint8Array> | null = null;
  #isSourcePending = false;
  #isRejected = false;
  /** The head as received, and what is known about sending the response again. */
  #raw: Uint8Array | null = null;
  #repeat: Repeat | null = null;

  private constructor(connection: Connection, head: Head, options: Options, content: RequestBody | null) {
    this.#connection = connection;
    this.#head = head;
    this.#options = options;
    this.#content = content;
    this.isPersistent = isPersistent(head.minor, options.connection);
  }

  /** Whether a request may have content. */
  static mayHaveContent({ fields }: Head): boolean {
    for (const [name] of fields) {
      if (name.length === 14 && name.toLowerCase() === "content-length") return true;
      if (name.length === 17 && name.toLowerCase() === "transfer-encoding") return true;
    }
    return false;
  }

  /** The exchange for a request; or why it is malformed. */
  static of(connection: Connection, head: Head): Exchange | Rejection {
    const framing = bodyFraming(head.fields, [1, head.minor]);
    if (framing instanceof Rejection) return framing;
    const isEmpty = framing.kind === "length" && framing.length === 0;
    const options = optionsOf(head);
    const source = {
      input: connection.input,
      get hasEnded() {
        return connection.hasEnded;
      },
      invite: () => exchange.#invite(),
      taken: () => connection.listen(),
    };
    const content = isEmpty ? null : new RequestBody(source, bodyOf(framing));
    const exchange = new Exchange(connection, head, options, content);
    return exchange;
  }

  /** Responds to a malformed request. */
  static rejected(connection: Connection, { status, code }: Rejection): Exchange {
    const exchange = new Exchange(connection, NO_HEAD, NO_OPTIONS, null);
    exchange.isPersistent = false;
    exchange.#isRejected = true;
    exchange.#respond(refusal(status, SENTENCES[code]));
    return exchange;
  }

  /** Whether the client may still be sending content. */
  get hasUnread(): boolean {
    return this.#isRejected || (this.#content !== null && !this.#content.hasEnded);
  }

  /** Waits until a response has been sent for which no handler was called. */
  static repeated(connection: Connection): Exchange {
    const exchange = new Exchange(connection, NO_HEAD, NO_OPTIONS, null);
    exchange.#state = "sending";
    exchange.#resume = exchange.#sent;
    return exchange;
  }

  /**
   * Calls the handler.
   *
   * @param raw The head as received; valid until this returns.
   */
  start(raw: Uint8Array | null): void {
    const { shared, remoteAddr } = this.#connection;
    const { method, minor } = this.#head;
    const protocol = minor === 1 ? "HTTP/1.1" : `HTTP/1.${minor}`;
    if (raw !== null && method === "GET" && minor === 1) {
      [this.#raw, this.#repeat] = [raw, { isFresh: null, log: null }];
    }
    const info: ConnectionInfo = this.#repeat
      ? { remoteAddr, protocol, repeat: this.#repeat }
      : { remoteAddr, protocol };
    let answer: Response | Promise<Response>;
    try {
      answer = shared.fetch(this.#request(), info);
    } catch (error) {
      return this.#fail(error);
    }
    if (!(answer instanceof Promise)) return this.#respond(answer);
    this.#raw = null;
    shared.loop.hurry();
    answer.then((response) => this.#respond(response), (error) => this.#fail(error));
  }

  /** More of the request has arrived. */
  advance(): void {
    if (this.#state === "skipping") return this.#skip();
    const { shared } = this.#connection;
    if (this.#content !== null) {
      this.#content.advance();
      shared.loop.hurry();
    }
  }

  /** The client has stopped sending: it has left, or still wants the response. */
  leave(): void {
    if (this.#state === "skipping") return this.#done();
    this.#abortSignal(new Deno.errors.ConnectionReset("The client has disconnected"));
    this.#content?.advance();
    this.#connection.shared.loop.hurry();
  }

  /** Everything has been sent. */
  flushed(): void {
    const resume = this.#resume;
    this.#resume = null;
    if (resume === null) return;
    this.#connection.shared.loop.hurry();
    resume();
  }

  /** The connection is closed. */
  abort(reason: Error): void {
    this.#state = "done";
    this.#abortSignal(reason);
    this.#content?.fail(reason);
    this.#reader?.cancel(reason).catch(() => {});
    this.#resume?.();
    this.#resume = null;
    this.#connection.shared.loop.hurry();
  }

  /** Ends the exchange if the client has been waited for too long. */
  expire(waitedMs: number): void {
    const { outbox, hasEnded, shared: { limits } } = this.#connection;
    if (!outbox.isEmpty) {
      if (!outbox.isReading && waitedMs >= limits.stallMs) this.#connection.abort(tooSlow());
    } else if (this.#content?.isWaiting) {
      if (waitedMs >= limits.bodyMs) this.#content.fail(new HttpError(408, "The request body did not arrive in time"));
    } else if (this.#isSourcePending && hasEnded && waitedMs >= FAREWELL_MS) this.#connection.lose();
    else if (this.#state === "skipping" && waitedMs >= limits.bodyMs) this.#connection.close();
  }

  #request(): Request {
    const { method, target, fields, minor } = this.#head;
    const { port } = this.#connection.shared;
    const content = this.#content;
    return nativeRequest({
      method,
      fields,
      url: () => requestUrl({ method, target, host: this.#options.host, needsHost: minor > 0, secure: false, port }),
      body: BODILESS.includes(method) ? null : () => content?.stream ?? NOTHING,
      signal: () => this.#signal,
    });
  }

  get #signal(): AbortSignal {
    this.#aborting ??= new AbortController();
    if (this.#abortReason !== null && !this.#aborting.signal.aborted) this.#aborting.abort(this.#abortReason);
    return this.#aborting.signal;
  }

  #abortSignal(reason: Error): void {
    this.#abortReason ??= reason;
    this.#aborting?.abort(this.#abortReason);
  }

  /** Tells a client that waits for it to send the content. */
  #invite(): void {
    this.#connection.touch();
    if (!this.#options.expectsContinue || this.#isInvited || this.#state !== "handling") return;
    this.#isInvited = true;
    this.#connection.settle(this.#connection.outbox.send("HTTP/1.1 100 Continue\r\n\r\n", null));
  }

  #fail(error: unknown): void {
    if (this.#state === "done") return;
    this.#connection.shared.log?.error("Cannot answer a request: the fetch function failed", error);
    this.#respond(new Response(null, { status: 500 }));
  }

  #respond(response: Response): void {
    if (this.#state === "done") return void cancel(response);
    let parts: ResponseParts;
    try {
      parts = partsOf(response);
    } catch (error) {
      return this.#fail(error);
    }
    this.#state = "sending";
    const { body } = parts;
    if (body instanceof ReadableStream) this.#sendStream(parts, body);
    else this.#sendBytes(parts, body);
  }

  #sendBytes({ status, fields }: ResponseParts, body: Uint8Array<ArrayBuffer> | null): void {
    const { text, dateAt, length, closes } = responseHead(status, fields);
    const isEmpty = this.#isEmpty(status);
    const framing = isEmpty
      ? length !== null && status !== 204 ? `content-length: ${length}\r\n` : ""
      : `content-length: ${body?.length ?? 0}\r\n`;
    const head = `${text}${framing}${this.#connectionLine(closes)}\r\n`;
    const bytes = isEmpty || body?.length === 0 ? null : body;
    if (this.#repeat?.isFresh && this.#raw !== null && this.isPersistent && dateAt >= 0) {
      const { shared, address } = this.#connection;
      shared.repeats.add(this.#raw, this.#repeat, address, { text: head, dateAt, body: bytes });
    }
    this.#resume = this.#sent;
    this.#send(head, bytes);
  }

  #isEmpty(status: number): boolean {
    return this.#head.method === "HEAD" || EMPTY.includes(status);
  }

  #connectionLine(closes: boolean): string {
    const { shared, hasEnded } = this.#connection;
    const isBroken = this.#content?.isBroken ?? false;
    if (closes || shared.isStopping || hasEnded || isBroken) this.isPersistent = false;
    if (!this.isPersistent) return "connection: close\r\n";
    return this.#head.minor > 0 ? "" : "connection: keep-alive\r\n";
  }

  /** Sends, and continues with `#resume` when everything has been sent. */
  #send(text: string, bytes: Uint8Array<ArrayBuffer> | null): void {
    const sent = this.#connection.outbox.isEmpty
      ? this.#connection.outbox.send(text, bytes)
      : this.#connection.outbox.append(text, bytes);
    this.#settle(sent);
  }

  #settle(sent: Sent): void {
    if (sent !== "all") return void this.#connection.settle(sent);
    const resume = this.#resume;
    this.#resume = null;
    resume?.();
  }

  #sendStream({ status, fields }: ResponseParts, body: ReadableStream<Uint8Array>): void {
    const { text, length, closes } = responseHead(status, fields);
    if (this.#isEmpty(status)) {
      body.cancel().catch(() => {});
      const framing = length !== null && status !== 204 ? `content-length: ${length}\r\n` : "";
      this.#resume = this.#sent;
      return this.#send(`${text}${framing}${this.#connectionLine(closes)}\r\n`, null);
    }
    const isChunked = length === null && this.#head.minor > 0;
    if (length === null && !isChunked) this.isPersistent = false;
    const framing = length !== null
      ? `content-length: ${length}\r\n`
      : isChunked
      ? "transfer-encoding: chunked\r\n"
      : "";
    const head = `${text}${framing}${this.#connectionLine(closes)}\r\n`;
    const file = length === null || !this.#connection.outbox.isEmpty ? null : takeFileBody(body, length);
    if (file !== null) {
      this.#resume = this.#sent;
      this.#settle(this.#connection.outbox.sendFile(head, file));
    } else this.#pump(head, body, length, isChunked);
  }

  /** Sends a stream as fast as the client reads. */
  async #pump(
    head: string,
    body: ReadableStream<Uint8Array>,
    length: number | null,
    isChunked: boolean,
  ): Promise<void> {
    let left = length ?? Infinity;
    try {
      const reader = this.#reader = body.getReader() as ReadableStreamDefaultReader<Uint8Array>;
      await this.#write(head, null);
      while (left > 0 && this.#state === "sending") {
        const { done, value } = await this.#read(reader);
        if (done || this.#state !== "sending") break;
        if (!(value instanceof Uint8Array)) {
          throw new TypeError("A response body consists of something else than bytes");
        }
        if (value.length === 0) continue;
        const bytes = (value.length > left ? value.subarray(0, left) : value) as Uint8Array<ArrayBuffer>;
        left -= bytes.length;
        await (isChunked ? this.#writeChunk(bytes) : this.#write("", bytes));
      }
      if (this.#state !== "sending") return void reader.cancel().catch(() => {});
      if (length !== null && left > 0) throw new Error("The response body is shorter than its Content-Length");
      if (left === 0) reader.cancel().catch(() => {});
      this.#reader = null;
      if (isChunked) await this.#write("0\r\n\r\n", null);
    } catch (error) {
      // The head has been sent: aborting is the only way to signal an incomplete body.
      if (this.#state !== "done") this.#connection.abort(error instanceof Error ? error : new Error(String(error)));
      return;
    }
    if (this.#state === "sending") this.#sent();
  }

  async #read(reader: ReadableStreamDefaultReader<Uint8Array>) {
    this.#isSourcePending = true;
    this.#connection.touch();
    const result = await reader.read();
    this.#isSourcePending = false;
    return result;
  }

  /** Resolves when everything has been sent. */
  #write(text: string, bytes: Uint8Array<ArrayBuffer> | null): Promise<void> | void {
    if (this.#state === "done") return;
    const { outbox } = this.#connection;
    const sent = outbox.isEmpty ? outbox.send(text, bytes) : outbox.append(text, bytes);
    if (sent === "all") return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#resume = resolve;
    this.#connection.settle(sent);
    return promise;
  }

  #writeChunk(bytes: Uint8Array): Promise<void> | void {
    const framed = new Uint8Array(bytes.length + 2);
    framed.set(bytes);
    framed[bytes.length] = 0x0d;
    framed[bytes.length + 1] = 0x0a;
    return this.#write(`${bytes.length.toString(16)}\r\n`, framed);
  }

  /** The response has been sent; the content of the request may not have been read. */
  readonly #sent = (): void => {
    if (this.#state === "done") return;
    const content = this.#content;
    if (content === null || content.hasEnded || !this.isPersistent) return this.#done();
    const isAwaited = this.#options.expectsContinue && !this.#isInvited;
    if (isAwaited) this.isPersistent = false; // the client may or may not send it
    if (isAwaited || content.isBroken || content.isLocked) return this.#close();
    this.#state = "skipping";
    this.#connection.touch();
    this.#skip();
  };

  #skip(): void {
    const content = this.#content!;
    this.#skipped += content.discard(SKIPPED_BYTES - this.#skipped + 1);
    if (content.hasEnded) return this.#done();
    const isOver = content.isBroken || this.#skipped > SKIPPED_BYTES || this.#connection.hasEnded;
    if (isOver) this.#close();
    else this.#connection.listen();
  }

  #close(): void {
    this.isPersistent = false;
    this.#done();
  }

  #done(): void {
    this.#state = "done";
    this.#connection.finish(this);
  }
}

function isPersistent(minor: number, connection: string): boolean {
  const options = connection === "" ? [] : connection.toLowerCase().split(",").map((option) => option.trim());
  if (options.includes("close")) return false;
  return minor > 0 || options.includes("keep-alive");
}

function optionsOf({ fields, minor }: Head): Options {
  const options: Options = { host: null, connection: "", expectsContinue: false };
  for (const [name, value] of fields) {
    switch (name.length) {
      case 4:
        if (name.toLowerCase() === "host") options.host = value;
        break;
      case 6:
        if (minor > 0 && name.toLowerCase() === "expect") options.expectsContinue = /^100-continue$/i.test(value);
        break;
      case 10:
        if (name.toLowerCase() === "connection") options.connection += `,${value}`;
    }
  }
  return options;
}

/** A response of the engine. */
function refusal(status: number, sentence: string): Response {
  return new Response(`${status} ${sentence}\n`, {
    status,
    headers: { "content-type": "text/plain; charset=utf-8", "x-content-type-options": "nosniff" },
  });
}

function tooSlow(): Error {
  return new Deno.errors.TimedOut("The client has stopped reading");
}

function cancel(response: unknown): void {
  if (response instanceof Response && !response.bodyUsed) response.body?.cancel().catch(() => {});
}
