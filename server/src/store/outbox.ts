/** Messages committed with their decision and taken by whoever is free: pg-boss, nothing else knows it. */
import { type Job, PgBoss } from "pg-boss";
import type { Database, Queryable } from "./database.ts";
import { underSchemaLock } from "./migrate.ts";

const QUEUE = "deliveries";

/** One posting of one attempt's message. */
export interface Message {
  executionId: string;
  attempt: number;
  /** Counts the postings of this attempt; a message that is not the newest is dropped. */
  delivery: number;
}

export interface TakenMessage extends Message {
  jobId: string;
}

export interface Outbox {
  /** Sends within `tx`: the messages exist if and only if it commits. */
  send(tx: Queryable, messages: readonly Message[]): Promise<void>;
  /** Takes up to `limit` messages for this process alone. */
  take(limit: number): Promise<TakenMessage[]>;
  /** Marks messages as done, within the transaction that records their outcome. */
  done(tx: Queryable, messages: readonly TakenMessage[]): Promise<void>;
  stop(): Promise<void>;
}

/**
 * Opens the outbox on the same database and the same pool. A message is tried once here: when its
 * deliverer dies, the cycle sees an attempt without a sign of life and sends a new one, so that
 * there is one place that decides about repetition.
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
  return {
    async send(tx, messages) {
      if (messages.length === 0) return;
      const jobs = messages.map((message) => ({ data: message }));
      await boss.insert(QUEUE, jobs, { db: asBossDatabase(tx) });
    },
    async take(limit) {
      const jobs: Job<Message>[] = await boss.fetch<Message>(QUEUE, { batchSize: limit });
      return jobs.map((job) => ({ ...job.data, jobId: job.id }));
    },
    async done(tx, messages) {
      if (messages.length === 0) return;
      const ids = messages.map((message) => message.jobId);
      await boss.complete(QUEUE, ids, null, { db: asBossDatabase(tx) });
    },
    stop: () => boss.stop({ graceful: false }),
  };
}

function asBossDatabase(db: Queryable) {
  return { executeSql: (text: string, values?: unknown[]) => db.query(text, values) };
}
