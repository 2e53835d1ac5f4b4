/** Owns the rows of adjustments and their steps: proposed, decided, measured, taken back with the policy. Judges nothing. */
import {
  type AdjustmentKind,
  type AdjustmentState,
  type Efficiency,
  type ExpectedEffect,
  type PolicyField,
  Problem,
  type Verdict,
} from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import { movedFields, withFields } from "#core/adjust-change.ts";
import type { Database, Queryable, Row } from "./database.ts";
import { changePolicy, currentPolicy } from "./policies.ts";

const HOUR_MS = 3_600_000;
export const BY_RULE = "orchestrator";

export interface AdjustmentRow {
  adjustmentId: string;
  lane: string;
  kind: AdjustmentKind;
  title: string;
  why: string;
  changes: PolicyField[];
  expected: ExpectedEffect;
  state: AdjustmentState;
  reason: string;
  baseline: Efficiency;
  before: Efficiency;
  after: Efficiency | null;
  verdict: Verdict | null;
  proposedAtMs: number;
  decidedAtMs: number | null;
  decidedBy: string | null;
  note: string | null;
  measuredFromMs: number | null;
  endedAtMs: number | null;
  policyVersion: number | null;
  rolledBackVersion: number | null;
}

function adjustmentOf(row: Row): AdjustmentRow {
  return {
    adjustmentId: row.adjustment_id,
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
    proposedAtMs: row.proposed_at,
    decidedAtMs: row.decided_at,
    decidedBy: row.decided_by,
    note: row.note,
    measuredFromMs: row.measured_from,
    endedAtMs: row.ended_at,
    policyVersion: row.policy_version,
    rolledBackVersion: row.rolled_back_version,
  };
}

/** Null while another replica looks, or has done so within half an interval; taken as soon as it is asked for. */
export async function takeAdjustTurn(tx: Queryable, everyMinutes: number): Promise<number | null> {
  const { rows } = await tx.query(
    `update adjust_watch set looked_at = orchestrator_now()
      where only_row in (select only_row from adjust_watch
                          where looked_at is null or looked_at <= orchestrator_now() - make_interval(mins => $1) / 2
                            for update skip locked)
      returning looked_at as now`,
    [everyMinutes],
  );
  return rows[0]?.now ?? null;
}

export interface Proposal {
  lane: string;
  kind: AdjustmentKind;
  title: string;
  why: string;
  changes: readonly PolicyField[];
  expected: ExpectedEffect;
  baseline: Efficiency;
  before: Efficiency;
}

/** False where one of the kind is open for the lane already. */
export async function insertProposal(db: Database, proposal: Proposal): Promise<boolean> {
  const { lane, kind, title, why, changes, expected, baseline, before } = proposal;
  return await db.transaction(async (tx) => {
    const { rows } = await tx.query(
      `insert into adjustments (adjustment_id, lane, kind, title, why, changes, expected, state, reason, baseline, before)
       values ($1, $2, $3, $4, $5, $6, $7, 'proposed', $5, $8, $9)
       on conflict (lane, kind) where state = 'proposed' do nothing returning adjustment_id`,
      [
        ...[uuidv7(), lane, kind, title, why],
        ...[changes, expected, baseline, before].map((value) => JSON.stringify(value)),
      ],
    );
    if (!rows[0]) return false;
    await insertStep(tx, rows[0].adjustment_id, { to: "proposed", reason: why, actor: BY_RULE });
    return true;
  });
}

interface Step {
  to: AdjustmentState;
  reason: string;
  actor: string;
}

async function insertStep(tx: Queryable, id: string, { to, reason, actor }: Step): Promise<void> {
  await tx.query(
    `insert into adjustment_steps (adjustment_id, at, to_state, reason, actor)
     values ($1, orchestrator_now(), $2, $3, $4)`,
    [id, to, reason, actor],
  );
}

/** What was tried or refused in these kinds since a moment, and what is open: of those nothing is proposed again. */
export async function recentKinds(db: Queryable, lane: string, againAfterDays: number): Promise<Set<string>> {
  const { rows } = await db.query(
    `select distinct kind from adjustments
      where lane = $1 and (state = 'proposed' or (state in ('rejected', 'rolled_back', 'superseded')
        and ended_at > orchestrator_now() - make_interval(days => $2)))`,
    [lane, againAfterDays],
  );
  return new Set(rows.map(({ kind }) => kind));
}

/** Approved or being measured: at most one of each lane. */
export async function triedAdjustments(db: Queryable): Promise<AdjustmentRow[]> {
  const { rows } = await db.query(
    "select * from adjustments where state in ('approved', 'measuring') order by adjustment_id limit 500",
  );
  return rows.map(adjustmentOf);
}

