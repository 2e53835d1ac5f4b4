/** The overview over HTTP: gathers figures and lets the core judge them. Judges nothing itself. */
import { defaultPolicy, Overview } from "@master-orchestrator/contract";
import { judge } from "#core/verdict.ts";
import { readFiring } from "#store/alerts.ts";
import type { Database } from "#store/database.ts";
import { hasTasks, readSystemGauges } from "#store/gauges.ts";
import { readBudget } from "#store/ledger-views.ts";
import { databaseNowMs, orchestratorView } from "#store/orchestrator.ts";
import { readLine } from "#store/permits.ts";
import { currentPolicy } from "#store/policies.ts";
import { type RollUp, readRollUps } from "#store/roll-ups.ts";
import { usd } from "../present.ts";
import { defineRoute, type Route } from "../route.ts";
import { type OrchestratorStatusContext, showOrchestrator } from "./orchestrator.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const ARTICLES = "content_pipeline";
const MAX_ROWS = 20_000;

export function overviewRoutes(context: OrchestratorStatusContext & { tickIntervalMs: number }): Route[] {
  return [
    defineRoute({
      method: "GET",
      path: "/api/v1/overview",
      summary: "How the system does: a verdict in words, its causes, and the causes ruled out",
      tag: "Orchestrator",
      access: "viewer",
      answers: { 200: Overview },
      handle: async () => ({ status: 200, body: await overview(context) }),
    }),
  ];
}

async function overview(context: OrchestratorStatusContext & { tickIntervalMs: number }): Promise<Overview> {
  const { db, nextTickMs, tickIntervalMs } = context;
  const [nowMs, view, orchestrator, system, budget, line, stored, anything, alerts] = await Promise.all([
    databaseNowMs(db),
    orchestratorView(db),
    showOrchestrator(context),
    readSystemGauges(db),
    readBudget(db),
    readLine(db),
    currentPolicy(db),
    hasTasks(db),
    readFiring(db),
  ]);
  const policy = stored?.policy ?? defaultPolicy();
  const { lastHour, articlesLastHour, articlesToday } = await lately(db, nowMs);
  const used = budget.settledMicros + budget.heldMicros;
  const forecastMicros = Math.round(used + budget.lastHourMicros * (1 - budget.elapsed) * 24);
  const verdict = judge({
    nowMs,
    paused: view.paused,
    pausedBy: view.pausedBy,
    running: view.running,
    waiting: view.waiting,
    lastTick: view.lastTick,
    nextTickMs: nextTickMs(),
    tickIntervalMs,
    recoveries: view.recoveries,
    deadLetters: system.deadLetters,
    setAside: system.setAside,
    budget: { ...budget, forecastMicros },
    providersPaused: line.pauses,
    articlesToday,
    articlesLastHour,
    lastHour,
    highLoadAbove: policy.high_load.waiting_above,
    budgetWarnsAt: policy.budget.slow_down_at,
    alerts,
  });
  const { level, words, causes, ruledOut, articlesForecast } = verdict;
  return {
    verdict: { level, words, causes, ruled_out: ruledOut },
    orchestrator,
    budget: {
      cap_usd: usd(budget.capMicros),
      settled_usd: usd(budget.settledMicros),
      held_usd: usd(budget.heldMicros),
      forecast_usd: usd(forecastMicros),
    },
    articles: { today: articlesToday, last_hour: articlesLastHour, forecast_today: articlesForecast },
    dead_letters: system.deadLetters,
    empty: !anything,
  };
}

/** What ended in the hour behind us and, of articles, on this UTC day; counted to the last minute or so. */
async function lately(db: Database, nowMs: number) {
  const common = { workflowType: null, contentType: null, limit: MAX_ROWS, to: new Date(nowMs) };
  const [minutes, today] = await Promise.all([
    readRollUps(db, { ...common, step: "minute", from: new Date(nowMs - HOUR_MS) }),
    readRollUps(db, {
      ...common,
      step: "day",
      from: new Date(nowMs - (nowMs % DAY_MS)),
      workflowType: ARTICLES,
    }),
  ]);
  const sum = (rows: readonly RollUp[], of: (one: RollUp) => number) =>
    rows.reduce((total, one) => total + of(one), 0);
  const articles = minutes.filter((row) => row.workflowType === ARTICLES);
  return {
    articlesToday: sum(today, (one) => one.completed),
    articlesLastHour: sum(articles, (one) => one.completed),
    lastHour: {
      completed: sum(minutes, (one) => one.completed),
      deadLettered: sum(minutes, (one) => one.deadLettered),
      attemptsEnded: sum(minutes, (one) => one.attemptsEnded),
      attemptsFailed: sum(minutes, (one) => one.attemptsFailed),
    },
  };
}
