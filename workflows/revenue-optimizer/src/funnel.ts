/** Owns the funnel: rates from stage to stage, revenue per thousand views, and how sure each is. Counts nothing itself. */
import type { Attribution, FunnelBy, FunnelCounts, FunnelQuery, Library, Window } from "./library.ts";
import { LEVEL, sumInterval, wilson } from "./statistics/interval.ts";

export interface StageRate {
  from: string;
  to: string;
  rate: number | null;
  low: number | null;
  high: number | null;
  lost: number | null;
  note: string | null;
}

export interface Funnel {
  views: number;
  engaged: number;
  clicks: number;
  conversions: number;
  attributed: number;
  payments: number;
  revenue_usd: number;
  stages: StageRate[];
  largest_drop: string | null;
  rpm_usd: number | null;
  rpm_low_usd: number | null;
  rpm_high_usd: number | null;
  enough_data: boolean;
  missing: string | null;
}

/** Fewer views or conversions than these say little: the numbers are shown, and that they are few. */
export const FEW_VIEWS = 100;
export const FEW_CONVERSIONS = 5;

/** One funnel, from its counts. A stage that was not measured (no such event at all) is passed over. */
export function funnelOf(counts: FunnelCounts): Funnel {
  const { views, engaged, clicks, conversions, payments } = counts;
  const reached = (
    [
      ["views", views],
      ["engaged", engaged],
      ["clicks", clicks],
      ["conversions", conversions],
    ] as const
  ).filter(([name, count]) => count > 0 || name === "views" || name === "conversions");
  const steps = reached.slice(1).map(([to, count], i) => stage(reached[i]!, [to, count]));
  const whole = reached.length > 2 ? [stage(["views", views], ["conversions", conversions])] : [];
  const drop = steps
    .filter(({ rate }) => rate !== null)
    .toSorted((a, b) => (b.lost as number) - (a.lost as number))[0];
  const missing = missingOf(counts);
  const perThousand = (usd: number) => (views > 0 ? (1000 * usd) / views : null);
  const money = sumInterval(payments);
  return {
    ...{ views, engaged, clicks, conversions, attributed: counts.touched, payments: payments.count },
    revenue_usd: payments.sum,
    stages: [...steps, ...whole],
    largest_drop: drop ? `${drop.from} to ${drop.to}` : null,
    rpm_usd: perThousand(payments.sum),
    rpm_low_usd: money && perThousand(money.low),
    rpm_high_usd: money && perThousand(money.high),
    enough_data: missing === null,
    missing,
  };
}

function stage([from, before]: readonly [string, number], [to, after]: readonly [string, number]): StageRate {
  const interval = wilson(after, before);
  if (interval) {
    return {
      ...{ from, to, rate: after / before, ...interval, lost: before - after },
      note: null,
    };
  }
  const note =
    before === 0
      ? `no ${from} were counted`
      : `there are more ${to} than ${from}: these are events, of which one reader can make several`;
  return { from, to, rate: null, low: null, high: null, lost: null, note };
}

function missingOf({ views, conversions }: FunnelCounts): string | null {
  if (views === 0) return "not enough data: no views";
  if (views < FEW_VIEWS) return `not enough data: ${views} views, fewer than ${FEW_VIEWS}`;
  if (conversions < FEW_CONVERSIONS) {
    return `not enough data: ${conversions} conversions, fewer than ${FEW_CONVERSIONS}`;
  }
  return null;
}

export interface FunnelReport {
  from: string;
  to: string;
  by: FunnelBy;
  attribution: Attribution;
  goal: string | null;
  confidence: number;
  total: Funnel;
  groups: (Funnel & { key: string; title: string | null })[];
  more: boolean;
}

export const LOOKBACK_DAYS = 30;

/** The funnel of all and of each group, those with most views first. */
export async function funnelReport(library: Library, query: FunnelQuery): Promise<FunnelReport> {
  const { total, groups, more } = await library.funnel(query);
  const { by, attribution, goal } = query;
  return {
    ...rangeOf(query.window),
    ...{ by, attribution, goal, confidence: LEVEL },
    total: funnelOf(total),
    groups: groups.map((group) => ({ key: group.key, title: group.title, ...funnelOf(group) })),
    more,
  };
}

export function rangeOf({ fromMs, toMs }: Window): { from: string; to: string } {
  return { from: new Date(fromMs).toISOString(), to: new Date(toMs).toISOString() };
}
