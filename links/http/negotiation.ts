interface Preference {
  readonly type: string;
  readonly weight: number;
  readonly specificity: number;
  readonly order: number;
}

/**
 * The media type of those given that the request's Accept header likes best, equals in the order of the header and then
 * as given; the first where there is no header, undefined where none is acceptable.
 */
export function accepts<T extends string>(request: Pick<Request, "headers">, ...types: T[]): T | undefined {
  const header = request.headers.get("accept");
  if (header === null) return types[0];
  const ranges = header.split(",").map(parseRange).filter((range) => range !== null);
  const ranked = types
    .map((type) => ({ type, preference: preferenceFor(type, ranges) }))
    .filter(({ preference }) => preference !== null && preference.weight > 0)
    .sort((a, b) => compare(a.preference!, b.preference!));
  return ranked[0]?.type;
}

interface MediaRange {
  readonly type: string;
  readonly subtype: string;
  readonly weight: number;
  readonly order: number;
}

function parseRange(text: string, order: number): MediaRange | null {
  const [range, ...parameters] = text.split(";").map((part) => part.trim().toLowerCase());
  const match = /^([^\s/;]+)\/([^\s;]+)$/.exec(range ?? "");
  if (!match) return null;
  const q = parameters.find((parameter) => parameter.startsWith("q="));
  const weight = q === undefined ? 1 : Number.parseFloat(q.slice(2));
  return { type: match[1]!, subtype: match[2]!, weight: Number.isNaN(weight) ? 0 : weight, order };
}

function preferenceFor(type: string, ranges: readonly MediaRange[]): Preference | null {
  const [main, sub] = type.split("/");
  let best: Preference | null = null;
  for (const range of ranges) {
    const specificity = specificityOf(range, main!, sub!);
    if (specificity < 0 || (best && best.specificity >= specificity)) continue;
    best = { type, weight: range.weight, specificity, order: range.order };
  }
  return best;
}

function specificityOf(range: MediaRange, main: string, sub: string): number {
  if (range.type === main) return range.subtype === sub ? 6 : range.subtype === "*" ? 4 : -1;
  return range.type === "*" && range.subtype === "*" ? 0 : -1;
}

function compare(a: Preference, b: Preference): number {
  return b.weight - a.weight || b.specificity - a.specificity || a.order - b.order;
}
