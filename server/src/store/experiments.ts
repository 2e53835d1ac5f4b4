/** Owns experiments: as they were set up, who was shown what, what they did, and how each ended. Judges nothing. */
import { createHash, randomBytes } from "node:crypto";
import { Problem } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { Database, Queryable, Row } from "./database.ts";
import { rollOut, type Scope } from "./strategies.ts";

export interface Variant {
  key: string;
  weight: number;
  change: Record<string, string | number | boolean | null>;
}

export interface NewExperiment {
  key: string;
  hypothesis: string;
  surface: string;
  unit: string;
  scope: Scope;
  variants: Variant[];
  metric: "conversion" | "revenue_per_unit";
  goal: string | null;
  guardrails: { goal: string; harm: "more" | "fewer" }[];
  outcomes: "recorded" | "events";
  rules: Rules;
}

export interface Rules {
  minSample: number;
  maxDays: number;
  alpha: number;
  minEffect: number;
  winChance: number;
  maxLoss: number;
  autoRollOut: boolean;
}

export interface Decision {
  outcome: string;
  variant: string | null;
  reason: string;
}

export interface ExperimentRow extends Omit<NewExperiment, "rules">, Rules {
  experimentId: string;
  salt: string;
  status: "running" | "decided" | "stopped";
  startedAtMs: number;
  startedBy: string;
  endedAtMs: number | null;
  endedBy: string | null;
  decision: Decision | null;
  result: Record<string, unknown> | null;
  resultAtMs: number | null;
}

/** Starting is rare: two that would contradict each other must not start side by side. */
const LOCK_STARTS = "lock table content.experiments in share row exclusive mode";

/**
 * Starts an experiment. Throws `conflict` where its key is taken, or where another running one varies the same surface
 * of the same articles: neither would know what it measured.
 */
export async function startExperiment(
  db: Database,
  experiment: NewExperiment,
  by: string,
): Promise<ExperimentRow> {
  return await db.transaction(async (tx) => {
    await tx.query(LOCK_STARTS);
    await refuseTakenKey(tx, experiment.key);
    await refuseUnknownArticles(tx, experiment.scope);
    await refuseContradiction(tx, experiment);
    const { scope, variants, guardrails, rules } = experiment;
    const { rows } = await tx.query(
      `insert into content.experiments (experiment_id, key, hypothesis, surface, scope, variants, unit, metric, goal,
              guardrails, outcomes, rules, salt, started_by)
       values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14) returning *`,
      [
        ...[uuidv7(), experiment.key, experiment.hypothesis, experiment.surface, JSON.stringify(scope)],
        ...[JSON.stringify(variants), experiment.unit, experiment.metric, experiment.goal],
        ...[JSON.stringify(guardrails), experiment.outcomes, JSON.stringify(rules)],
        // Of its own, so that units fall into the variants of two experiments independently of each other.
        ...[randomBytes(12).toString("base64url"), by],
      ],
    );
    return experimentOf(rows[0] as Row);
  });
}

async function refuseTakenKey(tx: Queryable, key: string): Promise<void> {
  const { rows } = await tx.query("select from content.experiments where key = $1", [key]);
  if (rows.length === 0) return;
  const hint = "An experiment is never changed: choose another key for a new one.";
  throw new Problem("conflict", `there is an experiment "${key}" already`, hint);
}

/** Throws `validation_failed` for a scope that names articles which are not there. */
export async function refuseUnknownArticles(tx: Queryable, scope: Scope): Promise<void> {
  if (!scope.article_ids) return;
  const { rows } = await tx.query(
    `select id from unnest($1::uuid[]) id where not exists (select from content.articles where article_id = id) limit 1`,
    [scope.article_ids],
  );
  if (rows.length === 0) return;
  throw new Problem(
    "validation_failed",
    `/scope/article_ids: there is no article ${rows[0]?.id}`,
    "GET /articles lists the published ones.",
    { errors: [{ path: "/scope/article_ids", message: `there is no article ${rows[0]?.id}` }] },
  );
}

