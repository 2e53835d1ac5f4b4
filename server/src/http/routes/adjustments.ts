/** Adjustments over HTTP: list, show, approve, reject, roll back. Proposes and judges none. */
import {
  Adjustment,
  AdjustmentDetail,
  AdjustmentList,
  AdjustmentListQuery,
  AdjustmentNote,
  type AdjustmentState,
  Problem,
  Uuid,
} from "@master-orchestrator/contract";
import { z } from "zod";
import { efficiencyOf } from "#core/adjust.ts";
import { laneHours } from "#store/adjustment-facts.ts";
import {
  type AdjustmentRow,
  adjustmentById,
  adjustmentSteps,
  approveAdjustment,
  listAdjustments,
  type Measure,
  rejectAdjustment,
  rollBackAdjustment,
} from "#store/adjustments.ts";
import type { Database } from "#store/database.ts";
import { policyInForce } from "#store/policies.ts";
import { pagesOf } from "../cursor.ts";
import { time } from "../present.ts";
import { actorOf, type Call, defineRoute, type Route } from "../route.ts";

export interface AdjustmentRoutesContext {
  db: Database;
  /** A version of the policy was stored: a cycle may look. */
  changed(): void;
}

const AdjustmentPath = z.strictObject({ adjustment_id: Uuid });
const about = { tag: "Adjustments" } as const;
const HOUR_MS = 3_600_000;

export function adjustmentRoutes(context: AdjustmentRoutesContext): Route[] {
  return [...reading(context.db), ...deciding(context)];
}

function reading(db: Database): Route[] {
  return [
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/adjustments",
      summary: "What was recommended to cost less, and what came of it, newest first",
      access: "viewer",
      query: AdjustmentListQuery,
      answers: { 200: AdjustmentList },
      async handle({ query }) {
        const pages = pagesOf("adjustments", query);
        const rows = await listAdjustments(db, {
          states: statesOf(query.state),
          lane: query.lane ?? null,
          before: pages.after(),
          limit: query.limit,
        });
        const next_cursor = pages.next(rows, (row) => row.adjustmentId);
        return { status: 200, body: { adjustments: rows.map(shown), next_cursor } };
      },
    }),
    defineRoute({
      ...about,
      method: "GET",
      path: "/api/v1/adjustments/:adjustment_id",
      summary: "One adjustment: why, what is expected, what was measured, each step",
      access: "viewer",
      params: AdjustmentPath,
      answers: { 200: AdjustmentDetail },
      async handle({ params: { adjustment_id: id } }) {
        const row = await adjustmentById(db, id);
        if (!row) {
          const hint = "List them with GET /api/v1/adjustments.";
          throw new Problem("not_found", `there is no adjustment ${id}`, hint);
        }
        const steps = (await adjustmentSteps(db, id)).map(({ atMs, ...step }) => ({
          at: time(atMs),
          ...step,
        }));
        return { status: 200, body: { ...shown(row), steps } };
      },
    }),
  ];
}

function deciding({ db, changed }: AdjustmentRoutesContext): Route[] {
  return [
    deed(
      "approve",
      "admin",
      "Put it into force as a version of the policy; it is measured from the next full hour on",
      {
        async act(id, by) {
          const row = await approveAdjustment(db, id, { ...by, measure: measureBefore });
          changed();
          return row;
        },
      },
    ),
    deed(
      "reject",
      "operator",
      "It is not wanted; nothing of the kind is recommended for the lane for a while",
      {
        act: (id, by) => rejectAdjustment(db, id, by),
      },
    ),
    deed("roll-back", "admin", "Restore the fields that it changed, unless somebody has changed them since", {
      async act(id, { actor, note }) {
        const row = await rollBackAdjustment(db, id, { actor, reason: note ?? `rolled back by ${actor}` });
        changed();
        return row;
      },
    }),
  ];
}

function deed(
  verb: "approve" | "reject" | "roll-back",
  access: "operator" | "admin",
  summary: string,
  { act }: { act(id: string, by: { actor: string; note: string | null }): Promise<AdjustmentRow> },
): Route {
  return defineRoute({
    ...about,
    method: "POST",
    path: `/api/v1/adjustments/:adjustment_id/${verb}`,
    summary,
    access,
    params: AdjustmentPath,
    body: AdjustmentNote,
    answers: { 200: Adjustment },
    async handle({ params, body, caller, remark }) {
      const row = await act(params.adjustment_id, { actor: actorOf(caller), note: body.note ?? null });
      remarkOn(row, remark);
      return { status: 200, body: shown(row) };
    },
  });
}

function remarkOn(row: AdjustmentRow, remark: Call["remark"]): void {
  const after = {
    state: row.state,
    reason: row.reason,
    policy_version: row.rolledBackVersion ?? row.policyVersion,
  };
  remark({ target: `adjustment ${row.adjustmentId}`, after });
}

/** The window that ends with the approval: what was before is what the verdict compares with. */
const measureBefore: Measure = async (tx, lane, toMs) => {
  const { adjust } = (await policyInForce(tx)).policy;
  const hours = await laneHours(tx, { fromMs: toMs - adjust.window_hours * HOUR_MS, toMs, lane });
  return efficiencyOf(hours.get(lane) ?? []);
};

const OPEN: readonly AdjustmentState[] = ["proposed", "approved", "measuring"];

function statesOf(state: z.output<typeof AdjustmentListQuery>["state"]): readonly AdjustmentState[] | null {
  if (state === "any") return null;
  return state === "open" ? OPEN : [state];
}

function shown(row: AdjustmentRow): z.input<typeof Adjustment> {
  return {
    adjustment_id: row.adjustmentId,
    lane: row.lane,
    kind: row.kind,
    title: row.title,
    why: row.why,
    changes: row.changes,
    expected: row.expected,
    state: row.state,
    reason: row.reason,
    baseline: row.baseline,
    before: row.before,
    after: row.after,
    verdict: row.verdict,
    proposed_at: time(row.proposedAtMs),
    decided_at: time(row.decidedAtMs),
    decided_by: row.decidedBy,
    note: row.note,
    measured_from: time(row.measuredFromMs),
    ended_at: time(row.endedAtMs),
    policy_version: row.policyVersion,
    rolled_back_version: row.rolledBackVersion,
  };
}
