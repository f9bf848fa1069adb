/**
 * One request and its response.
 *
 * @module
 */

import type { ConnectionInfo } from "../../core/fetch.ts";
import { type Switch, switchOf, takeFileBody, type Transfer } from "../../core/shortcuts.ts";
import { HttpError } from "../../core/errors.ts";
import { RawBody } from "../../http1/body.ts";
import type { Head } from "../../http1/head.ts";
import type { InputBuffer } from "../../http1/input_buffer.ts";
import type { Rejection } from "../../http1/rejection.ts";
import { requestUrl } from "../../http1/request_url.ts";
import type { ConnectionOptions } from "./connection_options.ts";
import { nativeRequest, type RequestParts } from "./native_request.ts";
import type { Sent } from "./outbox.ts";
import { SENTENCES } from "./rejections.ts";
import { type BodySource, RequestBody } from "./request_body.ts";
import { responseHead } from "./response_head.ts";
import { partsOf, type ResponseParts } from "./response_parts.ts";
import type { ServedConnection } from "./shared.ts";
import { StreamSender } from "./stream_sender.ts";

/** Statuses of responses that never have content. */
const EMPTY: readonly number[] = [101, 204, 205, 304];

/** How much unread content of a request is read, to keep the connection. */
const SKIPPED_BYTES = 1_048_576;

/** How long that may take without anything arriving, in milliseconds. */
const SKIP_MS = 5_000;

/** How long a source of a response may be silent after the client has stopped sending, in milliseconds. */
const FAREWELL_MS = 1_000;

const NOTHING = new Uint8Array(0);

/** In place of a request that was not parsed. */
const NO_HEAD: Head = { method: "POST", target: "/", minor: 1, fields: [], end: 0 };
const KEPT: ConnectionOptions = { host: null, isPersistent: true, expectsContinue: false, body: null };
const CLOSED: ConnectionOptions = { ...KEPT, isPersistent: false };

/** One request and its response. */
export class Exchange implements RequestParts, BodySource, Transfer {
  /** Whether the connection can be kept. */
  isPersistent: boolean;
  readonly #connection: ServedConnection;
  readonly #head: Head;
  readonly #options: ConnectionOptions;
  /** The content of the request, or what follows it in another protocol; null if there is none. */
  #content: RequestBody | null;
  #state: "handling" | "sending" | "skipping" | "done" = "handling";
  #aborting: AbortController | null = null;
  #abortReason: Error | null = null;
  #isInvited = false;
  #isSwitched = false;
  #skipped = 0;
  #stream: StreamSender | null = null;
  /** What has been sent on the connection when the body begins. */
  #bodyFrom = 0;
  #onSent: ((bytes: number) => void) | null = null;

  constructor(connection: ServedConnection, head: Head, options: ConnectionOptions) {
    this.#connection = connection;
    this.#head = head;
    this.#options = options;
    this.#content = options.body === null ? null : new RequestBody(this, options.body);
    this.isPersistent = options.isPersistent;
  }

  /** The exchange for a malformed request. */
  static ofMalformed(connection: ServedConnection): Exchange {
    return new Exchange(connection, NO_HEAD, CLOSED);
  }

  /** Waits until a response has been sent for which no handler was called, and calls back. */
  static repeated(connection: ServedConnection, bodyFrom: number, onSent: (bytes: number) => void): Exchange {
    const exchange = new Exchange(connection, NO_HEAD, KEPT);
    exchange.#state = "sending";
    exchange.#bodyFrom = bodyFrom;
    exchange.#onSent = onSent;
    return exchange;
  }

  /** Whether the client may still be sending: content, something that cannot be understood, or more requests. */
  get hasUnread(): boolean {
    const isOpen = this.#content !== null && !this.#content.hasEnded;
    return isOpen || this.#options === CLOSED || (this.#options.isPersistent && !this.isPersistent);
  }

  get canSwitch(): boolean {
    return this.#content === null && this.#head.minor > 0;
  }

  /** Whether the connection speaks another protocol, and only its sides know when it ends. */
  get isSwitched(): boolean {
    return this.#isSwitched;
  }

