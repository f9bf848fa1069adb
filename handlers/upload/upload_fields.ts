/**
 * The fields of resumable uploads (draft-ietf-httpbis-resumable-upload).
 *
 * @module
 */

import { HttpError } from "../errors.ts";

/** The media type of a PATCH that goes on with an upload. */
export const PARTIAL_UPLOAD = "application/partial-upload";

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

/** Whether the upload is whole after a request: it says so, or it has all the bytes that there are. */
export function isComplete({ complete, length }: UploadFields, size: number): boolean {
  return complete ?? (length !== null && size === length);
}

/** Throws where lengths contradict each other. `size` is what is there after the request, as far as it is known. */
export function checkLength({ length }: UploadFields, size: number, complete: boolean): void {
  if (length === null || size === length || (size < length && !complete)) return;
  const type = "https://iana.org/assignments/http-problem-types#inconsistent-upload-length";
  throw new HttpError(400, `The upload has ${size} bytes, and ${length} were announced`, { problem: { type } });
}

/** The error of a request that begins elsewhere than where the upload ends, with where that is. */
export function wrongOffset(provided: number, expected: number): HttpError {
  return new HttpError(409, `The upload goes on at byte ${expected}, not at ${provided}`, {
    headers: { "upload-offset": String(expected), "upload-complete": "?0" },
    problem: {
      type: "https://iana.org/assignments/http-problem-types#mismatching-upload-offset",
      "expected-offset": expected,
      "provided-offset": provided,
    },
  });
}

function integer(headers: Headers, name: string): number | null {
  const value = headers.get(name)?.trim();
  if (value === undefined) return null;
  if (/^\d{1,15}$/.test(value)) return Number(value);
  throw new HttpError(400, `${name} is not a number`);
}
