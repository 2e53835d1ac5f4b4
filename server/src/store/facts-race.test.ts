/** The same moment: two reports of one thing, and a report while a cycle decides. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Callback } from "@master-orchestrator/contract";
import { MINUTE } from "#test/builders.ts";
import { cycleIn, openStore, untilBlocked } from "#test/stored.ts";
import { recordCallback, recordCancelExecution, recordClaim, recordTaskRequest } from "./facts.ts";

const completed: Callback = { attempt: 1, status: "completed" };

describe("two callbacks of one attempt at the same moment", () => {
  it("that say the same: one is taken, the other a duplicate", async (t) => {
    const { db, dispatched } = await openStore(t);
    const { executionId } = await dispatched();
    let second: Promise<{ verdict: string }> | undefined;
    await db.transaction(async (tx) => {
      assert.deepEqual(await recordCallback(tx, executionId, completed), { verdict: "taken" });
      second = recordCallback(db, executionId, completed);
      await untilBlocked(db);
    });
    assert.deepEqual(await second, { verdict: "duplicate" });
    assert.equal((await db.query("select from facts")).rowCount, 1);
  });

  it("that contradict each other: one is taken, the other stale", async (t) => {
    const { db, dispatched } = await openStore(t);
    const { executionId } = await dispatched();
    let second: Promise<{ verdict: string }> | undefined;
    await db.transaction(async (tx) => {
      await recordCallback(tx, executionId, completed);
      second = recordCallback(db, executionId, { attempt: 1, status: "failed" });
      await untilBlocked(db);
    });
    assert.deepEqual(await second, { verdict: "stale" });
  });

  it("of which the first comes to nothing: the second is taken", async (t) => {
    const { db, dispatched } = await openStore(t);
    const { executionId } = await dispatched();
    let second: Promise<{ verdict: string }> | undefined;
    const broken = db.transaction(async (tx) => {
      await recordCallback(tx, executionId, completed);
      second = recordCallback(db, executionId, completed);
      await untilBlocked(db);
      throw new Error("the first loses its connection");
    });
    await assert.rejects(broken, /loses its connection/);
    assert.deepEqual(await second, { verdict: "taken" });
  });

  it("in a crowd: exactly one is taken", async (t) => {
    const { db, dispatched } = await openStore(t);
    const { executionId } = await dispatched();
    const verdicts = await Promise.all(
      Array.from({ length: 20 }, () => recordCallback(db, executionId, completed)),
    );
    const count = (verdict: string) => verdicts.filter((one) => one.verdict === verdict).length;
    assert.deepEqual([count("taken"), count("duplicate")], [1, 19]);
  });
});

describe("a callback while a cycle replaces its attempt", () => {
  it("waits for the cycle, and is stale: it is never taken and then dropped", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    await recordCallback(store.db, executionId, { attempt: 1, status: "failed" });
    await store.cycle();
    await store.db.query("delete from callbacks");
    await store.pass(MINUTE);
    let late: Promise<{ verdict: string }> | undefined;
    await store.db.transaction(async (tx) => {
      await cycleIn(tx);
      late = recordCallback(store.db, executionId, completed);
      await untilBlocked(store.db);
    });
    assert.deepEqual(await late, { verdict: "stale" });
    assert.equal((await store.execution(executionId)).attempts, 2);
    assert.equal((await store.db.query("select from facts")).rowCount, 0);
  });

  it("is taken if that cycle comes to nothing", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    await recordCallback(store.db, executionId, { attempt: 1, status: "failed" });
    await store.cycle();
    await store.db.query("delete from callbacks");
    await store.pass(MINUTE);
    let late: Promise<{ verdict: string }> | undefined;
    const broken = store.db.transaction(async (tx) => {
      await cycleIn(tx);
      late = recordCallback(store.db, executionId, completed);
      await untilBlocked(store.db);
      throw new Error("the replica dies");
    });
    await assert.rejects(broken, /the replica dies/);
    assert.deepEqual(await late, { verdict: "taken" });
    await store.cycle();
    assert.equal((await store.execution(executionId)).status, "COMPLETED");
  });

  it("that is about to cancel its execution, or its task, waits as well", async (t) => {
    const store = await openStore(t);
    const runs = [await store.dispatched(), await store.dispatched()];
    await recordCancelExecution(store.db, runs[0]!.executionId, "ada");
    await recordTaskRequest(store.db, "cancel_task", [runs[1]!.taskId], { actor: "ada" });
    let late: Promise<{ verdict: string }>[] = [];
    await store.db.transaction(async (tx) => {
      await cycleIn(tx);
      late = runs.map(({ executionId }) => recordCallback(store.db, executionId, completed));
      await untilBlocked(store.db, 2);
    });
    assert.deepEqual(await Promise.all(late), [{ verdict: "stale" }, { verdict: "stale" }]);
  });
});

describe("claims of one attempt at the same moment", () => {
  it("have one winner, and all are told the same one", async (t) => {
    const { db, dispatched } = await openStore(t);
    const { executionId } = await dispatched();
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, i) => recordClaim(db, executionId, 1, `run ${i}`)),
    );
    assert.equal(new Set(claims.map((claim) => claim.claimant)).size, 1);
    assert.ok(claims.every((claim) => claim.verdict === "recorded"));
    assert.equal((await db.query("select from facts where kind = 'claim'")).rowCount, 1);
  });

  it("that are still being written are waited for", async (t) => {
    const { db, dispatched } = await openStore(t);
    const { executionId } = await dispatched();
    let second: Promise<{ claimant: string }> | undefined;
    await db.transaction(async (tx) => {
      await recordClaim(tx, executionId, 1, "first");
      second = recordClaim(db, executionId, 1, "second");
      await untilBlocked(db);
    });
    assert.equal((await second)?.claimant, "first");
  });
});

describe("a claim while a cycle replaces its attempt", () => {
  it("waits for the cycle, and is stale: two attempts never work at once", async (t) => {
    const store = await openStore(t);
    const { executionId } = await store.dispatched();
    await recordCallback(store.db, executionId, { attempt: 1, status: "failed" });
    await store.cycle();
    await store.pass(MINUTE);
    let late: Promise<{ verdict: string }> | undefined;
    await store.db.transaction(async (tx) => {
      await cycleIn(tx);
      late = recordClaim(store.db, executionId, 1, "late");
      await untilBlocked(store.db);
    });
    assert.equal((await late)?.verdict, "stale");
  });
});

describe("two cycles at the same moment", () => {
  it("decide one after the other: nothing is dispatched twice", async (t) => {
    const store = await openStore(t);
    await store.enqueue({}, {}, {}, {}, {}, {}, {}, {}, {}, {});
    const cycles = await Promise.all([store.cycle(), store.cycle(), store.cycle()]);
    const dispatched = cycles.flatMap((cycle) =>
      cycle.decisions.flatMap((d) => (d.kind === "dispatch" ? d.taskIds : [])),
    );
    assert.equal(dispatched.length, 10);
    assert.equal(new Set(dispatched).size, 10);
  });
});
