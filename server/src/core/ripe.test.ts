/** Signs of life may wait a little for more of their run; nothing else waits, and nothing waits for long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ripeFacts } from "./ripe.ts";
import type { Fact } from "./snapshot.ts";

const NOW = 1_000_000;
let factId = 0;
const fact = (kind: string, executionId: string, ageMs: number, more: object = {}) =>
  ({ kind, factId: ++factId, executionId, attempt: 1, atMs: NOW - ageMs, ...more }) as unknown as Fact;
const accepted = (executionId: string, ageMs: number) =>
  fact("delivery", executionId, ageMs, { outcome: "accepted" });

const ripe = (facts: Fact[], dueRunIds: string[] = [], patienceMs = 300) =>
  ripeFacts(facts, { nowMs: NOW, patienceMs, dueRunIds });

test("an accepted message, a claim and a heartbeat wait, and say until when", () => {
  const facts = [accepted("a", 20), fact("claim", "b", 250), fact("heartbeat", "c", 0)];
  assert.deepEqual(ripe(facts), { facts: [], nextAtMs: NOW + 50 });
});

test("a callback takes along what there is of its run, in order, and of no other", () => {
  const mine = [accepted("a", 20), fact("claim", "a", 10), fact("callback", "a", 0)];
  const others = [fact("claim", "b", 5)];
  assert.deepEqual(ripe([...mine, ...others]), { facts: mine, nextAtMs: NOW + 295 });
});

test("what has waited long enough is folded in, with all of its run", () => {
  const facts = [accepted("a", 300), fact("claim", "a", 0)];
  assert.deepEqual(ripe(facts), { facts, nextAtMs: null });
});

test("a run that is due is judged with all that is known of it", () => {
  const facts = [fact("claim", "late", 1)];
  assert.deepEqual(ripe(facts, ["late"]), { facts, nextAtMs: null });
});

test("refusals, snoozes, requests and whatever names no run never wait", () => {
  const facts = [
    fact("delivery", "a", 0, { outcome: "refused" }),
    fact("delivery", "b", 0, { outcome: "snoozed" }),
    fact("delivery", "c", 0, { outcome: "unknown" }),
    fact("cancel_execution", "d", 0),
    { kind: "cancel_task", factId: 99, taskId: "t", actor: "x", atMs: NOW } as Fact,
  ];
  assert.deepEqual(ripe(facts), { facts, nextAtMs: null });
});

test("without patience nothing waits", () => {
  const facts = [accepted("a", 0)];
  assert.deepEqual(ripe(facts, [], 0), { facts, nextAtMs: null });
});
