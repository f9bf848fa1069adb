/**
 * Python's error messages for malformed requests.
 *
 * @module
 */

import type { Rejection, RejectionCode } from "../http1/rejection.ts";
import { pythonRepr } from "./repr.ts";

/** The message and explanation for `send_error`; null for the defaults of the status. */
export interface RejectionText {
  readonly message: string | null;
  readonly explain: string | null;
}

/** Maximum number of characters quoted from the request; Python quotes a request line in full. */
const MAX_REPEATED = 100;

const MESSAGES: Readonly<Record<RejectionCode, (detail: string) => string | null>> = {
  "request-line": (line) => `Bad request syntax (${pythonRepr(line)})`,
  "http09-method": (command) => `Bad HTTP/0.9 request type (${pythonRepr(command)})`,
  "version": (version) => `Bad request version (${pythonRepr(version)})`,
  "unsupported-version": (version) => `Invalid HTTP version (${version})`,
  "target": (target) => `Bad request target (${short(target)})`,
  "target-too-long": () => null,
  "header-line": (line) => `Bad header line (${short(line)})`,
  "header-line-too-long": () => "Line too long",
  "headers-too-long": () => "Line too long",
  "too-many-headers": () => "Too many headers",
  "several-hosts": () => "Several Host headers",
  "several-lengths": () => "Several Content-Length headers",
  "length": (length) => `Bad Content-Length (${short(length)})`,
  "length-beside-coding": () => "Content-Length beside Transfer-Encoding",
  "coding-in-http10": () => "Transfer-Encoding in an HTTP/1.0 request",
  "coding": (coding) => `Bad Transfer-Encoding (${short(coding)})`,
  "unknown-coding": () => "The only supported transfer coding is chunked",
  "chunk-size": () => "Bad chunk size",
  "chunk-end": () => "Bad chunk: its data is longer than its size",
};

const EXPLANATIONS: Partial<Record<RejectionCode, (limit: string) => string>> = {
  "header-line-too-long": (limit) => `got more than ${limit} bytes when reading header line`,
  "headers-too-long": (limit) => `got more than ${limit} bytes of headers`,
  "too-many-headers": (limit) => `got more than ${limit} headers`,
};

/** The Python message for a rejection. */
export function rejectionText({ code, detail }: Rejection): RejectionText {
  return { message: MESSAGES[code](detail), explain: EXPLANATIONS[code]?.(detail) ?? null };
}

function short(text: string): string {
  return pythonRepr(text.slice(0, MAX_REPEATED));
}
