/** Accept-Encoding, as clients send it and as nobody does, and what RFC 9110 section 12.5.3 makes of it. */

import type { CodingName } from "@x/pyserve/http";

/**
 * The best of what is available, written down apart from the code; null for content without a coding.
 *
 * @param available The codings in order of the server's preference.
 */
export function expectedCoding(header: string | null, available: readonly CodingName[]): CodingName | null {
  const members = (header ?? "").split(",").map((member) => {
    const [name, ...rest] = member.split(";").map((part) => part.trim().toLowerCase());
    const q = rest.find((part) => part.startsWith("q="))?.slice(2) ?? "1";
    const isValid = /^(0(\.[0-9]{0,3})?|1(\.0{0,3})?)$/.test(q);
    return { name: name === "x-gzip" ? "gzip" : name, weight: isValid ? parseFloat(q) : 0 };
  });
  const listed = (name: string) => members.findLast((member) => member.name === name)?.weight;
  const least = 0.0001; // of identity where it is not mentioned: acceptable, but no wish
  let [best, weightOfBest] = [null as CodingName | null, listed("identity") ?? listed("*") ?? least];
  for (const coding of available.toReversed()) {
    const weight = listed(coding) ?? listed("*") ?? 0;
    if (weight > 0 && weight >= weightOfBest) [best, weightOfBest] = [coding, weight];
  }
  return best;
}

/** A header that clients send, or that no client sends. */
export function randomAcceptEncoding(random: () => number): string | null {
  const one = <T>(of: readonly T[]) => of[Math.floor(random() * of.length)]!;
  if (random() < 0.03) return null;
  const names = ["gzip", "gzip", "br", "zstd", "GZip", "x-gzip", "BR", "identity", "*", "deflate", "", "gzip2", "dcb"];
  const weights = ["", "", "", ";q=0", ";q=0.000", ";q=1", ";q=1.000", ";q=0.5", ";q=.5", ";q=0.001", ";q=0.999"];
  const odd = [";q=1.1", ";q=abc", ";Q=0.3", ";q=0.1234", ";level=9;q=0.4", "; q=0.7", " ;q=0.2 ", ";", ";q=-1", ";q="];
  const member = () => one(names) + one(random() < 0.2 ? odd : weights);
  return Array.from({ length: Math.floor(random() * 6) }, member).join(one([",", ", ", " , "]));
}
