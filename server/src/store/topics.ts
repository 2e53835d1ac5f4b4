/** Owns the topics that wait to be written about: adds, lists, removes them, and hands them to schedules. Decides nothing. */
import { Problem, type TopicInput } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { TakeWork } from "#core/decision.ts";
import type { WaitingWork } from "#core/snapshot.ts";
import type { Queryable, Row } from "./database.ts";

export interface TopicRow {
  topicId: string;
  contentType: string;
  priority: number;
  key: string | null;
  payload: Record<string, unknown>;
  addedAtMs: number;
  addedBy: string;
  takenAtMs: number | null;
  taskId: string | null;
}

/**
 * Adds topics, all or none, and returns them in their order. A key that is there already, or comes
 * twice, means that topic, unchanged. Throws `idempotency_conflict` for a key with another topic.
 */
export async function addTopics(
  tx: Queryable,
  topics: readonly TopicInput[],
  addedBy: string,
): Promise<{ topicId: string; duplicate: boolean }[]> {
  const rows = topics.map((topic) => ({ topic_id: uuidv7(), ...topic, key: topic.key ?? null }));
  const { rows: added } = await tx.query(
    `insert into content.topics (topic_id, content_type, priority, payload, key, added_by, ranks_from)
     select topic_id, content_type, priority, payload, key, $2, orchestrator_now() - priority * interval '10 minutes'
       from jsonb_to_recordset($1::jsonb) as n (topic_id uuid, content_type text, priority int, payload jsonb, key text)
      order by topic_id
     on conflict (key) do nothing
     returning topic_id`,
    [JSON.stringify(rows), addedBy],
  );
  const isNew = new Set(added.map((row) => row.topic_id));
  const rest = rows.filter((row) => !isNew.has(row.topic_id));
  const known = await topicsLike(tx, rest);
  return rows.map(({ topic_id: topicId, key }, i) => {
    if (isNew.has(topicId)) return { topicId, duplicate: false };
    const same = known.get(topicId);
    if (same) return { topicId: same, duplicate: true };
    const message = "belongs to another topic";
    throw new Problem(
      "idempotency_conflict",
      `the key "${key}" ${message}`,
      "Send the same topic again, or choose another key for another topic.",
      { errors: [{ path: `/topics/${i}/key`, message }] },
    );
  });
}

/** Of rows whose keys are taken: the topic that has the key, where it is the same in all. */
async function topicsLike(
  tx: Queryable,
  rows: readonly { topic_id: string }[],
): Promise<Map<string, string>> {
  if (rows.length === 0) return new Map();
  const { rows: found } = await tx.query(
    `select n.topic_id as asked, t.topic_id
       from jsonb_to_recordset($1::jsonb) as n (topic_id uuid, content_type text, priority int, payload jsonb, key text)
       join content.topics t on t.key = n.key and t.content_type = n.content_type
        and t.priority = n.priority and t.payload = n.payload`,
    [JSON.stringify(rows)],
  );
  return new Map(found.map((row) => [row.asked, row.topic_id]));
}

/** Newest first; `before` is the last id of the page before. */
export async function listTopics(
  db: Queryable,
  query: { status?: "waiting" | "taken"; before?: string; limit: number },
): Promise<TopicRow[]> {
  const { rows } = await db.query(
    `select * from content.topics
      where ($1::text is null or (taken_at is null) = ($1 = 'waiting')) and ($2::uuid is null or topic_id < $2)
      order by topic_id desc limit $3`,
    [query.status ?? null, query.before ?? null, query.limit],
  );
  return rows.map(topicOf);
}

function topicOf(row: Row): TopicRow {
  return {
    topicId: row.topic_id,
    contentType: row.content_type,
    priority: row.priority,
    key: row.key,
    payload: row.payload,
    addedAtMs: row.added_at,
    addedBy: row.added_by,
    takenAtMs: row.taken_at,
    taskId: row.task_id,
  };
}

export async function countWaitingTopics(db: Queryable): Promise<number> {
  const { rows } = await db.query("select count(*)::int as n from content.topics where taken_at is null");
  return rows[0]?.n;
}

/** Removes a topic that waits. What it says: removed, taken by now, or unknown. */
export async function removeTopic(db: Queryable, topicId: string): Promise<"removed" | "taken" | "unknown"> {
  const { rowCount } = await db.query("delete from content.topics where topic_id = $1 and taken_at is null", [
    topicId,
  ]);
  if (rowCount === 1) return "removed";
  const { rows } = await db.query("select from content.topics where topic_id = $1", [topicId]);
  return rows.length > 0 ? "taken" : "unknown";
}

/** The first `most` topics that wait, by priority and age as tasks are. Nobody removes them meanwhile. */
export async function lockWaitingTopics(tx: Queryable, most: number): Promise<WaitingWork[]> {
  const { rows } = await tx.query(
    `select topic_id, content_type, priority, payload from content.topics
      where taken_at is null order by ranks_from, topic_id limit $1 for update skip locked`,
    [most],
  );
  return rows.map((row) => ({
    workId: row.topic_id,
    contentType: row.content_type,
    priority: row.priority,
    payload: row.payload,
  }));
}

/** Notes of topics that they became tasks, and which. */
export async function takeWork(tx: Queryable, taken: readonly TakeWork[], nowMs: number): Promise<void> {
  const topicIds = taken.flatMap(({ source, workIds }) => (source === "topics" ? workIds : []));
  if (topicIds.length === 0) return;
  await tx.query(
    `update content.topics t set taken_at = $2,
            task_id = (select k.task_id from tasks k where k.idempotency_key = 'topics:' || t.topic_id)
      where t.topic_id = any($1::uuid[])`,
    [topicIds, new Date(nowMs)],
  );
}
