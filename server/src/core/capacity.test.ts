/** What a batch needs it gets all of, or it does not start; and nobody is starved by those who need less. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import {
  aFailedRun,
  aLane,
  aNeed,
  aPermitSupply,
  aPolicy,
  aRunTask,
  aSnapshot,
  aTask,
  aUse,
  aWorkflow,
  MINUTE,
  NOW,
  SECOND,
  tasks,
  WORKFLOW,
} from "#test/builders.ts";
import type { Decision, Dispatch, Hold } from "./decision.ts";
import { plan } from "./plan.ts";
import type { Snapshot } from "./snapshot.ts";
import { estimatesOf, NO_SUPPLIES, type Supplies } from "./supplies.ts";

const USD = 1_000_000;
const says = (estimates: Record<string, number>) => estimatesOf({ estimates });

function decide(over: Omit<Partial<Snapshot>, "supplies"> & { supplies?: Partial<Supplies> }) {
  const supplies = { ...NO_SUPPLIES, ...over.supplies };
  return plan(aSnapshot({ ...over, supplies })).decisions;
}
const dispatches = (decisions: readonly Decision[]) =>
  decisions.filter((one): one is Dispatch => one.kind === "dispatch");
const sizes = (decisions: readonly Decision[]) => dispatches(decisions).map(({ taskIds }) => taskIds.length);
const holds = (decisions: readonly Decision[]) => decisions.filter((one): one is Hold => one.kind === "hold");
const reasons = (decisions: readonly Decision[]) =>
  holds(decisions).map((hold) => `${hold.workflowType} ${hold.reason}`);

/** One workflow of one slot whose tasks make calls, by its own word. */
const caller = (calls: number, over: Parameters<typeof aWorkflow>[0] = {}) => ({
  [WORKFLOW]: aWorkflow({ maxConcurrent: 1, estimates: says({ gemini_calls_per_task: calls }), ...over }),
});
const waiting = (count: number, over: Parameters<typeof aLane>[1] = {}) => aLane(tasks(count), over);

