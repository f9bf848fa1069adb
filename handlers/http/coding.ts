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
 * Empty without the header: that allows any coding, but requests none. Codings with `q=0`, or ranked below `identity`,
 * are omitted. Names are case-insensitive, and `x-gzip` means gzip.
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
  if (header === null) return [];
  const weights = new Map<string, number>();
  for (const member of header.toLowerCase().split(",")) {
    const [name, ...parameters] = member.split(";").map((part) => part.trim());
    if (name) weights.set(name === "x-gzip" ? "gzip" : name, weightOf(parameters));
  }
  const weight = (name: string) => weights.get(name) ?? weights.get("*") ?? 0;
  const names = Object.keys(CODINGS) as CodingName[];
  const identity = weights.get("identity") ?? 0;
  return names.filter((name) => weight(name) > 0 && weight(name) >= identity).sort((a, b) => weight(b) - weight(a));
}

function weightOf(parameters: readonly string[]): number {
  const q = parameters.find((parameter) => parameter.startsWith("q="));
  if (q === undefined) return 1;
  return /^q=(?:0(?:\.\d{0,3})?|1(?:\.0{0,3})?)$/.test(q) ? Number(q.slice(2)) : 0;
}
