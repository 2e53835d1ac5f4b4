/** Owns the row whose holder judges alerts, and what each rule saw last. Judges nothing. */
import type { DigestKind } from "@master-orchestrator/contract";
import type { Judged } from "#core/alerts-judge.ts";
import type { Queryable } from "./database.ts";

export interface Turn {
  nowMs: number;
  /** The last moments at which a summary was due that somebody has seen to; null before the first start. */
  dailyAtMs: number | null;
  weeklyAtMs: number | null;
}

/** Half an interval: replicas' timers differ a little, and one look an interval is enough. */
const LEAST_SHARE = 0.5;

/** Null while another replica judges, or has just done so. The turn lasts as long as the transaction. */
export async function takeTurn(tx: Queryable, everySeconds: number): Promise<Turn | null> {
  const { rows } = await tx.query(
    `select orchestrator_now() as now, evaluated_at, daily_at, weekly_at from alert_watch for update skip locked`,
  );
  const row = rows[0];
  if (!row) return null;
  if (row.evaluated_at !== null && row.now - row.evaluated_at < everySeconds * 1000 * LEAST_SHARE)
    return null;
  return { nowMs: row.now, dailyAtMs: row.daily_at, weeklyAtMs: row.weekly_at };
}

/** What a rule saw: how many subjects, and the first one that is worth a word. */
export interface Look {
  holds: number;
  clear: number;
  unknown: number;
  words: string | null;
}

export async function endTurn(tx: Queryable, judged: readonly Judged[], nowMs: number): Promise<void> {
  const looks = Object.fromEntries(judged.map((rule) => [rule.rule, lookOf(rule)]));
  await tx.query("update alert_watch set evaluated_at = $1, looks = $2::jsonb", [
    new Date(nowMs),
    JSON.stringify(looks),
  ]);
}

function lookOf({ findings }: Judged): Look {
  const of = (state: string) => findings.filter((finding) => finding.state === state);
  const shown = of("holds")[0] ?? of("clear")[0] ?? of("unknown")[0];
  return {
    holds: of("holds").length,
    clear: of("clear").length,
    unknown: of("unknown").length,
    words: shown?.words ?? null,
  };
}

export async function markDigest(tx: Queryable, kind: DigestKind, atMs: number): Promise<void> {
  const column = kind === "daily_summary" ? "daily_at" : "weekly_at";
  await tx.query(`update alert_watch set ${column} = $1`, [new Date(atMs)]);
}

export async function readLooks(
  db: Queryable,
): Promise<{ evaluatedAtMs: number | null; looks: Record<string, Look> }> {
  const { rows } = await db.query("select evaluated_at, looks from alert_watch");
  return { evaluatedAtMs: rows[0]?.evaluated_at ?? null, looks: rows[0]?.looks ?? {} };
}