describe("the permits that a batch needs", () => {
  it("are all there, or the batch shrinks to those that are", () => {
    const permits = [aPermitSupply({ used: 40, free: 20 })];
    const decisions = decide({ workflows: caller(3), lanes: [waiting(10)], supplies: { permits } });
    assert.deepEqual(sizes(decisions), [6]);
    assert.match(dispatches(decisions)[0]?.reason as string, /no more of them fit/);
    assert.deepEqual(dispatches(decisions)[0]?.expects, { calls: { gemini: 18 }, costMicros: null });
  });

  it("hold it when not even one task has them, until as many come free", () => {
    const freeing = [
      { inMs: 20 * SECOND, permits: 1 },
      { inMs: 30 * SECOND, permits: 59 },
    ];
    const permits = [aPermitSupply({ used: 60, free: 0, freeing })];
    const decisions = decide({ workflows: caller(3), lanes: [waiting(10)], supplies: { permits } });
    assert.deepEqual(reasons(decisions), [`${WORKFLOW} rate_limit`]);
    assert.equal(holds(decisions)[0]?.expectedAtMs, NOW + 30 * SECOND);
    assert.match(
      holds(decisions)[0]?.cause as string,
      /gemini allows 60 requests a minute .* fewer than the 3/,
    );
  });

  it("are promised once: batches of one plan do not count on the same ones", () => {
    const workflows = caller(3, { maxConcurrent: 3, batchMax: 4 });
    const permits = [aPermitSupply({ used: 40, free: 20 })];
    const decisions = decide({ workflows, lanes: [waiting(30)], supplies: { permits } });
    assert.deepEqual(sizes(decisions), [4, 2]);
  });

  it("are also those that runs at work are still expected to use", () => {
    const atWork = [aUse({ tasks: 10, calls: { gemini: 14 } })];
    const permits = [aPermitSupply({ used: 40, free: 20 })];
    const workflows = caller(3, { maxConcurrent: 2 });
    const running = { [WORKFLOW]: 1 };
    const decisions = decide({ workflows, running, lanes: [waiting(10)], supplies: { permits, atWork } });
    assert.deepEqual(sizes(decisions), [1], "16 of the 20 are its, so one task of three calls is left");
  });

  it("are known of the lane's recent runs where the workflow says nothing", () => {
    const permits = [aPermitSupply({ used: 40, free: 20 })];
    const needs = [aNeed({ calls: { gemini: 10 }, seconds: 0 })];
    const workflows = { [WORKFLOW]: aWorkflow({ maxConcurrent: 1 }) };
    assert.deepEqual(sizes(decide({ workflows, lanes: [waiting(5)], supplies: { permits, needs } })), [2]);
    assert.deepEqual(sizes(decide({ workflows, lanes: [waiting(5)], supplies: { permits } })), [5]);
  });

  it("need not be free at once for a run that makes its calls over minutes", () => {
    const freeing = Array.from({ length: 20 }, (_, i) => ({ inMs: (i + 1) * 3 * SECOND, permits: 3 }));
    const permits = [aPermitSupply({ used: 60, free: 0, freeing })];
    const needs = [aNeed({ calls: { gemini: 5 }, seconds: 120 })];
    const workflows = { [WORKFLOW]: aWorkflow({ maxConcurrent: 1 }) };
    assert.deepEqual(sizes(decide({ workflows, lanes: [waiting(5)], supplies: { permits, needs } })), [5]);
  });

  it("may be more than the limit itself: then they take as many windows as they need", () => {
    const workflows = caller(100, { maxConcurrent: 2, batchMax: 1 });
    const permits = [aPermitSupply()];
    const decisions = decide({ workflows, lanes: [waiting(2)], supplies: { permits } });
    assert.deepEqual(sizes(decisions), [1]);
    assert.deepEqual(reasons(decisions), [`${WORKFLOW} rate_limit`]);
    assert.equal(holds(decisions)[0]?.expectedAtMs, NOW + 102 * SECOND);
  });

  it("are none while the provider rests, also without a limit", () => {
    const paused = [{ provider: "gemini", kind: "minute", untilMs: NOW + 20 * SECOND }];
    const decisions = decide({ workflows: caller(1), lanes: [waiting(1)], supplies: { paused } });
    assert.deepEqual(reasons(decisions), [`${WORKFLOW} rate_limit`]);
    assert.equal(holds(decisions)[0]?.expectedAtMs, NOW + 20 * SECOND);
    const other = { [WORKFLOW]: aWorkflow({ estimates: says({ openai_calls_per_task: 1 }) }) };
    assert.deepEqual(sizes(decide({ workflows: other, lanes: [waiting(1)], supplies: { paused } })), [1]);
  });

  it("never come of a limit of nothing", () => {
    const permits = [aPermitSupply({ limit: 0 })];
    const [hold] = holds(decide({ workflows: caller(1), lanes: [waiting(1)], supplies: { permits } }));
    assert.deepEqual([hold?.reason, hold?.expectedAtMs], ["rate_limit", undefined]);
  });

  it("hold the next attempt of a run as well, and new work of a lower score does not take them", () => {
    const freeing = [{ inMs: 30 * SECOND, permits: 1 }];
    const permits = [aPermitSupply({ limit: 6, used: 1, free: 5, freeing })];
    const carried = [1, 2].map(() => aRunTask({ status: "retrying", agedFromMs: NOW - 20 * MINUTE }));
    const run = aFailedRun({ tasks: carried });
    const workflows = caller(3, { maxConcurrent: 3 });
    const decisions = decide({ workflows, runs: [run], lanes: [waiting(1)], supplies: { permits } });
    assert.deepEqual(reasons(decisions), [`${WORKFLOW} rate_limit`, `${WORKFLOW} rate_limit`]);
  });
});

