/** What a service recorded, as work to be done again. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Execution, TaskSummary } from "@master-orchestrator/contract";
import { replayOf } from "./history.ts";

const at = (second: number) => new Date(Date.UTC(2026, 0, 5) + second * 1000).toISOString();

function task(id: string, over: Partial<TaskSummary> = {}): TaskSummary {
  return {
    ...{ task_id: id, workflow_type: "w", content_type: "x", priority: 50, status: "completed", failures: 0 },
    ...{ idempotency_key: null, created_at: at(0), due_at: at(0), started_at: at(1), completed_at: at(99) },
    execution_id: null,
    ...over,
  };
}

type Recorded = Pick<Execution, "attempts" | "cost_usd">;
type RecordedAttempt = Recorded["attempts"][number];

function attempt(task_ids: string[], from: number, to: number, over: Partial<RecordedAttempt> = {}) {
  return {
    ...{ attempt: 1, state: "completed", webhook_id: "", deliveries: 1, claimant: null },
    ...{ dispatched_at: at(from - 5), accepted_at: at(from), deadline: at(999), last_heartbeat_at: null },
    ...{ progress: null, message: null, ended_at: at(to), error: null, metrics: null, task_ids },
    ...over,
  } as RecordedAttempt;
}

const arrivalsOf = (tasks: TaskSummary[], executions: Recorded[], atOnce = 3) =>
  replayOf({ tasks, executions }, atOnce)?.workload.arrivals ?? [];

describe("a replay of history", () => {
  it("takes the duration from the attempt, in rounds of as many tasks as are worked on at once", () => {
    const ids = ["a", "b", "c", "d"];
    const executions = [{ attempts: [attempt(ids, 10, 70)], cost_usd: 0.2 }];
    const tasks = ids.map((id) => task(id));
    const durations = (atOnce: number) =>
      arrivalsOf(tasks, executions, atOnce).map(({ durationMs }) => durationMs);
    assert.deepEqual(durations(3), [30_000, 30_000, 30_000, 30_000]);
    assert.deepEqual(durations(1), [15_000, 15_000, 15_000, 15_000]);
    assert.deepEqual(
      arrivalsOf(tasks, executions).map(({ costMicros }) => costMicros),
      [50_000, 50_000, 50_000, 50_000],
    );
  });

  it("counts attempts in which nobody worked for nothing, and divides the cost over the tries", () => {
    const attempts = [
      attempt(["a"], 0, 1, { state: "refused" }),
      attempt(["a"], 10, 20, { attempt: 2, state: "failed" }),
      attempt(["a"], 30, 70, { attempt: 3, accepted_at: null }),
    ];
    const [arrival] = arrivalsOf([task("a", { failures: 2 })], [{ attempts, cost_usd: 0.1 }]);
    assert.deepEqual([arrival?.durationMs, arrival?.costMicros, arrival?.failures], [45_000, 50_000, 2]);
  });

  it("begins when the task was due, and lets a dead letter fail for ever", () => {
    const executions = [{ attempts: [attempt(["a", "b", "c"], 10, 20)], cost_usd: 0 }];
    const tasks = [
      task("b", { created_at: at(5), due_at: at(3600) }),
      task("c", { created_at: at(6), due_at: at(700), failures: 3, status: "dead_lettered" }),
      task("a"),
    ];
    assert.deepEqual(
      arrivalsOf(tasks, executions).map(({ atMs, failures }) => [new Date(atMs).toISOString(), failures]),
      [
        [at(0), 0],
        [at(6), Number.POSITIVE_INFINITY],
        [at(3600), 0],
      ],
    );
  });

  it("leaves out what was cancelled, and gives what never ran the median of its lane, else of its workflow", () => {
    const executions = [
      { attempts: [attempt(["a"], 0, 10)], cost_usd: 0 },
      { attempts: [attempt(["b"], 0, 20)], cost_usd: 0 },
      { attempts: [attempt(["c"], 0, 60)], cost_usd: 0 },
    ];
    const tasks = [
      ...["a", "b", "c"].map((id) => task(id)),
      task("d", { status: "queued" }),
      task("e", { status: "queued", content_type: "other" }),
      task("f", { status: "cancelled" }),
    ];
    const replay = replayOf({ tasks, executions }, 3);
    assert.deepEqual([replay?.cancelled, replay?.guessed], [1, 2]);
    assert.deepEqual(
      replay?.workload.arrivals.map(({ durationMs }) => durationMs),
      [10_000, 20_000, 60_000, 20_000, 20_000],
    );
  });

  it("is impossible where nobody knows how long anything takes", () => {
    assert.equal(replayOf({ tasks: [task("a", { status: "queued" })], executions: [] }, 3), null);
  });
});
