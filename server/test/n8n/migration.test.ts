/** Migrations against a stand-in for n8n: steps, gates, rollback, edits, an n8n that is down, lost callbacks, cancelled runs. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { content, MINUTE_MS, openBench, start } from "./migration-bench.ts";
import type { Json } from "./stub-n8n.ts";

it("a workflow goes through shadow, share and full, a breach rolls it back to its bytes, and no moment is lost or doubled", async (t) => {
  const bench = await openBench(t);
  const { house, stub, id, original } = bench;
  await start(bench);
  assert.equal((await bench.migration()).next_opens, true);
  const shadow = await bench.advance();
  assert.deepEqual([shadow.phase, shadow.mode, shadow.deployed.form], [1, "shadow", "original"]);
  await bench.live(2);
  const { summary } = (await house.api("GET", "/migrations/nightly/shadow")).body;
  assert.ok(summary.by_difference.none >= 2, JSON.stringify(summary));
  const share = await bench.advance({ phase: 1, mode: "share", share_percent: 50 });
  assert.deepEqual([share.state, share.deployed.form, share.deployed.by_share], ["steady", "mutex", true]);
  await bench.live(6);
  const { runs } = (await house.api("GET", "/migrations/nightly/runs?limit=6")).body;
  assert.deepEqual(new Set(runs.map(({ way }: Json) => way)), new Set(["before", "phase"]), "some of each");
  const full = await bench.advance({ phase: 1, mode: "full" });
  assert.deepEqual([full.deployed.form, full.deployed.by_share], ["mutex", false]);
  await bench.live(3);
  await bench.advance();
  await bench.live(2);
  await bench.advance({ phase: 2, mode: "share", share_percent: 50 });
  await bench.live(5);
  const two = await bench.advance({ phase: 2, mode: "full" });
  assert.deepEqual([two.state, two.deployed.form], ["steady", "basic"]);
  await bench.live(2);
  assert.ok((await bench.migration()).runs.by_orchestrator >= 2);
  await bench.live(5, { fails: true });
  await bench.live(3);
  const back = await bench.migration();
  assert.deepEqual(
    [back.state, back.phase, back.cause],
    ["rolled_back", 0, "the original is back, byte for byte"],
  );
  assert.equal(content(stub.workflows.get(id) as Json), original);
  const all = (await house.api("GET", "/migrations/nightly/runs?limit=500")).body.runs;
  const bad = all.filter((run: Json) => run.outcome === "lost" || run.n8n_execution_ids.length > 1);
  assert.deepEqual(bad, []);
  const moments = all.map(({ slot }: Json) => Date.parse(slot));
  const gaps = moments.slice(1).filter((at: number, i: number) => moments[i] - at !== MINUTE_MS);
  assert.deepEqual(gaps, [], "every minute is accounted for");
  const { events } = (await house.api("GET", "/migrations/nightly/history?limit=100")).body;
  assert.match(events.find(({ event }: Json) => event === "gate_breached").cause, /success/);
});

it("an edit in n8n is never written over; a rollback waits for an n8n that is down; lost callbacks are settled, cancelled runs stopped", async (t) => {
  const bench = await openBench(t);
  const { house, stub, id, original } = bench;
  await start(bench);
  await bench.advance();
  await bench.live(2);
  await bench.advance({ phase: 1, mode: "full" });
  await bench.live(3);
  const workflow = stub.workflows.get(id) as Json;
  workflow.nodes.find(({ name }: Json) => name === "Work").parameters = { edited: true };
  await bench.live(1);
  const edited = await bench.migration();
  assert.deepEqual([edited.state, edited.edits], ["edited", ['node "Work" was changed']]);
  const refused = await house.api("POST", "/migrations/nightly/rollback", {});
  assert.deepEqual([refused.status, refused.body.code], [409, "conflict"]);
  await bench.post("resolve", { take: "merge" });
  await bench.live(1);
  const merged = await bench.migration();
  assert.deepEqual([merged.state, merged.original.version, merged.deployed.form], ["steady", 2, "mutex"]);
  assert.deepEqual(workflow.nodes.find(({ name }: Json) => name === "Work").parameters, { edited: true });
  await bench.live(2);
  await bench.advance();
  await bench.live(2);
  await bench.advance({ phase: 2, mode: "full" });

  // A run claims, and its callback is lost: what n8n holds of it is recorded as if it had come.
  await house.leap(MINUTE_MS - (house.clock.nowMs() % MINUTE_MS));
  await house.leap(1_000);
  const claim = async (run: string) => {
    const { execution_id, attempt, authentication } = stub.messages.shift() as Json;
    const body = { attempt, claimant: `n8n run ${run}` };
    await house.api("POST", `/executions/${execution_id}/claim`, body, authentication.token);
    return { execution_id, attempt } as { execution_id: string; attempt: number };
  };
  const lost = await claim("901");
  const report = { ...lost, status: "completed", result_data: { items: 3 }, metrics: { duration_ms: 900 } };
  const runData = { "Orchestrator: outcome": [{ data: { main: [[{ json: report }]] } }] };
  const times = {
    startedAt: new Date(house.clock.nowMs()).toISOString(),
    stoppedAt: new Date(house.clock.nowMs()).toISOString(),
  };
  stub.executions.push({
    id: "901",
    mode: "webhook",
    status: "success",
    ...times,
    data: { resultData: { runData } },
  });
  await house.leap(31_000);
  await house.leap(6_000);
  const settled = await house.execution(lost.execution_id);
  assert.equal(settled.status, "COMPLETED", JSON.stringify(settled.error));
  assert.deepEqual(settled.result.result_data ?? settled.result, { items: 3 });

  // A run that is cancelled here is stopped there, with what it has called.
  await house.leap(MINUTE_MS - (house.clock.nowMs() % MINUTE_MS));
  await house.leap(1_000);
  const cancelled = await claim("902");
  const called = {
    "Orchestrator: run": [{ metadata: { subExecution: { workflowId: id, executionId: "903" } } }],
  };
  stub.executions.push({
    id: "902",
    mode: "webhook",
    status: "running",
    ...times,
    stoppedAt: null,
    data: { resultData: { runData: called } },
  });
  stub.executions.push({ id: "903", mode: "integrated", status: "running", ...times, stoppedAt: null });
  await house.api("POST", `/executions/${cancelled.execution_id}/cancel`);
  await house.leap(6_000);
  assert.deepEqual(stub.stopped, ["902", "903"]);

  // Back while n8n is down: pending, and done when it answers again.
  stub.mood = "down";
  const pending = await bench.post("rollback", { reason: "enough" });
  assert.equal(pending.state, "rollback_pending");
  await bench.live(2);
  assert.equal((await bench.migration()).state, "rollback_pending");
  const { n8n } = (await house.api("GET", "/migrations")).body;
  assert.equal(n8n.reachable, false);
  for (const mood of ["booting", "waking"] as const) {
    stub.mood = mood;
    await bench.live(1);
  }
  stub.mood = "up";
  await bench.live(4);
  const back = await bench.migration();
  assert.equal(back.state, "rolled_back", back.cause);
  const now = JSON.parse(content(workflow));
  const was = JSON.parse(original);
  was.nodes[1].parameters = { edited: true };
  assert.deepEqual(now, was, "the original, with the edit that was taken over");
  const { events } = (await house.api("GET", "/migrations/nightly/history?limit=100")).body;
  const told = new Set(events.map(({ event }: Json) => event));
  for (const event of [
    "edited",
    "merged",
    "settled_by_asking",
    "n8n_unreachable",
    "n8n_back",
    "rolled_back",
  ]) {
    assert.ok(told.has(event), `${event} is told`);
  }
  assert.ok(!told.has("blocked"), "an n8n that starts is waited for");
  const { version } = (await bench.migration()).original;
  const bytes = await house.api("GET", `/migrations/nightly/original?version=${version}`);
  assert.equal(bytes.text, content(workflow));
});
