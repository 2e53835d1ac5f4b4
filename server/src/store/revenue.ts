/** Owns what the revenue optimizer asks of the database, as one library, and which of its runs have finished. Judges nothing. */
import { Problem } from "@master-orchestrator/contract";
import type { Database, Queryable } from "./database.ts";
import { armsOf, decideExperiment, experimentById, noteResult, runningExperiments } from "./experiments.ts";
import { countFunnel, coverage, type FunnelQuery, type Window } from "./funnel.ts";
import {
  articleStandings,
  type NewOpportunity,
  offerStandings,
  saveOpportunities,
  typeStandings,
} from "./opportunities.ts";
import { beforeAndAfter, noteEffect, rollBack, type StrategyRow, watchedStrategies } from "./strategies.ts";

/** Reads over many events may take longer than others, but not for ever. Throws `unavailable` when they would. */
function readerOf(db: Database, withinSeconds: number) {
  return async <T>(work: (tx: Queryable) => Promise<T>): Promise<T> => {
    try {
      return await db.transaction(async (tx) => {
        await tx.query(`set local statement_timeout = '${withinSeconds}s'`);
        return await work(tx);
      });
    } catch (error) {
      if ((error as { code?: string }).code !== QUERY_CANCELED) throw error;
      const message = `the events could not be counted within ${withinSeconds} s`;
      throw new Problem("unavailable", message, "Ask for a shorter time.");
    }
  };
}

const QUERY_CANCELED = "57014";

/** The library as the revenue optimizer asks for it, over one database. */
export function revenueLibrary(db: Database, { readWithinSeconds = 120 } = {}) {
  const reading = readerOf(db, readWithinSeconds);
  return {
    nowMs: () => nowMs(db),
    coverage: (window: Window) => reading((tx) => coverage(tx, window)),
    funnel: (query: FunnelQuery) => reading((tx) => countFunnel(tx, query)),
    runningExperiments: () => runningExperiments(db),
    arms: (experimentId: string) => reading(async (tx) => armsOf(tx, await experimentById(tx, experimentId))),
    noteResult: (experimentId: string, result: object) => noteResult(db, experimentId, result),
    decide: (
      experimentId: string,
      decision: { outcome: string; variant: string; reason: string },
      result: object,
      roll: boolean,
    ) => decideExperiment(db, experimentId, decision, result, roll),
    watchedStrategies: async () => (await watchedStrategies(db)).map(watched),
    effectOf: (strategy: ReturnType<typeof watched>) => reading((tx) => beforeAndAfter(tx, strategy)),
    noteEffect: (version: number, effect: object, over: boolean) => noteEffect(db, version, effect, over),
    rollBack: async (version: number, reason: string) =>
      (await rollBack(db, { from: version, to: null, reason, by: "rule" }))?.version ?? null,
    articles: (window: Window, least: { views: number }, limit: number) =>
      reading((tx) => articleStandings(tx, window, least, limit)),
    offers: (window: Window, limit: number) => reading((tx) => offerStandings(tx, window, limit)),
    contentTypes: (window: Window, limit: number) => reading((tx) => typeStandings(tx, window, limit)),
    saveOpportunities: (taskId: string, found: NewOpportunity[]) => saveOpportunities(db, taskId, found),
    finishRun: (run: FinishedRun) => finishRun(db, run),
  };
}

function watched({ version, watch, inForceAtMs }: StrategyRow) {
  const {
    metric,
    goal,
    scope,
    days,
    auto_roll_back: autoRollBack,
  } = watch as NonNullable<StrategyRow["watch"]>;
  return { version, metric, goal, scope, days, autoRollBack, inForceSinceMs: inForceAtMs };
}

export async function nowMs(db: Queryable): Promise<number> {
  const { rows } = await db.query("select orchestrator_now() as now");
  return rows[0]?.now;
}

interface FinishedRun {
  taskId: string;
  window: Window;
  seenThroughMs: number | null;
  summary: Record<string, unknown>;
}

async function finishRun(
  db: Queryable,
  { taskId, window, seenThroughMs, summary }: FinishedRun,
): Promise<void> {
  await db.query(
    `insert into content.revenue_runs (task_id, from_at, to_at, seen_through, summary) values ($1, $2, $3, $4, $5)
     on conflict (task_id) do nothing`,
    [
      ...[taskId, new Date(window.fromMs), new Date(window.toMs)],
      ...[seenThroughMs === null ? null : new Date(seenThroughMs), JSON.stringify(summary)],
    ],
  );
}