/** Newest first. */
export async function listAdjustments(
  db: Queryable,
  query: {
    states: readonly AdjustmentState[] | null;
    lane: string | null;
    before?: string | undefined;
    limit: number;
  },
): Promise<AdjustmentRow[]> {
  const { rows } = await db.query(
    `select * from adjustments
      where ($1::text[] is null or state = any ($1)) and ($2::text is null or lane = $2)
        and ($3::uuid is null or adjustment_id < $3)
      order by adjustment_id desc limit $4`,
    [query.states, query.lane, query.before ?? null, query.limit],
  );
  return rows.map(adjustmentOf);
}

export async function adjustmentById(db: Queryable, id: string): Promise<AdjustmentRow | null> {
  const { rows } = await db.query("select * from adjustments where adjustment_id = $1", [id]);
  return rows[0] ? adjustmentOf(rows[0]) : null;
}

/** Oldest first; an adjustment has few. */
export async function adjustmentSteps(db: Queryable, id: string): Promise<(Step & { atMs: number })[]> {
  const { rows } = await db.query(
    "select at, to_state, reason, actor from adjustment_steps where adjustment_id = $1 order by step_id limit 200",
    [id],
  );
  return rows.map((row) => ({ atMs: row.at, to: row.to_state, reason: row.reason, actor: row.actor }));
}

/** The row, held until the transaction ends. Throws Problem `not_found`. */
async function held(tx: Queryable, id: string): Promise<AdjustmentRow> {
  const { rows } = await tx.query("select * from adjustments where adjustment_id = $1 for update", [id]);
  if (rows[0]) return adjustmentOf(rows[0]);
  throw new Problem("not_found", `there is no adjustment ${id}`, "List them with GET /api/v1/adjustments.");
}

interface Decided {
  actor: string;
  note: string | null;
}

/** What the lane cost until an hour, for the comparison to come. */
export type Measure = (tx: Queryable, lane: string, toMs: number) => Promise<Efficiency>;

/** Puts the change into force, as a version of the policy. Throws Problem `conflict` where that is out of time. */
export async function approveAdjustment(
  db: Database,
  id: string,
  { actor, note, measure }: Decided & { measure: Measure },
): Promise<AdjustmentRow> {
  return await db.transaction(async (tx) => {
    const row = await held(tx, id);
    if (row.state !== "proposed") throw decidedBefore(row);
    const tried = (await triedAdjustments(tx)).find(({ lane }) => lane === row.lane);
    if (tried) {
      const hint = "Wait for its verdict, or roll it back: of two changes nobody knows which one helped.";
      throw new Problem(
        "conflict",
        `${row.lane} is being measured after another change (${tried.title})`,
        hint,
      );
    }
    const stored = await changePolicy(tx, null, ({ policy }) => {
      const moved = movedFields(policy, row.changes, "before");
      if (moved.length > 0) {
        const hint = "Reject it: what it was derived from is no longer so.";
        throw new Problem("conflict", `somebody has changed ${moved.join(", ")} since it was proposed`, hint);
      }
      const comment = `adjustment ${id}: ${row.title}`.slice(0, 1000);
      return { policy: withFields(policy, row.changes, "after"), comment, changedBy: actor };
    });
    const { rows: times } = await tx.query("select orchestrator_now() as now");
    const nowMs: number = times[0]?.now;
    const lately = await measure(tx, row.lane, Math.floor(nowMs / HOUR_MS) * HOUR_MS);
    // Where little has been done since, the comparison is with what it was proposed upon.
    const before = lately.completed >= stored.policy.adjust.least_tasks ? lately : row.before;
    const reason = `in force as version ${stored.version} of the policy; measured from the next full hour on`;
    const { rows } = await tx.query(
      `update adjustments set state = 'approved', reason = $2, decided_at = $3, decided_by = $4, note = $5, before = $6,
              policy_version = $7, measured_from = $8
        where adjustment_id = $1 returning *`,
      [
        ...[id, reason, new Date(nowMs), actor, note, JSON.stringify(before), stored.version],
        new Date((Math.floor(nowMs / HOUR_MS) + 1) * HOUR_MS),
      ],
    );
    await insertStep(tx, id, { to: "approved", reason, actor });
    return adjustmentOf(rows[0] as Row);
  });
}