describe("one who needs many permits, among those who need few", () => {
  const many = aWorkflow({ workflowType: "many", estimates: says({ gemini_calls_per_task: 40 }) });
  const few = aWorkflow({ workflowType: "few", estimates: says({ gemini_calls_per_task: 1 }) });
  const free = aWorkflow({ workflowType: "free" });
  const workflows = { many, few, free };
  const lanes = [
    aLane([aTask({ agedFromMs: NOW - 10 * MINUTE })], { workflowType: "many" }),
    aLane(tasks(10), { workflowType: "few" }),
    aLane(tasks(1), { workflowType: "free" }),
  ];

  it("is not overtaken by what would make it wait longer; what it will not miss goes to others", () => {
    // In 30 s 40 are free: exactly what it needs.
    const freeing = [{ inMs: 30 * SECOND, permits: 30 }];
    const permits = [aPermitSupply({ limit: 40, used: 30, free: 10, freeing })];
    const decisions = decide({ workflows, lanes, supplies: { permits } });
    assert.deepEqual(
      dispatches(decisions).map(({ workflowType }) => workflowType),
      ["free"],
    );
    assert.deepEqual(reasons(decisions), ["many rate_limit", "few rate_limit"]);
  });

  it("lets those pass whose permits it cannot use", () => {
    const freeing = [{ inMs: 30 * SECOND, permits: 30 }];
    const permits = [aPermitSupply({ limit: 45, used: 30, free: 15, freeing })];
    const decisions = decide({ workflows, lanes, supplies: { permits } });
    assert.deepEqual(
      dispatches(decisions).map((one) => `${one.workflowType} ${one.taskIds.length}`),
      ["few 4", "free 1", "few 1"],
    );
  });
});

