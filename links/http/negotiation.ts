/**
 * The media type preferred by the request's Accept header; the first of equals, the first if there is no header or it
 * is empty, and undefined if none is acceptable. A range with parameters other than `q` never matches.
 */
export function accepts<T extends string>(request: Pick<Request, "headers">, ...types: T[]): T | undefined {
  const header = request.headers.get("accept");
  if (!header) return types[0];
  const ranges = header.split(",").map(parseRange).filter((range) => range !== null);
  const ranked = types.map((type) => ({ type, ...best(type, ranges) })).filter(({ weight }) => weight > 0);
  return ranked.sort((a, b) => b.weight - a.weight || b.specificity - a.specificity)[0]?.type;
}

interface MediaRange {
  readonly type: string;
  readonly subtype: string;
  readonly weight: number;
}

interface Preference {
  readonly weight: number;
  readonly specificity: number;
}

function parseRange(text: string): MediaRange | null {
  const [range, ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const match = /^([^\s/;]+)\/([^\s;]+)$/.exec(range ?? "");
  const [parameter] = parameters;
  if (!match || (parameter !== undefined && !parameter.startsWith("q="))) return null;
  const weight = parameter === undefined ? 1 : Number.parseFloat(parameter.slice(2));
  return { type: match[1]!, subtype: match[2]!, weight };
}

/** The most specific range applies; of two equally specific ones, the one with the higher weight. */
function best(type: string, ranges: readonly MediaRange[]): Preference {
  const [main, sub] = type.split("/");
  return ranges
    .map((range) => ({ weight: range.weight, specificity: specificityOf(range, main!, sub!) }))
    .filter(({ specificity }) => specificity >= 0)
    .reduce((a, b) => (b.specificity - a.specificity || b.weight - a.weight) > 0 ? b : a, {
      weight: 0,
      specificity: 0,
    });
}

function specificityOf(range: MediaRange, main: string, sub: string): number {
  if (range.type === main) return range.subtype === sub ? 6 : range.subtype === "*" ? 4 : -1;
  return range.type === "*" && range.subtype === "*" ? 0 : -1;
}
