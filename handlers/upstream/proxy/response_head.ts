/**
 * Parses the head of an application's response (RFC 9112), strictly: a response that could be framed in two ways is
 * refused.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import { type Body, NO_BODY, RawBody } from "../../http1/body.ts";
import { bodyOf } from "../../http1/decoder.ts";
import { bodyFraming } from "../../http1/framing.ts";
import { type Field, FieldsParser } from "../../http1/header_fields.ts";
import { type InputBuffer, latin1 } from "../../http1/input_buffer.ts";
import { Rejection } from "../../http1/rejection.ts";

/** Maximum length of a status line: reason phrases are short. */
const MAX_LINE = 8_192;

const STATUS_LINE = /^HTTP\/1\.([01]) ([1-9]\d\d)(?: [^\0\r\n]*)?\r?\n$/;

/** Maximum number of interim responses before the final one. */
const MAX_INTERIM = 100;

/** Statuses without a body: `new Response` throws if given one. */
const NULL_BODY = new Set([204, 205, 304]);

/** The head of a final response. */
export interface ResponseHead {
  readonly status: number;
  readonly fields: readonly Field[];
  /** The Content-Length to be sent; null if there is none. */
  readonly length: number | null;
  readonly body: Body;
  /** For how many milliseconds the connection may be kept for another request; 0 if it must not be used again. */
  readonly keepMs: number;
}

/** An incremental parser: skips interim responses (1xx). */
export class ResponseHeadParser {
  readonly #method: string;
  readonly #maySwitch: boolean;
  #line: { readonly minor: 0 | 1; readonly status: number } | null = null;
  #fields = new FieldsParser(true);
  #interim = 0;

  /** @param maySwitch Whether another protocol was asked for, so that 101 is final. */
  constructor(method: string, maySwitch = false) {
    this.#method = method;
    this.#maySwitch = maySwitch;
  }

  /**
   * Parses what has arrived; null if more is needed.
   *
   * @throws {HttpError} 502 for a malformed head.
   */
  parse(input: InputBuffer): ResponseHead | null {
    for (;;) {
      this.#line ??= statusLine(input);
      if (this.#line === null) return null;
      const verdict = this.#fields.parse(input);
      if (verdict === "more") return null;
      if (verdict instanceof Rejection) throw malformed(verdict);
      const { fields } = this.#fields;
      const { status, minor } = this.#line;
      if (status >= 200) return headOf(this.#method, status, minor, fields);
      if (status === 101 && this.#maySwitch) return { status, fields, length: null, body: new RawBody(), keepMs: 0 };
      if (status === 101 || ++this.#interim > MAX_INTERIM) throw malformed(null);
      this.#line = null;
      this.#fields = new FieldsParser(true);
    }
  }
}

function statusLine(input: InputBuffer): { minor: 0 | 1; status: number } | null {
  const bytes = input.takeLine(MAX_LINE);
  if (bytes === null) return null;
  const [, minor, status] = STATUS_LINE.exec(latin1(bytes)) ?? [];
  if (status === undefined || Number(status) > 599) throw malformed(null);
  return { minor: minor === "1" ? 1 : 0, status: Number(status) };
}

function headOf(method: string, status: number, minor: 0 | 1, fields: readonly Field[]): ResponseHead {
  const framed = fields.some(([name]) => /^(?:content-length|transfer-encoding)$/i.test(name));
  const framing = bodyFraming(fields, [1, minor]);
  if (framing instanceof Rejection) throw malformed(framing);
  const length = framed && framing.kind === "length" ? framing.length : null;
  if (method === "HEAD" || NULL_BODY.has(status)) {
    // RFC 9110 section 8.6: with HEAD and 304, the length of the response to a GET. An application that sends a body
    // nevertheless must not answer the next request with it.
    const sent = status === 204 || status === 205 ? null : length;
    return { status, fields, length: sent, body: NO_BODY, keepMs: 0 };
  }
  if (!framed) return { status, fields, length, body: new RawBody(), keepMs: 0 };
  return { status, fields, length, body: bodyOf(framing), keepMs: minor === 1 ? keepMsOf(fields) : 0 };
}

/** Connection, Keep-Alive, and schemes that authenticate the connection in place of a request. */
function keepMsOf(fields: readonly Field[]): number {
  const values = (wanted: string) => {
    return fields.filter(([name]) => name.toLowerCase() === wanted).map(([, value]) => value.toLowerCase()).join(",");
  };
  if (/(?:^|[,\s])close(?:$|[,\s])/.test(values("connection"))) return 0;
  if (/(?:^|[,\s])(?:ntlm|negotiate)(?:$|[,\s])/.test(values("www-authenticate"))) return 0;
  const seconds = /(?:^|[,\s])timeout=(\d+)/.exec(values("keep-alive"))?.[1];
  // A second earlier than the application closes it.
  return seconds === undefined ? Infinity : Math.max(0, Number(seconds) - 1) * 1_000;
}

function malformed(rejection: Rejection | null): HttpError {
  const cause = rejection === null ? "malformed status line" : `${rejection.code} ${rejection.detail}`;
  return new HttpError(502, "The response of the application is malformed", { cause });
}
