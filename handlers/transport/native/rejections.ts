/**
 * What clients are told whose requests are malformed, before any handler sees them.
 *
 * @module
 */

import type { RejectionCode } from "../../http1/rejection.ts";

/** The sentence for each reason. */
export const SENTENCES: Readonly<Record<RejectionCode, string>> = {
  "request-line": "The request line is malformed",
  "http09-method": "The request line is malformed",
  "version": "The HTTP version is malformed, or is not supported",
  "unsupported-version": "The only supported versions are HTTP/1.0 and HTTP/1.1",
  "target": "The target of the request is malformed",
  "target-too-long": "The target of the request is too long",
  "header-line": "A header line is malformed",
  "header-line-too-long": "A header line is too long",
  "headers-too-long": "The header is too long",
  "too-many-headers": "There are too many header lines",
  "several-hosts": "There are several Host headers",
  "several-lengths": "There are several Content-Length headers",
  "length": "The Content-Length is invalid",
  "length-beside-coding": "There is a Content-Length beside a Transfer-Encoding",
  "coding-in-http10": "HTTP/1.0 has no Transfer-Encoding",
  "coding": "The Transfer-Encoding is invalid",
  "unknown-coding": "The only supported transfer coding is chunked",
  "chunk-size": "The size of a chunk is invalid",
  "chunk-end": "A chunk is longer than its size",
};
