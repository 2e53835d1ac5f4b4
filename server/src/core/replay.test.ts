/** Replaying the events gives the row: every kind of event, and what cannot be. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { type Event, replayExecution, replayTask } from "./replay.ts";

/** Events one minute apart: `to`, or `to` with metadata. */
function events(...steps: (string | [to: string, metadata: Record<string, unknown>])[]): Event[] {
  let from: string | null = null;
  return steps.map((step, i) => {
    const [to, metadata] = typeof step === "string" ? [step, {}] : step;
    const changesState = !to.startsWith("priority ");
    const event = { atMs: i * 60_000, from: changesState ? from : null, to, metadata };
    if (changesState) from = to;
    return event;
  });
}

describe("a replayed task", () => {
  it("waits until it first runs, and keeps that time through retries", () => {
    const task = replayTask(
      events("scheduled", "queued", "running", ["retrying", { failures: 1 }], "running", "completed"),
    );
    assert.deepEqual(task, {
      status: "completed",
      createdAtMs: 0,
      startedAtMs: 120_000,
      completedAtMs: 300_000,
      failures: 1,
      priority: null,
    });
  });

  it("that is sent back has no end, and counts its failures anew", () => {
    const task = replayTask(
      events("queued", "running", ["dead_lettered", { failures: 5 }], ["queued", { failures: 0 }]),
    );
    assert.deepEqual(
      [task.status, task.completedAtMs, task.failures, task.startedAtMs],
      ["queued", null, 0, 60_000],
    );
  });

  it("has the last priority that somebody gave it", () => {
    const task = replayTask(events("queued", "priority 80", "priority 7", "running"));
    assert.deepEqual([task.status, task.priority], ["running", 7]);
  });

  it("without events, or with a gap between them, cannot be", () => {
    assert.throws(() => replayTask([]), /nothing to replay/);
    const [first, , third] = events("queued", "running", "completed") as [Event, Event, Event];
    assert.throws(() => replayTask([first, third]), /leads from running, the one before it to queued/);
  });
});

describe("a replayed execution", () => {
  it("of a sub-workflow has begun an attempt with every posting", () => {
    const execution = replayExecution(
      events("IDLE", "DISPATCHING", "MONITORING", "ERROR_RECOVERY", "DISPATCHING", "FAILED"),
    );
    assert.deepEqual(execution, { status: "FAILED", createdAtMs: 0, completedAtMs: 300_000, attempts: 2 });
  });

  it("of the orchestrator has none", () => {
    const execution = replayExecution(events("IDLE", "ANALYZING", "DISPATCHING", "MONITORING"));
    assert.deepEqual(execution, { status: "MONITORING", createdAtMs: 0, completedAtMs: null, attempts: 0 });
    const recovering = replayExecution(events("IDLE", "ANALYZING", "ERROR_RECOVERY", "DISPATCHING"));
    assert.equal(recovering.attempts, 0, "nor when it repairs something first");
  });

  it("with a gap between its events cannot be", () => {
    const [first, , third] = events("IDLE", "ANALYZING", "COMPLETED") as [Event, Event, Event];
    assert.throws(() => replayExecution([first, third]), /leads from ANALYZING/);
  });
});
