/** Owns the search for moments at which a series' level changed for good: PELT with the cost of a shifted mean. Pure. */
import { mean, variance } from "./robust.ts";

export interface ChangePoint {
  /** The first value of the new level, from 0. */
  at: number;
  before: number;
  after: number;
  /** The difference in standard errors. */
  z: number;
}

export interface ChangeOptions {
  /** The fewest values of a level. */
  minSegment?: number;
  /** What each further level costs, in units of log n: more finds fewer. */
  strictness?: number;
}

/**
 * The levels that explain the series best at the price of each change (Killick, Fearnhead, Eckley 2012: exact, in
 * linear time on the whole). The noise is judged from differences of neighbours, which a shift hardly touches, and
 * enlarged where neighbours resemble each other, so that a slow wave is not taken for steps.
 */
export function findChanges(values: readonly number[], options: ChangeOptions = {}): ChangePoint[] {
  const { minSegment = 7, strictness = 4 } = options;
  const n = values.length;
  if (n < 2 * minSegment) return [];
  const noise = longRunVariance(values);
  if (noise === 0) return [];
  const starts = pelt(values, noise, strictness * Math.log(n), minSegment);
  const bounds = [0, ...starts, n];
  return starts.map((at, i) => {
    const left = values.slice(bounds[i], at);
    const right = values.slice(at, bounds[i + 2]);
    const before = mean(left);
    const after = mean(right);
    const error = Math.sqrt(noise * (1 / left.length + 1 / right.length));
    return { at, before, after, z: (after - before) / error };
  });
}

/** Variance of the noise as a mean of many values feels it. */
function longRunVariance(values: readonly number[]): number {
  const steps = values.slice(1).map((value, i) => value - (values[i] as number));
  const ofSteps = variance(steps) + mean(steps) ** 2;
  if (ofSteps === 0) return 0;
  const products = steps.slice(1).map((step, i) => step * (steps[i] as number));
  // White noise has −½ here, a first-order process −(1 − ρ)/2.
  const rho = Math.min(0.8, Math.max(0, 1 + (2 * mean(products)) / ofSteps));
  return (ofSteps / (2 * (1 - rho))) * ((1 + rho) / (1 - rho));
}

function pelt(values: readonly number[], noise: number, penalty: number, minSegment: number): number[] {
  const n = values.length;
  const sums = [0];
  const squares = [0];
  for (const value of values) {
    sums.push((sums.at(-1) as number) + value);
    squares.push((squares.at(-1) as number) + value * value);
  }
  const cost = (from: number, to: number) => {
    const total = (sums[to] as number) - (sums[from] as number);
    return ((squares[to] as number) - (squares[from] as number) - (total * total) / (to - from)) / noise;
  };
  const best = new Array<number>(n + 1).fill(Number.POSITIVE_INFINITY);
  const last = new Array<number>(n + 1).fill(0);
  best[0] = -penalty;
  let candidates = [0];
  for (let to = minSegment; to <= n; to++) {
    for (const from of candidates) {
      const total = (best[from] as number) + cost(from, to) + penalty;
      if (total < (best[to] as number)) {
        best[to] = total;
        last[to] = from;
      }
    }
    candidates = candidates.filter((from) => (best[from] as number) + cost(from, to) <= (best[to] as number));
    const next = to - minSegment + 1;
    if (next >= minSegment) candidates.push(next);
  }
  const starts: number[] = [];
  for (let to = n; to > 0; to = last[to] as number)
    if ((last[to] as number) > 0) starts.push(last[to] as number);
  return starts.reverse();
}