async function refuseContradiction(tx: Queryable, { surface, scope }: NewExperiment): Promise<void> {
  const { rows } = await tx.query(
    `with own as (select coalesce(array(select jsonb_array_elements_text($2::jsonb->'article_ids')), '{}') as articles,
                         coalesce(array(select jsonb_array_elements_text($2::jsonb->'content_types')), '{}') as types),
     other as (
       select key, scope, array(select jsonb_array_elements_text(scope->'article_ids')) as articles,
              array(select jsonb_array_elements_text(scope->'content_types')) as types
         from content.experiments where status = 'running' and surface = $1)
     select other.key from other, own
      where $2::jsonb ? 'all' or other.scope ? 'all' or own.articles && other.articles or own.types && other.types
         or exists (select from content.articles a
                     where (a.article_id = any (own.articles::uuid[]) and a.content_type = any (other.types))
                        or (a.article_id = any (other.articles::uuid[]) and a.content_type = any (own.types)))
      order by other.key limit 1`,
    [surface, JSON.stringify(scope)],
  );
  if (rows.length === 0) return;
  throw new Problem(
    "conflict",
    `the running experiment "${rows[0]?.key}" varies "${surface}" of the same articles`,
    "Wait for its end or stop it, or give this one another scope: two at once would measure each other.",
  );
}

/** Newest first; `before` is the last id of the page before. */
export async function listExperiments(
  db: Queryable,
  query: { status?: string | undefined; before?: string | undefined; limit: number },
): Promise<ExperimentRow[]> {
  const { rows } = await db.query(
    `select * from content.experiments
      where ($1::text is null or status = $1) and ($2::uuid is null or experiment_id < $2)
      order by experiment_id desc limit $3`,
    [query.status ?? null, query.before ?? null, query.limit],
  );
  return rows.map(experimentOf);
}

export async function experimentByKey(db: Queryable, key: string): Promise<ExperimentRow | null> {
  const { rows } = await db.query("select * from content.experiments where key = $1", [key]);
  return rows[0] ? experimentOf(rows[0]) : null;
}

/** Of an experiment that is known to be there: none is ever removed. */
export async function experimentById(db: Queryable, experimentId: string): Promise<ExperimentRow> {
  const { rows } = await db.query("select * from content.experiments where experiment_id = $1", [
    experimentId,
  ]);
  return experimentOf(rows[0] as Row);
}

export async function runningExperiments(db: Queryable): Promise<ExperimentRow[]> {
  const { rows } = await db.query(
    "select * from content.experiments where status = 'running' order by experiment_id limit 500",
  );
  return rows.map(experimentOf);
}

export interface Exposure {
  unit: string;
  variant: string;
  at: string | null;
}

/** Notes what units were shown. The first counts; one that is shown another variant as well is marked. */
export async function recordExposures(
  tx: Queryable,
  experimentId: string,
  exposures: readonly Exposure[],
): Promise<{ added: number }> {
  const { rows } = await tx.query(
    `with new as (
       select unit, min(variant) filter (where place = 1) as variant, count(distinct variant) > 1 as crossed, min(at) as at
         from (select *, row_number() over (partition by unit order by at, n) as place
                 from (select unit, variant, coalesce(at, orchestrator_now()) as at, n
                         from rows from (jsonb_to_recordset($2::jsonb) as (unit text, variant text, at timestamptz))
                              with ordinality as r (unit, variant, at, n)) given) placed
        group by unit order by unit)
     insert into content.experiment_exposures as e (experiment_id, unit, variant, first_at, crossed)
     select $1, unit, variant, at, crossed from new
     on conflict (experiment_id, unit) do update
        set crossed = e.crossed or excluded.crossed or e.variant <> excluded.variant,
            first_at = least(e.first_at, excluded.first_at)
      where excluded.first_at < e.first_at or (not e.crossed and (excluded.crossed or e.variant <> excluded.variant))
     returning xmax = 0 as added`,
    [experimentId, JSON.stringify(exposures)],
  );
  return { added: rows.filter((row) => row.added).length };
}

