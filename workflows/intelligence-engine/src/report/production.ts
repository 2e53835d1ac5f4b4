/** Owns what a report says about the orchestrator's own work, held against the targets. Pure. */
import { daysOf, type Period } from "../days.ts";
import type { Targets } from "../input.ts";
import type { HouseDay } from "../library.ts";
import { shown, shownShare } from "../metrics.ts";
import type { ReportDocument, Target } from "./document.ts";

/** The workflow whose tasks are articles. */
export const WRITER = "content_pipeline";

export function productionOf(
  house: readonly HouseDay[],
  period: Period,
  before: Period,
  targets: Targets,
  latency: { p50Seconds: number | null; p95Seconds: number | null },
): ReportDocument["production"] {
  const within = ({ from, to }: Period) => house.filter(({ day }) => day >= from && day < to);
  const [now, then] = [within(period), within(before)];
  const writer = now.filter(({ workflowType }) => workflowType === WRITER);
  const sum = (rows: readonly HouseDay[], value: (row: HouseDay) => number) =>
    rows.reduce((total, row) => total + value(row), 0);
  const [completed, failed] = [sum(now, (row) => row.tasksCompleted), sum(now, (row) => row.tasksFailed)];
  const articles = sum(writer, (row) => row.articles);
  const written = sum(writer, (row) => row.tasksCompleted);
  const costs = sum(writer, (row) => row.costUsd);
  const made = {
    known: now.length > 0,
    articles,
    tasks_completed: completed,
    tasks_failed: failed,
    success_share: completed + failed === 0 ? null : completed / (completed + failed),
    latency_p50_seconds: latency.p50Seconds,
    latency_p95_seconds: latency.p95Seconds,
    within_two_minutes_share: written === 0 ? null : sum(writer, (row) => row.withinTwoMinutes) / written,
    cost_usd: sum(now, (row) => row.costUsd),
    cost_per_article_usd: articles === 0 ? null : costs / articles,
  };
  const days = daysOf(period.from, period.to);
  return {
    ...made,
    targets: made.known ? targetsOf(made, days.length, targets) : [],
    by_workflow: byWorkflow(now),
    days: days.map((day) => {
      const rows = now.filter((row) => row.day === day);
      return { day, articles: sum(rows, (row) => row.articles), failed: sum(rows, (row) => row.tasksFailed) };
    }),
    before: { articles: sum(then, (row) => row.articles), cost_usd: sum(then, (row) => row.costUsd) },
  };
}

type Made = Pick<
  ReportDocument["production"],
  "articles" | "success_share" | "latency_p95_seconds" | "cost_per_article_usd"
>;

function targetsOf(made: Made, days: number, targets: Targets): Target[] {
  const perDay = days === 0 ? 0 : made.articles / days;
  const judged = (value: number | null, met: (value: number) => boolean) =>
    value === null ? null : met(value);
  const or = (value: number | null, text: (value: number) => string) =>
    value === null ? "nothing to measure" : text(value);
  return [
    {
      name: "Articles a day",
      target: `${shown(targets.articles_per_day, "count")} or more`,
      actual: shown(perDay, "count"),
      met: perDay >= targets.articles_per_day,
    },
    {
      name: "Task to result (p95)",
      target: `under ${shown(targets.seconds_to_result, "seconds")}`,
      actual: or(made.latency_p95_seconds, (value) => shown(value, "seconds")),
      met: judged(made.latency_p95_seconds, (value) => value < targets.seconds_to_result),
    },
    {
      name: "Success",
      target: `over ${shownShare(targets.success_share)}`,
      actual: or(made.success_share, (value) => shownShare(value)),
      met: judged(made.success_share, (value) => value > targets.success_share),
    },
    {
      name: "Cost of an article",
      target: `under ${shown(targets.cost_per_article_usd, "usd")}`,
      actual: or(made.cost_per_article_usd, (value) => shown(value, "usd")),
      met: judged(made.cost_per_article_usd, (value) => value < targets.cost_per_article_usd),
    },
  ];
}

function byWorkflow(rows: readonly HouseDay[]): ReportDocument["production"]["by_workflow"] {
  return [...Map.groupBy(rows, ({ workflowType }) => workflowType)]
    .map(([type, of]) => ({
      workflow_type: type || "(none)",
      completed: of.reduce((total, row) => total + row.tasksCompleted, 0),
      failed: of.reduce((total, row) => total + row.tasksFailed, 0),
      cost_usd: of.reduce((total, row) => total + row.costUsd, 0),
    }))
    .sort((a, b) => b.completed + b.failed - (a.completed + a.failed));
}
