/** The days of a forecast as a chart has them: what was, then what is expected with its bands; and what was found there. Pure. */
import type { Insight, ReportForecast } from "../../lib/wire.ts";

export interface OutlookPoint {
  day: string;
  known?: number;
  expected?: number;
  /** Lowest and highest, of 80 % and of 95 % of the days. */
  band80?: [number, number];
  band95?: [number, number];
}

/** A day of which nothing is known is a gap. The first expected day is joined to the last one known. */
export function outlook({ history, days }: Pick<ReportForecast, "history" | "days">): OutlookPoint[] {
  const past = history.map(
    ({ day, value }): OutlookPoint => (value === null ? { day } : { day, known: value }),
  );
  const last = past.at(-1);
  if (last?.known !== undefined && days.length > 0) {
    const { known } = last;
    past[past.length - 1] = { ...last, expected: known, band80: [known, known], band95: [known, known] };
  }
  const ahead = days.map(
    ({ day, mean, low_80, high_80, low_95, high_95 }): OutlookPoint => ({
      ...{ day, expected: mean, band80: [low_80, high_80], band95: [low_95, high_95] },
    }),
  );
  return [...past, ...ahead];
}

const MARKED: readonly Insight["kind"][] = ["change", "anomaly"];
const MOST_MARKS = 6;

/** Days at which something was found in this metric as a whole, the most important ones, one mark a day. */
export function marksOf(
  metric: string,
  insights: readonly Insight[],
  points: readonly OutlookPoint[],
): { day: string; kind: Insight["kind"] }[] {
  const there = new Set(points.map(({ day }) => day));
  const found = insights
    .filter(
      ({ kind, subject, from, ...of }) =>
        of.metric === metric && subject === "all" && MARKED.includes(kind) && there.has(from),
    )
    .sort((a, b) => b.importance - a.importance);
  const byDay = new Map(found.map(({ from, kind }) => [from, kind]));
  return [...byDay].slice(0, MOST_MARKS).map(([day, kind]) => ({ day, kind }));
}
