/** Messages committed with their decision and taken by whoever is free: pg-boss, nothing else knows it. */
import { type Job, PgBoss } from "pg-boss";
import type { Database, Queryable } from "./database.ts";
import { underSchemaLock } from "./migrate.ts";

const QUEUE = "bites";
/** Messages of one job: what a cycle sends is shared by this many, and replicas share what a cycle sends. */
const MAX_TOGETHER = 50;

/** One posting of one attempt's message. */
export interface Message {
  executionId: string;
  attempt: number;
  /** Counts the postings of this attempt; a message that is not the newest is dropped. */
  delivery: number;
}

export interface Outbox {
  /** Sends within `tx`: the messages exist if and only if it commits. */
  send(tx: Queryable, messages: readonly Message[]): Promise<void>;
  /**
   * Takes messages for this process alone, whole bites of them: about `limit` at the most, and `more` if others may be left.
   * They may be delivered at once; `removed` resolves when nothing is left of them, or when that failed: nobody is handed
   * them again, and what is left goes by itself.
   */
  take(limit: number): Promise<{ messages: Message[]; more: boolean; removed: Promise<void> }>;
  stop(): Promise<void>;
}

/**
 * Opens the outbox on the same database and the same pool. A message is handed out once: when its
 * deliverer dies, the cycle sees an attempt without a sign of life and sends a new one, so that
 * there is one place that decides about repetition. What a cycle sends shares jobs, since a job costs as much as a run.
 */
export async function openOutbox(db: Database, onError: (error: Error) => void): Promise<Outbox> {
  const boss = new PgBoss({
    db: asBossDatabase(db.plain),
    schedule: false,
    superviseIntervalSeconds: 60,
    persistWarnings: false,
  });
  boss.on("error", onError);
  // Two replicas that install pg-boss at the same moment would trip over each other.
  await underSchemaLock(db, async () => {
    await boss.start();
    await boss.createQueue(QUEUE, {
      retryLimit: 0,
      expireInSeconds: 60,
      retentionSeconds: 3600,
      deleteAfterSeconds: 600,
    });
  });
  const byKey = { db: asBossDatabase(db.byKey) };
  return {
    async send(tx, messages) {
      if (messages.length === 0) return;
      const jobs = inBites(messages).map((bite) => ({ data: { messages: bite } }));
      await boss.insert(QUEUE, jobs, { db: asBossDatabase(tx) });
    },
    async take(limit) {
      const batchSize = Math.ceil(limit / MAX_TOGETHER);
      const jobs: Job<{ messages: Message[] }>[] = await boss.fetch(QUEUE, { batchSize, ...byKey });
      // Taken is taken: a job that stayed would only have to be looked after.
      const ids = jobs.map((job) => job.id);
      const removed =
        ids.length > 0 ? boss.deleteJob(QUEUE, ids, byKey).then(() => {}, onError) : Promise.resolve();
      const messages = jobs.flatMap((job) => job.data.messages);
      return { messages, more: jobs.length === batchSize, removed };
    },
    stop: () => boss.stop({ graceful: false }),
  };
}

function inBites(messages: readonly Message[]): Message[][] {
  const count = Math.ceil(messages.length / MAX_TOGETHER);
  return Array.from({ length: count }, (_, i) => messages.slice(i * MAX_TOGETHER, (i + 1) * MAX_TOGETHER));
}

function asBossDatabase(db: Queryable) {
  return { executeSql: (text: string, values?: unknown[]) => db.query(text, values) };
}
