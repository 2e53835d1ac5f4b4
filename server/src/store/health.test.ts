/** Health and recoveries as rows: what is counted, what is left out, and what a plan's steps leave behind. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { v7 as uuidv7 } from "uuid";
import type { CountOutcomes } from "#core/decision.ts";
import { aPolicy, aRecovery, MINUTE, NOW, SECOND, WORKFLOW } from "#test/builders.ts";
import { openStore, type TestStore } from "#test/stored.ts";
import { insertCycle, takeTick } from "./cycles.ts";
import { addOutcomes, readHealth } from "./health.ts";
import { seeReplica } from "./orchestrator.ts";
import { applyRecoveries, listRecoveries } from "./recoveries.ts";
import { insertFailedCycle } from "./set-aside.ts";

const policy = aPolicy();
const read = ({ db, nowMs }: TestStore, tick: Parameters<typeof readHealth>[1]["tick"] = null) =>
  readHealth(db, { nowMs, policy, tick });
const counted = (over: Partial<CountOutcomes>): CountOutcomes => ({
  ...{ kind: "count_outcomes", workflowType: WORKFLOW },
  ...{ ended: 1, failedEndpoint: 0, failedTask: 0, failuresInRow: 0, ...over },
});
const step = (kind: "opened" | "changed" | "closed", over = {}) => ({
  ...{ kind: "recovery" as const, step: kind, from: null, recovery: aRecovery(over) },
  ...{ reason: `it was ${kind}`, actor: "orchestrator" },
});
const take = (store: TestStore, ...steps: ReturnType<typeof step>[]) =>
  store.db.transaction((tx) =>
    applyRecoveries(tx, { steps, switches: [] }, { cycleId: uuidv7(), nowMs: store.nowMs }),
  );

describe("work", () => {
  it("is what took how long lately and in the day before, on ticks alone; an alert on uptime is told", async (t) => {
    const store = await openStore(t);
    const rolled = (rollUpStep: string, agoMs: number, buckets: number[]) =>
      store.db.query(
        `insert into roll_ups (step, at, workflow_type, content_type, wait_buckets, work_buckets, total_buckets)
         values ($1, $2, $3, 'default', '{}', $4, '{}')`,
        [rollUpStep, new Date(NOW - agoMs), WORKFLOW, buckets],
      );
    await rolled("minute", MINUTE, [1, 2]);
    await rolled("minute", 5 * MINUTE, [0, 3]);
    await rolled("minute", 20 * MINUTE, [9, 9]);
    await rolled("hour", 30 * MINUTE, [9, 9]);
    await rolled("hour", 5 * 60 * MINUTE, [4, 0]);
    const alert = (rule: string) =>
      store.db.query(
        `insert into alerts (alert_id, rule, labels, labels_key, severity, state, words, started_at)
         values ($1, $2, '{}', '{}', 'critical', 'firing', 'too few ticks', $3)`,
        [uuidv7(), rule, new Date(NOW)],
      );
    await alert("queue_500");
    assert.deepEqual((await read(store)).health.work, null);
    const tick = { boundaryMs: NOW, intervalMs: 5 * MINUTE };
    const { health } = await read(store, tick);
    assert.deepEqual([health.uptimeAlert, health.work?.lately.slice(0, 2)], [null, [1, 5]]);
    assert.deepEqual(health.work?.usually.slice(0, 2), [4, 0]);
    await alert("uptime");
    const { uptimeAlert } = (await read(store)).health;
    assert.deepEqual(uptimeAlert, { rule: "uptime", words: "too few ticks" });
  });
});

describe("outcomes", () => {
  it("are added up over the window, with the last word on failures in a row", async (t) => {
    const store = await openStore(t);
    await addOutcomes(store.db, [counted({ ended: 3, failedEndpoint: 2, failuresInRow: 2 })], NOW);
    await addOutcomes(
      store.db,
      [counted({ failedTask: 1, failuresInRow: 3 }), counted({ workflowType: "w2" })],
      NOW + SECOND,
    );
    await store.pass(20 * SECOND);
    await addOutcomes(store.db, [counted({ failedTask: 1, failuresInRow: 4 })], store.nowMs);
    const { health } = await read(store);
    assert.deepEqual(health.outcomes, {
      [WORKFLOW]: { ended: 5, failedEndpoint: 2, failedTask: 2, failuresInRow: 4 },
      w2: { ended: 1, failedEndpoint: 0, failedTask: 0, failuresInRow: 0 },
    });
    await store.pass(5 * MINUTE - 20 * SECOND);
    const later = (await read(store)).health.outcomes;
    assert.deepEqual(Object.keys(later), [WORKFLOW]);
    assert.equal(later[WORKFLOW]!.ended, 1, "the first slice has left the window");
  });

  it("count from where the workflow's breaker was closed; those of others are as they were", async (t) => {
    const store = await openStore(t);
    const both = [counted({ failedTask: 1 }), counted({ workflowType: "w2", failedTask: 1 })];
    await addOutcomes(store.db, both, NOW);
    await take(store, step("opened"));
    await store.pass(MINUTE);
    await take(store, step("closed"));
    await addOutcomes(store.db, both, store.nowMs + 15 * SECOND);
    await store.pass(15 * SECOND);
    const { outcomes } = (await read(store)).health;
    assert.deepEqual([outcomes[WORKFLOW]!.ended, outcomes.w2!.ended], [1, 2]);
  });

  it("are forgotten after two hours, so that the table stays small", async (t) => {
    const store = await openStore(t);
    await addOutcomes(store.db, [counted({})], NOW);
    await addOutcomes(store.db, [counted({})], NOW + 121 * MINUTE);
    assert.equal((await store.db.query("select from attempt_counts")).rowCount, 1);
  });
});

describe("recoveries", () => {
  it("are read as the last step left them, and the one that is closed is not", async (t) => {
    const store = await openStore(t);
    const probing = { state: "half_open", probe: "a task", reopened: 2, nextAtMs: NOW + MINUTE };
    await take(
      store,
      step("opened", { numbers: { ended: 20 } }),
      step("changed", { ...probing, numbers: { ended: 20 } }),
    );
    const [open, ...more] = (await read(store)).recoveries;
    assert.deepEqual(more, []);
    const { recoveryId, ...rest } = open!;
    const { recoveryId: _, ...expected } = aRecovery({
      ...probing,
      state: "half_open",
      numbers: { ended: 20 },
      openedAtMs: NOW,
    });
    assert.deepEqual(rest, expected);
    await take(store, step("closed"), step("opened", { procedure: "pause", nextAtMs: NOW }));
    assert.deepEqual(
      (await read(store)).recoveries.map(({ procedure }) => procedure),
      ["pause"],
    );
    const [, closed] = await listRecoveries(store.db, { open: null, limit: 10 });
    assert.deepEqual(
      [closed!.recoveryId, closed!.closedReason, closed!.nextAtMs],
      [recoveryId, "it was closed", null],
    );
    await take(store, step("closed", { procedure: "pause" }));
  });

  it("are one of a kind: a second one, or the change of one that is not there, stops the cycle", async (t) => {
    const store = await openStore(t);
    await take(store, step("opened", { nextAtMs: NOW }));
    await assert.rejects(() => take(store, step("opened", { nextAtMs: NOW })), /recoveries_open/);
    await assert.rejects(
      () => take(store, step("changed", { subject: "w2" })),
      /the plan changes 1 recoveries, the database 0/,
    );
    assert.equal((await read(store)).recoveries.length, 1);
  });

  it("say when the last reduction ended, for one window", async (t) => {
    const store = await openStore(t);
    const reduce = { procedure: "reduce", subject: "orchestrator" };
    await take(store, step("opened", reduce));
    await take(store, step("closed", reduce));
    assert.equal((await read(store)).reducedUntilMs, NOW);
    await store.pass(5 * MINUTE);
    assert.equal((await read(store)).reducedUntilMs, null);
  });
});

describe("the rest of health and resources", () => {
  it("knows missed ticks by the tick before the one that runs", async (t) => {
    const store = await openStore(t);
    const tick = (boundaryMs: number) => ({
      boundaryMs,
      ranAtMs: boundaryMs,
      cycleId: uuidv7(),
      replicaId: "r",
    });
    const missed = async (boundaryMs: number) =>
      (await read(store, { boundaryMs, intervalMs: MINUTE })).health.missedTicks;
    assert.equal(await missed(NOW), 0, "before the first one nothing was missed");
    await takeTick(store.db, tick(NOW));
    await takeTick(store.db, tick(NOW + MINUTE));
    assert.deepEqual(
      [await missed(NOW + MINUTE), await missed(NOW + 2 * MINUTE), await missed(NOW + 5 * MINUTE)],
      [0, 0, 3],
    );
    assert.equal((await read(store)).health.missedTicks, 0, "a wake-up runs no tick");
  });

  it("knows how long cycles took, how many the database failed, and what replicas said of themselves", async (t) => {
    const store = await openStore(t);
    const plain = {
      trigger: "wake" as const,
      boundaryMs: null,
      driftMs: null,
      policyVersion: 1,
      dispatched: 0,
      held: 0,
    };
    const rest = { snapshot: {}, decisions: [], reasons: [], replicaId: "r" };
    for (let i = 1; i <= 20; i++) {
      const at = { cycleId: uuidv7(), startedAtMs: i === 1 ? NOW - 6 * MINUTE : NOW, durationMs: i * 10 };
      await insertCycle(store.db, { ...plain, ...at, ...rest });
    }
    const failed = { replicaId: "r", tookOn: { facts: 1, runs: 1, tasks: 1 }, error: { message: "x" } };
    await insertFailedCycle(store.db, { ...failed, fault: "store" });
    await insertFailedCycle(store.db, { ...failed, fault: "plan" });
    await seeReplica(store.db, "a", {
      rssMb: 90,
      memoryPressed: true,
      eventLoopDelayMs: 3,
      connections: { open: 4, inUse: 2, waiting: 1 },
    });
    await seeReplica(store.db, "b");
    const { health, resources } = await read(store);
    assert.deepEqual(
      [health.cycles.count, Math.round(health.cycles.p95Ms), health.failedCycles],
      [19, 191, 1],
    );
    assert.deepEqual(resources.replicas, [
      {
        ...{ replicaId: "a", rssMb: 90, memoryPressed: true, eventLoopDelayMs: 3 },
        connections: { open: 4, inUse: 2, waiting: 1 },
      },
      { replicaId: "b", rssMb: null, memoryPressed: false, eventLoopDelayMs: null, connections: null },
    ]);
    await store.pass(16 * SECOND);
    assert.deepEqual((await read(store)).resources.replicas, [], "nobody was seen lately");
  });
});
