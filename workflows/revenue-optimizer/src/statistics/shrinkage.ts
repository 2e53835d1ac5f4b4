/** Owns what many small groups teach about each: empirical Bayes by moments. Knows nothing of articles. */
import { type Distribution, gamma } from "./distributions.ts";

/** Sums over all groups, so that they may be millions: the store counts them. `events` came, `expected` were. */
export interface Moments {
  groups: number;
  events: number;
  expected: number;
  /** Σ expected · (events / expected − mean)², of which mean is all events over all that were expected. */
  squares: number;
}

export interface Prior {
  mean: number;
  /** Of the groups' true rates; 0: they differ by no more than chance explains. */
  variance: number;
}

/** Marshall's global estimator (1991, "Mapping disease and mortality rates using empirical Bayes estimators"). */
export function rateOfGroups({ groups, events, expected, squares }: Moments): Prior | null {
  if (groups < 2 || expected <= 0 || events <= 0) return null;
  const mean = events / expected;
  const variance = squares / expected - mean / (expected / groups);
  return { mean, variance: Math.max(0, variance) };
}

/** Where groups do not seem to differ at all they still may by a little: so much of the mean, squared. */
const LEAST_SPREAD = 0.05;

/**
 * What is believed of one group's rate after its own events: a gamma distribution, whose mean is Marshall's estimate,
 * the group's rate drawn towards the mean by as much as its own numbers are few.
 */
export function rateOfGroup(
  prior: Prior,
  { events, expected }: { events: number; expected: number },
): Pick<Distribution, "mean" | "sd" | "cdf" | "quantile"> {
  const variance = Math.max(prior.variance, (LEAST_SPREAD * prior.mean) ** 2);
  return gamma(prior.mean ** 2 / variance + events, prior.mean / variance + expected);
}

export interface Measured {
  mean: number;
  standardError: number;
}

/**
 * Means of groups, each drawn towards the common one: DerSimonian and Laird's (1986) spread between groups, then the
 * normal-normal posterior of each. With a single group nothing is drawn anywhere.
 */
export function shrinkMeans(groups: readonly Measured[]): {
  common: number;
  spread: number;
  each: Measured[];
} {
  const weights = groups.map(({ standardError }) => 1 / standardError ** 2);
  const total = sumOf(weights);
  const fixed = sumOf(groups.map(({ mean }, i) => mean * (weights[i] as number))) / total;
  const q = sumOf(groups.map(({ mean }, i) => (weights[i] as number) * (mean - fixed) ** 2));
  const scale = total - sumOf(weights.map((weight) => weight ** 2)) / total;
  const between = groups.length < 2 ? 0 : Math.max(0, (q - (groups.length - 1)) / scale);
  const loose = groups.map(({ standardError }) => 1 / (standardError ** 2 + between));
  const common = sumOf(groups.map(({ mean }, i) => mean * (loose[i] as number))) / sumOf(loose);
  const each = groups.map((group) => {
    const own = between / (between + group.standardError ** 2);
    return {
      mean: own * group.mean + (1 - own) * common,
      standardError: Math.sqrt(own * group.standardError ** 2 + (1 - own) ** 2 / sumOf(loose)),
    };
  });
  return { common, spread: Math.sqrt(between), each };
}

const sumOf = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0);
