/** Strategies over HTTP: what is in force, its history, editing and rolling back. Measures nothing. */
import {
  InForce,
  InForceQuery,
  Problem,
  RollBackBody,
  Strategy,
  StrategyBody,
  StrategyList,
  StrategyListQuery,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { contentTypeOf } from "#store/content.ts";
import type { Database } from "#store/database.ts";
import {
  editStrategy,
  listStrategies,
  rollBack,
  rulesFor,
  type StrategyRow,
  strategyByVersion,
  strategyInForce,
} from "#store/strategies.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, defineRoute, type Route } from "../route.ts";

const about = { tag: "Revenue" } as const;
const VERSION = /^\d{1,9}$/;

export function strategyRoutes({ db }: { db: Database }): Route[] {
  return [...strategyReads(db), ...strategyChanges(db)];
}

function strategyReads(db: Database): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/content/strategies",
      summary: "What was in force for which articles, newest first, with measured effects",
      access: "viewer",
      query: StrategyListQuery,
      answers: { 200: StrategyList },
      async handle({ query }) {
        const pages = pagesOf("strategies", query, VERSION);
        const after = pages.after();
        const before = after === undefined ? null : Number(after);
        const rows = await listStrategies(db, { before, limit: query.limit });
        const current = await strategyInForce(db);
        const next_cursor = pages.next(rows, (row) => String(row.version));
        return {
          status: 200,
          body: { strategies: rows.map((row) => shownStrategy(row, current)), next_cursor },
        };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/content/strategies/in-force",
      summary: "The rules in force; with article_id those that hold for this article",
      access: ["viewer", "worker"],
      query: InForceQuery,
      answers: { 200: InForce },
      async handle({ query }) {
        const current = await strategyInForce(db);
        const { version = 0, rules = [] } = current ?? {};
        if (query.article_id === undefined) return { status: 200, body: { version, rules } };
        const { article_id: articleId } = query;
        const contentType = await contentTypeOf(db, articleId);
        if (contentType === null) {
          throw new Problem(
            "not_found",
            `there is no article ${articleId}`,
            "GET /articles lists the published ones.",
          );
        }
        return { status: 200, body: { version, rules: rulesFor(rules, { articleId, contentType }) } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/content/strategies/:version",
      summary: "One version",
      access: "viewer",
      params: z.strictObject({ version: z.coerce.number().int().min(1).max(1e9) }),
      answers: { 200: Strategy },
      async handle({ params }) {
        const found = await strategyByVersion(db, params.version);
        const hint = "GET /api/v1/content/strategies lists them.";
        if (!found) throw new Problem("not_found", `there is no strategy ${params.version}`, hint);
        return { status: 200, body: shownStrategy(found, await strategyInForce(db)) };
      },
    }),
  ];
}

function strategyChanges(db: Database): Route[] {
  return [
    defineRoute({
      ...about,
      method: "PUT",
      path: "/api/v1/content/strategies",
      summary: "Put rules in force, as a new version that replaces all rules",
      access: "operator",
      body: StrategyBody,
      answers: { 200: Strategy },
      async handle({ body, caller }) {
        const { rules, reason, expected_version: expected = null } = body;
        const row = await editStrategy(db, { rules, reason, by: actorOf(caller), expected });
        return { status: 200, body: shownStrategy(row, row) };
      },
    }),
    defineRoute({
      ...about,
      method: "POST",
      path: "/api/v1/content/strategies/roll-back",
      summary: "Bring back what was in force before, as a new version",
      access: "operator",
      body: RollBackBody,
      answers: { 200: Strategy },
      async handle({ body, caller }) {
        const { to_version: to = null, reason = "rolled back by hand" } = body;
        const row = await rollBack(db, { from: null, to, reason, by: actorOf(caller) });
        return { status: 200, body: shownStrategy(row as StrategyRow, row) };
      },
    }),
  ];
}

/** A version as it is shown; `current` is the one in force. */
export function shownStrategy(row: StrategyRow, current: StrategyRow | null): z.input<typeof Strategy> {
  return {
    version: row.version,
    kind: row.kind,
    in_force: row.version === current?.version,
    rules: row.rules,
    reason: row.reason,
    experiment_id: row.experimentId,
    restores: row.restores,
    in_force_at: time(row.inForceAtMs),
    created_by: row.createdBy,
    watch: row.watch as Strategy["watch"],
    watch_over: row.watchOver,
    effect: row.effect as Strategy["effect"],
    effect_at: time(row.effectAtMs),
  };
}
