/** Owns daily summaries and weekly reports: their figures as they are read, and what was said. */
import type { DigestKind } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { DigestFacts, Period } from "#core/alerts-digest.ts";
import type { Counts } from "#core/alerts-facts.ts";
import { addCounts } from "#core/latency.ts";
import { readCounts, readTicks } from "./alerts-facts.ts";
import type { Queryable, Row } from "./database.ts";

export interface DigestRow {
  digestId: string;
  kind: DigestKind;
  fromMs: number;
  toMs: number;
  title: string;
  lines: string[];
  figures: Record<string, unknown>;
}

/** Of two periods of one length, one behind the other; the heartbeat is that of the last one. */
export async function readDigestFacts(
  tx: Queryable,
  span: { kind: DigestKind; fromMs: number; toMs: number; nowMs: number },
  { tickIntervalMs, dailyBudgetUsd }: { tickIntervalMs: number; dailyBudgetUsd: number },
): Promise<DigestFacts> {
  const { kind, fromMs, toMs } = span;
  const step = kind === "daily_summary" ? "minute" : "hour";
  const lengthMs = toMs - fromMs;
  const window = lengthMs / 60_000;
  const [now, before, ticks, fired, firing, rest] = await Promise.all([
    readCounts(tx, step, fromMs, toMs),
    readCounts(tx, step, fromMs - lengthMs, fromMs),
    readTicks(tx, [window], { nowMs: toMs, tickIntervalMs }),
    tx.query(
      `select rule, count(*)::int as times from alerts where fired_at >= $1 and fired_at < $2
        group by 1 order by 2 desc, 1 limit 50`,
      [new Date(fromMs), new Date(toMs)],
    ),
    tx.query("select rule, words from alerts where state = 'firing' order by alert_id limit 50"),
    tx.query(
      `select (select count(*) from (select 1 from tasks where status = 'queued' limit 100000) w)::int as waiting,
              (select count(*) from (select 1 from tasks where status = 'dead_lettered' limit 100000) d)::int as dead`,
    ),
  ]);
  return {
    period: periodOf(now),
    before: periodOf(before),
    workflows: now
      .map((row) => ({ ...periodOf([row]), workflowType: row.workflowType }))
      .toSorted((a, b) => b.completed - a.completed || b.costMicros - a.costMicros),
    fired: fired.rows.map(({ rule, times }) => ({ rule, times })),
    firing: firing.rows.map(({ rule, words }) => ({ rule, words })),
    ticks: ticks.get(window) ?? { expected: 0, ran: 0 },
    waiting: rest.rows[0]?.waiting,
    deadLetters: rest.rows[0]?.dead,
    dailyBudgetUsd,
  };
}

function periodOf(rows: readonly Counts[]): Period {
  const sum = (of: (row: Counts) => number) => rows.reduce((total, row) => total + of(row), 0);
  return {
    completed: sum((row) => row.completed),
    deadLettered: sum((row) => row.deadLettered),
    attemptsEnded: sum((row) => row.attemptsEnded),
    attemptsFailed: sum((row) => row.attemptsFailed),
    costMicros: sum((row) => row.costMicros),
    totalBuckets: rows.map((row) => row.totalBuckets).reduce<readonly number[]>(addCounts, []),
  };
}

/** Null if it was made before. */
export async function insertDigest(
  tx: Queryable,
  digest: Omit<DigestRow, "digestId">,
): Promise<string | null> {
  const { rows } = await tx.query(
    `insert into alert_digests (digest_id, kind, from_at, to_at, title, lines, figures)
     values ($1, $2, $3, $4, $5, $6::jsonb, $7::jsonb) on conflict (kind, to_at) do nothing returning digest_id`,
    [
      uuidv7(),
      digest.kind,
      new Date(digest.fromMs),
      new Date(digest.toMs),
      digest.title,
      JSON.stringify(digest.lines),
      JSON.stringify(digest.figures),
    ],
  );
  return rows[0]?.digest_id ?? null;
}

/** Newest first. */
export async function listDigests(
  db: Queryable,
  { kind, before, limit }: { kind: DigestKind | null; before: string | undefined; limit: number },
): Promise<DigestRow[]> {
  const { rows } = await db.query(
    `select * from alert_digests where ($1::text is null or kind = $1) and ($2::uuid is null or digest_id < $2)
      order by digest_id desc limit $3`,
    [kind, before ?? null, limit],
  );
  return rows.map(digestOf);
}

export async function digestById(db: Queryable, digestId: string): Promise<DigestRow | null> {
  const { rows } = await db.query("select * from alert_digests where digest_id = $1", [digestId]);
  return rows[0] ? digestOf(rows[0]) : null;
}

function digestOf(row: Row): DigestRow {
  return {
    digestId: row.digest_id,
    kind: row.kind,
    fromMs: row.from_at,
    toMs: row.to_at,
    title: row.title,
    lines: row.lines,
    figures: row.figures,
  };
}
