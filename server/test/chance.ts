/** Owns chance that repeats: numbers that depend on a seed alone, and seeds that a failure names. */

export interface Chance {
  /** In [0, 1). */
  fraction(): number;
  /** A whole number from `low` to `high`, both included. */
  int(low: number, high: number): number;
  oneOf<T>(values: readonly T[]): T;
  /** True in `share` of the cases. */
  maybe(share: number): boolean;
}

/** A linear congruential generator (Numerical Recipes' constants); its high bits are the good ones. */
export function chance(seed: number): Chance {
  let state = Math.imul(seed, 2654435761) >>> 0;
  const fraction = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const int = (low: number, high: number) => low + Math.floor(fraction() * (high - low + 1));
  return {
    fraction,
    int,
    oneOf: (values) => values[int(0, values.length - 1)] as (typeof values)[number],
    maybe: (share) => fraction() < share,
  };
}

/** Runs `check` with the chance of the seeds 1 to `seeds`; a failure names its seed. */
export function forSeeds(seeds: number, check: (random: Chance, seed: number) => void): void {
  for (let seed = 1; seed <= seeds; seed++) {
    try {
      check(chance(seed), seed);
    } catch (error) {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, { cause: error });
    }
  }
}
