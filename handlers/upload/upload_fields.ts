/**
 * The fields of resumable uploads (draft-ietf-httpbis-resumable-upload).
 *
 * @module
 */

import { HttpError } from "../errors.ts";

/** The media type of a PATCH that goes on with an upload. */
export const PARTIAL_UPLOAD = "application/partial-upload";

/** The problem types of the draft (section "HTTP Problem Types" of the IANA considerations). */
const PROBLEMS = "https://iana.org/assignments/http-problem-types";

/** What a request says of the upload that it is a piece of; null where it says nothing. */
export interface UploadFields {
  /** The byte that its content begins at. */
  readonly offset: number | null;
  /** Whether its content is the last. */
  readonly complete: boolean | null;
  /** Bytes of the whole. */
  readonly length: number | null;
}

/** Reads Upload-Offset, Upload-Complete and Upload-Length; 400 for what cannot be read. */
export function uploadFields(headers: Headers): UploadFields {
  const complete = headers.get("upload-complete")?.trim() ?? null;
  if (complete !== null && complete !== "?0" && complete !== "?1") {
    throw new HttpError(400, "Upload-Complete is neither ?0 nor ?1");
  }
  return {
    offset: integer(headers, "Upload-Offset"),
    complete: complete === null ? null : complete === "?1",
    length: integer(headers, "Upload-Length"),
  };
}

/** The id of an upload, from the query, or null. 400 for what is none: it would be too short to be only the client's. */
export function uploadId(query: string): string | null {
  if (!query.includes("upload=")) return null; // most have no query at all
  const id = new URLSearchParams(query).get("upload");
  if (id === null || /^[\w.~-]{8,128}$/.test(id)) return id;
  throw new HttpError(400, 'The parameter "upload" is not 8 to 128 letters, digits, or any of - . _ ~');
}

/** Whether the query of a request that only reads may be about an upload: where the id is none, it is about something else. */
export function namesUpload(query: string): boolean {
  return /(?:^|&)upload=[\w.~-]{8,128}(?:&|$)/.test(query);
}

/** 400 for a request about an upload, and not to it, that speaks as if it brought a piece. */
export function refuseUploadFields(headers: Headers): void {
  for (const name of ["Upload-Offset", "Upload-Complete"]) {
    if (headers.has(name)) throw new HttpError(400, `${name} is not understood of this method`);
  }
}

/** Whether the upload is whole after a request: it says so, or it has all the bytes that there are. */
export function isComplete({ complete, length }: UploadFields, size: number): boolean {
  return complete ?? (length !== null && size === length);
}

/**
 * Throws where an upload does not get the length that was announced.
 *
 * @param size What is there after the request, as far as it is known.
 * @param isLast Whether that is all.
 */
export function checkLength(length: number | null, size: number, isLast: boolean): void {
  if (length !== null && (size > length || (isLast && size < length))) throw wrongLength(size, length);
}

/** The error of an upload that has another length than was announced. */
export function wrongLength(size: number, length: number): HttpError {
  const sentence = size > length
    ? `The upload has more than the ${length} bytes that were announced`
    : `The upload ends at ${size} bytes, and ${length} were announced`;
  return new HttpError(400, sentence, { problem: { type: `${PROBLEMS}#inconsistent-upload-length` } });
}

/** The length of an upload as this request and those before have announced it. Throws where they do not agree. */
export function agreedLength(before: number | null, now: number | null): number | null {
  if (before === null || now === null || before === now) return now ?? before;
  throw new HttpError(400, `The upload was announced with ${before} bytes, and now with ${now}`, {
    problem: { type: `${PROBLEMS}#inconsistent-upload-length` },
  });
}

/** The error of a request that begins elsewhere than where the upload ends, with where that is. */
export function wrongOffset(provided: number, expected: number): HttpError {
  return new HttpError(409, `The upload continues at byte ${expected}, not at ${provided}`, {
    headers: { "upload-offset": String(expected), "upload-complete": "?0" },
    problem: {
      type: `${PROBLEMS}#mismatching-upload-offset`,
      "expected-offset": expected,
      "provided-offset": provided,
    },
  });
}

/** The error of a request to an upload that has become a file of so many bytes. */
export function alreadyComplete(size: number): HttpError {
  return new HttpError(400, "The upload is complete", {
    headers: { "upload-offset": String(size), "upload-complete": "?1" },
    problem: { type: `${PROBLEMS}#completed-upload` },
  });
}

/** Upload-Limit: how large a file may be, and how many seconds an unfinished one is kept. */
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
