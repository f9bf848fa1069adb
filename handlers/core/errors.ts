/**
 * Errors with a status, the mapping of all other errors to a status, and the bare error response.
 *
 * @module
 */

import { STATUS_TEXT, type StatusCode } from "@std/http/status";
import { showUnseen } from "../http/escape.ts";
import type { Refusal } from "../http/refusal.ts";

/**
 * Options of {@linkcode HttpError}.
 *
 * @category Composition
 */
export interface HttpErrorOptions extends ErrorOptions {
  /** Required response headers: Allow with 405, Content-Range with 416. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Additional plain-text lines for clients entitled to details, such as the stderr of a program. */
  readonly details?: string;
  /**
   * Extension members of the problem details (RFC 9457) besides `status`, `title` and `detail`: a `type`, and
   * machine-readable data.
   */
  readonly problem?: Readonly<Record<string, unknown>>;
}

/** Default messages: those of Python's http.server, to keep logs familiar. */
const MESSAGES: Readonly<Record<number, string>> = {
  403: "Permission denied",
  404: "File not found",
};

/**
 * An error with an HTTP status. Throw it from a handler; `settle` turns it into a response.
 *
 * The message is shown to the client: it must not contain paths on disk or other private data; put those into `cause`,
 * which is only logged. Python: `send_error(code, message)`.
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
 *
 * @category Composition
 */
export class HttpError extends Error {
  /** Always `"HttpError"`. */
  override readonly name: string = "HttpError";
  /** The HTTP status, 400 to 599. */
  readonly status: number;
  /** Additional response headers. */
  readonly headers: Readonly<Record<string, string>>;
  /** Additional lines for the client, or an empty string. */
  readonly details: string;
  /** Extension members of the problem details besides `status`, `title` and `detail`. */
  readonly problem: Readonly<Record<string, unknown>>;

  /** Takes the status, a sentence for the client (defaults to the standard one), headers, problem details and cause. */
  constructor(status: number, message?: string, options: HttpErrorOptions = {}) {
    super(message ?? MESSAGES[status] ?? statusText(status), options);
    this.status = status;
    this.headers = options.headers ?? {};
    this.details = options.details ?? "";
    this.problem = options.problem ?? {};
  }

  /** Converts a refusal. */
  static from(refusal: Refusal): HttpError {
    return new HttpError(refusal.status, refusal.reason);
  }
}

/**
 * The reason phrase of a status; `Unknown Status` if it has none.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { statusText } from "@x/pyserve/handlers";
 *
 * assert(statusText(404) === "Not Found");
 * ```
 */
export function statusText(status: number): string {
  return STATUS_TEXT[status as StatusCode] ?? "Unknown Status";
}

/**
 * Maps any thrown value to an error with a status.
 *
 * Missing files, invalid names and symlink loops are 404; unreadable files 403; exhausted resources 503 or 507; all
 * others 500 with the standard message, without disclosing the original one.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { toHttpError } from "@x/pyserve/handlers";
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
 * Whether a file system error means that the path does not exist: not found, below a file, name too long, symlink loop.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { isNotThere } from "@x/pyserve/handlers";
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

/**
 * A subclass of Response would not do: `clone()` and `new Response(body, init)` return plain ones, and the error has to
 * reach the engine of Python's classes, which receives nothing but the response. A property takes a fraction of the time
 * of a WeakMap, which burdens the garbage collector with every response.
 */
const FAILURE = Symbol("failure");

interface Failed {
  [FAILURE]?: HttpError;
}

/**
 * Cache-Control of errors. Without it, caches may store a 404, 405, 410, 414 or 501 heuristically (RFC 9110 section
 * 15.1); this requires revalidation, as for files.
 */
export const NOT_KEPT: Readonly<Record<string, string>> = { "cache-control": "no-cache" };

/**
 * The bare response for an error: status, headers, and one line of plain text.
 *
 * Layers retrieve the error with {@linkcode failureOf}, to render or log it.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { HttpError } from "@x/pyserve";
 * import { errorResponse, failureOf } from "@x/pyserve/handlers";
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
    "content-length": String(body.length), // explicit, so that HEAD has it too
    "x-content-type-options": "nosniff",
    ...NOT_KEPT,
    ...error.headers,
  };
  return markFailure(new Response(body, { status: error.status, headers }), error);
}

/**
 * The error behind a response, or null: a handler's own 404 page is not an error response.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { HttpError } from "@x/pyserve";
 * import { errorResponse, failureOf } from "@x/pyserve/handlers";
 *
 * assert(failureOf(errorResponse(new HttpError(404)))?.message === "File not found");
 * assert(failureOf(new Response(null, { status: 404 })) === null);
 * ```
 */
export function failureOf(response: Response): HttpError | null {
  return (response as Failed)[FAILURE] ?? null;
}

/**
 * Associates a response with the error of another one: for layers that render error pages, so that outer layers still
 * recognize it.
 *
 * @returns The response given.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { HttpError } from "@x/pyserve";
 * import { failureOf } from "@x/pyserve/handlers";
 *
 * const error = new HttpError(404);
 * const page = markFailure(new Response("<h1>Not here</h1>", { status: 404 }), error);
 * assert(failureOf(page) === error);
 * ```
 */
export function markFailure(response: Response, error: HttpError): Response {
  (response as Failed)[FAILURE] = error;
  return response;
}
