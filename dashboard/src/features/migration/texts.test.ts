/** The words and figures of the migration cockpit. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Migration, MigrationGate } from "@master-orchestrator/contract";
import { mayForce, measured, rollbackQuestion, stepText, usedUp } from "./texts.ts";

const gate = (change: Partial<MigrationGate>): MigrationGate => ({
  ...{ gate: "latency", unit: "seconds", baseline: 40, now: 50, limit: 60 },
  ...{ runs: 20, runs_needed: 20, verdict: "holds", cause: "" },
  ...change,
});

test("a gate's bar fills as what is allowed is used up, in its own direction", () => {
  assert.equal(usedUp(gate({})), 0.5);
  assert.equal(usedUp(gate({ now: 30 })), 0);
  assert.equal(usedUp(gate({ now: 70 })), 1.5);
  const success = { gate: "success", unit: "share", baseline: 1, limit: 0.95 } as const;
  assert.equal(Number(usedUp(gate({ ...success, now: 0.96 }))?.toFixed(6)), 0.8);
  assert.equal(usedUp(gate({ now: null })), null);
  assert.equal(usedUp(gate({ baseline: 0, limit: 0, now: 1 })), null);
  assert.equal(usedUp(gate({ baseline: 0, limit: 0, now: 0 })), 0);
});

test("steps and measures read as people say them", () => {
  assert.equal(stepText({ phase: 0, mode: "full", share_percent: 100 }), "0 Baseline");
  assert.equal(stepText({ phase: 1, mode: "shadow", share_percent: 0 }), "1 Mutex, in shadow");
  assert.equal(stepText({ phase: 2, mode: "share", share_percent: 25 }), "2 Basic, 25 % of runs");
  assert.equal(stepText({ phase: 4, mode: "full", share_percent: 100 }), "4 Final");
  assert.deepEqual(
    [
      measured(null, "share"),
      measured(0.955, "share"),
      measured(96, "runs_per_day"),
      measured(3.14, "seconds"),
    ],
    ["–", "96 %", "96 a day", "3.1 s"],
  );
});

test("a rollback says what it drops; a breach is never passed over", () => {
  const migration = {
    name: "News",
    state: "steady",
    phase: 2,
    gates: [gate({})],
    next_opens: false,
  } as Migration;
  assert.match(rollbackQuestion(migration), /byte for byte\. If n8n does not answer/);
  assert.match(rollbackQuestion({ ...migration, state: "edited" }), /edited in n8n meanwhile is dropped/);
  const next = { phase: 3, mode: "shadow", share_percent: 0 } as const;
  assert.equal(mayForce({ ...migration, next, gates: [gate({ verdict: "waiting" })] }), true);
  assert.equal(mayForce({ ...migration, next, gates: [gate({ verdict: "breached" })] }), false);
  assert.equal(mayForce({ ...migration, next, next_opens: true }), false);
  assert.equal(mayForce({ ...migration, next: null }), false);
});
