/** Why a task waits, in words: its hold, its gates, its verdict, and when it is expected to start. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOLD_REASONS, type HoldReason, type TaskStatus } from "@master-orchestrator/contract";
import { MINUTE, NOW, SECOND } from "#test/builders.ts";
import { gatesOf, holdOf, type Question, verdictOf } from "./explain.ts";

const iso = (ms: number) => new Date(ms).toISOString();
function question(over: Partial<Question> = {}): Question {
  return {
    atMs: NOW,
    status: "queued",
    dueAtMs: NOW - MINUTE,
    laneHold: null,
    rank: 1,
    workflowType: "content_pipeline",
    batchMax: 10,
    slotsSinceMs: [],
    typicalRunMs: 60 * SECOND,
    ...over,
  };
}
const laneHold = (reason: HoldReason) => ({ laneHold: { reason, cause: "that is so" } });
const startOf = (over: Partial<Question>) => holdOf(question(over))!.expected_start;

describe("the hold", () => {
  it("of a scheduled task is its own time", () => {
    const hold = holdOf(question({ status: "scheduled", dueAtMs: NOW + MINUTE }))!;
    assert.deepEqual([hold.reason, hold.expected_start], ["not_due", iso(NOW + MINUTE)]);
    assert.match(hold.cause, new RegExp(iso(NOW + MINUTE)));
  });

  it("of a retrying task is its wait after the failure", () => {
    const hold = holdOf(question({ status: "retrying", dueAtMs: NOW + MINUTE }))!;
    assert.deepEqual([hold.reason, hold.expected_start], ["backoff", iso(NOW + MINUTE)]);
  });

  it("of a queued task is what the last plan recorded for its lane, word by word", () => {
    const hold = holdOf(question(laneHold("workflow_paused")))!;
    assert.deepEqual([hold.reason, hold.cause], ["workflow_paused", "that is so"]);
  });

  it("of a task that no plan has seen yet is the next decision", () => {
    const hold = holdOf(question())!;
    assert.deepEqual([hold.reason, hold.expected_start], ["awaiting_decision", iso(NOW)]);
  });

  it("of a task that does not wait is none", () => {
    for (const status of ["running", "completed", "dead_lettered", "cancelled"] as TaskStatus[]) {
      assert.equal(holdOf(question({ status, ...laneHold("workflow_paused") })), null);
    }
  });
});

describe("the gates", () => {
  const shown = (over: Partial<Question>) =>
    gatesOf(question(over)).map((gate) => `${gate.passed ? "passed" : "closed"} ${gate.gate}`);

  it("are shown up to the one that holds it, each with its word", () => {
    assert.deepEqual(shown(laneHold("concurrency_workflow")), [
      "passed due",
      "passed orchestrator",
      "passed workflow",
      "closed workflow_concurrency",
    ]);
    const gates = gatesOf(question(laneHold("concurrency_workflow")));
    assert.equal(gates.at(-1)!.detail, "that is so");
    assert.ok(gates.every((gate) => gate.detail.length > 0));
  });

  const first: [status: TaskStatus, reason: HoldReason | null, closed: string][] = [
    ["scheduled", null, "due"],
    ["retrying", null, "due"],
    ["queued", "orchestrator_paused", "orchestrator"],
    ["queued", "workflow_without_target", "workflow"],
    ["queued", "workflow_paused", "workflow"],
    ["queued", "concurrency_workflow", "workflow_concurrency"],
    ["queued", "concurrency_total", "total_concurrency"],
    ["queued", "decision_limit", "turn"],
    ["queued", null, "turn"],
  ];
  for (const [status, reason, closed] of first) {
    it(`of a ${status} task under ${reason ?? "no hold"} end at "${closed}"`, () => {
      assert.equal(shown({ status, ...(reason ? laneHold(reason) : {}) }).at(-1), `closed ${closed}`);
    });
  }

  it("know every reason there is: exactly one closed gate, the last", () => {
    for (const reason of HOLD_REASONS) {
      const gates = shown(laneHold(reason));
      assert.ok(gates.at(-1)?.startsWith("closed "), reason);
      assert.equal(gates.filter((gate) => gate.startsWith("closed")).length, 1, reason);
    }
  });

  it("of a task that does not wait are all passed", () => {
    assert.ok(shown({ status: "running" }).every((gate) => gate.startsWith("passed")));
  });
});

describe("the expected start", () => {
  const full = laneHold("concurrency_workflow");

  it("is when the slot that frees up first is free, for those of the next batch", () => {
    const slotsSinceMs = [NOW - 40 * SECOND, NOW - 10 * SECOND];
    assert.equal(startOf({ ...full, slotsSinceMs, rank: 1 }), iso(NOW + 20 * SECOND));
    assert.equal(startOf({ ...full, slotsSinceMs, rank: 10 }), iso(NOW + 20 * SECOND));
  });

  it("is a slot later for each full batch ahead, and a run later when all slots had their turn", () => {
    const slotsSinceMs = [NOW - 40 * SECOND, NOW - 10 * SECOND];
    assert.equal(startOf({ ...full, slotsSinceMs, rank: 11 }), iso(NOW + 50 * SECOND));
    assert.equal(startOf({ ...full, slotsSinceMs, rank: 21 }), iso(NOW + 80 * SECOND));
    assert.equal(startOf({ ...full, slotsSinceMs, rank: 31 }), iso(NOW + 110 * SECOND));
  });

  it("is never in the past: a run that takes longer than usual may end at any moment", () => {
    assert.equal(startOf({ ...full, slotsSinceMs: [NOW - 10 * MINUTE] }), iso(NOW));
  });

  it("is now where no slot is held any more", () => {
    assert.equal(startOf({ ...laneHold("concurrency_total"), slotsSinceMs: [] }), iso(NOW));
  });

  it("is now where the next cycle decides", () => {
    assert.equal(startOf(laneHold("decision_limit")), iso(NOW));
  });

  it("is unknown where only a person frees it", () => {
    for (const reason of ["orchestrator_paused", "workflow_paused", "workflow_without_target"] as const) {
      assert.equal(startOf(laneHold(reason)), null);
    }
  });

  it("is known without a rank: as for the first", () => {
    assert.equal(startOf({ ...full, slotsSinceMs: [NOW], rank: null }), iso(NOW + 60 * SECOND));
  });
});

describe("the verdict", () => {
  it("of a waiting task says its place, its reason and its time", () => {
    const slotsSinceMs = [NOW - 40 * SECOND];
    assert.equal(
      verdictOf(question({ ...laneHold("concurrency_total"), slotsSinceMs, rank: 3 })),
      `It waits as number 3 of its lane: that is so. It is expected to start at ${iso(NOW + 20 * SECOND)}.`,
    );
  });

  it("without a rank or a known time leaves both out", () => {
    assert.equal(
      verdictOf(question({ ...laneHold("workflow_paused"), rank: null })),
      "It waits: that is so.",
    );
  });

  it("of any other task is one sentence", () => {
    const said = (["running", "completed", "dead_lettered", "cancelled"] as const).map((status) =>
      verdictOf(question({ status })),
    );
    assert.equal(new Set(said).size, 4);
    for (const sentence of said) assert.match(sentence, /^It .*\.$/);
  });
});
