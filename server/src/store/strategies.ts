/** Owns what is in force for which articles, version by version: never changed, only followed by another. Judges no effect. */
import { Problem } from "@master-orchestrator/contract";
import type { Database, Queryable, Row } from "./database.ts";
import { PAYMENTS, type Payments, paymentsOf, VIEW_KINDS } from "./funnel.ts";

export interface Scope {
  all?: true | undefined;
  content_types?: string[] | undefined;
  article_ids?: string[] | undefined;
}

export interface Rule {
  scope: Scope;
  surface: string;
  change: Record<string, string | number | boolean | null>;
  /** Key of the experiment that found it. */
  experiment: string | null;
}

/** What is measured after an update. */
export interface Watch {
  metric: "conversion" | "revenue_per_unit";
  goal: string | null;
  scope: Scope;
  days: number;
  auto_roll_back: boolean;
}

export interface StrategyRow {
  version: number;
  kind: "edit" | "roll_out" | "roll_back";
  rules: Rule[];
  reason: string;
  experimentId: string | null;
  restores: number | null;
  inForceAtMs: number;
  createdBy: string;
  watch: Watch | null;
  watchOver: boolean;
  effect: Record<string, unknown> | null;
  effectAtMs: number | null;
}

export const MAX_RULES = 1_000;
const WATCHED_DAYS = 28;

/** Newest first; `before` is the last version of the page before. */
export async function listStrategies(
  db: Queryable,
  { before, limit }: { before: number | null; limit: number },
): Promise<StrategyRow[]> {
  const { rows } = await db.query(
    "select * from content.strategies where $1::int is null or version < $1 order by version desc limit $2",
    [before, limit],
  );
  return rows.map(strategyOf);
}

export async function strategyByVersion(db: Queryable, version: number): Promise<StrategyRow | null> {
  const { rows } = await db.query("select * from content.strategies where version = $1", [version]);
  return rows[0] ? strategyOf(rows[0]) : null;
}

/** What is in force now; null before the first version. */
export async function strategyInForce(db: Queryable): Promise<StrategyRow | null> {
  return (await listStrategies(db, { before: null, limit: 1 }))[0] ?? null;
}

export interface NewStrategy {
  kind: StrategyRow["kind"];
  rules: readonly Rule[];
  reason: string;
  by: string;
  experimentId?: string;
  restores?: number;
  watch?: Watch;
}

/** Puts a new version in force. What was watched until now is over: its effect can no longer be told from this one's. */
async function putInForce(tx: Queryable, strategy: NewStrategy): Promise<StrategyRow> {
  if (strategy.rules.length > MAX_RULES) {
    const hint = "Give one rule a wider scope instead of one for each article.";
    throw new Problem("validation_failed", `a strategy has at most ${MAX_RULES} rules`, hint);
  }
  await tx.query(
    "update content.strategies set watch_over = true where watch is not null and not watch_over",
  );
  const { rows } = await tx.query(
    `insert into content.strategies (version, kind, rules, reason, experiment_id, restores, created_by, watch)
     select coalesce(max(version), 0) + 1, $1, $2, $3, $4, $5, $6, $7 from content.strategies returning *`,
    [
      ...[strategy.kind, JSON.stringify(strategy.rules), strategy.reason, strategy.experimentId ?? null],
      ...[strategy.restores ?? null, strategy.by, strategy.watch ? JSON.stringify(strategy.watch) : null],
    ],
  );
  return strategyOf(rows[0] as Row);
}

/** One after the other: a version is written on top of the one that it has read. */
const LOCK = "lock table content.strategies in share row exclusive mode";

/** Puts an operator's rules in force. Throws `conflict` unless `expected`, where it is given, is in force. */
export async function editStrategy(
  db: Database,
  edit: { rules: Rule[]; reason: string; by: string; expected: number | null },
): Promise<StrategyRow> {
  return await db.transaction(async (tx) => {
    await tx.query(LOCK);
    const current = (await strategyInForce(tx))?.version ?? 0;
    if (edit.expected !== null && edit.expected !== current) {
      const message = `version ${current} is in force, not ${edit.expected}`;
      throw new Problem(
        "conflict",
        message,
        "Read GET /api/v1/content/strategies/in-force, and send your change on top of it.",
      );
    }
    const { rules, reason, by } = edit;
    return await putInForce(tx, { kind: "edit", rules, reason, by });
  });
}

interface RolledOut {
  experimentId: string;
  key: string;
  surface: string;
  scope: Scope;
  metric: Watch["metric"];
  goal: string | null;
}

/** Puts a variant of an experiment in force for the experiment's scope; the same again returns the version that did. */
export async function rollOut(
  tx: Queryable,
  experiment: RolledOut,
  variant: { change: Rule["change"] },
  { reason, by }: { reason: string; by: string },
): Promise<StrategyRow> {
  await tx.query(LOCK);
  const { experimentId, key, surface, scope, metric, goal } = experiment;
  const { rows } = await tx.query(
    "select * from content.strategies where experiment_id = $1 and kind = 'roll_out' order by version desc limit 1",
    [experimentId],
  );
  if (rows[0]) return strategyOf(rows[0]);
  const rules = (await strategyInForce(tx))?.rules ?? [];
  const rule: Rule = { scope, surface, change: variant.change, experiment: key };
  const others = rules.filter(
    (each) => each.surface !== surface || JSON.stringify(each.scope) !== JSON.stringify(scope),
  );
  const watch: Watch = { metric, goal, scope, days: WATCHED_DAYS, auto_roll_back: true };
  return await putInForce(tx, {
    kind: "roll_out",
    rules: [...others, rule],
    reason,
    by,
    experimentId,
    watch,
  });
}

