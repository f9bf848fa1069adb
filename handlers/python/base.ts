/**
 * Python's `BaseHTTPRequestHandler`: a class with one method per HTTP method.
 *
 * @module
 */

import { withoutTokens } from "../core/masked_log.ts";
import { HttpError } from "../core/errors.ts";
import { formatHttpDate } from "../http/date.ts";
import { escapeLog, showUnseen } from "../http/escape.ts";
import type { Awaitable } from "../core/types.ts";
import type { ClientAddress, Connection } from "./connection.ts";
import { RawBody } from "../http1/body.ts";
import { bodyOf } from "../http1/decoder.ts";
import { bodyFraming } from "../http1/framing.ts";
import { FieldsParser } from "../http1/header_fields.ts";
import { latin1 } from "../http1/input_buffer.ts";
import { Rejection } from "../http1/rejection.ts";
import { rejectionText } from "./rejections.ts";
import { isAtLeast11, MAX_LINE_BYTES, parseRequestLine, strictVerdict } from "../http1/request_line.ts";
import { HTTPMessage } from "./message.ts";
import { percentFormat } from "./percent_format.ts";
import { pythonRepr } from "./repr.ts";
import { type Responses, responses } from "./responses.ts";
import { type ReadLimits, RequestReader, UNLIMITED } from "./rfile.ts";
import type { HTTPServer } from "./server.ts";
import { ResponseWriter } from "./wfile.ts";

/** Maximum size of an unread request body that is discarded so that the connection can be reused. */
const DRAINED_BYTES = 262_144;

/** Maximum number of unsent response bytes while the next request on the connection is already being read. */
const QUEUED_BYTES = 65_536;

/** Maximum length of a request line in the log, in characters: a method can be 65,000 characters long (gh-87979). */
const LOGGED_CHARACTERS = 2_048;

const ERROR_MESSAGE_FORMAT = `<!DOCTYPE HTML>
<html lang="en">
    <head>
        <meta charset="utf-8">
        <style type="text/css">
            :root {
                color-scheme: light dark;
            }
        </style>
        <title>Error response</title>
    </head>
    <body>
        <h1>Error response</h1>
        <p>Error code: %(code)d</p>
        <p>Message: %(message)s.</p>
        <p>Error code explanation: %(code)s - %(explain)s.</p>
    </body>
</html>
`;

const WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"];
const MONTHS = [null, "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/** RFC 9110 section 5.6.2. */
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** Control characters that terminate a line or a C string. */
const BREAKS_LINES = /[\0\r\n]/;

/** State of the current response. */
interface Reply {
  /** The status; 0 if not sent yet. */
  status: number;
  /** The value of Content-Length; null if not sent. */
  length: number | null;
  /** Whether the response is chunked. */
  chunked: boolean;
  /** What the Connection header says so far; null if nothing. */
  announced: "close" | "keep-alive" | null;
  /** The `wfile` byte count at the start of the body; -1 before. */
  bodyAt: number;
  /** The `wfile` byte count at the start of the request, or after an interim response such as 100 Continue. */
  startAt: number;
}

/**
 * Handles the requests of one connection. Pass a subclass to a server.
 *
 * Subclasses define `do_GET`, `do_POST` and so on, synchronous or async. There, `this.path`, `this.headers` and
 * `this.rfile` are the request; `this.send_response`, `this.send_header`, `this.end_headers` and `this.wfile` make the
 * response. Names, defaults, messages and limits are those of Python 3.15. Differences:
 *
 * - Class attributes are fields: `override protocol_version = "HTTP/1.1"`.
 * - `rfile` reads and `wfile` writes return promises, and `parse_request` may.
 * - The constructor does not handle requests, because it cannot await: the server calls {@linkcode run}.
 * - `rfile` ends at the end of the body. An unread body is never parsed as the next request.
 * - A response that is not self-delimiting closes the connection; HTTP/1.1 responses announce that.
 * - Ambiguous framing is refused with 400 (RFC 9112): a duplicate Content-Length, or one together with
 * Transfer-Encoding, a header line without a colon or with whitespace before it, a bare CR. `send_header` and
 * `send_response` throw on line breaks.
 * - Every malformed request gets a status line; empty lines before a request are skipped.
 *
 * Python: `class Handler(BaseHTTPRequestHandler)`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { BaseHTTPRequestHandler, ThreadingHTTPServer } from "@x/pyserve";
 *
 * class Hello extends BaseHTTPRequestHandler {
 *   override protocol_version = "HTTP/1.1";
 *   do_GET() {
 *     const body = new TextEncoder().encode(`Hello ${this.path}`);
 *     this.send_response(200);
 *     this.send_header("Content-Type", "text/plain; charset=utf-8");
 *     this.send_header("Content-Length", body.length);
 *     this.end_headers();
 *     this.wfile.write(body);
 *   }
 *   override log_message() {}
 * }
 *
 * await using server = new ThreadingHTTPServer(["127.0.0.1", 0], Hello);
 * server.serve_forever();
 * const response = await fetch(`http://127.0.0.1:${server.server_port}/world`);
 * assert(await response.text() === "Hello /world");
 * ```
 *
 * @category Python
 */
export class BaseHTTPRequestHandler {
  /** Phrase and description by status, shared by all handlers. Python: `BaseHTTPRequestHandler.responses`. */
  static readonly responses: Responses = responses;

  /** Phrase and description by status, shared by all handlers. Python: `self.responses`. */
  readonly responses: Responses = responses;
  /** The first part of the Server header. Python: `server_version`. */
  server_version: string = "BaseHTTP";
  /** The second part of the Server header; `""` to omit it. Python: `sys_version`, there `Python/3.14.2`. */
  sys_version: string = `Deno/${Deno.version.deno}`;
  /**
   * The HTTP version of responses: `HTTP/1.0` closes the connection after each, `HTTP/1.1` keeps it open. Python:
   * `protocol_version`.
   */
  protocol_version: string = "HTTP/1.0";
  /** The version assumed for a request line of two words. Python: `default_request_version`. */
  default_request_version: string = "HTTP/0.9";
  /** The template of `send_error`, with `%(code)d`, `%(message)s` and `%(explain)s`. Python: `error_message_format`. */
  error_message_format: string = ERROR_MESSAGE_FORMAT;
  /** The Content-Type of the error page. Python: `error_content_type`. */
  error_content_type: string = "text/html;charset=utf-8";
  /** Timeout of each read and write in seconds; null for the server's. Python: `timeout`. */
  timeout: number | null = null;
  /** Names of the days of the week. Python: `weekdayname`. */
  readonly weekdayname: readonly string[] = WEEKDAYS;
  /** Names of the months, starting at index 1. Python: `monthname`. */
  readonly monthname: readonly (string | null)[] = MONTHS;

  /** The connection. Python: `request`, a socket. */
  readonly request: Connection;
  /** The connection. Python: `connection`, a socket. */
  readonly connection: Connection;
  /** Host and port of the client. Python: `client_address`. */
  readonly client_address: ClientAddress;
  /** The server. Python: `server`. */
  readonly server: HTTPServer;

  /** Whether to close the connection after this request. Python: `close_connection`. */
  close_connection: boolean = true;
  /** The request line as received, including its line end. Python: `raw_requestline`. */
  raw_requestline: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  /** The request line as ISO 8859-1; `""` if it is too long. Python: `requestline`. */
  requestline: string = "";
  /** The method, case preserved; null until it is known. Python: `command`. */
  command: string | null = null;
  /** The target with its query, multiple leading slashes reduced to one. Python: `path`. */
  path: string = "";
  /** `HTTP/1.1`, `HTTP/1.0`, or `HTTP/0.9` (responses without headers); `""` until known. Python: `request_version`. */
  request_version: string = "";
  /** The headers of the request. Python: `headers`. */
  headers: HTTPMessage = NO_HEADERS;
  /** The body of the request. Python: `rfile`. */
  rfile: RequestReader;
  /** The output stream of the response. Python: `wfile`. */
  wfile: ResponseWriter;

  /** Whether requests that Python accepts but RFC 9112 allows to reject are 400, as with Deno.serve. */
  protected readonly is_strict: boolean = false;

  #head = "";
  #headers_queued = false;
  #reply: Reply = noReply(0);
  /** The parsed version of the request: `HTTP/1.10` is higher than `HTTP/1.9`. */
  #version: readonly [major: number, minor: number] = [0, 9];

  /**
   * Called by the server. Handles nothing until {@linkcode run} is called.
   *
   * Python: `Handler(request, client_address, server)`, which handles the requests.
   */
  constructor(request: Connection, client_address: ClientAddress, server: HTTPServer) {
    this.request = request;
    this.connection = request;
    this.client_address = client_address;
    this.server = server;
    this.rfile = new RequestReader(request, null, UNLIMITED);
    this.wfile = new ResponseWriter(request);
  }

  /** Handles all requests of the connection: `setup`, `handle`, `finish`. Python: the constructor. */
  async run(): Promise<void> {
    await this.setup();
    try {
      await this.handle();
    } catch (error) {
      this.#give_up(error);
    } finally {
      if (!this.rfile.ended) this.connection.unread = true;
      await this.finish();
    }
  }

  /** Called first. Python: `setup`. */
  setup(): Awaitable<void> {
    const { body_timeout, body_rate } = this.server;
    this.connection.limitWrites(this.timeout ?? body_timeout, body_rate);
  }

  /** Called last, also after an error. Python: `finish`. */
  finish(): Awaitable<void> {}

  /** Handles requests until `close_connection` is set. Python: `handle`. */
  async handle(): Promise<void> {
    this.close_connection = true;
    await this.handle_one_request();
    while (!this.close_connection) await this.handle_one_request();
  }

  /**
   * Reads one request and calls its method; 414 for a line longer than 65,536 bytes, 501 for a method that is not
   * defined.
   *
   * Python: `handle_one_request`.
   */
  async handle_one_request(): Promise<void> {
    try {
      if (!await this.#read_request_line()) return;
      const parsed = this.parse_request();
      if (!(typeof parsed === "boolean" ? parsed : await parsed)) return void (this.close_connection = true);
      const method = this.method_for(this.command!);
      if (method === null) {
        return this.send_error(501, `Unsupported method (${pythonRepr(this.command!.slice(0, 100))})`);
      }
      const done = method.call(this);
      if (done instanceof Promise) await done;
      await this.#finish_reply();
    } catch (error) {
      const { lost, late } = this.connection;
      if (!(error instanceof Deno.errors.TimedOut) || (error !== lost && error !== late)) throw error;
      this.log_error("Request timed out: %s", error.message);
      this.close_connection = true;
      if (lost === null) this.#answer_instead(408);
    }
  }

  /**
   * Parses the request line, and reads and validates the headers; sends an error if they are malformed. Returns whether
   * to handle the request.
   *
   * Python: `parse_request`.
   */
  parse_request(): Awaitable<boolean> {
    this.command = null;
    this.request_version = "";
    this.#version = [0, 9];
    this.close_connection = true;
    this.headers = NO_HEADERS;
    this.requestline = withoutLineEnd(latin1(this.raw_requestline));
    const parsed = (this.is_strict ? this.#strict_verdict() : null) ??
      parseRequestLine(this.requestline, this.default_request_version);
    if (parsed === null) return false;
    if (parsed instanceof Rejection) return this.#reject(parsed);
    this.command = parsed.command;
    this.path = parsed.path;
    this.request_version = parsed.version;
    this.#version = parsed.number;
    if (parsed.version === "HTTP/0.9") {
      this.connection.limitHead(null);
      return true;
    }
    if (isAtLeast11(parsed.number) && this.protocol_version >= "HTTP/1.1") this.close_connection = false;
    const fields = new FieldsParser(this.is_strict);
    const state = fields.parse(this.connection.input);
    if (state === "more") return this.#await_headers(fields, parsed.number);
    return state === "done" ? this.#examine_headers(fields, parsed.number) : this.#reject(state);
  }

  /**
   * Handles `Expect: 100-continue`; sends 100 Continue unless overridden. To refuse, send an error and return false.
   *
   * Python: `handle_expect_100`.
   */
  handle_expect_100(): Awaitable<boolean> {
    this.send_response_only(100);
    this.end_headers();
    return true;
  }

  /**
   * Sends and logs a complete error response, and closes the connection.
   *
   * @param code The status.
   * @param message The reason phrase, also shown on the page; defaults to the standard phrase.
   * @param explain The explanation on the page; defaults to the standard one.
   * @param headers Additional headers, such as Allow. Python has no such argument.
   *
   * Python: `send_error(code, message=None, explain=None)`.
   */
  send_error(
    code: number,
    message?: string | null,
    explain?: string | null,
    headers: Readonly<Record<string, string>> = {},
  ): void {
    const [short, long] = this.responses[code] ?? ["???", "???"];
    const said = message ?? short;
    this.log_error("code %d, message %s", code, said);
    // A reason phrase is limited to ISO 8859-1; the page is not.
    this.send_response(code, isLatin1(said) ? said : short);
    this.send_header("Connection", "close");
    for (const [name, value] of Object.entries(headers)) this.send_header(name, value);
    const content = code >= 200 && ![204, 205, 304].includes(code)
      ? ENCODER.encode(this.error_page(code, said, explain ?? long))
      : null;
    if (content) {
      this.send_header("Content-Type", this.error_content_type);
      this.send_header("Content-Length", content.length);
    }
    this.end_headers();
    if (content && this.command !== "HEAD") this.wfile.writeOwned(content);
  }

  /** Logs the request, and starts a response with a status line, Server and Date. Python: `send_response`. */
  send_response(code: number, message?: string | null): void {
    this.log_request(code);
    this.send_response_only(code, message);
    this.send_header("Server", this.version_string());
    this.send_header("Date", this.date_time_string());
  }

  /**
   * Starts a response with a status line only.
   *
   * After status 101, `rfile` is the raw connection up to its end: another protocol follows.
   *
   * @throws TypeError if the message contains a line break or characters beyond ISO 8859-1.
   *
   * Python: `send_response_only`.
   */
  send_response_only(code: number, message?: string | null): void {
    const phrase = message ?? this.responses[code]?.[0] ?? "";
    if (BREAKS_LINES.test(phrase) || !isLatin1(phrase)) {
      throw new TypeError(`Cannot send the reason phrase ${JSON.stringify(phrase)}: it is not one line of ISO 8859-1`);
    }
    this.#reply.status = code;
    if (code === 101) this.rfile = new RequestReader(this.connection, new RawBody(), this.#limits_of_its_own());
    if (this.request_version === "HTTP/0.9") return;
    this.#headers_queued = true;
    this.#head += `${this.protocol_version} ${code} ${phrase}\r\n`;
  }

  /**
   * Adds a response header. `close` and `keep-alive` in Connection also control whether the connection persists. If
   * neither is given, `end_headers` adds the one that is not the default of the version: `close` for HTTP/1.1,
   * `keep-alive` for HTTP/1.0.
   *
   * @throws TypeError if the name is not a token, or the value contains CR, LF, NUL or characters beyond ISO 8859-1.
   *
   * Python: `send_header`, which only checks the character set (gh-142533).
   */
  send_header(keyword: string, value: string | number): void {
    const text = String(value);
    if (!TOKEN.test(keyword)) throw new TypeError(`Cannot send the header ${JSON.stringify(keyword)}: it is no token`);
    if (BREAKS_LINES.test(text) || !isLatin1(text)) {
      throw new TypeError(`Cannot send the header "${keyword}": ${JSON.stringify(text)} is not one line of ISO 8859-1`);
    }
    this.#note(keyword, text);
    if (this.request_version === "HTTP/0.9") return;
    this.#headers_queued = true;
    this.#head += `${keyword}: ${text}\r\n`;
  }

  /** Ends the header section and sends it. Python: `end_headers`. */
  end_headers(): void {
    if (this.#reply.status >= 200) this.#settle_connection();
    if (this.request_version !== "HTTP/0.9") {
      this.#headers_queued = true;
      this.#head += "\r\n";
    }
    this.flush_headers();
    if (this.#reply.status >= 200 || this.#reply.status === 101) this.#reply.bodyAt = this.wfile.written;
    else this.#reply.startAt = this.wfile.written; // an interim response: the final one follows
  }

  /** The method of this class for an HTTP method, or null: `do_GET` for GET. Python: `getattr`. */
  protected method_for(command: string): (() => Awaitable<void>) | null {
    const method = (this as unknown as Record<string, unknown>)[`do_${command}`];
    return typeof method === "function" ? method as () => Awaitable<void> : null;
  }

  /** Renders the page of `send_error`. Python formats `error_message_format` there. */
  protected error_page(code: number, message: string, explain: string): string {
    return percentFormat(this.error_message_format, {
      code,
      message: escapeText(showUnseen(message)),
      explain: escapeText(showUnseen(explain)),
    });
  }

  /** Sends the buffered headers. Python: `flush_headers`. */
  flush_headers(): void {
    if (!this.#headers_queued) return;
    this.wfile.writeSoon(encodeLatin1(this.#head));
    this.#head = "";
    this.#headers_queued = false;
  }

  /** Logs a request; called by `send_response`. Python: `log_request(code='-', size='-')`. */
  log_request(code: number | string = "-", size: number | string = "-"): void {
    const line = this.requestline;
    const shown = line.length > LOGGED_CHARACTERS ? `${line.slice(0, LOGGED_CHARACTERS)}...` : line;
    this.log_message('"%s" %s %s', shown, code, size);
  }

  /** Logs an error. Python: `log_error`. */
  log_error(format: string, ...args: unknown[]): void {
    this.log_message(format, ...args);
  }

  /**
   * Writes a line to stderr: `127.0.0.1 - - [22/Nov/2026 05:29:33] ` and the formatted message, with control characters
   * escaped. Override it to redirect or disable logging.
   *
   * Python: `log_message(format, *args)`.
   */
  log_message(format: string, ...args: unknown[]): void {
    const message = withoutTokens(escapeLog(percentFormat(format, args)));
    const line = `${this.address_string()} - - [${this.log_date_time_string()}] ${message}\n`;
    Deno.stderr.writeSync(ENCODER.encode(line));
  }

  /** The value of the Server header. Python: `version_string`. */
  version_string(): string {
    return this.sys_version === "" ? this.server_version : `${this.server_version} ${this.sys_version}`;
  }

  /** Formats a time in seconds since 1970 (defaults to now) as an HTTP date. Python: `date_time_string`. */
  date_time_string(timestamp?: number | null): string {
    return timestamp === undefined || timestamp === null ? httpDateOfNow() : formatHttpDate(timestamp * 1000);
  }

  /** The local time in the format of the log: `22/Nov/2026 05:29:33`. Python: `log_date_time_string`. */
  log_date_time_string(): string {
    const now = new Date();
    const date = `${twoDigits(now.getDate())}/${this.monthname[now.getMonth() + 1]}/${now.getFullYear()}`;
    return `${date} ${twoDigits(now.getHours())}:${twoDigits(now.getMinutes())}:${twoDigits(now.getSeconds())}`;
  }

  /** The client's address, without a DNS lookup. Python: `address_string`. */
  address_string(): string {
    return this.client_address[0];
  }

  /**
   * Reads the next non-empty line (RFC 9112 section 2.2); the length limit of a line also applies to all skipped empty
   * lines together.
   */
  async #read_request_line(): Promise<boolean> {
    const { connection } = this;
    this.#begin();
    for (let skipped = 0;;) {
      const line = connection.input.takeLine(MAX_LINE_BYTES + 1);
      if (line === null) {
        if (!await this.#fill_head()) return false;
      } else if (line.length > MAX_LINE_BYTES) {
        return this.#reject_line();
      } else if (line[0] === 0x0a || (line[0] === 0x0d && line[1] === 0x0a)) {
        skipped += line.length;
        if (skipped > MAX_LINE_BYTES) return this.#reject_line();
      } else {
        this.raw_requestline = line;
        return true;
      }
    }
  }

  /** Runs before trailing CRs are stripped as in Python. */
  #strict_verdict(): Rejection | null {
    const line = latin1(this.raw_requestline).replace(/\r?\n$/, "");
    return line === "" ? null : strictVerdict(line);
  }

  #begin(): void {
    this.rfile = new RequestReader(this.connection, null, UNLIMITED);
    this.#head = "";
    this.#headers_queued = false;
    this.#reply = noReply(this.wfile.written);
  }

  /** Waits for more of a request head: idle timeout for its first byte, header timeout for the rest. */
  async #fill_head(): Promise<boolean> {
    const { connection, server } = this;
    const idle = connection.input.length === 0 && !connection.headLimited;
    if (!idle && !connection.headLimited) connection.limitHead(this.timeout ?? server.header_timeout);
    const arrived = await (idle ? connection.wait(this.timeout ?? server.idle_timeout) : connection.fill(null));
    if (arrived && !connection.headLimited) connection.limitHead(this.timeout ?? server.header_timeout);
    if (!arrived) this.close_connection = true;
    return arrived;
  }

  #reject_line(): false {
    this.requestline = "";
    this.request_version = "";
    this.command = "";
    return this.#reject(new Rejection("target-too-long"));
  }

  #reject(rejection: Rejection): false {
    const { message, explain } = rejectionText(rejection);
    this.connection.limitHead(null);
    this.connection.unread = true;
    this.send_error(rejection.status, message, explain);
    return false;
  }

  async #await_headers(fields: FieldsParser, version: readonly [number, number]): Promise<boolean> {
    for (;;) {
      if (!await this.#fill_head()) return false;
      const state = fields.parse(this.connection.input);
      if (state === "done") return await this.#examine_headers(fields, version);
      if (state !== "more") return this.#reject(state);
    }
  }

  #examine_headers({ fields }: FieldsParser, version: readonly [number, number]): Awaitable<boolean> {
    this.connection.limitHead(null);
    this.headers = new HTTPMessage(fields);
    const framing = bodyFraming(fields, version);
    if (framing instanceof Rejection) return this.#reject(framing);
    this.rfile = new RequestReader(this.connection, bodyOf(framing), this.#read_limits());
    const options = listed(this.headers.get_all("connection")?.join() ?? "");
    if (options.includes("close")) this.close_connection = true;
    else if (options.includes("keep-alive") && this.protocol_version >= "HTTP/1.1") this.close_connection = false;
    const expects = this.headers.get("expect")?.toLowerCase() === "100-continue";
    return expects && this.#speaks11() ? this.handle_expect_100() : true;
  }

  #read_limits(): ReadLimits {
    const { body_timeout, body_rate: rate, max_read: most } = this.server;
    return { seconds: this.timeout ?? body_timeout, rate, most };
  }

  /** After 101, the new protocol may be idle for as long as `timeout` permits. */
  #limits_of_its_own(): ReadLimits {
    return { seconds: this.timeout, rate: null, most: this.server.max_read };
  }

  #speaks11(): boolean {
    return this.protocol_version >= "HTTP/1.1" && isAtLeast11(this.#version);
  }

  #note(keyword: string, value: string): void {
    const name = keyword.toLowerCase();
    if (name === "content-length") this.#reply.length = /^\d+$/.test(value) ? Number(value) : null;
    else if (name === "transfer-encoding") this.#reply.chunked = /\bchunked$/i.test(value);
    else if (name === "connection") this.#note_connection(listed(value));
  }

  #note_connection(options: readonly string[]): void {
    const announced = (["close", "keep-alive"] as const).find((option) => options.includes(option));
    if (announced === undefined) return;
    this.#reply.announced = announced;
    this.close_connection = announced === "close";
  }

  /**
   * Decides whether the connection persists, and adds the Connection header if that is not the default (RFC 9112
   * section 9.3).
   */
  #settle_connection(): void {
    if (!this.#has_an_end() || this.server.closes_next?.(this.connection)) this.close_connection = true;
    const { announced } = this.#reply;
    const is11 = this.#speaks11();
    if (this.close_connection && announced !== "close" && (is11 || announced)) this.send_header("Connection", "close");
    else if (!this.close_connection && announced === null && !is11) this.send_header("Connection", "keep-alive");
  }

  /** Whether the response is self-delimiting: the client can find its end without the connection being closed. */
  #has_an_end(): boolean {
    const { length, chunked } = this.#reply;
    return length !== null || this.#is_bodyless() || (chunked && isAtLeast11(this.#version));
  }

  #is_bodyless(): boolean {
    const { status } = this.#reply;
    return this.command === "HEAD" || status === 204 || status === 304;
  }

  /** Prepares the connection for the next request, or closes it. */
  async #finish_reply(): Promise<void> {
    if (this.close_connection) return;
    this.close_connection = !this.#is_complete() || !await this.#drain();
    if (this.connection.queued > QUEUED_BYTES) await this.wfile.flush();
  }

  /** Whether the response was complete, as the client sees it. */
  #is_complete(): boolean {
    const { bodyAt, length, chunked } = this.#reply;
    if (bodyAt < 0) return false;
    const written = this.wfile.written - bodyAt;
    if (this.#is_bodyless()) return written === 0;
    return chunked || written === length;
  }

  /** Discards the rest of the body, so that the next request can be read; returns whether that succeeded. */
  async #drain(): Promise<boolean> {
    if (this.rfile.ended) return true;
    try {
      return await this.rfile.discard(DRAINED_BYTES);
    } catch (error) {
      if (error instanceof HttpError) return false; // malformed, but the response has been sent
      throw error;
    }
  }

  /** Sends an error response if that is still possible; otherwise leaves the error to the server. */
  #give_up(error: unknown): void {
    this.close_connection = true;
    if (error === this.connection.lost) {
      // No stack trace for a disconnect, and no line at all if this side closed the connection.
      if (!this.connection.closedHere) this.log_error("Connection lost: %s", (error as Error).message);
      return;
    }
    const known = error instanceof HttpError;
    if (known) this.#answer_instead(error.status, error.message, error.headers);
    else this.#answer_instead(500);
    if (!known || error.status >= 500) throw error;
  }

  /** Sends an error in place of the response, unless part of it has been sent. */
  #answer_instead(status: number, message: string | null = null, headers: Readonly<Record<string, string>> = {}): void {
    if (this.wfile.written !== this.#reply.startAt) return;
    this.#head = "";
    this.#reply = noReply(this.#reply.startAt);
    this.send_error(status, message, null, headers);
  }
}

