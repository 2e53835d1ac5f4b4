/** The audit log: every change of state, by whom, why, in which cycle. Appends and reads, never changes. */
import type { Queryable, Row } from "./database.ts";
import { rowset } from "./rowset.ts";

export interface TransitionRow {
  entity: "execution" | "task" | "orchestrator" | "workflow" | "policy";
  entityId: string;
  from: string | null;
  to: string;
  reason: string;
  /** Who asked for it; the orchestrator itself when left out. */
  actor?: string;
  metadata?: Record<string, unknown>;
}

const ROWS = rowset({
  entity: "text",
  entity_id: "text",
  from_state: "text",
  to_state: "text",
  reason: "text",
  actor: "text",
  metadata: "jsonb",
});

/** Appends transitions in their order; all bear the same time and cycle. */
export async function insertTransitions(
  tx: Queryable,
  transitions: readonly TransitionRow[],
  nowMs: number,
  cycleId: string | null,
): Promise<void> {
  if (transitions.length === 0) return;
  await tx.query(
    `insert into transitions (at, entity, entity_id, from_state, to_state, reason, actor, cycle_id, metadata)
     select $2, t.entity, t.entity_id, t.from_state, t.to_state, t.reason, t.actor, $3, t.metadata
       from ${ROWS.from("$1", "t")}`,
    [ROWS.json(transitions.map(asRow)), new Date(nowMs), cycleId],
  );
}

function asRow(transition: TransitionRow) {
  return {
    entity: transition.entity,
    entity_id: transition.entityId,
    from_state: transition.from,
    to_state: transition.to,
    reason: transition.reason.slice(0, 1000),
    actor: transition.actor ?? "orchestrator",
    metadata: transition.metadata ?? {},
  };
}

export interface Transition extends Required<TransitionRow> {
  atMs: number;
  cycleId: string | null;
}

/** The transitions of one entity, oldest first, at most 1,000. */
export async function transitionsOf(db: Queryable, entityId: string): Promise<Transition[]> {
  const { rows } = await db.query(
    `select entity, entity_id, from_state, to_state, reason, actor, metadata, at, cycle_id
       from transitions where entity_id = $1 order by transition_id limit 1000`,
    [entityId],
  );
  return rows.map(transitionOf);
}

function transitionOf(row: Row): Transition {
  return {
    entity: row.entity,
    entityId: row.entity_id,
    from: row.from_state,
    to: row.to_state,
    reason: row.reason,
    actor: row.actor,
    metadata: row.metadata,
    atMs: row.at,
    cycleId: row.cycle_id,
  };
}
