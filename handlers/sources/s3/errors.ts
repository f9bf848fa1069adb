/**
 * What goes wrong with an object store: a status and one sentence for the client, the details for the log.
 *
 * @module
 */

import { HttpError } from "../../core/errors.ts";
import { parseXml, textOf } from "./xml.ts";

/** An answer of a store that is an error. */
export interface StoreAnswer {
  readonly status: number;
  /** The code of the store, such as `NoSuchBucket`; empty if it does not say. */
  readonly code: string;
  /** What the store says, for the log. */
  readonly message: string;
}

/** A request that a store has refused or failed to answer. The message names the request: it is only logged. */
export class StoreFailure extends Error {
  /** Always `"StoreFailure"`. */
  override readonly name: string = "StoreFailure";
  /** The answer; null if there was none. */
  readonly answer: StoreAnswer | null;

  constructor(request: string, answer: StoreAnswer | null, cause?: unknown) {
    super(`${request}: ${answer ? `${answer.status} ${answer.code}: ${answer.message}` : reasonOf(cause)}`, { cause });
    this.answer = answer;
  }
}

function reasonOf(cause: unknown): string {
  return cause instanceof Error ? cause.message : String(cause);
}

const KEYS = "The file store refused the keys of this server";
const SETUP = "The file store refused a request of this server";

/** Statuses and sentences by the code of the store. Whatever a client cannot mend is the server's fault: 502. */
const BY_CODE: Readonly<Record<string, readonly [status: number, sentence: string]>> = {
  AccessDenied: [403, "Permission denied"],
  AuthorizationHeaderMalformed: [502, KEYS],
  ExpiredToken: [502, KEYS],
  InvalidAccessKeyId: [502, KEYS],
  InvalidToken: [502, KEYS],
  SignatureDoesNotMatch: [502, KEYS],
  InvalidObjectState: [403, "The file is in an archive of the store, and has to be restored there first"],
  NoSuchBucket: [502, "The file store has no such bucket"],
  PermanentRedirect: [502, "The bucket is in another region of the file store"],
  RequestTimeTooSkewed: [502, "The clock of this server differs from that of the file store"],
  QuotaExceeded: [507, "The file store is full"],
  EntityTooLarge: [413, "The file is too large for the file store"],
};

/** The error for a client, with the failure as the cause for the log. */
export function storeError(failure: StoreFailure): HttpError {
  const { answer, cause } = failure;
  if (answer === null) {
    const isLate = cause instanceof DOMException && cause.name === "TimeoutError";
    return isLate
      ? new HttpError(504, "The file store did not respond in time", { cause: failure })
      : new HttpError(502, "The file store cannot be reached", { cause: failure });
  }
  const known = BY_CODE[answer.code];
  if (known) return new HttpError(known[0], known[1], { cause: failure });
  if (isOverload(answer)) {
    const headers = { "retry-after": "2" };
    return new HttpError(503, "The file store is overloaded; try again later", { headers, cause: failure });
  }
  if (answer.status === 504) return new HttpError(504, "The file store did not respond in time", { cause: failure });
  return new HttpError(502, answer.status >= 500 ? "The file store failed" : SETUP, { cause: failure });
}

/** Whether a store asks for fewer requests. */
function isOverload({ status, code }: StoreAnswer): boolean {
  return status === 503 || status === 429 || code === "SlowDown";
}

/** Whether a request may succeed if it is sent again. */
export function mayPass({ answer }: StoreFailure): boolean {
  if (answer === null) return true;
  return [429, 500, 502, 503, 504].includes(answer.status) || answer.code === "RequestTimeout";
}

/** Reads an error. HEAD has no body, and a proxy may answer with a page of its own: then there is only the status. */
export function answerOf(status: number, body: string): StoreAnswer {
  try {
    const error = parseXml(body);
    return { status, code: textOf(error, "Code") ?? "", message: textOf(error, "Message") ?? "" };
  } catch {
    return { status, code: "", message: body.slice(0, 200) };
  }
}