export interface Outcome {
  id: string | null;
  unit: string;
  goal: string;
  amountMicros: number;
  at: string | null;
}

/** Notes what units did. With an id the same row replaces itself; without one unit, goal and time tell rows apart. */
export async function recordOutcomes(
  tx: Queryable,
  experimentId: string,
  outcomes: readonly Outcome[],
): Promise<{ added: number }> {
  const keyed = new Map(
    outcomes.map(({ id, unit, goal, amountMicros: amount_micros, at }) => {
      const key = keyOf(id === null ? [experimentId, unit, goal, at] : [experimentId, "id", id]);
      return [key, { key, unit, goal, amount_micros, at }];
    }),
  );
  const { rows } = await tx.query(
    `insert into content.experiment_outcomes as o (outcome_key, experiment_id, unit, goal, amount_micros, at)
     select decode(key, 'hex'), $1, unit, goal, amount_micros, coalesce(at, orchestrator_now())
       from jsonb_to_recordset($2::jsonb) as n (key text, unit text, goal text, amount_micros bigint, at timestamptz)
      order by key
     on conflict (outcome_key) do update set unit = excluded.unit, goal = excluded.goal,
        amount_micros = excluded.amount_micros, at = excluded.at
      where (o.unit, o.goal, o.amount_micros, o.at) is distinct from
            (excluded.unit, excluded.goal, excluded.amount_micros, excluded.at)
     returning xmax = 0 as added`,
    [experimentId, JSON.stringify([...keyed.values()])],
  );
  return { added: rows.filter((row) => row.added).length };
}

function keyOf(parts: readonly unknown[]): string {
  return createHash("sha256").update(JSON.stringify(parts)).digest("hex").slice(0, 32);
}

/** What units did, from their first exposure on until the experiment's end, wherever it was recorded. */
const DEEDS: Record<ExperimentRow["outcomes"], string> = {
  recorded: `select o.unit, o.goal, o.amount_micros / 1e6::float8 as usd from content.experiment_outcomes o
    join exposed e using (unit) where o.experiment_id = $1 and o.at >= e.first_at and o.at < $2`,
  events: `select c.visitor as unit, c.kind as goal, 0::float8 as usd from content.conversions c
      join exposed e on e.unit = c.visitor where c.at >= e.first_at and c.at < $2 and c.conversions > 0
    union all
    select r.visitor, null, r.amount_micros / 1e6::float8 from content.revenue r
      join exposed e on e.unit = r.visitor where r.at >= e.first_at and r.at < $2`,
};

export interface Arms {
  arms: {
    variant: string;
    units: number;
    converted: number;
    revenue: { sum: number; squares: number; cubes: number };
    harmed: number[];
  }[];
  crossed: number;
}

