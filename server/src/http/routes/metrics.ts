/** Figures over HTTP: for Prometheus as they stand now, for charts as they went. Counts nothing itself. */
import {
  History,
  HistoryQuery,
  type HistoryStep,
  type HistoryQuery as Query,
} from "@master-orchestrator/contract";
import type { z } from "zod";
import { GRACE_MS } from "#core/governor.ts";
import { addCounts, LATENCY_BOUNDS, percentile } from "#core/latency.ts";
import { readFiring } from "#store/alerts.ts";
import type { Database } from "#store/database.ts";
import { readLaneGauges, readSystemGauges } from "#store/gauges.ts";
import { readBudget } from "#store/ledger-views.ts";
import { databaseNowMs } from "#store/orchestrator.ts";
import { readLimits } from "#store/permits.ts";
import { countedUntil, type RollUp, readRollUps, readTotals } from "#store/roll-ups.ts";
import { histogram, metric } from "../exposition.ts";
import { time, usd } from "../present.ts";
import { defineRoute, type Route } from "../route.ts";

const MAX_POINTS = 2_000;
/** Lanes of one point; together they bound what is read. */
const MAX_ROWS = 20_000;
const STEP_MS: Record<HistoryStep, number> = { minute: 60_000, hour: 3_600_000, day: 86_400_000 };
const DEFAULT_STEPS = 60;

export interface MetricRoutesContext {
  db: Database;
  /** Those of this process, in Prometheus' text form. */
  ownFigures(): Promise<string>;
  /** What became of this replica's spans; undefined where nothing is traced. */
  traces?: (() => { exported: number; dropped: number; waiting: number }) | undefined;
}

export function metricRoutes({ db, ownFigures, traces }: MetricRoutesContext): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/metrics",
      summary: "Figures for Prometheus",
      description:
        "Those of the process are this replica's; all others are the installation's, the same at each replica.",
      tag: "Health",
      access: "public",
      answers: { 200: { description: "Prometheus' text form", contentType: "text/plain" } },
      async handle() {
        const [gauges, totals, process] = await Promise.all([gaugesNow(db), totalsEver(db), ownFigures()]);
        return {
          status: 200,
          headers: { "content-type": "text/plain; version=0.0.4; charset=utf-8" },
          body: gauges + totals + process + (traces ? spans(traces()) : ""),
        };
      },
    }),
    defineRoute({
      method: "GET",
      path: "/api/v1/metrics/history",
      summary: "Throughput, latency, success and cost over time",
      description:
        "Counted some seconds after each minute. Minutes are kept for 7 days, hours for 400, days for ever.",
      tag: "Orchestrator",
      access: "viewer",
      query: HistoryQuery,
      answers: { 200: History },
      handle: async ({ query }) => ({ status: 200, body: await history(db, query) }),
    }),
  ];
}

function spans({
  exported,
  dropped,
  waiting,
}: {
  exported: number;
  dropped: number;
  waiting: number;
}): string {
  const outcomes = { exported, dropped };
  const samples = Object.entries(outcomes).map(([outcome, value]) => ({ labels: { outcome }, value }));
  return (
    metric(
      "orchestrator_trace_spans_total",
      "counter",
      "Spans of this replica that were exported or lost",
      samples,
    ) +
    metric("orchestrator_trace_spans_waiting", "gauge", "Spans that wait to be exported", [
      { value: waiting },
    ])
  );
}

