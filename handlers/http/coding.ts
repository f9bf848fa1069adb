/**
 * Content codings and Accept-Encoding (RFC 9110 section 12.5.3).
 *
 * @module
 */

/** The content codings that pyserve can send. */
export type CodingName = "br" | "zstd" | "gzip";

/** The codings in order of preference, and the file name suffix of each. */
export const CODINGS: Readonly<Record<CodingName, string>> = { br: ".br", zstd: ".zst", gzip: ".gz" };

/**
 * The codings that a client accepts, in its order of preference; ties in ours.
 *
 * Empty without the header: that allows any coding, but requests none. Codings with `q=0`, or ranked below `identity`
 * (or below `*`, where it stands for identity), are omitted. Names are case-insensitive, and `x-gzip` means gzip.
 *
 * @param header The value of Accept-Encoding, or null.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { acceptedCodings } from "@x/pyserve/http";
 *
 * assert(acceptedCodings("gzip, br;q=0.5, zstd;q=0").join() === "gzip,br");
 * ```
 */
export function acceptedCodings(header: string | null): CodingName[] {
  const { of } = codingWeights(header);
  const names = Object.keys(CODINGS) as CodingName[];
  return names.filter((name) => of(name) > 0).sort((a, b) => of(b) - of(a));
}

/** The meaning of an Accept-Encoding header. */
export interface CodingWeights {
  /** The weight of a coding, 0 to 1; 0 if it must not be used, or if the client prefers content without a coding. */
  of(coding: CodingName): number;
  /** Whether content without a coding is refused: `identity;q=0`, or `*;q=0` without `identity`. */
  readonly refusesIdentity: boolean;
}

/**
 * Parses Accept-Encoding. If a coding has several weights, the last counts; an invalid weight is 0.
 *
 * @param header The value of Accept-Encoding, or null: then all codings have weight 0, because none was requested.
 *
 * @example
 * ```ts
 * import { assert } from "@std/assert";
 * import { codingWeights } from "@x/pyserve/http";
 *
 * const weights = codingWeights("gzip;q=0.5, *;q=0");
 * assert(weights.of("gzip") === 0.5 && weights.of("br") === 0 && weights.refusesIdentity);
 * ```
 */
export function codingWeights(header: string | null): CodingWeights {
  const weights = new Map<string, number>();
  for (const member of header?.toLowerCase().split(",") ?? []) {
    const [name, ...parameters] = member.split(";").map((part) => part.trim());
    if (name) weights.set(name === "x-gzip" ? "gzip" : name, weightOf(parameters));
  }
  const rest = weights.get("*");
  // `*` also stands for identity. If not mentioned, identity is acceptable, but any accepted coding is preferred.
  const identity = weights.get("identity") ?? rest;
  const of = (coding: CodingName) => {
    const weight = weights.get(coding) ?? rest ?? 0;
    return weight >= (identity ?? 0) ? weight : 0;
  };
  return { of, refusesIdentity: identity === 0 };
}

function weightOf(parameters: readonly string[]): number {
  const q = parameters.find((parameter) => parameter.startsWith("q="));
  if (q === undefined) return 1;
  return /^q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q.slice(2)) : 0;
}
