/** Owns intervals of shares and of sums of money: Wilson's, and Fay and Feuer's. Knows nothing of articles. */
import { gamma, normalReach } from "./distributions.ts";

export interface Interval {
  low: number;
  high: number;
}

export const LEVEL = 0.95;

/**
 * Wilson's score interval of a share (Wilson 1927; method 3 in Newcombe 1998): holds what it says also for few
 * trials and for none or all of them. Null for no trials, and for more successes than trials.
 */
export function wilson(successes: number, trials: number, level = LEVEL): Interval | null {
  if (!(trials > 0) || successes < 0 || successes > trials) return null;
  const z = normalReach(level);
  const share = successes / trials;
  const spread = z * Math.sqrt((share * (1 - share)) / trials + (z * z) / (4 * trials * trials));
  const centre = share + (z * z) / (2 * trials);
  const scale = 1 + (z * z) / trials;
  return {
    low: successes === 0 ? 0 : (centre - spread) / scale,
    high: successes === trials ? 1 : (centre + spread) / scale,
  };
}

/** What is known of payments without knowing each: their sum, the sum of their squares, the largest, their number. */
export interface Payments {
  sum: number;
  squares: number;
  largest: number;
  count: number;
  /** Whether money was given back among them. */
  refunds: boolean;
}

/**
 * An interval of what payments come to on average, when they come at random: their sum is a Poisson number of
 * amounts (compound Poisson), whose variance is the sum of squares. Fay and Feuer (1997) give it the tails of a
 * gamma distribution, so one large payment among small ones makes the upper end high, as it should; for payments of
 * 1 it is the exact Poisson interval. With refunds it is the normal approximation. Null without any payment.
 */
export function sumInterval(payments: Payments, level = LEVEL): Interval | null {
  const { sum, squares, largest, count, refunds } = payments;
  if (count === 0 || squares <= 0) return null;
  const tail = (1 - level) / 2;
  if (refunds || sum <= 0) {
    const reach = normalReach(level) * Math.sqrt(squares);
    return { low: sum - reach, high: sum + reach };
  }
  const more = sum + largest;
  const moreSquares = squares + largest * largest;
  return {
    low: gamma((sum * sum) / squares, sum / squares).quantile(tail),
    high: gamma((more * more) / moreSquares, more / moreSquares).quantile(1 - tail),
  };
}
