/** Owns the probability distributions that the optimizer counts with: thin names over @stdlib. Estimates nothing. */
import betaCdfOf from "@stdlib/stats-base-dists-beta-cdf";
import betaLogDensityOf from "@stdlib/stats-base-dists-beta-logpdf";
import betaQuantileOf from "@stdlib/stats-base-dists-beta-quantile";
import chiSquareCdfOf from "@stdlib/stats-base-dists-chisquare-cdf";
import gammaCdfOf from "@stdlib/stats-base-dists-gamma-cdf";
import gammaQuantileOf from "@stdlib/stats-base-dists-gamma-quantile";
import normalCdfOf from "@stdlib/stats-base-dists-normal-cdf";
import normalQuantileOf from "@stdlib/stats-base-dists-normal-quantile";

/** A law of one number, as far as it is needed to compare it with others. */
export interface Distribution {
  mean: number;
  sd: number;
  cdf(x: number): number;
  density(x: number): number;
  quantile(p: number): number;
  /** Outside of it there is nothing. */
  support: readonly [low: number, high: number];
}

export function beta(a: number, b: number): Distribution {
  const mean = a / (a + b);
  return {
    mean,
    sd: Math.sqrt((mean * (1 - mean)) / (a + b + 1)),
    cdf: (x) => betaCdfOf(x, a, b),
    density: (x) => Math.exp(betaLogDensityOf(x, a, b)),
    quantile: (p) => betaQuantileOf(p, a, b),
    support: [0, 1],
  };
}

export function normal(mean: number, sd: number): Distribution {
  return {
    mean,
    sd,
    cdf: (x) => normalCdfOf(x, mean, sd),
    density: (x) => Math.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * Math.sqrt(2 * Math.PI)),
    quantile: (p) => normalQuantileOf(p, mean, sd),
    support: [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY],
  };
}

/** By shape and rate, of which the mean is shape / rate. */
export function gamma(shape: number, rate: number): Pick<Distribution, "mean" | "sd" | "cdf" | "quantile"> {
  return {
    mean: shape / rate,
    sd: Math.sqrt(shape) / rate,
    cdf: (x) => gammaCdfOf(x, shape, rate),
    quantile: (p) => gammaQuantileOf(p, shape, rate),
  };
}

/** The chance of a chi-square at least this large. */
export function chiSquareTail(x: number, degreesOfFreedom: number): number {
  return 1 - chiSquareCdfOf(x, degreesOfFreedom);
}

/** So many standard deviations on either side hold `level` of a normal distribution. */
export function normalReach(level: number): number {
  return normalQuantileOf((1 + level) / 2, 0, 1);
}
