/** Owns the three analyses of a run: what each reads, decides and leaves behind. Knows neither tasks nor HTTP. */
import { decide, waitingFor } from "./experiments/decide.ts";
import { resultOf } from "./experiments/result.ts";
import { FEW_VIEWS, funnelReport, LOOKBACK_DAYS } from "./funnel.ts";
import type { Experiment, Library, WatchedStrategy, Window } from "./library.ts";
import { findOpportunities } from "./opportunities.ts";
import { effectOfStrategy } from "./strategy-effect.ts";

/** Groups of a funnel that a task's result holds; the API has all. */
const GROUPS_KEPT = 20;
const OPPORTUNITIES_KEPT = 20;
const DAY_MS = 86_400_000;

export interface ExperimentOutcome {
  key: string;
  units: number;
  outcome: string | null;
  variant: string | null;
  reason: string;
  rolled_out_as: number | null;
}

export interface StrategyOutcome {
  version: number;
  verdict: string;
  reason: string;
  rolled_back_as: number | null;
}

/** Looks at one experiment, ends it where a rule says so, and puts a winner in force where that was wanted. */
export async function judgeExperiment(library: Library, experiment: Experiment): Promise<ExperimentOutcome> {
  const result = resultOf(experiment, await library.arms(experiment.experimentId), await library.nowMs());
  const decision = decide(experiment, result);
  const about = { key: experiment.key, units: result.units, rolled_out_as: null };
  if (decision === null) {
    await library.noteResult(experiment.experimentId, result);
    return { ...about, outcome: null, variant: null, reason: waitingFor(experiment, result) };
  }
  const rollOut = decision.outcome === "win" && experiment.autoRollOut;
  const version = await library.decide(experiment.experimentId, decision, result, rollOut);
  return { ...about, ...decision, rolled_out_as: version };
}

/** Measures what a strategy update did, and takes it back where it is worse. */
export async function judgeStrategy(library: Library, strategy: WatchedStrategy): Promise<StrategyOutcome> {
  const nowMs = await library.nowMs();
  const effect = effectOfStrategy(strategy, await library.effectOf(strategy), nowMs);
  const over = nowMs >= strategy.inForceSinceMs + strategy.days * DAY_MS;
  const reason =
    effect.missing ??
    `${strategy.metric} per view changed by ${percent(effect.relative)} (${percent(effect.low)} to ${percent(effect.high)}) against ${effect.compared_with}`;
  const worse = effect.verdict === "worse";
  const rolledBack =
    worse && strategy.autoRollBack
      ? await library.rollBack(strategy.version, `it is worse: ${reason}`)
      : null;
  await library.noteEffect(strategy.version, effect, over || worse);
  return { version: strategy.version, verdict: effect.verdict, reason, rolled_back_as: rolledBack };
}

const percent = (value: number | null) =>
  value === null ? "?" : `${value > 0 ? "+" : ""}${Number((100 * value).toPrecision(3))} %`;

export interface FunnelSummary {
  views: number;
  conversions: number;
  revenue_usd: number;
  rpm_usd: number | null;
  missing: string | null;
  by_channel: { key: string; views: number; conversions: number; rpm_usd: number | null }[];
  by_article: {
    key: string;
    title: string | null;
    views: number;
    conversions: number;
    rpm_usd: number | null;
  }[];
  by_offer: { key: string; views: number; conversions: number; rpm_usd: number | null }[];
}

/** The funnels of the window in short; `GET /api/v1/content/funnel` has them whole. */
export async function summariseFunnel(library: Library, window: Window): Promise<FunnelSummary> {
  const query = { window, attribution: "page", goal: null, lookbackDays: LOOKBACK_DAYS, offset: 0 } as const;
  const [channels, articles, offers] = [
    await funnelReport(library, { ...query, by: "channel", limit: GROUPS_KEPT }),
    await funnelReport(library, { ...query, by: "article", limit: GROUPS_KEPT }),
    await funnelReport(library, { ...query, by: "offer", limit: GROUPS_KEPT }),
  ];
  const { views, conversions, revenue_usd, rpm_usd, missing } = channels.total;
  const short = ({ key, views, conversions, rpm_usd }: (typeof channels.groups)[number]) => ({
    ...{ key, views, conversions, rpm_usd },
  });
  return {
    ...{ views, conversions, revenue_usd, rpm_usd, missing },
    by_channel: channels.groups.map(short),
    by_article: articles.groups.map((group) => ({ ...short(group), title: group.title })),
    by_offer: offers.groups.map(short),
  };
}

export interface OpportunitySummary {
  found: number;
  top: { kind: string; subject: string; expected_usd: number; low_usd: number; high_usd: number }[];
  skipped: { kind: string; reason: string }[];
}

/** Looks for opportunities and keeps them for operators; those of earlier runs that are none any more expire. */
export async function keepOpportunities(
  library: Library,
  window: Window,
  taskId: string,
): Promise<OpportunitySummary> {
  const { opportunities, skipped } = await findOpportunities(library, window);
  await library.saveOpportunities(taskId, opportunities);
  return {
    found: opportunities.length,
    top: opportunities
      .slice(0, OPPORTUNITIES_KEPT)
      .map(({ kind, subject, expectedUsd, lowUsd, highUsd }) => ({
        ...{ kind, subject, expected_usd: expectedUsd, low_usd: lowUsd, high_usd: highUsd },
      })),
    skipped,
  };
}

/** Why a window is not worth analysing; null when it is. */
export function emptiness({
  views,
  conversions,
  payments,
}: {
  views: number;
  conversions: number;
  payments: number;
}) {
  if (views + conversions + payments === 0) return "no events, conversions or revenue in the window";
  if (views < FEW_VIEWS) return `not enough data: ${views} views in the window, fewer than ${FEW_VIEWS}`;
  return null;
}
