/** Why a task waits, in words: its hold, its gates, its verdict, and when it is expected to start. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { HOLD_REASONS, type HoldReason, type TaskStatus } from "@master-orchestrator/contract";
import { aLane, aPolicy, aTask, aWorkflow, MINUTE, NOW, SECOND, WORKFLOW } from "#test/builders.ts";
import { gatesOf, holdOf, type Question, turnsOf, verdictOf } from "./explain.ts";
import type { LaneView } from "./snapshot.ts";

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
    slots: [],
    share: 1,
    lanesBefore: 0,
    run: null,
    ...over,
  };
}
/** Runs that have worked for so long, and take a minute. */
const busy = (...workedMs: number[]): Pick<Question, "slots"> => ({
  slots: workedMs.map((ms, i) => ({
    ...{ executionId: `run-${i + 1}`, workflowType: "content_pipeline" },
    ...{ sinceMs: NOW - ms, typicalMs: 60 * SECOND },
  })),
});
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
      "passed circuit",
      "passed hours",
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
    ["queued", "circuit_open", "circuit"],
    ["queued", "concurrency_total", "total_concurrency"],
    ["queued", "recovering", "total_concurrency"],
    ["queued", "decision_limit", "turn"],
    ["queued", null, "turn"],
  ];
  for (const [status, reason, closed] of first) {
    it(`of a ${status} task under ${reason ?? "no hold"} end at "${closed}"`, () => {
      const dueAtMs = status === "queued" ? NOW - MINUTE : NOW + MINUTE;
      const over = { status, dueAtMs, ...(reason ? laneHold(reason) : {}) };
      assert.equal(shown(over).at(-1), `closed ${closed}`);
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
    const slots = busy(40 * SECOND, 10 * SECOND);
    assert.equal(startOf({ ...full, ...slots, rank: 1 }), iso(NOW + 20 * SECOND));
    assert.equal(startOf({ ...full, ...slots, rank: 10 }), iso(NOW + 20 * SECOND));
  });

  it("is a slot later for each full batch ahead, and a run later when all slots had their turn", () => {
    const slots = busy(40 * SECOND, 10 * SECOND);
    assert.equal(startOf({ ...full, ...slots, rank: 11 }), iso(NOW + 50 * SECOND));
    assert.equal(startOf({ ...full, ...slots, rank: 21 }), iso(NOW + 80 * SECOND));
    assert.equal(startOf({ ...full, ...slots, rank: 31 }), iso(NOW + 110 * SECOND));
  });

  it("is later for a lane that has to share the slots: by its part of the turns", () => {
    const slots = busy(40 * SECOND, 10 * SECOND);
    assert.equal(startOf({ ...full, ...slots, rank: 10, share: 0.5 }), iso(NOW + 20 * SECOND));
    assert.equal(startOf({ ...full, ...slots, rank: 11, share: 0.5 }), iso(NOW + 80 * SECOND));
  });

  it("is later by those lanes that go first, by no more than a round of turns", () => {
    const slots = busy(40 * SECOND, 10 * SECOND);
    assert.equal(startOf({ ...full, ...slots, share: 0.5, lanesBefore: 1 }), iso(NOW + 50 * SECOND));
    assert.equal(startOf({ ...full, ...slots, share: 0.5, lanesBefore: 9 }), iso(NOW + 50 * SECOND));
  });

  it("of a lane without a share is a date all the same", () => {
    assert.ok(startOf({ ...full, ...busy(0), rank: 1e6, share: 0 }));
  });

  it("is never in the past: a run that takes longer than usual may end at any moment", () => {
    assert.equal(startOf({ ...full, ...busy(10 * MINUTE) }), iso(NOW));
  });

  it("is now where no slot is held any more", () => {
    assert.equal(startOf({ ...laneHold("concurrency_total"), slots: [] }), iso(NOW));
  });

  it("is now where the next cycle decides", () => {
    assert.equal(startOf(laneHold("decision_limit")), iso(NOW));
  });

  it("is unknown where only a person frees it", () => {
    for (const reason of ["orchestrator_paused", "workflow_paused", "workflow_without_target"] as const) {
      assert.equal(startOf(laneHold(reason)), null);
    }
  });

  it("is the moment that the plan itself has named, where it has: the next probe, the end of a pause", () => {
    const named = (reason: HoldReason, expectedAtMs: number) =>
      startOf({ laneHold: { reason, cause: "so", expectedAtMs } });
    assert.equal(named("circuit_open", NOW + 15 * SECOND), iso(NOW + 15 * SECOND));
    assert.equal(named("workflow_paused", NOW + MINUTE), iso(NOW + MINUTE));
    assert.equal(named("circuit_open", NOW - SECOND), iso(NOW), "and never in the past");
    assert.equal(startOf(laneHold("circuit_open")), null, "a probe under way ends when it ends");
  });

  it("is known without a rank: as for the first", () => {
    assert.equal(startOf({ ...full, ...busy(0), rank: null }), iso(NOW + 60 * SECOND));
  });
});

