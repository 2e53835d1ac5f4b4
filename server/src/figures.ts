/** Owns the figures of this very process: how its store, its cycles and its event loop fare. Knows nothing of the installation. */
import { collectDefaultMetrics, Gauge, Histogram, Registry } from "prom-client";
import type { Database } from "#store/database.ts";

const BOUNDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

export interface Figures {
  /** In Prometheus' text form. */
  text(): Promise<string>;
  cycleTook(ms: number): void;
  /** The same database; how long its answers take, waiting for a connection included, is counted from now on. */
  watch(db: Database): Database;
}

export function openFigures(version: string): Figures {
  const registry = new Registry();
  const registers = [registry];
  collectDefaultMetrics({ register: registry, prefix: "orchestrator_" });
  new Gauge({
    ...{
      name: "orchestrator_build_info",
      help: "1, with the version that runs",
      labelNames: ["version"],
      registers,
    },
  }).set({ version }, 1);
  const cycle = new Histogram({
    ...{
      name: "orchestrator_cycle_seconds",
      help: "Cycles that this replica ran, from the wish to the commit",
    },
    ...{ buckets: BOUNDS, registers },
  });
  const store = new Histogram({
    ...{ name: "orchestrator_store_seconds", help: "Answers of the database, as callers wait for them" },
    ...{ buckets: BOUNDS, labelNames: ["kind"], registers },
  });
  const timed = async <T>(kind: string, answer: Promise<T>): Promise<T> => {
    const beganMs = performance.now();
    try {
      return await answer;
    } finally {
      store.observe({ kind }, (performance.now() - beganMs) / 1000);
    }
  };
  return {
    text: () => registry.metrics(),
    cycleTook: (ms) => cycle.observe(ms / 1000),
    watch: (db) => ({
      ...db,
      query: (text, values) => timed("statement", db.query(text, values)),
      transaction: (work) => timed("transaction", db.transaction(work)),
      transactionByKey: (work) => timed("transaction", db.transactionByKey(work)),
      byKey: { query: (text, values) => timed("statement", db.byKey.query(text, values)) },
    }),
  };
}