/** The sums of each variant's units, crossed ones left out. Without a goal any conversion counts but the guardrails'. */
export async function armsOf(db: Queryable, experiment: ExperimentRow): Promise<Arms> {
  const { experimentId, goal, guardrails, outcomes, endedAtMs } = experiment;
  const goals = guardrails.map((guardrail) => guardrail.goal);
  const [sums, crossed] = await Promise.all([
    db.query(
      `with exposed as materialized (
         select unit, variant, first_at from content.experiment_exposures where experiment_id = $1 and not crossed),
       deeds as materialized (${DEEDS[outcomes]}),
       own as (
         select unit, sum(usd) as usd,
                coalesce(bool_or(case when $3::text is null then goal <> all ($4::text[]) else goal = $3 end), false) as won
           from deeds group by unit),
       harm as (
         select variant, jsonb_object_agg(goal, units) as harmed
           from (select variant, goal, count(distinct unit) as units from deeds join exposed using (unit)
                  where goal = any ($4::text[]) group by 1, 2) counted
          group by variant)
       select variant, count(*)::int as units, count(*) filter (where won)::int as converted,
              coalesce(sum(usd), 0)::float8 as usd_sum, coalesce(sum(usd ^ 2), 0)::float8 as usd_squares,
              coalesce(sum(usd ^ 3), 0)::float8 as usd_cubes, harmed
         from exposed left join own using (unit) left join harm using (variant) group by variant, harmed`,
      [experimentId, endedAtMs === null ? "infinity" : new Date(endedAtMs), goal, goals],
    ),
    db.query(
      "select count(*)::int as n from content.experiment_exposures where experiment_id = $1 and crossed",
      [experimentId],
    ),
  ]);
  const arms = sums.rows.map((row) => ({
    variant: row.variant as string,
    units: row.units as number,
    converted: row.converted as number,
    revenue: {
      sum: row.usd_sum as number,
      squares: row.usd_squares as number,
      cubes: row.usd_cubes as number,
    },
    harmed: goals.map((each) => (row.harmed?.[each] ?? 0) as number),
  }));
  return { arms, crossed: crossed.rows[0]?.n };
}

/**
 * Ends a running experiment with its numbers; with `roll` its variant is put in force in the same transaction.
 * Returns the version, null without one. An experiment that has ended stays as it ended.
 */
export async function decideExperiment(
  db: Database,
  experimentId: string,
  decision: Decision,
  result: object,
  roll: boolean,
): Promise<number | null> {
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query(
      `update content.experiments set status = 'decided', ended_at = orchestrator_now(), ended_by = 'rule',
              decision = $2, result = $3, result_at = orchestrator_now()
        where experiment_id = $1 and status = 'running' returning *`,
      [experimentId, JSON.stringify(decision), JSON.stringify(result)],
    );
    if (!rows[0] || !roll) return null;
    const experiment = experimentOf(rows[0]);
    const variant = experiment.variants.find(({ key }) => key === decision.variant) as Variant;
    return (await rollOut(tx, experiment, variant, { reason: decision.reason, by: "rule" })).version;
  });
}

/** An operator ends it. Null: it had ended before. */
export async function stopExperiment(
  db: Queryable,
  experimentId: string,
  { by, reason }: { by: string; reason: string },
): Promise<ExperimentRow | null> {
  const decision: Decision = { outcome: "stopped", variant: null, reason };
  const { rows } = await db.query(
    `update content.experiments set status = 'stopped', ended_at = orchestrator_now(), ended_by = $2, decision = $3
      where experiment_id = $1 and status = 'running' returning *`,
    [experimentId, by, JSON.stringify(decision)],
  );
  return rows[0] ? experimentOf(rows[0]) : null;
}

/** Keeps the numbers of an experiment that still runs. */
export async function noteResult(db: Queryable, experimentId: string, result: object): Promise<void> {
  await db.query(
    `update content.experiments set result = $2, result_at = orchestrator_now()
      where experiment_id = $1 and status = 'running'`,
    [experimentId, JSON.stringify(result)],
  );
}

function experimentOf(row: Row): ExperimentRow {
  return {
    experimentId: row.experiment_id,
    key: row.key,
    hypothesis: row.hypothesis,
    surface: row.surface,
    unit: row.unit,
    scope: row.scope,
    variants: row.variants,
    metric: row.metric,
    goal: row.goal,
    guardrails: row.guardrails,
    outcomes: row.outcomes,
    ...(row.rules as Rules),
    salt: row.salt,
    status: row.status,
    startedAtMs: row.started_at,
    startedBy: row.started_by,
    endedAtMs: row.ended_at,
    endedBy: row.ended_by,
    decision: row.decision,
    result: row.result,
    resultAtMs: row.result_at,
  };
}
