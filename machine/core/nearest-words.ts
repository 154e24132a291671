/** Suggestions for a mistyped word, by Damerau-Levenshtein distance (adjacent swaps count one). */

/** Insertions, deletions, substitutions and swaps of neighbours that turn `a` into `b`. */
export function editDistance(a: string, b: string): number {
  const width = b.length + 1;
  const rows = new Int32Array((a.length + 1) * width);
  for (let j = 0; j < width; j++) rows[j] = j;
  for (let i = 1; i <= a.length; i++) {
    rows[i * width] = i;
    for (let j = 1; j < width; j++) {
      const same = a[i - 1] === b[j - 1] ? 0 : 1;
      let best = Math.min(
        rows[(i - 1) * width + j] + 1,
        rows[i * width + j - 1] + 1,
        rows[(i - 1) * width + j - 1] + same,
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1]) {
        best = Math.min(best, rows[(i - 2) * width + j - 2] + 1);
      }
      rows[i * width + j] = best;
    }
  }
  return rows[a.length * width + b.length];
}

/** Up to `limit` of `words` that are near enough to `word` to be meant, nearest first. */
export function nearestWords(word: string, words: Iterable<string>, limit = 3): string[] {
  const reach = Math.max(1, Math.floor(word.length / 2));
  return [...words]
    .map((candidate) => ({ candidate, distance: editDistance(word, candidate) }))
    .filter(({ distance }) => distance <= reach)
    .sort((a, b) => a.distance - b.distance || (a.candidate < b.candidate ? -1 : 1))
    .slice(0, limit)
    .map(({ candidate }) => candidate);
}
