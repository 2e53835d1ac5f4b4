/** What came of the day: read from the service's own tables and from the provider's log, held against the targets. */
import type pg from "pg";
import { percentile } from "../cluster.ts";
import { LIMITS, type Provider, type ProviderFigures } from "./provider.ts";

export const TARGETS = { successShare: 0.95, p95Ms: 120_000, costUsd: 0.1 } as const;

export interface DayFigures {
  articles: number;
  completed: number;
  published: number;
  inReview: number;
  /** From the task's creation to its result, sorted. */
  tookMs: number[];
  costUsd: number;
  /** Of all that was charged, audits included, by article. */
  perArticleUsd: number;
  audits: number;
  failedOnce: number;
  deadLettered: number;
  attempts: { all: number; again: number };
}

export async function dayFigures(db: pg.Client): Promise<DayFigures> {
  const one = async (sql: string) => (await db.query(sql)).rows[0];
  const { rows } = await db.query(
    `select status, failures, (extract(epoch from completed_at - created_at) * 1000)::float8 as took
       from tasks where workflow_type = 'content_pipeline'`,
  );
  const done = rows.filter(({ status }) => status === "completed");
  const { usd } = await one("select coalesce(sum(cost_micros), 0)::float8 / 1e6 as usd from ledger");
  const { n: published } = await one("select count(*)::int as n from content.articles");
  const { n: inReview } = await one(
    "select count(*)::int as n from content.reviews where status = 'pending'",
  );
  const { n: audits } = await one("select count(*)::int as n from content.audits");
  const attempts = await one(
    `select count(*)::int as all, (count(*) filter (where attempt > 1))::int as again
       from attempts a join workflow_orchestration w using (execution_id) where w.workflow_type = 'content_pipeline'`,
  );
  return {
    articles: rows.length,
    completed: done.length,
    ...{ published, inReview, audits, attempts },
    tookMs: done.map(({ took }) => took).sort((a, b) => a - b),
    costUsd: usd,
    perArticleUsd: usd / Math.max(1, done.length),
    failedOnce: rows.filter(({ failures }) => failures > 0).length,
    deadLettered: rows.filter(({ status }) => status === "dead_lettered").length,
  };
}

/** Prints everything, and says whether every target is met. */
export function report(day: DayFigures, provider: ProviderFigures, errors: readonly string[]): boolean {
  const row = (name: string, value: string) => console.log(`  ${name.padEnd(46)} ${value}`);
  const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;
  const share = day.completed / Math.max(1, day.articles);
  const p95 = percentile(day.tookMs, 95) ?? Number.POSITIVE_INFINITY;
  row("articles asked for", String(day.articles));
  row("tasks with a result", `${day.completed} (${day.published} published, ${day.inReview} for a person)`);
  row("tasks that failed once or more, dead letters", `${day.failedOnce}, ${day.deadLettered}`);
  row("attempts, of them second and later ones", `${day.attempts.all}, ${day.attempts.again}`);
  row("audits that followed", String(day.audits));
  row(
    "task to result: p50, p95, longest",
    [50, 95].map((p) => seconds(percentile(day.tookMs, p))).join(", ") +
      `, ${seconds(day.tookMs.at(-1) ?? 0)}`,
  );
  row("charged by the ledger", `$${day.costUsd.toFixed(4)}, $${day.perArticleUsd.toFixed(5)} an article`);
  for (const name of Object.keys(LIMITS) as Provider[]) {
    const used = `${provider.mostInAMinute[name]} of ${LIMITS[name]} in its fullest minute`;
    row(`${name}: calls`, `${provider.calls[name]}, ${used}`);
  }
  const faults = Object.entries(provider.faults).map(([name, times]) => `${times} × ${name}`);
  row("answers that were none", faults.join(", ") || "none");
  row("steps that were paid for twice", String(provider.repeated));
  const checks: [name: string, met: boolean][] = [
    [
      `a result for more than ${TARGETS.successShare * 100} %: ${(share * 100).toFixed(1)} %`,
      share > TARGETS.successShare,
    ],
    [`p95 under ${TARGETS.p95Ms / 1000} s: ${seconds(p95)}`, p95 < TARGETS.p95Ms],
    [
      `under $${TARGETS.costUsd.toFixed(2)} an article: $${day.perArticleUsd.toFixed(5)}`,
      day.perArticleUsd < TARGETS.costUsd,
    ],
    [
      `no breach of a limit in the provider's log: ${provider.breaches}`,
      provider.breaches === 0 && within(provider),
    ],
    [`no error in the service's log: ${errors.length}`, errors.length === 0],
  ];
  console.log("");
  for (const [name, met] of checks) console.log(`  ${met ? "met   " : "MISSED"} ${name}`);
  for (const error of errors.slice(0, 5)) console.log(`         ${error}`);
  return checks.every(([, met]) => met);
}

function within({ mostInAMinute }: ProviderFigures): boolean {
  return (Object.keys(LIMITS) as Provider[]).every((name) => mostInAMinute[name] <= LIMITS[name]);
}
