/**
 * Header fields of resumable uploads (draft-ietf-httpbis-resumable-upload).
 *
 * @module
 */

import { HttpError } from "../core/errors.ts";
import type { AppendRefused } from "../store/append_refused.ts";

/** The media type of a PATCH that continues an upload. */
export const PARTIAL_UPLOAD = "application/partial-upload";

/** Base URL of the draft's problem types (section "HTTP Problem Types" of the IANA considerations). */
const PROBLEMS = "https://iana.org/assignments/http-problem-types";

/** The upload fields of a request; null for absent ones. */
export interface UploadFields {
  /** Offset of the content. */
  readonly offset: number | null;
  /** Whether the content completes the upload. */
  readonly complete: boolean | null;
  /** Total size in bytes. */
  readonly length: number | null;
}

/** Parses Upload-Offset, Upload-Complete and Upload-Length; 400 if they are malformed. */
export function uploadFields(headers: Headers): UploadFields {
  const complete = headers.get("upload-complete")?.trim() ?? null;
  if (complete !== null && complete !== "?0" && complete !== "?1") {
    throw new HttpError(400, "Upload-Complete must be ?0 or ?1");
  }
  return {
    offset: integer(headers, "Upload-Offset"),
    complete: complete === null ? null : complete === "?1",
    length: integer(headers, "Upload-Length"),
  };
}

/** The upload id in the query, or null. 400 if it is malformed: a short id might be guessed. */
export function uploadId(query: string): string | null {
  if (!query.includes("upload=")) return null; // most requests have no query
  const id = new URLSearchParams(query).get("upload");
  if (id === null || /^[\w.~-]{8,128}$/.test(id)) return id;
  throw new HttpError(400, 'The parameter "upload" is not 8 to 128 letters, digits, or any of - . _ ~');
}

/** Whether the query of a read-only request names an upload; without a valid id it belongs to something else. */
export function namesUpload(query: string): boolean {
  return /(?:^|&)upload=[\w.~-]{8,128}(?:&|$)/.test(query);
}

/** 400 for a request on an upload that has no content but sends fields for it. */
export function refuseUploadFields(headers: Headers): void {
  for (const name of ["Upload-Offset", "Upload-Complete"]) {
    if (headers.has(name)) throw new HttpError(400, `${name} is not supported for this method`);
  }
}

/** The error for a piece that does not fit what has arrived before; tells where to continue. */
export function appendError({ problem }: AppendRefused): HttpError {
  switch (problem.kind) {
    case "offset":
      return wrongOffset(problem);
    case "complete":
      return new HttpError(400, "The upload is complete", {
        headers: { "upload-offset": String(problem.size), "upload-complete": "?1" },
        problem: { type: `${PROBLEMS}#completed-upload` },
      });
    case "size":
      return wrongLength(wrongSize(problem));
    case "length":
      return wrongLength(`The upload was announced with ${problem.before} bytes, and now with ${problem.now}`);
    case "unknown":
      return new HttpError(404, "There is no such upload");
    case "superseded":
      return new HttpError(409, "Another request continues this upload");
  }
}

function wrongOffset({ expected, provided }: { readonly expected: number; readonly provided: number }): HttpError {
  return new HttpError(409, `The upload continues at byte ${expected}, not at ${provided}`, {
    headers: { "upload-offset": String(expected), "upload-complete": "?0" },
    problem: {
      type: `${PROBLEMS}#mismatching-upload-offset`,
      "expected-offset": expected,
      "provided-offset": provided,
    },
  });
}

function wrongSize({ size, announced }: { readonly size: number; readonly announced: number }): string {
  return size > announced
    ? `The upload has more than the ${announced} bytes that were announced`
    : `The upload ends at ${size} bytes, and ${announced} were announced`;
}

function wrongLength(sentence: string): HttpError {
  return new HttpError(400, sentence, { problem: { type: `${PROBLEMS}#inconsistent-upload-length` } });
}

/** Upload-Limit: maximum file size, and the lifetime of an unfinished upload in seconds. */
export function uploadLimit(
  { maxBytes, partAgeMs }: { readonly maxBytes: number; readonly partAgeMs: number },
): string {
  const size = Number.isFinite(maxBytes) ? `max-size=${maxBytes}, ` : "";
  return `${size}max-age=${Math.floor(partAgeMs / 1000)}`;
}

function integer(headers: Headers, name: string): number | null {
  const value = headers.get(name)?.trim();
  if (value === undefined) return null;
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new HttpError(400, `${name} is not a number`);
}
