/** The overview over HTTP: gathers figures and lets the core judge them. Judges nothing itself. */
import { defaultPolicy, Overview } from "@master-orchestrator/contract";
import { judge } from "#core/verdict.ts";
import { readFiring } from "#store/alerts.ts";
import type { Database } from "#store/database.ts";
import { hasTasks, readStates, readSystemGauges } from "#store/gauges.ts";
import { readBudget, settledOn } from "#store/ledger-views.ts";
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
  const [nowMs, view, orchestrator, system, budget, line, stored, anything, alerts, states] =
    await Promise.all([
      databaseNowMs(db),
      orchestratorView(db),
      showOrchestrator(context),
      readSystemGauges(db),
      readBudget(db),
      readLine(db),
      currentPolicy(db),
      hasTasks(db),
      readFiring(db),
      readStates(db),
    ]);
  const policy = stored?.policy ?? defaultPolicy();
  const [{ lastHour, articlesLastHour, articlesToday }, yesterday] = await Promise.all([
    lately(db, nowMs),
    dayBefore(db, nowMs),
  ]);
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
    states: {
      executions: { ...states.executions, COMPLETED: 0, FAILED: 0, CANCELLED: 0, ...states.endedRuns },
      tasks: { ...states.tasks, completed: lastHour.completed, cancelled: lastHour.cancelled },
    },
    budget: {
      cap_usd: usd(budget.capMicros),
      settled_usd: usd(budget.settledMicros),
      held_usd: usd(budget.heldMicros),
      forecast_usd: usd(forecastMicros),
    },
    articles: { today: articlesToday, last_hour: articlesLastHour, forecast_today: articlesForecast },
    yesterday,
    dead_letters: system.deadLetters,
    empty: !anything,
  };
}

async function dayBefore(db: Database, nowMs: number): Promise<Overview["yesterday"]> {
  const todayMs = nowMs - (nowMs % DAY_MS);
  const from = new Date(todayMs - DAY_MS);
  const day = from.toISOString().slice(0, 10);
  const [costMicros, rows] = await Promise.all([
    settledOn(db, day),
    readRollUps(db, {
      ...{ step: "day", from, to: new Date(todayMs), limit: MAX_ROWS },
      ...{ workflowType: null, contentType: null },
    }),
  ]);
  const ofArticles = rows.filter((row) => row.workflowType === ARTICLES);
  const articles = sum(ofArticles, (one) => one.completed);
  const articleMicros = sum(ofArticles, (one) => one.costMicros);
  return {
    day,
    cost_usd: usd(costMicros),
    completed: sum(rows, (one) => one.completed),
    dead_lettered: sum(rows, (one) => one.deadLettered),
    articles,
    cost_per_article_usd: articles === 0 ? null : usd(Math.round(articleMicros / articles)),
  };
}

function sum(rows: readonly RollUp[], of: (one: RollUp) => number): number {
  return rows.reduce((total, one) => total + of(one), 0);
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
  const articles = minutes.filter((row) => row.workflowType === ARTICLES);
  return {
    articlesToday: sum(today, (one) => one.completed),
    articlesLastHour: sum(articles, (one) => one.completed),
    lastHour: {
      completed: sum(minutes, (one) => one.completed),
      deadLettered: sum(minutes, (one) => one.deadLettered),
      cancelled: sum(minutes, (one) => one.cancelled),
      attemptsEnded: sum(minutes, (one) => one.attemptsEnded),
      attemptsFailed: sum(minutes, (one) => one.attemptsFailed),
    },
  };
}
