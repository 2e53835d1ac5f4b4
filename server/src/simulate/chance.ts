/** Owns chance that repeats: numbers that depend on a seed and a name alone. Never looks at a clock. */

export interface Chance {
  /** In [0, 1). */
  fraction(): number;
  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number;
  /** True in `share` of the cases. */
  maybe(share: number): boolean;
  /** Exponentially distributed around `mean`. */
  waiting(mean: number): number;
  /** Log-normally distributed around `mean`; `spread` is the deviation of its logarithm, 0 for none. */
  spread(mean: number, spread: number): number;
}

/**
 * A stream of chance for each `key`: what one stream draws changes nothing in another, so a task keeps
 * its duration whatever is asked of the tasks before it.
 */
export function chance(...key: readonly number[]): Chance {
  let state = key.reduce((mixed, part) => mix(mixed ^ mix(part + 0x9e3779b9)), 0x2545f491);
  // Mulberry32: small, fast, and good enough for queues.
  const fraction = () => {
    state = (state + 0x6d2b79f5) | 0;
    let drawn = Math.imul(state ^ (state >>> 15), 1 | state);
    drawn = (drawn + Math.imul(drawn ^ (drawn >>> 7), 61 | drawn)) ^ drawn;
    return ((drawn ^ (drawn >>> 14)) >>> 0) / 2 ** 32;
  };
  return {
    fraction,
    int: (low, high) => low + Math.floor(fraction() * (high - low + 1)),
    maybe: (share) => fraction() < share,
    waiting: (mean) => -mean * Math.log(1 - fraction()),
    spread(mean, spread) {
      const normal = Math.sqrt(-2 * Math.log(1 - fraction())) * Math.cos(2 * Math.PI * fraction());
      return mean * Math.exp(spread * normal - (spread * spread) / 2);
    },
  };
}

/** The finalizer of MurmurHash3: neighbouring numbers end up far apart. */
function mix(value: number): number {
  let mixed = value | 0;
  mixed = Math.imul(mixed ^ (mixed >>> 16), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return mixed ^ (mixed >>> 16);
}