async function gaugesNow(db: Database): Promise<string> {
  const [lanes, system, budget, limits, firing] = await Promise.all([
    readLaneGauges(db),
    readSystemGauges(db),
    readBudget(db),
    readLimits(db, GRACE_MS),
    readFiring(db),
  ]);
  const gauge = (name: string, help: string, samples: Parameters<typeof metric>[3]) =>
    metric(`orchestrator_${name}`, "gauge", help, samples);
  const lane = (one: { workflowType: string; contentType: string }) => ({
    workflow_type: one.workflowType,
    content_type: one.contentType,
  });
  const tick = system.lastTick;
  const requests = limits.filter((limit) => limit.kind === "requests_per_minute");
  const money = [
    ["cap", budget.capMicros],
    ["settled", budget.settledMicros],
    ["held", budget.heldMicros],
  ] as const;
  return [
    gauge(
      "queue_depth",
      "Waiting tasks by lane, up to 100,000",
      lanes.map((one) => ({ labels: lane(one), value: one.depth })),
    ),
    gauge(
      "queue_oldest_age_seconds",
      "Age of a lane's oldest waiting task",
      lanes.map((one) => ({ labels: lane(one), value: one.oldestAgeSeconds })),
    ),
    gauge(
      "executions",
      "Live executions by state",
      system.running.map((run) => ({
        labels: { workflow_type: run.workflowType, state: run.state },
        value: run.executions,
      })),
    ),
    gauge("dead_letters", "Tasks that wait for a person", [{ value: system.deadLetters }]),
    gauge("set_aside", "What no cycle could process", [{ value: system.setAside }]),
    gauge("paused", "1 while the orchestrator is paused", [{ value: Number(system.paused) }]),
    gauge("slowness", "How far batches and intervals give way, 0 to 1", [{ value: system.slowness }]),
    gauge("alerts_firing", "Alerts that fire, by severity", bySeverity(firing.bySeverity)),
    gauge(
      "recovery_open",
      "1 for each open recovery",
      system.recoveries.map((labels) => ({ labels, value: 1 })),
    ),
    gauge("last_tick_timestamp_seconds", "Boundary of the last tick", [
      tick && { value: tick.boundaryMs / 1000 },
    ]),
    gauge("last_tick_drift_seconds", "How late the last tick ran", [tick && { value: tick.driftMs / 1000 }]),
    gauge(
      "budget_usd",
      "The UTC day's budget: its cap, what is settled, what is held",
      money.map(([part, micros]) => ({ labels: { part }, value: usd(micros) })),
    ),
    gauge(
      "permits_limit",
      "Requests that a provider's rolling minute allows",
      requests.map((limit) => ({ labels: limitLabels(limit), value: limit.most })),
    ),
    gauge(
      "permits_used",
      "Requests in a provider's rolling minute",
      requests.map((limit) => ({ labels: limitLabels(limit), value: limit.used })),
    ),
  ].join("");
}

function bySeverity(counts: Record<string, number>) {
  return Object.entries(counts).map(([severity, value]) => ({ labels: { severity }, value }));
}

function limitLabels({ provider, model }: { provider: string; model: string }) {
  return { provider, model };
}

async function totalsEver(db: Database): Promise<string> {
  const totals = await readTotals(db);
  const counter = (name: string, help: string, samples: Parameters<typeof metric>[3]) =>
    metric(`orchestrator_${name}`, "counter", help, samples);
  const lane = (one: RollUp) => ({ workflow_type: one.workflowType, content_type: one.contentType });
  const ofLanes = totals.filter((one) => one.completed + one.deadLettered + one.cancelled > 0);
  const ofRuns = totals.filter((one) => one.attemptsEnded > 0);
  const latency = (
    name: string,
    help: string,
    counts: (one: RollUp) => number[],
    sumMs: (one: RollUp) => number,
  ) =>
    histogram(
      `orchestrator_task_${name}_seconds`,
      help,
      LATENCY_BOUNDS,
      ofLanes.map((one) => ({ labels: lane(one), counts: counts(one), sum: sumMs(one) / 1000 })),
    );
  return [
    counter(
      "tasks_ended_total",
      "Tasks that have ended",
      ofLanes.flatMap((one) => [
        { labels: { ...lane(one), outcome: "completed" }, value: one.completed },
        { labels: { ...lane(one), outcome: "dead_lettered" }, value: one.deadLettered },
        { labels: { ...lane(one), outcome: "cancelled" }, value: one.cancelled },
      ]),
    ),
    counter(
      "attempts_total",
      "Attempts that have ended",
      ofRuns.map((one) => ({ labels: { workflow_type: one.workflowType }, value: one.attemptsEnded })),
    ),
    counter(
      "attempts_failed_total",
      "Attempts that have failed",
      ofRuns.map((one) => ({ labels: { workflow_type: one.workflowType }, value: one.attemptsFailed })),
    ),
    counter(
      "cost_usd_total",
      "Settled cost",
      totals
        .filter((one) => one.costMicros > 0)
        .map((one) => ({ labels: lane(one), value: usd(one.costMicros) })),
    ),
    latency(
      "wait",
      "From first due to first start",
      (one) => one.waitBuckets,
      (one) => one.waitMs,
    ),
    latency(
      "work",
      "From first start to completion",
      (one) => one.workBuckets,
      (one) => one.workMs,
    ),
    latency(
      "end_to_end",
      "From first due to completion",
      (one) => one.totalBuckets,
      (one) => one.totalMs,
    ),
  ].join("");
}

