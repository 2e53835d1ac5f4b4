/** Latencies as counts between fixed bounds, which add up over lanes and time; and what can be read off them. */

/** Upper bounds in seconds; the last count of an array is of what lies above them all. */
export const LATENCY_BOUNDS = [
  0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 1800, 3600, 21_600,
] as const;

/** The sum of counts that have the same bounds. */
export function addCounts(a: readonly number[], b: readonly number[]): number[] {
  return LATENCY_BOUNDS.map((_, i) => (a[i] ?? 0) + (b[i] ?? 0)).concat(
    (a[LATENCY_BOUNDS.length] ?? 0) + (b[LATENCY_BOUNDS.length] ?? 0),
  );
}

/**
 * The value below which the share `q` (0 to 1) lies, in seconds, as if the counts were spread evenly between their bounds;
 * what lies above the last bound counts as it. Null without counts.
 */
export function percentile(counts: readonly number[], q: number): number | null {
  const all = counts.reduce((sum, count) => sum + count, 0);
  if (all === 0) return null;
  let left = q * all;
  for (const [i, count] of counts.entries()) {
    const upper = LATENCY_BOUNDS[i];
    if (upper === undefined) break;
    const lower = i === 0 ? 0 : (LATENCY_BOUNDS[i - 1] as number);
    if (count > 0 && left <= count) return lower + (upper - lower) * (left / count);
    left -= count;
  }
  return LATENCY_BOUNDS.at(-1) as number;
}
