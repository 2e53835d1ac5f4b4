/** Owns silences: what alerts are not told of, from when to when. */
import type { SilenceMatcher } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { Silenced } from "#core/alerts-routing.ts";
import type { Queryable, Row } from "./database.ts";

export interface SilenceRow extends Silenced {
  state: "planned" | "active" | "ended";
  startsAtMs: number;
  endsAtMs: number;
  comment: string;
  createdAtMs: number;
  createdBy: string;
  endedBy: string | null;
}

/** So many may be planned or active at once. */
export const MOST_SILENCES = 500;

const COLUMNS = `silence_id, match, starts_at, ends_at, comment, created_at, created_by, ended_by,
  case when ends_at <= orchestrator_now() then 'ended' when starts_at > orchestrator_now() then 'planned'
       else 'active' end as state`;

function silenceOf(row: Row): SilenceRow {
  return {
    silenceId: row.silence_id,
    match: row.match,
    state: row.state,
    startsAtMs: row.starts_at,
    endsAtMs: row.ends_at,
    comment: row.comment,
    createdAtMs: row.created_at,
    createdBy: row.created_by,
    endedBy: row.ended_by,
  };
}

export async function activeSilences(db: Queryable): Promise<SilenceRow[]> {
  const { rows } = await db.query(
    `select ${COLUMNS} from alert_silences where starts_at <= orchestrator_now() and ends_at > orchestrator_now()
      order by silence_id limit ${MOST_SILENCES}`,
  );
  return rows.map(silenceOf);
}

/** Newest first; `all`: those that are over as well. */
export async function listSilences(
  db: Queryable,
  { all, before, limit }: { all: boolean; before: string | undefined; limit: number },
): Promise<SilenceRow[]> {
  const { rows } = await db.query(
    `select ${COLUMNS} from alert_silences where ($1 or ends_at > orchestrator_now())
        and ($2::uuid is null or silence_id < $2) order by silence_id desc limit $3`,
    [all, before ?? null, limit],
  );
  return rows.map(silenceOf);
}

export async function silenceById(db: Queryable, silenceId: string): Promise<SilenceRow | null> {
  const { rows } = await db.query(`select ${COLUMNS} from alert_silences where silence_id = $1`, [silenceId]);
  return rows[0] ? silenceOf(rows[0]) : null;
}

/** Null where too many are planned or active already. */
export async function insertSilence(
  db: Queryable,
  silence: { match: SilenceMatcher; startsAtMs: number; endsAtMs: number; comment: string; actor: string },
): Promise<SilenceRow | null> {
  const { match, startsAtMs, endsAtMs, comment, actor } = silence;
  const { rows } = await db.query(
    `insert into alert_silences (silence_id, match, starts_at, ends_at, comment, created_by)
     select $1, $2::jsonb, $3, $4, $5, $6
      where (select count(*) from alert_silences where ends_at > orchestrator_now()) < ${MOST_SILENCES}
     returning ${COLUMNS}`,
    [uuidv7(), JSON.stringify(match), new Date(startsAtMs), new Date(endsAtMs), comment, actor],
  );
  return rows[0] ? silenceOf(rows[0]) : null;
}

/** Ends it now; one that has not begun never does. What is over stays as it was. */
export async function endSilence(db: Queryable, silenceId: string, actor: string): Promise<void> {
  await db.query(
    `update alert_silences set ends_at = orchestrator_now(),
            starts_at = least(starts_at, orchestrator_now()), ended_by = $2
      where silence_id = $1 and ends_at > orchestrator_now()`,
    [silenceId, actor],
  );
}