/**
 * Brings back the rules of `to`, or of the version before the one in force. Null where `from` is given and no longer in
 * force. Throws `conflict` where there is nothing to go back to, `not_found` for an unknown version.
 */
export async function rollBack(
  db: Database,
  { from, to, reason, by }: { from: number | null; to: number | null; reason: string; by: string },
): Promise<StrategyRow | null> {
  return await db.transaction(async (tx) => {
    await tx.query(LOCK);
    const current = await strategyInForce(tx);
    if (from !== null && current?.version !== from) return null;
    if (!current) throw new Problem("conflict", "no strategy is in force", "There is nothing to roll back.");
    if (to === null && current.kind === "roll_back") {
      const hint = `Say which version to bring back: {"to_version": ${current.version - 1}}.`;
      throw new Problem("conflict", `version ${current.version} is a roll-back itself`, hint);
    }
    const version = to ?? current.version - 1;
    // Before the first version nothing was in force.
    const earlier = version === 0 ? { rules: [] } : await strategyByVersion(tx, version);
    if (!earlier || version >= current.version) {
      throw new Problem(
        "not_found",
        `there is no version ${version} before ${current.version}`,
        "GET /api/v1/content/strategies lists them.",
      );
    }
    const restores = version === 0 ? {} : { restores: version };
    return await putInForce(tx, { kind: "roll_back", rules: earlier.rules, reason, by, ...restores });
  });
}

export async function watchedStrategies(db: Queryable): Promise<StrategyRow[]> {
  const { rows } = await db.query(
    "select * from content.strategies where watch is not null and not watch_over order by version limit 100",
  );
  return rows.map(strategyOf);
}

export async function noteEffect(
  db: Queryable,
  version: number,
  effect: object,
  over: boolean,
): Promise<void> {
  await db.query(
    `update content.strategies set effect = $2, effect_at = orchestrator_now(), watch_over = watch_over or $3
      where version = $1`,
    [version, JSON.stringify(effect), over],
  );
}

export interface Measure {
  views: number;
  conversions: number;
  payments: Payments;
}

const NOTHING: Measure = {
  views: 0,
  conversions: 0,
  payments: { sum: 0, squares: 0, largest: 0, count: 0, refunds: false },
};

/** Views, conversions and revenue of the articles in scope and of all others, as long before as since. */
export async function beforeAndAfter(
  db: Queryable,
  {
    scope,
    goal,
    inForceSinceMs,
    days,
  }: { scope: Scope; goal: string | null; inForceSinceMs: number; days: number },
) {
  const { rows } = await db.query(
    `with span as (
       select article_id, case when $4::jsonb ? 'all' then true when $4::jsonb ? 'content_types'
                               then content_type in (select jsonb_array_elements_text($4::jsonb->'content_types'))
                               else article_id::text in (select jsonb_array_elements_text($4::jsonb->'article_ids')) end as own
         from content.articles),
     seen as (
       select own, at >= $2 as since, sum(events) as views from content.page_events join span using (article_id)
        where at >= $1 and at < $3 and kind = any ($5) group by 1, 2),
     won as (
       select own, at >= $2 as since, sum(conversions) as conversions from content.conversions join span using (article_id)
        where at >= $1 and at < $3 and ($6::text is null or kind = $6) group by 1, 2),
     paid as (
       select own, since, ${PAYMENTS}
         from (select own, at >= $2 as since, amount_micros / 1e6::float8 as usd from content.revenue
                 join span using (article_id) where at >= $1 and at < $3) r group by 1, 2)
     select * from seen full join won using (own, since) full join paid using (own, since)`,
    [
      ...[new Date(inForceSinceMs - days * 86_400_000), new Date(inForceSinceMs)],
      ...[new Date(inForceSinceMs + days * 86_400_000), JSON.stringify(scope), VIEW_KINDS, goal],
    ],
  );
  const of = (own: boolean, since: boolean): Measure => {
    const row = rows.find((each) => each.own === own && each.since === since);
    if (!row) return NOTHING;
    return { views: row.views ?? 0, conversions: row.conversions ?? 0, payments: paymentsOf(row) };
  };
  return {
    before: of(true, false),
    after: of(true, true),
    restBefore: of(false, false),
    restAfter: of(false, true),
  };
}

/** The rules that hold for an article: for each surface the one with the narrowest scope, of equals the later one. */
export function rulesFor(
  rules: readonly Rule[],
  article: { articleId: string; contentType: string },
): Rule[] {
  const chosen = new Map<string, { rule: Rule; breadth: number }>();
  for (const rule of rules) {
    const { scope, surface } = rule;
    const breadth = scope.article_ids?.includes(article.articleId)
      ? 0
      : scope.content_types?.includes(article.contentType)
        ? 1
        : scope.all
          ? 2
          : null;
    const best = chosen.get(surface);
    if (breadth !== null && (best === undefined || breadth <= best.breadth))
      chosen.set(surface, { rule, breadth });
  }
  return [...chosen.values()].map(({ rule }) => rule);
}

function strategyOf(row: Row): StrategyRow {
  return {
    version: row.version,
    kind: row.kind,
    rules: row.rules,
    reason: row.reason,
    experimentId: row.experiment_id,
    restores: row.restores,
    inForceAtMs: row.in_force_at,
    createdBy: row.created_by,
    watch: row.watch,
    watchOver: row.watch_over,
    effect: row.effect,
    effectAtMs: row.effect_at,
  };
}
