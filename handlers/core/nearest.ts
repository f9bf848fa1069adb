/**
 * Similarity of words, for suggestions.
 *
 * @module
 */

/** The candidate most similar to a mistyped word; null if none is similar enough. */
export function nearest(word: string, candidates: readonly string[]): string | null {
  const ranked = candidates.map((name) => ({ name, distance: distance(word, name) }));
  const best = ranked.reduce((best, each) => each.distance < best.distance ? each : best);
  return best.distance <= Math.max(2, word.length / 3) ? best.name : null;
}

/** Levenshtein distance: the number of insertions, deletions and substitutions between two words. */
function distance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, index) => index);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(next[j - 1]! + 1, row[j]! + 1, row[j - 1]! + Number(a[i - 1] !== b[j - 1]));
    }
    row = next;
  }
  return row[b.length]!;
}
