/** Owns a store for one test: its own database, standing time, workflows, and cycles that decide without any HTTP. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { type NewTask, Policy, type WorkflowSettings } from "@master-orchestrator/contract";
import { v7 as uuidv7 } from "uuid";
import type { z } from "zod";
import type { Decision } from "#core/decision.ts";
import { plan } from "#core/plan.ts";
import { holdsByLane } from "#core/record.ts";
import type { Snapshot } from "#core/snapshot.ts";
import { applyDecisions } from "#store/apply.ts";
import { updateHolds, updateShares } from "#store/cycles.ts";
import type { Database, Queryable, Row } from "#store/database.ts";
import { checkInvariants } from "#store/invariants.ts";
import { ensureOrchestrator } from "#store/orchestrator.ts";
import type { Message } from "#store/outbox.ts";
import { insertPolicyVersion } from "#store/policies.ts";
import { lockOrchestrator, readSnapshot } from "#store/snapshot.ts";
import { enqueue } from "#store/tasks.ts";
import { putWorkflow, type StoredSettings } from "#store/workflows.ts";
import { NOW, WORKFLOW } from "./builders.ts";
import { freshDatabase, type TestDatabase } from "./database.ts";

export interface Cycle {
  cycleId: string;
  snapshot: Snapshot;
  decisions: readonly Decision[];
  messages: Message[];
}

export interface TestStore {
  db: Database;
  url: string;
  /** The database's time, which stands still. */
  readonly nowMs: number;
  pass(ms: number): Promise<void>;
  /** Snapshot, plan, apply, in one transaction. */
  cycle(trigger?: "tick" | "wake"): Promise<Cycle>;
  enqueue(...tasks: Partial<NewTask>[]): Promise<string[]>;
  /** Enqueues one task and dispatches it. */
  dispatched(task?: Partial<NewTask>): Promise<{ taskId: string; executionId: string }>;
  /** The row as it stands. */
  task(taskId: string): Promise<Row>;
  execution(executionId: string): Promise<Row>;
  attempt(executionId: string, attempt?: number): Promise<Row>;
  /** `from → to` of an entity's transitions, in their order. */
  steps(entityId: string): Promise<string[]>;
}

export interface StoreOptions {
  policy?: z.input<typeof Policy>;
  workflows?: Record<string, Partial<WorkflowSettings>>;
  /** The test writes rows that no service would: nobody looks at the invariants afterwards. */
  lawless?: boolean;
}

/** Opens a store for one test; when it ends, every invariant is held against what it has left. */
export async function openStore(t: TestContext, options: StoreOptions = {}): Promise<TestStore> {
  const database = await freshDatabase();
  const { db } = database;
  t.after(() => closed(database, options));
  await database.setNow(NOW);
  await ensureOrchestrator(db);
  const policy = Policy.parse({ retry: { jitter: 0 }, ...options.policy });
  await insertPolicyVersion(db, 1, { policy, comment: null, changedBy: "the test" });
  for (const [workflowType, over] of Object.entries(options.workflows ?? { [WORKFLOW]: {} })) {
    const settings = {
      webhook_url: "https://n8n.example/webhook",
      max_concurrent: 5,
      ...over,
    } as StoredSettings;
    const plain = { auth: null, signingSecret: null, paused: false, pausedBy: null, updatedBy: "the test" };
    await putWorkflow(db, { workflowType, settings, ...plain });
  }
  let nowMs = NOW;
  const one = async (text: string, values: unknown[]) => {
    const { rows } = await db.query(text, values);
    assert.equal(rows.length, 1, `one row of ${text} for ${values}`);
    return rows[0] as Row;
  };
  const store: TestStore = {
    db,
    url: database.url,
    get nowMs() {
      return nowMs;
    },
    async pass(ms) {
      nowMs += ms;
      await database.setNow(nowMs);
    },
    cycle: (trigger = "wake") => db.transaction((tx) => cycleIn(tx, trigger)),
    async enqueue(...tasks) {
      const enqueued = await enqueue(db, tasks.map(aNewTask), "ada");
      return enqueued.map((task) => task.taskId);
    },
    async dispatched(task = {}) {
      const [taskId] = (await store.enqueue(task)) as [string];
      await store.cycle();
      return { taskId, executionId: (await store.task(taskId)).execution_id };
    },
    task: (taskId) => one("select * from tasks where task_id = $1", [taskId]),
    execution: (executionId) =>
      one("select * from workflow_orchestration where execution_id = $1", [executionId]),
    attempt: (executionId, attempt = 1) =>
      one("select * from attempts where execution_id = $1 and attempt = $2", [executionId, attempt]),
    async steps(entityId) {
      const { rows } = await db.query(
        "select from_state, to_state from transitions where entity_id = $1 order by transition_id",
        [entityId],
      );
      return rows.map((row) => `${row.from_state ?? ""} → ${row.to_state}`);
    },
  };
  return store;
}

/** A task as it comes through the door. */
export function aNewTask(over: Partial<NewTask> = {}): NewTask {
  return { workflow_type: WORKFLOW, content_type: "default", priority: 50, payload: {}, ...over };
}

/** One cycle in a transaction that the test holds. */
export async function cycleIn(tx: Queryable, trigger: "tick" | "wake" = "wake"): Promise<Cycle> {
  const locked = await lockOrchestrator(tx);
  const snapshot = await readSnapshot(tx, locked);
  const { decisions } = plan(snapshot);
  const cycleId = uuidv7();
  const cycle = { cycleId, trigger, policyVersion: snapshot.policyVersion };
  const { messages } = await applyDecisions(tx, cycle, snapshot, decisions);
  for (const decision of decisions) if (decision.kind === "share") await updateShares(tx, decision);
  await updateHolds(tx, holdsByLane(decisions), snapshot.nowMs, cycleId);
  return { cycleId, snapshot, decisions, messages };
}

/** Resolves when `count` connections wait for a lock that somebody holds. To be asked outside of that transaction. */
export async function untilBlocked(db: Database, count = 1): Promise<void> {
  for (let looks = 0; looks < 5_000; looks++) {
    const { rows } = await db.query(
      `select count(*) as waiting from pg_stat_activity
        where datname = current_database() and wait_event_type = 'Lock'`,
    );
    if (rows[0]?.waiting >= count) return;
  }
  throw new Error(`${count} connections were to wait for a lock, and do not`);
}

async function closed(database: TestDatabase, options: StoreOptions): Promise<void> {
  try {
    if (options.lawless) return;
    const broken = (await checkInvariants(database.db)).filter((verdict) => verdict.rows.length > 0);
    assert.deepEqual(broken, [], "every invariant holds");
  } finally {
    await database.close();
  }
}