describe("what would free it", () => {
  const freedBy = (over: Partial<Question>) => {
    const { event, execution_id } = holdOf(question(over))!.freed_by;
    return [event, execution_id];
  };

  it("is named for every reason there is", () => {
    for (const reason of HOLD_REASONS) {
      const hold = holdOf(question({ ...laneHold(reason), ...busy(SECOND) }))!;
      assert.ok(hold.freed_by.detail.length > 10, reason);
    }
  });

  it("is the run whose slot it gets, where that works already", () => {
    const slots = busy(10 * SECOND, 40 * SECOND);
    const full = laneHold("concurrency_workflow");
    assert.deepEqual(freedBy({ ...full, ...slots, rank: 10 }), ["run_ends", "run-2"]);
    assert.deepEqual(freedBy({ ...full, ...slots, rank: 11 }), ["run_ends", "run-1"]);
    assert.deepEqual(
      freedBy({ ...full, ...slots, rank: 21 }),
      ["run_ends", null],
      "a run that has not begun",
    );
  });

  it("is its time, a person, or the next decision", () => {
    assert.deepEqual(freedBy({ status: "scheduled", dueAtMs: NOW + 1 }), ["time", null]);
    assert.deepEqual(freedBy(laneHold("orchestrator_paused")), ["resume", null]);
    assert.deepEqual(freedBy(laneHold("workflow_without_target")), ["registration", null]);
    assert.deepEqual(freedBy({}), ["decision", null]);
  });
});

describe("a task whose time has come", () => {
  it("and whose run waits for a slot is held for that, not for its back-off", () => {
    const hold = holdOf(question({ status: "retrying", ...laneHold("concurrency_total"), ...busy(SECOND) }))!;
    assert.deepEqual([hold.reason, hold.expected_start], ["concurrency_total", iso(NOW + 59 * SECOND)]);
  });

  it("and that has not joined the queue yet waits for the next decision", () => {
    for (const status of ["scheduled", "retrying"] as const)
      assert.equal(holdOf(question({ status }))!.reason, "awaiting_decision");
  });
});

describe("a past moment", () => {
  const past = { ...laneHold("concurrency_total"), startedAtMs: NOW + 5 * SECOND };
  it("has the start that really came, whatever was to be expected", () => {
    assert.equal(startOf({ ...past, ...busy(0) }), iso(NOW + 5 * SECOND));
    assert.equal(startOf({ ...past, startedAtMs: null }), null);
    assert.match(verdictOf(question(past)), /It started at .*05\.000Z\.$/);
    assert.equal(verdictOf(question({ ...past, startedAtMs: null, rank: null })), "It waits: that is so.");
  });
});

describe("a lane's turns", () => {
  const lane = (contentType: string, priority: number, over = {}) =>
    aLane([aTask({ priority })], { contentType, virtualTime: 0, waited: true, ...over });
  const policy = aPolicy({ lanes: { [`${WORKFLOW}/news`]: { weight: 3 } } });
  const turns = (lanes: LaneView[], contentType: string, whose: "workflow" | "all" = "workflow") => {
    const workflows = {
      [WORKFLOW]: aWorkflow({ maxConcurrent: 2 }),
      other: aWorkflow({ workflowType: "other" }),
    };
    const of = { virtualTime: 0, policy, workflows, lanes };
    return turnsOf(of, { workflowType: WORKFLOW, contentType }, { whose, slots: 10, nowMs: NOW });
  };

  it("are its part by weight, behind those whose best task ranks higher", () => {
    const lanes = [lane("news", 50), lane("how_to", 80)];
    assert.deepEqual(turns(lanes, "news"), { share: 0.75, lanesBefore: 1 });
    assert.deepEqual(turns(lanes, "how_to"), { share: 0.25, lanesBefore: 0 });
  });

  it("come after everybody's who is not ahead of its share, if it is", () => {
    const lanes = [lane("news", 50), lane("how_to", 80, { virtualTime: 15 })];
    assert.deepEqual(turns(lanes, "how_to"), { share: 0.25, lanesBefore: 1 });
    assert.deepEqual(turns(lanes, "news"), { share: 0.75, lanesBefore: 0 });
  });

  it("of all slots are no more than its workflow may use; those of a workflow concern its own lanes alone", () => {
    const lanes = [lane("how_to", 50), lane("default", 90, { workflowType: "other" })];
    assert.deepEqual(turns(lanes, "how_to", "all"), { share: 0.2, lanesBefore: 1 });
    assert.deepEqual(turns(lanes, "how_to"), { share: 1, lanesBefore: 0 });
  });
});

describe("the verdict", () => {
  it("of a waiting task says its place, its reason and its time", () => {
    const waits = question({ ...laneHold("concurrency_total"), ...busy(40 * SECOND), rank: 3 });
    assert.equal(
      verdictOf(waits),
      `It waits as number 3 of its lane: that is so. It is expected to start at ${iso(NOW + 20 * SECOND)}, when run run-1 of content_pipeline ends.`,
    );
  });

  it("without a rank or a known time leaves both out", () => {
    assert.equal(
      verdictOf(question({ ...laneHold("workflow_paused"), rank: null })),
      "It waits: that is so. It goes on when somebody resumes content_pipeline.",
    );
  });

  it("of a running task says where and since when", () => {
    const run = { executionId: "run-7", attempt: 2, sinceMs: NOW - SECOND, typicalMs: 41_200 };
    assert.equal(
      verdictOf(question({ status: "running", run })),
      `It is running in execution run-7, attempt 2, since ${iso(NOW - SECOND)}; runs of its workflow take about 41 s.`,
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