export async function rejectAdjustment(
  db: Database,
  id: string,
  { actor, note }: Decided,
): Promise<AdjustmentRow> {
  return await db.transaction(async (tx) => {
    const row = await held(tx, id);
    if (row.state === "rejected") return row;
    if (row.state !== "proposed") throw decidedBefore(row);
    const reason = note ?? `rejected by ${actor}`;
    const { rows } = await tx.query(
      `update adjustments set state = 'rejected', reason = $2, note = $3, decided_by = $4, decided_at = orchestrator_now(),
              ended_at = orchestrator_now() where adjustment_id = $1 returning *`,
      [id, reason, note, actor],
    );
    await insertStep(tx, id, { to: "rejected", reason, actor });
    return adjustmentOf(rows[0] as Row);
  });
}

function decidedBefore({ adjustmentId, state, reason }: AdjustmentRow): Problem {
  const hint = "Only what is proposed can be approved or rejected: GET /api/v1/adjustments?state=proposed.";
  return new Problem("conflict", `adjustment ${adjustmentId} is ${state}: ${reason}`, hint);
}

/**
 * Restores exactly the fields that were changed. Where somebody has changed one of them since, none is touched, and the
 * adjustment is superseded. Throws Problem `conflict` for one that is not in force.
 */
export async function rollBackAdjustment(
  db: Database,
  id: string,
  by: { actor: string; reason: string; verdict?: Verdict; after?: Efficiency },
): Promise<AdjustmentRow> {
  return await db.transaction(async (tx) => {
    const row = await held(tx, id);
    if (row.state === "rolled_back" || row.state === "superseded") return row;
    if (!["approved", "measuring", "kept"].includes(row.state)) {
      const hint = "Only what was approved is in force: reject what is proposed.";
      throw new Problem(
        "conflict",
        `adjustment ${id} is ${row.state}, so there is nothing to roll back`,
        hint,
      );
    }
    const current = await currentPolicy(tx);
    const moved = current ? movedFields(current.policy, row.changes, "after") : [];
    const stored =
      moved.length > 0
        ? null
        : await changePolicy(tx, null, ({ policy }) => ({
            policy: withFields(policy, row.changes, "before"),
            comment: `rolls back adjustment ${id}: ${by.reason}`.slice(0, 1000),
            changedBy: by.actor,
          }));
    const to = stored ? "rolled_back" : "superseded";
    const left = `somebody has changed ${moved.join(", ")} since: left as it is`;
    const reason = stored ? `${by.reason}; version ${stored.version} of the policy` : `${by.reason}; ${left}`;
    return await end(tx, id, { to, reason, actor: by.actor }, { ...by, version: stored?.version ?? null });
  });
}

/** It helped: it stays. */
export async function keepAdjustment(
  db: Database,
  id: string,
  found: { reason: string; verdict: Verdict; after: Efficiency },
): Promise<void> {
  await db.transaction(async (tx) => {
    const row = await held(tx, id);
    if (row.state !== "measuring") return;
    await end(tx, id, { to: "kept", reason: found.reason, actor: BY_RULE }, { ...found, version: null });
  });
}

async function end(
  tx: Queryable,
  id: string,
  step: Step,
  { verdict, after, version }: { verdict?: Verdict; after?: Efficiency; version: number | null },
): Promise<AdjustmentRow> {
  const { rows } = await tx.query(
    `update adjustments set state = $2, reason = $3, verdict = coalesce($4, verdict), after = coalesce($5::jsonb, after),
            rolled_back_version = $6, ended_at = orchestrator_now() where adjustment_id = $1 returning *`,
    [id, step.to, step.reason, verdict ?? null, after ? JSON.stringify(after) : null, version],
  );
  await insertStep(tx, id, step);
  return adjustmentOf(rows[0] as Row);
}

/** How far the measuring has come. */
export async function noteMeasured(
  db: Database,
  id: string,
  found: { reason: string; after: Efficiency },
): Promise<void> {
  await db.transaction(async (tx) => {
    const row = await held(tx, id);
    if (row.state !== "approved" && row.state !== "measuring") return;
    await tx.query(
      "update adjustments set state = 'measuring', reason = $2, after = $3 where adjustment_id = $1",
      [...[id, found.reason, JSON.stringify(found.after)]],
    );
    const step = { to: "measuring", reason: found.reason, actor: BY_RULE } as const;
    if (row.state === "approved") await insertStep(tx, id, step);
  });
}

/** Recommendations that nobody has decided on. */
export async function expireProposals(tx: Queryable, hours: number): Promise<void> {
  await tx.query(
    `with gone as (
       update adjustments set state = 'expired', ended_at = orchestrator_now(), reason = $2
        where state = 'proposed' and proposed_at <= orchestrator_now() - make_interval(hours => $1) returning adjustment_id)
     insert into adjustment_steps (adjustment_id, at, to_state, reason, actor)
     select adjustment_id, orchestrator_now(), 'expired', $2, $3 from gone`,
    [hours, `nobody has decided within ${hours} hours`, BY_RULE],
  );
}
