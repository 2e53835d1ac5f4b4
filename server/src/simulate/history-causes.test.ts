/** What a service recorded of schedules and follow-ups: it comes again by the rules, as it was. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Policy, type TaskSummary, WorkflowSettings } from "@master-orchestrator/contract";
import { type History, replayOf } from "./history.ts";
import { simulate } from "./simulate.ts";
import { workflowOf } from "./workload.ts";

const MINUTE = 60_000;
const START = Date.UTC(2026, 0, 5);
const at = (minutes: number) => new Date(START + minutes * MINUTE).toISOString();
const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;

function task(n: number, minute: number, over: Partial<TaskSummary> = {}): TaskSummary {
  return {
    ...{ task_id: id(n), workflow_type: "w", content_type: "default", priority: 50, status: "completed" },
    ...{ failures: 0, idempotency_key: null, created_at: at(minute), due_at: at(minute), execution_id: null },
    ...{ started_at: at(minute), completed_at: at(minute + 5) },
    ...over,
  };
}

/** Each task ran by itself, for as many seconds as its number says, for a cent. */
function ran(tasks: readonly TaskSummary[]): History["executions"] {
  return tasks.map(({ task_id, created_at }) => {
    const startedMs = Date.parse(created_at);
    const endedMs = startedMs + Number(task_id.slice(-12)) * 1000;
    const attempt = {
      ...{ attempt: 1, state: "completed", dispatched_at: created_at, accepted_at: created_at },
      ...{ ended_at: new Date(endedMs).toISOString(), task_ids: [task_id] },
    };
    return { attempts: [attempt], cost_usd: 0.01 } as never;
  });
}

function figuresOf(tasks: TaskSummary[], settings: Record<string, object>) {
  const parsed = Object.fromEntries(
    Object.entries(settings).map(([type, of]) => [type, WorkflowSettings.parse(of)]),
  );
  const replay = replayOf({ tasks, executions: ran(tasks), settings: parsed }, 3);
  assert.ok(replay);
  const workflows = Object.fromEntries(
    Object.entries(parsed).map(([type, of]) => [type, workflowOf(type, of)]),
  );
  const { workload } = replay;
  return { replay, figures: simulate({ workload, policy: Policy.parse({}), workflows, tasksAtOnce: 3 }) };
}

const slot = (minute: number) => `schedule:w:${at(minute)}`;

describe("a replay of what was caused", () => {
  it("lets the schedule bring its tasks round again, with the durations that each had", () => {
    const tasks = [1, 2, 3].map((n) => task(n, n * 60, { idempotency_key: slot(n * 60) }));
    const { replay, figures } = figuresOf(tasks, { w: { schedule: { every_seconds: 3600 } } });
    assert.deepEqual([replay.caused, replay.workload.arrivals.length], [3, 0]);
    assert.deepEqual([figures.tasks, figures.completed, figures.costMicros], [3, 3, 30_000]);
    assert.equal(figures.result?.max, 3100);
  });

  it("keeps them as they came when there is no such schedule any more", () => {
    const tasks = [task(1, 60, { idempotency_key: slot(60) })];
    const { replay, figures } = figuresOf(tasks, { w: {} });
    assert.deepEqual([replay.caused, figures.tasks], [0, 1]);
  });

  it("lets follow-ups follow: by rule, as their parents' callbacks asked, and one behind the other", () => {
    const rule = { next: [{ workflow_type: "audit" }] };
    const tasks = [
      task(1, 0),
      task(2, 1, { workflow_type: "audit", idempotency_key: `next:${id(1)}:audit:1` }),
      task(3, 2, { workflow_type: "digest", idempotency_key: `next:${id(2)}:digest:21` }),
      task(4, 3, { workflow_type: "digest", content_type: "x", idempotency_key: `next:${id(1)}:digest:21` }),
      // Somebody's own key, and a parent that nobody knows: these were sent.
      task(5, 4, { idempotency_key: "next:tuesday" }),
      task(6, 5, { idempotency_key: `next:${id(99)}:w:1` }),
    ];
    const { replay, figures } = figuresOf(tasks, { w: rule, audit: {}, digest: {} });
    assert.deepEqual([replay.caused, replay.workload.arrivals.length], [3, 3]);
    const lanes = Object.fromEntries([...figures.lanes].map(([lane, of]) => [lane, of.tasks]));
    assert.deepEqual(lanes, { "w/default": 3, "digest/x": 1, "audit/default": 3, "digest/default": 1 });
    // Two tasks were not audited then and are by the rule of now: what is not known is like what is.
    assert.equal(figures.completed, 8);
  });

  it("puts topics where they were: in time for the slot that took them", () => {
    const tasks = [1, 2, 3].map((n) => task(n, 15, { idempotency_key: `topics:${n}` }));
    const schedule = { every_seconds: 900, source: "topics", per_slot: 2 };
    const { figures } = figuresOf([task(9, 0), ...tasks], { w: { schedule } });
    assert.deepEqual([figures.tasks, figures.completed, figures.unfinished], [4, 4, 0]);
    assert.equal(figures.wait?.max, 15 * MINUTE, "the third one waits for the next slot");
  });
});
