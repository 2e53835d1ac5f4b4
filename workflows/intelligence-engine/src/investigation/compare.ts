/** Owns the comparison of a span of days with the same weekdays before it. Pure. */
import { addDays, daysBetween, daysOf } from "../days.ts";
import { mean, median, spread } from "../statistics/robust.ts";

/** So many spans before are what is usual, as far as they are known. */
const SPANS_BEFORE = 6;

export interface Spans {
  after: string[];
  /** Spans of the same length and weekdays, the nearest first; they never overlap the one that is looked at. */
  before: string[][];
}

export function spansOf(from: string, to: string): Spans {
  const length = daysBetween(from, to);
  const step = Math.ceil(length / 7) * 7;
  return {
    after: daysOf(from, to),
    before: Array.from({ length: SPANS_BEFORE }, (_, i) => {
      const back = -(i + 1) * step;
      return daysOf(addDays(from, back), addDays(to, back));
    }),
  };
}

export interface Comparison {
  /** Means of a day. */
  after: number;
  before: number;
  /** The mean over all days before; `before` is the median of the spans, which one bad week does not move. */
  beforeMean: number;
  /** Factor less 1; null where nothing was before. */
  share: number | null;
  /** The difference in robust standard deviations of the spans before; null with fewer than three of them. */
  z: number | null;
  /** Spans before that are known for the most part, and their days. */
  spans: number;
  beforeDays: string[];
  knownDays: number;
  unknownDays: string[];
}

/** `value`: of a day; null where it is unknown. Null when nothing is known of the span, or of any before it. */
export function compare({ after, before }: Spans, value: (day: string) => number | null): Comparison | null {
  const known = (days: readonly string[]) => days.filter((day) => value(day) !== null);
  const meanOf = (days: readonly string[]) => mean(days.map((day) => value(day) as number));
  const afterDays = known(after);
  // A span of which less than half is known compares weekdays with others.
  const usable = before.map(known).filter((days) => days.length * 2 >= after.length);
  if (afterDays.length === 0 || usable.length === 0) return null;
  const means = usable.map(meanOf);
  const usual = median(means);
  const now = meanOf(afterDays);
  // Never less than what counting by chance brings to a mean of so many days.
  const noise = Math.max(spread(means), Math.sqrt(Math.abs(usual) / after.length), 0.02 * Math.abs(usual));
  return {
    after: now,
    before: usual,
    beforeMean: meanOf(usable.flat()),
    share: usual === 0 ? null : now / usual - 1,
    z: means.length < 3 || noise === 0 ? null : (now - usual) / noise,
    spans: usable.length,
    beforeDays: usable.flat(),
    knownDays: afterDays.length,
    unknownDays: after.filter((day) => value(day) === null),
  };
}
