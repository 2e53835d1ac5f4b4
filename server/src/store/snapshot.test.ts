/** The snapshot: everything that a decision needs, and of a long queue only its best. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { NewTask } from "@master-orchestrator/contract";
import { byRank } from "#core/rank.ts";
import type { LaneView } from "#core/snapshot.ts";
import { aPolicy, MINUTE, NOW, SECOND, WORKFLOW } from "#test/builders.ts";
import { chance } from "#test/chance.ts";
import { openStore, type StoreOptions, type TestStore } from "#test/stored.ts";
import { recordCallback, recordCancelExecution, recordClaim, recordDeliveries } from "./facts.ts";
import { seeReplica, setPaused } from "./orchestrator.ts";
import { lockOrchestrator, readSnapshot } from "./snapshot.ts";
import { setWorkflowPaused } from "./workflows.ts";

const snapshotOf = ({ db }: TestStore) =>
  db.transaction(async (tx) => readSnapshot(tx, await lockOrchestrator(tx)));
const named = (lanes: readonly LaneView[]) => lanes.map((lane) => `${lane.workflowType}/${lane.contentType}`);

/** Enqueues tasks of chance, spread over lanes, priorities and ages; returns every one of them. */
async function manyTasks(store: TestStore, count: number, seed: number) {
  const random = chance(seed);
  const given = Array.from(
    { length: count },
    (): Partial<NewTask> => ({
      workflow_type: random.oneOf(["w1", "w2"]),
      content_type: random.oneOf(["a", "b", "c"]),
      priority: random.oneOf([0, 1, 50, 51, 99, 100]),
    }),
  );
  const ids = await store.enqueue(...given);
  const aged = ids.map(() => NOW - random.int(0, 40) * 10 * SECOND);
  await store.db.query(
    `update tasks t set aged_from = to_timestamp(a.ms / 1000.0)
       from unnest($1::uuid[], $2::float8[]) as a (task_id, ms) where t.task_id = a.task_id`,
    [ids, aged],
  );
  return ids.map((taskId, i) => ({
    taskId,
    lane: `${given[i]!.workflow_type}/${given[i]!.content_type}`,
    priority: given[i]!.priority as number,
    agedFromMs: aged[i] as number,
  }));
}

describe("the lanes of a snapshot", () => {
  const options: StoreOptions = { workflows: { w1: {}, w2: {} }, policy: { concurrency: { total: 1 } } };

  it("hold the best of each lane, whatever the ageing: as if every task had been looked at", async (t) => {
    const store = await openStore(t, options);
    const all = await manyTasks(store, 700, 7);
    const { lanes } = await snapshotOf(store);
    assert.deepEqual(named(lanes), ["w1/a", "w1/b", "w1/c", "w2/a", "w2/b", "w2/c"]);
    const policies = [{}, { boost_per_minute: 0 }, { boost_after_minutes: 0, boost_per_minute: 500 }].map(
      (ageing) => aPolicy({ ageing }).ageing,
    );
    for (const lane of lanes) {
      const mine = all.filter((task) => task.lane === `${lane.workflowType}/${lane.contentType}`);
      assert.equal(lane.depth, mine.length);
      for (const ageing of policies) {
        const best = (of: readonly (typeof mine)[number][]) =>
          byRank(of, NOW, ageing)
            .slice(0, 11)
            .map((task) => task.taskId);
        assert.deepEqual(
          best(mine.filter((task) => lane.heads.some((head) => head.taskId === task.taskId))),
          best(mine),
        );
      }
    }
  });

  it("hold at most what one cycle could start of each priority, oldest first", async (t) => {
    const store = await openStore(t, options);
    await store.enqueue(...Array.from({ length: 30 }, () => ({ workflow_type: "w1", priority: 5 })));
    const [lane] = (await snapshotOf(store)).lanes;
    assert.equal(lane!.heads.length, 11);
    assert.equal(lane!.depth, 30);
    assert.deepEqual(
      lane!.heads.map((task) => task.taskId),
      lane!.heads.map((task) => task.taskId).toSorted(),
    );
  });

  it("count a long queue only as far as it matters, and never below what they show", async (t) => {
    const policy = {
      concurrency: { total: 2 },
      batching: { full_batches_above_depth: 5 },
      high_load: { waiting_above: 3 },
    };
    const store = await openStore(t, { workflows: { w1: {} }, policy });
    await store.enqueue(...Array.from({ length: 40 }, () => ({ workflow_type: "w1" })));
    const [lane] = (await snapshotOf(store)).lanes;
    assert.deepEqual([lane!.heads.length, lane!.depth], [21, 22], "one more than it shows: there are more");
  });

  it("hold only tasks that are due and in no run", async (t) => {
    const store = await openStore(t, { workflows: { w1: { max_concurrent: 1, batch: { min: 1, max: 1 } } } });
    const [first, second] = await store.enqueue(
      { workflow_type: "w1", priority: 90 },
      { workflow_type: "w1" },
    );
    await store.enqueue({ workflow_type: "w1", not_before: new Date(NOW + 1).toISOString() });
    await store.cycle();
    assert.equal((await store.task(first!)).status, "running");
    const { lanes } = await snapshotOf(store);
    assert.deepEqual(
      lanes.flatMap((lane) => lane.heads),
      [{ taskId: second, priority: 50, agedFromMs: NOW, runsAlone: false }],
    );
  });
});

