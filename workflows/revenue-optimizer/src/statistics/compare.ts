/** Owns the comparison of what is believed of several variants: who is best, and what a wrong choice costs. Knows no data. */
import type { Distribution } from "./distributions.ts";

export interface Standing {
  /** The chance that this one is the best of all. */
  best: number;
  /** The chance that it is better than the first one, the control. */
  better: number;
  /** What one gives up on average by choosing it, in the metric's own unit. */
  loss: number;
}

/** Beyond so many standard deviations nothing is left to integrate. */
const REACH = 12;
const PANELS = 80;
/** Gauss and Legendre's rule with five points: exact for polynomials of ninth degree in each panel. */
const NODES: readonly (readonly [at: number, weight: number])[] = [
  [0, 128 / 225],
  ...[-1, 1].flatMap((side) => {
    const inner = Math.sqrt(5 - 2 * Math.sqrt(10 / 7)) / 3;
    const outer = Math.sqrt(5 + 2 * Math.sqrt(10 / 7)) / 3;
    const root = 13 * Math.sqrt(70);
    return [
      [side * inner, (322 + root) / 900],
      [side * outer, (322 - root) / 900],
    ] as const;
  }),
];

/**
 * For each variant, by numerical integration (no simulation, so the same numbers give the same answer):
 * P(best) = ∫ f(x) ∏ F_other(x) dx, and the expected loss E[(max others − own)⁺] = ∫ F(x) (1 − ∏ F_other(x)) dx.
 */
export function compare(variants: readonly Distribution[]): Standing[] {
  const control = variants[0] as Distribution;
  return variants.map((own, i) => {
    const others = variants.filter((_, j) => j !== i);
    return {
      best: unit(integral(own, (x) => own.density(x) * product(others, x))),
      better: i === 0 ? 0.5 : unit(integral(own, (x) => own.density(x) * control.cdf(x))),
      loss: Math.max(
        0,
        overAll(variants, (x) => own.cdf(x) * (1 - product(others, x))),
      ),
    };
  });
}

const unit = (p: number) => Math.min(1, Math.max(0, p));
const product = (of: readonly Distribution[], x: number) => of.reduce((all, one) => all * one.cdf(x), 1);

function integral(around: Distribution, f: (x: number) => number): number {
  return panels(reachOf(around), f);
}

/** Where several differ in width, each stretch between the ends of their reaches gets panels of its own. */
function overAll(variants: readonly Distribution[], f: (x: number) => number): number {
  const ends = [...new Set(variants.flatMap((one) => reachOf(one)))].sort((a, b) => a - b);
  return ends.slice(1).reduce((sum, end, i) => sum + panels([ends[i] as number, end], f), 0);
}

function reachOf({ mean, sd, support: [least, most] }: Distribution): [number, number] {
  return [Math.max(least, mean - REACH * sd), Math.min(most, mean + REACH * sd)];
}

function panels([from, to]: readonly [number, number], f: (x: number) => number): number {
  const half = (to - from) / PANELS / 2;
  let sum = 0;
  for (let panel = 0; panel < PANELS; panel++) {
    const middle = from + (2 * panel + 1) * half;
    for (const [at, weight] of NODES) sum += weight * f(middle + at * half);
  }
  return sum * half;
}
