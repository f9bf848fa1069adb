/**
 * Errors with a status, the one table that gives every other error its status, and the bare response they become.
 *
 * @module
 */

import { STATUS_TEXT, type StatusCode } from "@std/http/status";
import { showUnseen } from "./http/escape.ts";
import type { Refusal } from "./http/refusal.ts";

/** What an {@linkcode HttpError} carries besides status and message. */
export interface HttpErrorOptions extends ErrorOptions {
  /** Headers the response must have: Allow with 405, Content-Range with 416. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Lines of plain text below the message, for a client that may know more: what a program wrote before it failed. */
  readonly details?: string;
  /** Members of the JSON body besides `status`, `title` and `detail` (RFC 9457): a `type`, and what a program can use. */
  readonly problem?: Readonly<Record<string, unknown>>;
}

/** What Python's http.server says where nothing more is known, so that a log looks as its readers know it. */
const MESSAGES: Readonly<Record<number, string>> = {
  403: "Permission denied",
  404: "File not found",
};

/**
 * An error with an HTTP status. Throw it from a handler; `settle` turns it into the response.
 *
 * Its message is shown to the client: keep paths on disk and other people's data out of it, put those in `cause`, which
 * only the log sees. Its relative in Python is `send_error(code, message)`.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { HttpError, toFetch } from "@x/pyserve";
 *
 * const fetch = toFetch(() => {
 *   throw new HttpError(409, "The name is taken");
 * });
 * const response = await fetch(new Request("http://localhost/"));
 * assert(response.status === 409 && (await response.text()).includes("The name is taken"));
 * ```
 */
export class HttpError extends Error {
  /** Always `"HttpError"`. */
  override readonly name: string = "HttpError";
  /** The status of the response, 400 to 599. */
  readonly status: number;
  /** Headers of the response. */
  readonly headers: Readonly<Record<string, string>>;
  /** More lines for the client, or an empty text. */
  readonly details: string;
  /** Members of the JSON body besides `status`, `title` and `detail`. */
  readonly problem: Readonly<Record<string, unknown>>;

  /** Makes an error of a status, a sentence for the client (the standard one by default), headers, problem and cause. */
  constructor(status: number, message?: string, options: HttpErrorOptions = {}) {
    super(message ?? MESSAGES[status] ?? statusText(status), options);
    this.status = status;
    this.headers = options.headers ?? {};
    this.details = options.details ?? "";
    this.problem = options.problem ?? {};
  }

  /** The error that a verdict of the pure modules becomes. */
  static from(refusal: Refusal): HttpError {
    return new HttpError(refusal.status, refusal.reason);
  }
}

/**
 * The standard phrase of a status, `Unknown Status` for one that has none.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { statusText } from "@x/pyserve";
 *
 * assert(statusText(404) === "Not Found");
 * ```
 */
export function statusText(status: number): string {
  return STATUS_TEXT[status as StatusCode] ?? "Unknown Status";
}

/**
 * Gives any thrown value its status: the one table of errors.
 *
 * What is not there, cannot be named or loops is 404; what may not be read is 403; what the machine has run out of is
 * 503 or 507; all else is 500 with the standard text, and its own text stays out of the response.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { toHttpError } from "@x/pyserve";
 *
 * assert(toHttpError(new Deno.errors.NotFound("/etc/x")).status === 404);
 * assert(toHttpError(new Error("secret")).message === "Internal Server Error");
 * ```
 */
export function toHttpError(thrown: unknown): HttpError {
  if (thrown instanceof HttpError) return thrown;
  const status = statusOf(thrown);
  const headers: Record<string, string> = status === 503 ? { "retry-after": "1" } : {};
  return new HttpError(status, undefined, { headers, cause: thrown });
}

const STATUS_OF_CODE: Readonly<Record<string, number>> = {
  EACCES: 403,
  EPERM: 403,
  EMFILE: 503,
  ENFILE: 503,
  ENOSPC: 507,
  EDQUOT: 507,
};

function statusOf(thrown: unknown): number {
  if (isNotThere(thrown)) return 404;
  if (thrown instanceof Deno.errors.PermissionDenied || thrown instanceof Deno.errors.NotCapable) return 403;
  return STATUS_OF_CODE[codeOf(thrown)] ?? 500;
}

/**
 * Whether an error of the file system says that nothing has that name: absent, below a file, too long, a loop of links.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isNotThere } from "@x/pyserve";
 *
 * assert(isNotThere(new Deno.errors.NotADirectory()) && !isNotThere(new Error("disk on fire")));
 * ```
 */
export function isNotThere(thrown: unknown): boolean {
  return thrown instanceof Deno.errors.NotFound || thrown instanceof Deno.errors.NotADirectory ||
    thrown instanceof Deno.errors.IsADirectory || thrown instanceof Deno.errors.FilesystemLoop ||
    ["ENAMETOOLONG", "ENXIO"].includes(codeOf(thrown));
}

function codeOf(thrown: unknown): string {
  return thrown instanceof Error && "code" in thrown ? String(thrown.code) : "";
}

const failures = new WeakMap<Response, HttpError>();

/**
 * What errors say to caches, which may keep a 404, 405, 410, 414 or 501 as long as they see fit where nothing is said
 * (RFC 9110 section 15.1): to ask again each time, as with files.
 */
export const NOT_KEPT: Readonly<Record<string, string>> = { "cache-control": "no-cache" };

/**
 * The bare response of an error: its status, its headers, and one line of plain text.
 *
 * Layers find the error again with {@linkcode failureOf}, to make a page of it or to log it.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { errorResponse, failureOf, HttpError } from "@x/pyserve";
 *
 * const response = errorResponse(new HttpError(404));
 * assert(await response.text() === "404 Not Found: File not found\n");
 * assert(failureOf(response)?.status === 404);
 * ```
 */
export function errorResponse(error: HttpError): Response {
  const phrase = statusText(error.status);
  const detail = error.message === phrase ? "" : `: ${error.message}`;
  const details = error.details === "" ? "" : `\n${error.details}\n`;
  const body = new TextEncoder().encode(showUnseen(`${error.status} ${phrase}${detail}\n${details}`));
  const headers = {
    "content-type": "text/plain; charset=utf-8",
    "content-length": String(body.length), // said here, so that HEAD can say it too
    "x-content-type-options": "nosniff",
    ...NOT_KEPT,
    ...error.headers,
  };
  return markFailure(new Response(body, { status: error.status, headers }), error);
}

/**
 * The error a response was made of, or null: a handler's own 404 page is nobody's failure.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { errorResponse, failureOf, HttpError } from "@x/pyserve";
 *
 * assert(failureOf(errorResponse(new HttpError(404)))?.message === "File not found");
 * assert(failureOf(new Response(null, { status: 404 })) === null);
 * ```
 */
export function failureOf(response: Response): HttpError | null {
  return failures.get(response) ?? null;
}

/**
 * Says that a response stands for an error which another response stood for: for layers that make pages of errors, so
 * that the layers outside of them still see it.
 *
 * @returns The response it was given.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { failureOf, HttpError, markFailure } from "@x/pyserve";
 *
 * const error = new HttpError(404);
 * const page = markFailure(new Response("<h1>Not here</h1>", { status: 404 }), error);
 * assert(failureOf(page) === error);
 * ```
 */
export function markFailure(response: Response, error: HttpError): Response {
  failures.set(response, error);
  return response;
}