describe("the runs of a snapshot", () => {
  it("are those that a fact concerns or whose time has come, with the tasks they carry", async (t) => {
    const store = await openStore(t);
    const [quiet, told] = [await store.dispatched({ priority: 7 }), await store.dispatched()];
    await recordClaim(store.db, told.executionId, 1, "n8n");
    const { runs, liveChildren } = await snapshotOf(store);
    assert.deepEqual(
      runs.map((run) => run.executionId),
      [told.executionId],
    );
    assert.deepEqual(Object.values(liveChildren), [1]);
    await store.pass(15 * SECOND);
    const due = (await snapshotOf(store)).runs;
    assert.deepEqual(
      due.map((run) => run.executionId).toSorted(),
      [quiet.executionId, told.executionId].toSorted(),
    );
    assert.partialDeepStrictEqual(
      due.find((run) => run.executionId === quiet.executionId),
      {
        executionId: quiet.executionId,
        parentId: (await store.execution(quiet.executionId)).parent_execution_id,
        workflowType: WORKFLOW,
        contentType: "default",
        status: "DISPATCHING",
        taskCount: 1,
        dueAtMs: NOW + 15 * SECOND,
        tasks: [
          {
            taskId: quiet.taskId,
            status: "running",
            priority: 7,
            agedFromMs: NOW,
            failures: 0,
            chainDepth: 0,
          },
        ],
        attempt: {
          number: 1,
          state: "sent",
          timeoutMs: 300 * SECOND,
          deliveries: 1,
          deliverAtMs: null,
          snoozedSinceMs: null,
          acceptedAtMs: null,
          deadlineAtMs: NOW + 300 * SECOND,
          lastHeartbeatAtMs: null,
          silentAtMs: null,
          progress: null,
          message: null,
        },
      },
    );
  });

  it("are found by the tasks that facts name, and not after they have ended", async (t) => {
    const store = await openStore(t);
    const run = await store.dispatched();
    await recordCallback(store.db, run.executionId, { attempt: 1, status: "completed" });
    await store.cycle();
    await recordCancelExecution(store.db, run.executionId, "ada");
    const { runs, facts } = await snapshotOf(store);
    assert.deepEqual([runs.length, facts.length], [0, 1]);
  });

  it("between attempts are as many as could start, and a pile of them hides no time-out", async (t) => {
    const store = await openStore(t, {
      workflows: { failing: { max_concurrent: 60 }, other: {} },
      policy: { concurrency: { total: 100 } },
    });
    await store.enqueue(
      ...Array.from({ length: 60 }, () => ({ workflow_type: "failing", content_type: "x" })),
    );
    await store.db.query("update tasks set runs_alone = true");
    await store.cycle();
    const { rows } = await store.db.query(
      "select execution_id from workflow_orchestration where workflow_type = 'failing'",
    );
    assert.equal(rows.length, 60);
    for (const row of rows)
      await recordCallback(store.db, row.execution_id, { attempt: 1, status: "failed" });
    await store.cycle();
    const other = await store.dispatched({ workflow_type: "other" });
    await store.pass(10 * MINUTE);
    const due = (await snapshotOf(store)).runs;
    assert.equal(due.filter((run) => run.workflowType === "failing").length, 50);
    assert.ok(due.some((run) => run.executionId === other.executionId));
    await setWorkflowPaused(store.db, "failing", true, "ada");
    assert.deepEqual(
      (await snapshotOf(store)).runs.map((run) => run.executionId),
      [other.executionId],
    );
  });
});