describe("the money that a batch needs", () => {
  const money = (usedUsd: number, capUsd = 10) => [
    { scope: "all", capMicros: capUsd * USD, usedMicros: usedUsd * USD },
  ];
  const dear = (over: Parameters<typeof aWorkflow>[0] = {}) => ({
    [WORKFLOW]: aWorkflow({ maxConcurrent: 1, estimates: says({ cost_usd_per_task: 0.5 }), ...over }),
  });
  const lanes = [waiting(10)];

  it("shrinks it to what is left of the day", () => {
    const critical = dear({ critical: true });
    assert.deepEqual(sizes(decide({ workflows: critical, lanes, supplies: { money: money(8) } })), [4]);
  });

  it("is kept for critical workflows above a share of the budget", () => {
    const decisions = decide({ workflows: dear(), lanes, supplies: { money: money(8) } });
    assert.deepEqual(sizes(decisions), [2], "up to $9");
    const none = decide({ workflows: dear(), lanes, supplies: { money: money(9) } });
    assert.deepEqual(reasons(none), [`${WORKFLOW} budget_critical_only`]);
    assert.match(holds(none)[0]?.cause as string, /above 90 % of the day's \$10\.00/);
  });

  it("is gone at the ceiling, for everybody, until the next UTC day", () => {
    const decisions = decide({ workflows: dear({ critical: true }), lanes, supplies: { money: money(10) } });
    assert.deepEqual(reasons(decisions), [`${WORKFLOW} budget`]);
    assert.equal(holds(decisions)[0]?.expectedAtMs, NOW + 12 * 60 * MINUTE);
  });

  it("is not asked of work that is known to cost nothing, but of what nobody knows", () => {
    const nothing = { [WORKFLOW]: aWorkflow({ estimates: says({ cost_usd_per_task: 0 }) }) };
    assert.deepEqual(
      sizes(decide({ workflows: nothing, lanes: [waiting(1)], supplies: { money: money(10) } })),
      [1],
    );
    const needs = [aNeed()];
    const unknown = { [WORKFLOW]: aWorkflow() };
    const measured = { money: money(10), needs };
    assert.deepEqual(sizes(decide({ workflows: unknown, lanes: [waiting(1)], supplies: measured })), [1]);
    const decisions = decide({ workflows: unknown, lanes: [waiting(1)], supplies: { money: money(10) } });
    assert.deepEqual(reasons(decisions), [`${WORKFLOW} budget`]);
  });

  it("counts what runs at work are still expected to cost, less what they have", () => {
    const atWork = [aUse({ tasks: 4, micros: { gemini: 0.5 * USD } })];
    const workflows = dear({ critical: true, maxConcurrent: 2 });
    const running = { [WORKFLOW]: 1 };
    const decisions = decide({ workflows, running, lanes, supplies: { money: money(7.5), atWork } });
    assert.deepEqual(sizes(decisions), [2], "10 − 7.50 − 1.50 leaves a dollar");
  });

  it("keeps the caps of workflows, content types and providers too", () => {
    const capped = (scope: string) => [...money(0), { scope, capMicros: USD, usedMicros: 0 }];
    for (const scope of [`workflow:${WORKFLOW}`, "content_type:default", "provider:gemini"]) {
      const estimates = says({ cost_usd_per_task: 0.5, gemini_calls_per_task: 1 });
      const workflows = dear({ estimates });
      assert.deepEqual(sizes(decide({ workflows, lanes, supplies: { money: capped(scope) } })), [2], scope);
    }
    const other = { money: capped("workflow:other") };
    assert.deepEqual(sizes(decide({ workflows: dear(), lanes, supplies: other })), [10]);
  });
});

describe("connections to the database", () => {
  const replica = (inUse: number) => ({
    replicas: [
      { replicaId: "r", rssMb: 100, eventLoopDelayMs: 1, connections: { open: inUse, inUse, waiting: 0 } },
    ],
  });
  const policy = aPolicy({ high_load: { resource_above: 1 } });

  it("hold every start while more are in use than allowed", () => {
    const decisions = decide({ policy, lanes: [waiting(1)], resources: replica(16) });
    assert.deepEqual(reasons(decisions), [`${WORKFLOW} database_connections`]);
    assert.deepEqual(sizes(decide({ policy, lanes: [waiting(1)], resources: replica(15) })), [1]);
  });

  it("that runs have open by the word of their workflow count, and are all there or not", () => {
    const estimates = says({ database_connections: 5 });
    const workflows = { [WORKFLOW]: aWorkflow({ estimates, batchMax: 1 }) };
    const running = { [WORKFLOW]: 1 };
    const decisions = decide({ policy, workflows, running, lanes: [waiting(5)], resources: replica(4) });
    assert.deepEqual(sizes(decisions), [1], "4 + 5 + 5 of 15");
    assert.match(holds(decisions)[0]?.cause as string, /15 connections .* needs 5/);
  });
});

describe("memory that is short", () => {
  it("holds what is not critical, and nothing else", () => {
    const resources = {
      replicas: [{ replicaId: "r", rssMb: 900, memoryPressed: true, eventLoopDelayMs: 1, connections: null }],
    };
    const workflows = {
      [WORKFLOW]: aWorkflow(),
      vital: aWorkflow({ workflowType: "vital", critical: true }),
    };
    const lanes = [waiting(1), waiting(1, { workflowType: "vital" })];
    const decisions = decide({ workflows, lanes, resources });
    assert.deepEqual(
      dispatches(decisions).map(({ workflowType }) => workflowType),
      ["vital"],
    );
    assert.deepEqual(reasons(decisions), [`${WORKFLOW} memory`]);
    assert.match(holds(decisions)[0]?.cause as string, /1536 MB .* less than 1306 MB/);
  });
});

describe("a resource that is nearly used up", () => {
  it("makes it a high load, and the reason names it", () => {
    const permits = [aPermitSupply({ used: 49, free: 11 })];
    const workflows = { [WORKFLOW]: aWorkflow({ maxConcurrent: 10, batchMax: 1 }) };
    const decisions = decide({ workflows, lanes: [waiting(10)], supplies: { permits } });
    assert.deepEqual(sizes(decisions).length, 3);
    assert.equal(
      holds(decisions)[0]?.cause,
      "more than 80 % of the requests a minute to gemini are used: 3 runs at once are allowed (policy concurrency.high_load)",
    );
    const calm = [aPermitSupply({ used: 48, free: 12 })];
    assert.equal(sizes(decide({ workflows, lanes: [waiting(10)], supplies: { permits: calm } })).length, 10);
  });
});