  /**
   * Calls the handler.
   *
   * @param raw The head as received, if the response may be sent again; valid until this returns.
   */
  start(raw: Uint8Array | null): void {
    const { shared, remoteAddr } = this.#connection;
    const { minor } = this.#head;
    const repeat = raw === null ? null : shared.repeat;
    if (repeat !== null) repeat.isFresh = repeat.log = repeat.count = null;
    const protocol = minor === 1 ? "HTTP/1.1" : `HTTP/1.${minor}`;
    const known = { remoteAddr, protocol, sendsFiles: true, transfer: this };
    const info: ConnectionInfo = repeat === null ? known : { ...known, repeat };
    let answer: Response | Promise<Response>;
    try {
      answer = shared.fetch(nativeRequest(this), info);
    } catch (error) {
      return this.#fail(error);
    }
    if (answer instanceof Response) return this.#respond(answer, raw);
    shared.loop.countPending(1);
    Promise.resolve(answer).finally(() => shared.loop.countPending(-1))
      .then((response) => this.#respond(response, null), (error) => this.#fail(error))
      .catch((error) => this.#connection.failed(error));
  }

  /** Responds to a malformed request. */
  refuse({ status, code }: Rejection): void {
    this.#respond(refusal(status, SENTENCES[code]), null);
  }

  /** More of the request has arrived. */
  advance(): void {
    if (this.#state === "skipping") {
      this.#connection.touch();
      return this.#skip();
    }
    if (this.#content === null) return;
    this.#content.advance();
    this.#connection.shared.loop.hurry();
  }

  /** The client has stopped sending: it has left, or still wants the response. */
  leave(): void {
    if (this.#state === "skipping") return this.#close();
    this.#abortSignal(new Deno.errors.ConnectionReset("The client has disconnected"));
    this.#content?.advance();
    this.#connection.shared.loop.hurry();
  }

  /** Everything has been sent. */
  flushed(): void {
    if (this.#stream !== null) {
      this.#connection.shared.loop.hurry();
      this.#stream.flushed();
    } else if (this.#state === "sending") this.#finish();
  }

  whenSent(callback: (bytes: number) => void): void {
    if (this.#state === "done") callback(0); // the client has left
    else this.#onSent = callback;
  }

  /** The connection is closed. */
  abort(reason: Error): void {
    this.#tellSent();
    this.#state = "done";
    this.#abortSignal(reason);
    this.#content?.fail(reason);
    this.#stream?.abort(reason);
    this.#connection.shared.loop.hurry();
  }

  /** Ends the exchange if the client has been waited for too long. */
  expire(waitedMs: number): void {
    const { outbox, hasEnded, shared: { limits } } = this.#connection;
    if (!outbox.isEmpty) {
      if (!outbox.isReading && waitedMs >= limits.stallMs) this.#connection.abort(tooSlow());
    } else if (this.#content?.isWaiting && !this.#isSwitched) {
      if (waitedMs >= limits.bodyMs) this.#content.fail(new HttpError(408, "The request body did not arrive in time"));
    } else if (this.#state === "skipping") {
      if (waitedMs >= SKIP_MS) this.#connection.close();
    } else if (this.#stream?.isPending && hasEnded && waitedMs >= FAREWELL_MS) this.#connection.lose();
  }

  get method(): string {
    return this.#head.method;
  }

  get fields(): Head["fields"] {
    return this.#head.fields;
  }

  get url(): string {
    const { method, target, minor } = this.#head;
    const { host } = this.#options;
    return requestUrl({
      method,
      target,
      host,
      needsHost: minor > 0,
      secure: false,
      port: this.#connection.shared.port,
    });
  }

  get body(): ReadableStream<Uint8Array<ArrayBuffer>> | Uint8Array<ArrayBuffer> {
    return this.#content?.stream ?? NOTHING;
  }

  get signal(): AbortSignal {
    this.#aborting ??= new AbortController();
    if (this.#abortReason !== null && !this.#aborting.signal.aborted) this.#aborting.abort(this.#abortReason);
    return this.#aborting.signal;
  }

  get input(): InputBuffer {
    return this.#connection.input;
  }

  get hasEnded(): boolean {
    return this.#connection.hasEnded;
  }

  invite(): void {
    this.#connection.touch();
    if (!this.#options.expectsContinue || this.#isInvited || this.#state !== "handling") return;
    this.#isInvited = true;
    this.#connection.settle(this.#connection.outbox.send("HTTP/1.1 100 Continue\r\n\r\n", null));
  }

  taken(): void {
    this.#connection.listen();
  }

  #abortSignal(reason: Error): void {
    this.#abortReason ??= reason;
    this.#aborting?.abort(this.#abortReason);
  }

  #fail(error: unknown): void {
    if (this.#state === "done") return;
    this.#connection.shared.log?.error("Cannot answer a request: the fetch function failed", error);
    this.#respond(new Response(null, { status: 500 }), null);
  }

  #respond(response: Response, raw: Uint8Array | null): void {
    if (this.#state === "done") return cancel(response);
    const begin = switchOf(response);
    if (begin !== undefined) return this.#switch(response, begin);
    if (response?.status === 101) return this.#respond(refusal(501, "This engine cannot switch protocols"), null);
    let parts: ResponseParts;
    try {
      parts = partsOf(response);
    } catch (error) {
      return this.#fail(error);
    }
    this.#state = "sending";
    const { body } = parts;
    if (!(body instanceof ReadableStream)) this.#sendBytes(parts, body, raw);
    else if (this.#isEmpty(parts.status)) {
      body.cancel().catch(() => {});
      this.#sendBytes(parts, null, raw);
    } else this.#sendStream(parts, body, raw);
  }

  /** What the client sends from now on is not HTTP, and neither is the body of the response. */
  #switch({ headers, body }: Response, begin: Switch): void {
    this.#state = "sending";
    this.#isSwitched = true;
    this.isPersistent = false;
    this.#content = new RequestBody(this, new RawBody());
    const head = `${responseHead(101, headers).text}connection: upgrade\r\nupgrade: websocket\r\n\r\n`;
    this.#bodyFrom = this.#connection.outbox.sent + head.length;
    begin(this.#content.stream);
    this.#pump(head, body!, null, false);
  }

  #sendBytes({ status, fields }: ResponseParts, body: Uint8Array<ArrayBuffer> | null, raw: Uint8Array | null): void {
    const { text, dateAt, length, closes } = responseHead(status, fields);
    const isEmpty = this.#isEmpty(status);
    const framing = isEmpty ? emptyFraming(status, length) : `content-length: ${body?.length ?? 0}\r\n`;
    const head = `${text}${framing}${this.#connectionLine(closes)}\r\n`;
    const bytes = isEmpty || body?.length === 0 ? null : body;
    const { outbox, shared, address } = this.#connection;
    if (raw !== null && shared.repeat?.isFresh && this.isPersistent && dateAt >= 0) {
      shared.repeats.add(raw, shared.repeat, address, { text: head, dateAt, body: bytes });
    }
    this.#bodyFrom = outbox.sent + head.length;
    this.#settle(outbox.send(head, bytes));
  }

  #isEmpty(status: number): boolean {
    return this.#head.method === "HEAD" || EMPTY.includes(status);
  }

  #connectionLine(closes: boolean): string {
    const { shared, hasEnded, input } = this.#connection;
    const isLast = hasEnded && input.length === 0;
    if (closes || shared.isStopping || isLast || this.#content?.isBroken) this.isPersistent = false;
    if (!this.isPersistent) return "connection: close\r\n";
    return this.#head.minor > 0 ? "" : "connection: keep-alive\r\n";
  }

  #settle(sent: Sent): void {
    if (sent === "all") this.#finish();
    else this.#connection.settle(sent);
  }

  #sendStream({ status, fields }: ResponseParts, body: ReadableStream<Uint8Array>, raw: Uint8Array | null): void {
    const { text, dateAt, length, closes } = responseHead(status, fields);
    const { outbox, shared, address } = this.#connection;
    const isChunked = length === null && this.#head.minor > 0;
    if (length === null && !isChunked) this.isPersistent = false;
    const framing = isChunked
      ? "transfer-encoding: chunked\r\n"
      : length === null
      ? ""
      : `content-length: ${length}\r\n`;
    const head = `${text}${framing}${this.#connectionLine(closes)}\r\n`;
    this.#bodyFrom = outbox.sent + head.length;
    const file = length === null || !outbox.isEmpty ? null : takeFileBody(body, length);
    if (file !== null) {
      if (raw !== null && shared.repeat?.isFresh && this.isPersistent && dateAt >= 0) {
        shared.repeats.add(raw, shared.repeat, address, { text: head, dateAt, body: null, file });
      }
      this.#settle(outbox.sendFile(head, file));
    } else this.#pump(head, body, length, isChunked);
  }

  async #pump(
    head: string,
    body: ReadableStream<Uint8Array>,
    length: number | null,
    isChunked: boolean,
  ): Promise<void> {
    const { loop } = this.#connection.shared;
    loop.countPending(1);
    try {
      this.#stream = new StreamSender(this.#connection, body, { length, isChunked });
      const isSent = await this.#stream.send(head);
      this.#stream = null;
      if (isSent) this.#finish();
    } catch (error) {
      // The head has been sent: aborting is the only way to signal an incomplete body.
      this.#connection.abort(error instanceof Error ? error : new Error(String(error)));
    } finally {
      loop.countPending(-1);
    }
  }

  /** The response has been sent; the content of the request may not have been read. */
  #finish(): void {
    this.#tellSent();
    const content = this.#content;
    if (content === null || content.hasEnded || !this.isPersistent) return this.#done();
    const mayNotCome = this.#options.expectsContinue && !this.#isInvited;
    if (mayNotCome || content.isBroken || content.isLocked) return this.#close();
    this.#state = "skipping";
    this.#connection.touch();
    this.#skip();
  }

  #skip(): void {
    const content = this.#content!;
    this.#skipped += content.discard(SKIPPED_BYTES - this.#skipped + 1);
    if (content.hasEnded) return this.#done();
    const isOver = content.isBroken || this.#skipped > SKIPPED_BYTES || this.#connection.hasEnded;
    if (isOver) this.#close();
    else this.#connection.listen();
  }

  #tellSent(): void {
    const tell = this.#onSent;
    this.#onSent = null;
    tell?.(Math.max(0, this.#connection.outbox.sent - this.#bodyFrom));
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

/** The length that GET would have, for HEAD and 304. */
function emptyFraming(status: number, length: number | null): string {
  return length === null || status === 204 ? "" : `content-length: ${length}\r\n`;
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