describe("the slots of a snapshot", () => {
  it("are those of runs that may be working; snoozed ones are counted by themselves", async (t) => {
    const store = await openStore(t, { workflows: { w1: {}, w2: {} } });
    const [sent, snoozed, failed] = [
      await store.dispatched({ workflow_type: "w1" }),
      await store.dispatched({ workflow_type: "w1" }),
      await store.dispatched({ workflow_type: "w2" }),
    ];
    const delivery = { attempt: 1, delivery: 1, retryAfterMs: null, message: "" };
    await recordDeliveries(store.db, [
      { executionId: snoozed.executionId, outcome: "snoozed", ...delivery },
      { executionId: failed.executionId, outcome: "refused", ...delivery },
    ]);
    await store.cycle();
    const { running, snoozed: waiting } = await snapshotOf(store);
    assert.equal(running.w1, 1);
    assert.equal(waiting.w1, 1);
    assert.equal((running.w2 ?? 0) + (waiting.w2 ?? 0), 0);
    assert.equal((await store.execution(sent.executionId)).status, "DISPATCHING");
  });
});

describe("the rest of a snapshot", () => {
  it("is time, pause, policy and workflows as they stand", async (t) => {
    const store = await openStore(t, {
      policy: { retry: { max_attempts: 2 } },
      workflows: {
        w1: { max_concurrent: 4, batch: { min: 2, max: 6 }, timeout_seconds: 1.5 },
        w2: { webhook_url: undefined },
      },
    });
    await store.db.transaction((tx) => setPaused(tx, true, "ada"));
    await setWorkflowPaused(store.db, "w2", true, "ada");
    const snapshot = await snapshotOf(store);
    assert.deepEqual([snapshot.nowMs, snapshot.paused, snapshot.policyVersion], [NOW, true, 1]);
    assert.equal(snapshot.policy.retry.max_attempts, 2);
    const { w1, w2 } = snapshot.workflows;
    assert.deepEqual([w1!.maxConcurrent, w1!.batchMin, w1!.batchMax, w1!.timeoutMs], [4, 2, 6, 1_500]);
    assert.deepEqual([w1!.hasTarget, w1!.paused, w2!.hasTarget, w2!.paused], [true, false, false, true]);
  });

  it("without any policy stored is the default policy", async (t) => {
    const store = await openStore(t);
    await store.db.query("delete from policy_versions");
    const snapshot = await snapshotOf(store);
    assert.deepEqual([snapshot.policyVersion, snapshot.policy], [0, aPolicy()]);
  });

  it("listens since the oldest replica that is still here began; without any, since now", async (t) => {
    const store = await openStore(t);
    const listening = async () => (await snapshotOf(store)).listeningSinceMs;
    assert.equal(await listening(), NOW);
    await seeReplica(store.db, "old");
    await store.pass(10 * SECOND);
    await seeReplica(store.db, "new");
    assert.equal(await listening(), NOW);
    await store.pass(10 * SECOND);
    assert.equal(await listening(), NOW + 10 * SECOND, "the old one was not seen for 20 s");
  });

  it("holds tasks whose time has come, and names those of the facts", async (t) => {
    const store = await openStore(t);
    const [later] = await store.enqueue({ not_before: new Date(NOW + SECOND).toISOString() });
    assert.deepEqual((await snapshotOf(store)).dueTasks, []);
    await store.pass(SECOND);
    assert.deepEqual((await snapshotOf(store)).dueTasks, [{ taskId: later, status: "scheduled" }]);
  });
});
