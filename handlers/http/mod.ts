/**
 * The protocol logic as pure functions: targets, preconditions, ranges, entity tags, dates, types, escapes.
 *
 * @module
 */

// Targets and paths
export { locationOf, parseTarget, rawTarget, SitePath, type Target } from "./target.ts";
export { Refusal } from "./refusal.ts";
export { relativeReference } from "./relative.ts";

// Preconditions, entity tags, dates
export { evaluatePreconditions, ifRangeHolds, type Precondition, type Validators } from "./preconditions.ts";
export { etagOf, parseEtags, strongMatch, type Versioned, weakMatch } from "./etag.ts";
export { formatHttpDate, parseHttpDate } from "./date.ts";

// Ranges
export { type ByteRange, contentRange, type RangeVerdict, selectRanges } from "./range.ts";

// Types and codings
export { mediaType, type MediaTypeOptions } from "./media_type.ts";
export { declaredCharset, documentType, type SelfDescribing } from "./declared_charset.ts";
export { acceptedCodings, type CodingName, type CodingWeights, codingWeights } from "./coding.ts";
export { isFingerprinted } from "./fingerprint.ts";
export { isCompressible } from "./compressible.ts";
export { attachment } from "./disposition.ts";

// Escapes, one for each output context
export {
  encodeHeaderUrl,
  encodeSegment,
  escapeHtml,
  escapeJson,
  escapeLog,
  escapeLogQuoted,
  showUnseen,
} from "./escape.ts";

// Clients
export { clientOf } from "./client.ts";
export { type Forwarded, type ForwardedBy, TrustedProxies } from "./forwarded.ts";