async function history(db: Database, query: z.output<typeof Query>): Promise<History> {
  const stepMs = STEP_MS[query.step];
  const [nowMs, countedUntilMs] = await Promise.all([databaseNowMs(db), countedUntil(db)]);
  const toMs = query.to === undefined ? nowMs : Date.parse(query.to);
  const askedMs = query.from === undefined ? toMs - DEFAULT_STEPS * stepMs : Date.parse(query.from);
  const fromMs = Math.max(Math.floor(askedMs / stepMs) * stepMs, toMs - MAX_POINTS * stepMs);
  const rows = await readRollUps(db, {
    step: query.step,
    from: new Date(fromMs),
    to: new Date(toMs),
    workflowType: query.workflow_type ?? null,
    contentType: query.content_type ?? null,
    limit: MAX_ROWS,
  });
  const points = Map.groupBy(rows, (row) => row.atMs);
  return {
    step: query.step,
    from: time(fromMs),
    to: time(toMs),
    counted_until: time(countedUntilMs),
    points: [...points].map(([atMs, lanes]) => pointOf(atMs, lanes)),
  };
}

function pointOf(atMs: number, lanes: readonly RollUp[]): History["points"][number] {
  const sum = (of: (one: RollUp) => number) => lanes.reduce((total, one) => total + of(one), 0);
  const latency = (counts: (one: RollUp) => number[], sumMs: (one: RollUp) => number) => {
    const all = lanes.map(counts).reduce(addCounts, []);
    if (completed === 0) return null;
    const at = (q: number) => percentile(all, q) ?? 0;
    return {
      mean_seconds: sum(sumMs) / 1000 / completed,
      ...{ p50_seconds: at(0.5), p95_seconds: at(0.95), p99_seconds: at(0.99) },
    };
  };
  const completed = sum((one) => one.completed);
  const dead = sum((one) => one.deadLettered);
  const costMicros = sum((one) => one.costMicros);
  return {
    at: time(atMs),
    completed,
    dead_lettered: dead,
    cancelled: sum((one) => one.cancelled),
    success_share: completed + dead === 0 ? null : completed / (completed + dead),
    attempts_ended: sum((one) => one.attemptsEnded),
    attempts_failed: sum((one) => one.attemptsFailed),
    cost_usd: usd(costMicros),
    cost_per_task_usd: completed === 0 ? null : usd(Math.round(costMicros / completed)),
    wait: latency(
      (one) => one.waitBuckets,
      (one) => one.waitMs,
    ),
    work: latency(
      (one) => one.workBuckets,
      (one) => one.workMs,
    ),
    total: latency(
      (one) => one.totalBuckets,
      (one) => one.totalMs,
    ),
  };
}
