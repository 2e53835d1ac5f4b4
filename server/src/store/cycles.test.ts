/** Ticks, holds, cycles, and what becomes due by itself. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { v7 as uuidv7 } from "uuid";
import type { Hold } from "#core/decision.ts";
import { MINUTE, NOW, SECOND, WORKFLOW } from "#test/builders.ts";
import { openStore, untilBlocked } from "#test/stored.ts";
import { type CycleFilter, findCycles } from "./cycle-search.ts";
import {
  type CycleRow,
  cycleById,
  insertCycle,
  lastTick,
  nextDue,
  takeTick,
  updateHolds,
  updateShares,
} from "./cycles.ts";
import { recordCallback } from "./facts.ts";

const tick = (boundaryMs: number, replicaId = "r1") => ({
  boundaryMs,
  ranAtMs: boundaryMs + 7,
  cycleId: randomUUID(),
  replicaId,
});

describe("a tick", () => {
  it("of one boundary is taken once, by whoever is first", async (t) => {
    const { db } = await openStore(t);
    const taken = await Promise.all(
      ["r1", "r2", "r3", "r4"].map((replica) => takeTick(db, tick(NOW, replica))),
    );
    assert.equal(taken.filter(Boolean).length, 1);
    assert.equal(await takeTick(db, tick(NOW)), false);
    assert.equal(await takeTick(db, tick(NOW + MINUTE)), true);
    assert.equal(await lastTick(db), NOW + MINUTE);
  });

  it("that is being taken is waited for: taken by the other, or free again", async (t) => {
    const { db } = await openStore(t);
    let second: Promise<boolean> | undefined;
    await db.transaction(async (tx) => {
      await takeTick(tx, tick(NOW));
      second = takeTick(db, tick(NOW, "r2"));
      await untilBlocked(db);
    });
    assert.equal(await second, false);
    const broken = db.transaction(async (tx) => {
      await takeTick(tx, tick(NOW + MINUTE));
      second = takeTick(db, tick(NOW + MINUTE, "r2"));
      await untilBlocked(db);
      throw new Error("r1 dies");
    });
    await assert.rejects(broken, /r1 dies/);
    assert.equal(await second, true);
  });

  it("is none before the first", async (t) => {
    assert.equal(await lastTick((await openStore(t)).db), null);
  });
});

describe("holds", () => {
  const hold = (contentType: string, reason: Hold["reason"], cause = "so"): Hold => ({
    kind: "hold",
    workflowType: WORKFLOW,
    contentType,
    reason,
    cause,
    tasks: 1,
  });

  it("open, stay, change and end as the plans say", async (t) => {
    const { db } = await openStore(t);
    const update = (at: number, ...holds: Hold[]) =>
      db.transaction((tx) => updateHolds(tx, holds, NOW + at, randomUUID()));
    await update(0, hold("a", "concurrency_total"), hold("b", "workflow_paused"));
    await update(1, hold("a", "concurrency_total"), hold("b", "workflow_paused"));
    await update(2, hold("a", "concurrency_total", "another number"), hold("b", "workflow_paused"));
    await update(3, hold("b", "orchestrator_paused"));
    await update(4);
    await update(5, hold("a", "concurrency_total"));
    const { rows } = await db.query(
      "select content_type, reason, cause, from_at, until_at from holds order by hold_id",
    );
    assert.deepEqual(
      rows
        .map((row) => [
          row.content_type,
          row.reason,
          row.cause,
          row.from_at - NOW,
          row.until_at && row.until_at - NOW,
        ])
        .toSorted(),
      [
        ["a", "concurrency_total", "another number", 2, 3],
        ["a", "concurrency_total", "so", 0, 2],
        ["a", "concurrency_total", "so", 5, null],
        ["b", "orchestrator_paused", "so", 3, 4],
        ["b", "workflow_paused", "so", 0, 3],
      ],
    );
  });
});

describe("what becomes due", () => {
  it("is the earliest of runs and waiting tasks; nothing without any", async (t) => {
    const store = await openStore(t, { policy: { retry: { max_attempts: 1, jitter: 0 } } });
    const due = () => nextDue(store.db, store.nowMs);
    assert.equal(await due(), null);
    await store.enqueue({});
    assert.equal(await due(), null, "a queued task waits for a slot, not for its time");
    await store.enqueue({ not_before: new Date(NOW + MINUTE).toISOString() });
    assert.equal(await due(), NOW + MINUTE);
    const { executionId } = await store.dispatched();
    assert.equal(await due(), NOW + 15 * SECOND);
    await recordCallback(store.db, executionId, { attempt: 1, status: "completed" });
    await store.cycle();
    assert.equal(await due(), NOW + 15 * SECOND, "the other run is still on its way");
  });

  it("does not ask again and again for a run that is due and held", async (t) => {
    const store = await openStore(t);
    await store.dispatched();
    await store.pass(15 * SECOND);
    assert.equal(await nextDue(store.db, store.nowMs), null);
  });
});

const cycle = (trigger: "tick" | "wake"): CycleRow => ({
  cycleId: uuidv7(),
  trigger,
  boundaryMs: trigger === "tick" ? NOW : null,
  driftMs: trigger === "tick" ? 2.5 : null,
  startedAtMs: NOW,
  durationMs: 3.25,
  policyVersion: 1,
  dispatched: 2,
  held: 3,
  snapshot: { running: { [WORKFLOW]: 1 } },
  decisions: [{ kind: "dispatch" }],
  reasons: [{ lane: "a/b", reason: "concurrency_total" }],
  replicaId: "r1",
});

describe("the record of cycles", () => {
  it("is read as it was written, newest first, page by page", async (t) => {
    const { db } = await openStore(t);
    const written = [cycle("tick"), cycle("wake"), cycle("tick")];
    for (const row of written) await insertCycle(db, row);
    const ids = written.map((row) => row.cycleId).toReversed();
    const found = async (filter: Omit<CycleFilter, "limit"> & { limit?: number }) => {
      const { cycles, reached } = await findCycles(db, { limit: 10, ...filter });
      return { ids: cycles.map((row) => row.cycleId), reached: reached?.cycleId ?? null };
    };
    assert.deepEqual(await found({}), { ids, reached: null });
    assert.deepEqual(await found({ limit: 3 }), { ids, reached: null });
    assert.deepEqual(await found({ limit: 1, before: ids[0] }), { ids: [ids[1]], reached: ids[1] });
    assert.deepEqual(await found({ trigger: "wake" }), { ids: [ids[1]], reached: null });
    const { snapshot: _, decisions: __, reasons: ___, ...summary } = written[2]!;
    assert.deepEqual((await findCycles(db, { limit: 1 })).cycles, [summary]);
    assert.deepEqual(await cycleById(db, written[0]!.cycleId), written[0]);
    assert.equal(await cycleById(db, randomUUID()), null);
  });
});

describe("a search for decisions", () => {
  it("finds by lane, workflow, reason, words and time, and says how far back it looked", async (t) => {
    const { db } = await openStore(t);
    const written = [
      { decisions: [{ kind: "dispatch", lane: "writer/news", reason: "Best of 3" }], reasons: [] },
      { decisions: [], reasons: [{ lane: "writer/default", reason: "high_load", cause: "1,200 wait" }] },
      { decisions: [{ kind: "pause_workflow", workflow_type: "auditor", reason: "breaker" }], reasons: [] },
    ];
    const rows = written.map((row, i) => ({ ...cycle("wake"), ...row, startedAtMs: NOW + i }));
    for (const row of rows) await insertCycle(db, row);
    const places = async (filter: Omit<CycleFilter, "limit">) =>
      (await findCycles(db, { limit: 10, ...filter })).cycles.map((one) => one.startedAtMs - NOW);
    assert.deepEqual(await places({ lane: "writer/news" }), [0]);
    assert.deepEqual(await places({ workflowType: "writer" }), [1, 0]);
    assert.deepEqual(await places({ workflowType: "auditor" }), [2]);
    assert.deepEqual(await places({ reason: "high_load" }), [1]);
    assert.deepEqual(await places({ text: "BEST of" }), [0]);
    assert.deepEqual(await places({ text: "best of", lane: "writer/default" }), []);
    assert.deepEqual(await places({ fromMs: NOW + 3 }), []);
    assert.deepEqual(await places({ fromMs: NOW + 1, toMs: NOW + 2 }), [1]);
    assert.deepEqual(await places({ toMs: NOW + 3, before: rows[2]!.cycleId }), [1, 0]);
    const page = await findCycles(db, { limit: 1, text: "wait" });
    assert.equal(page.reached?.cycleId, rows[1]!.cycleId, "what is older was not looked at yet");
  });
});

describe("shares", () => {
  it("keep where the lanes stand; a workflow that is moved forward takes its idle lanes along", async (t) => {
    const { db } = await openStore(t);
    const lane = (contentType: string, virtualTime: number, waits: boolean) => {
      return { workflowType: WORKFLOW, contentType, virtualTime, waits };
    };
    const share = { kind: "share" as const, systemTime: 5, lifts: [] };
    await updateShares(db, { ...share, lanes: [lane("a", 1, true), lane("b", 2, false)] });
    const other = { ...lane("c", 3, true), workflowType: "other" };
    const lifts = [{ workflowType: WORKFLOW, by: 10 }];
    await updateShares(db, { ...share, systemTime: 4, lanes: [lane("a", 11, true), other], lifts });
    const { rows } = await db.query(
      "select content_type, virtual_time, waits from lanes order by content_type",
    );
    assert.deepEqual(
      rows.map((row) => Object.values(row)),
      [
        ["a", 11, true],
        ["b", 12, false],
        ["c", 3, true],
      ],
    );
    const system = await db.query("select virtual_time from orchestrator");
    assert.equal(system.rows[0]?.virtual_time, 5, "it never falls");
  });
});
