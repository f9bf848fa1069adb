/**
 * How many places one client may have, unless it was said: of eight, the six connections that a browser opens, so that one
 * page is no crowd; and some are left for all others.
 */
export function shareOf(places: number): number {
  return Math.max(1, Math.floor(places * 0.75));
}
