/**
 * Why a request is malformed: a status and a code, for which each engine has its own wording.
 *
 * @module
 */

/** The reason for a rejection. */
export type RejectionCode =
  | "request-line"
  | "http09-method"
  | "version"
  | "unsupported-version"
  | "target"
  | "target-too-long"
  | "header-line"
  | "header-line-too-long"
  | "headers-too-long"
  | "too-many-headers"
  | "several-hosts"
  | "several-lengths"
  | "length"
  | "length-beside-coding"
  | "coding-in-http10"
  | "coding"
  | "unknown-coding"
  | "chunk-size"
  | "chunk-end";

const STATUS: Readonly<Record<RejectionCode, number>> = {
  "request-line": 400,
  "http09-method": 400,
  "version": 400,
  "unsupported-version": 505,
  "target": 400,
  "target-too-long": 414,
  "header-line": 400,
  "header-line-too-long": 431,
  "headers-too-long": 431,
  "too-many-headers": 431,
  "several-hosts": 400,
  "several-lengths": 400,
  "length": 400,
  "length-beside-coding": 400,
  "coding-in-http10": 400,
  "coding": 400,
  "unknown-coding": 501,
  "chunk-size": 400,
  "chunk-end": 400,
};

/** A malformed request; the connection cannot be reused afterwards. */
export class Rejection {
  readonly code: RejectionCode;
  /** The status of the response: 400, 414, 431, 501 or 505. */
  readonly status: number;
  /** The offending input as ISO 8859-1, or the limit as text. */
  readonly detail: string;

  constructor(code: RejectionCode, detail = "") {
    this.code = code;
    this.status = STATUS[code];
    this.detail = detail;
  }
}