const ENCODER = new TextEncoder();
const NO_HEADERS = new HTTPMessage();

function noReply(startAt: number): Reply {
  return { status: 0, length: null, chunked: false, announced: null, bodyAt: -1, startAt };
}

/** The lower-cased members of a list header. */
function listed(value: string): string[] {
  return value.toLowerCase().split(",").map((member) => member.trim());
}

function isLatin1(text: string): boolean {
  return /^[\0-\xff]*$/.test(text);
}

function encodeLatin1(text: string): Uint8Array {
  const bytes = ENCODER.encode(text);
  return bytes.length === text.length ? bytes : Uint8Array.from(text, (character) => character.charCodeAt(0));
}

/** Python's `html.escape(text, quote=False)`: for text between tags. */
function escapeText(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

/** Python's `rstrip("\r\n")`; a regular expression would take quadratic time on a run of CRs. */
function withoutLineEnd(line: string): string {
  let end = line.length;
  while (end > 0 && (line[end - 1] === "\r" || line[end - 1] === "\n")) end--;
  return line.slice(0, end);
}

function twoDigits(number: number): string {
  return String(number).padStart(2, "0");
}

let lastSecond = NaN;
let lastDate = "";

/** The current HTTP date, cached for a second. */
function httpDateOfNow(): string {
  const now = Date.now();
  const second = Math.floor(now / 1000);
  if (second !== lastSecond) [lastSecond, lastDate] = [second, formatHttpDate(now)];
  return lastDate;
}
