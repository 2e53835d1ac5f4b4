/** Later phases against a stand-in for n8n: models through the gateway, triggers gone; and edits dropped, locks not got, the report. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { content, MINUTE_MS, NIGHTLY, openBench, start } from "./migration-bench.ts";
import type { Json } from "./stub-n8n.ts";

const ASKING = {
  ...NIGHTLY,
  nodes: [
    ...NIGHTLY.nodes,
    {
      parameters: { resource: "text", operation: "message" },
      ...{ id: "c", name: "Ask", type: "@n8n/n8n-nodes-langchain.openAi", typeVersion: 1.8 },
      position: [400, 0],
      credentials: { openAiApi: { id: "k1", name: "OpenAI account" } },
    },
  ],
  connections: { ...NIGHTLY.connections, Work: { main: [[{ node: "Ask", type: "main", index: 0 }]] } },
};

it("models go to the gateway for a share by a second workflow, then in full, then the triggers go; no moment is lost, and the report counts", async (t) => {
  const bench = await openBench(t, { workflow: ASKING });
  const { house, stub, id, original, orders } = bench;
  const held = () => stub.workflows.get(id) as Json;
  const node = (workflow: Json, name: string) => workflow.nodes.find((each: Json) => each.name === name);
  const credentialOf = (workflow: Json) => {
    const { id: credential } = node(workflow, "Ask").credentials.openAiApi;
    return stub.credentials.find((each) => each.id === credential) ?? null;
  };
  await start(bench);
  const early = await house.api("POST", "/migrations/nightly/advance", { to: { phase: 2, mode: "share" } });
  assert.equal(early.status, 409);
  assert.match(early.body.hint, /entered by its shadow: advance to {"phase": 2, "mode": "shadow"} first/);
  await bench.advance({ phase: 2, mode: "shadow" });
  await bench.live(2);
  await bench.advance({ phase: 2, mode: "full" });
  await bench.live(3);
  await bench.advance({ phase: 3, mode: "shadow" });
  await bench.live(2);
  const share = await bench.advance({ phase: 3, mode: "share", share_percent: 50 });
  assert.deepEqual([share.state, share.deployed.form], ["steady", "basic"]);
  const trial = [...stub.workflows.values()].find((each) => each.id !== id) as Json;
  assert.equal(trial.active, true, "the second workflow is published");
  assert.equal(credentialOf(held()), null, "the first one keeps n8n's own credential");
  const gateway = credentialOf(trial) as Json;
  assert.equal(gateway.data.url, `${house.url}/ai/openai/v1`);
  assert.match(gateway.data.apiKey, /^=mo_\S+\.\{\{ .+execution_id.+ \}\}$/);
  assert.ok(node(held(), "Orchestrator: run").parameters.workflowId.value.includes(trial.id));
  const first = orders.length;
  await bench.live(6);
  const byPhase = new Set(orders.slice(first).map(({ payload }) => payload.by_phase));
  assert.deepEqual(byPhase, new Set([true, false]), "some of each");
  const three = await bench.advance({ phase: 3, mode: "full" });
  assert.deepEqual([three.state, three.deployed.form], ["steady", "gateway"]);
  assert.equal((credentialOf(held()) as Json).id, gateway.id);
  assert.deepEqual([...stub.workflows.keys()], [id], "the second workflow is gone");
  await bench.live(3);
  await bench.advance({ phase: 4, mode: "shadow" });
  await bench.live(2);
  const four = await bench.advance({ phase: 4, mode: "full" });
  assert.deepEqual([four.state, four.deployed.form, four.next], ["steady", "final", null]);
  assert.equal(node(held(), "Clock"), undefined, "no trigger of its own is left");
  await bench.live(3);

  const { body: report } = await house.api("GET", "/migrations/report?days=1");
  const target = (name: string) => report.targets.find((each: Json) => each.target === name);
  assert.deepEqual(
    [target("articles_per_day").measured, target("articles_per_day").met],
    [null, null],
    "no article was written",
  );
  const ended = orders.length;
  assert.deepEqual(
    [target("success_share").measured, target("success_share").measured_on, target("success_share").met],
    [1, ended, true],
  );
  assert.ok(target("task_to_result_seconds").measured < 120 && target("task_to_result_seconds").met);
  const [row] = report.workflows;
  assert.deepEqual([row.workflow_type, row.phase, row.mode], ["nightly", 4, "full"]);
  assert.deepEqual([row.runs.by_orchestrator, row.runs.lost, row.runs.doubled], [ended, 0, 0]);
  const refused = await house.api("GET", "/migrations/report?days=0");
  assert.equal(refused.status, 422, refused.text);

  const kept = await house.api("DELETE", "/migrations/nightly");
  assert.equal(kept.status, 409);
  assert.match(kept.body.hint, /\?finish=true/);

  await bench.post("rollback");
  await bench.live(2);
  assert.equal((await bench.migration()).state, "rolled_back");
  assert.equal(content(held()), original);
  await bench.live(2);
  const all = (await house.api("GET", "/migrations/nightly/runs?limit=500")).body.runs;
  const bad = all.filter((run: Json) => run.outcome === "lost" || run.n8n_execution_ids.length > 1);
  assert.deepEqual(bad, []);
  const moments = all.map(({ slot }: Json) => Date.parse(slot));
  const gaps = moments.slice(1).filter((at: number, i: number) => moments[i] - at !== MINUTE_MS);
  assert.deepEqual(gaps, [], "every minute is accounted for");
});

it("while it is migrated a workflow gets no second clock; at the end of its way the migration is finished, and it gets one", async (t) => {
  const bench = await openBench(t);
  const { house, orders } = bench;
  await start(bench);
  await bench.advance({ phase: 2, mode: "shadow" });
  await bench.live(2);
  await bench.advance({ phase: 2, mode: "full" });
  await bench.live(3);
  const stored = (await house.api("GET", "/workflows/nightly")).body;
  const settings = { ...stored.settings, schedule: { every_seconds: 120 } };
  const second = await house.api("PUT", "/workflows/nightly", settings);
  assert.deepEqual([second.status, second.body.code], [409, "conflict"]);
  assert.match(second.body.detail, /second clock/);
  const early = await house.api("DELETE", "/migrations/nightly?finish=true");
  assert.equal(early.status, 409);
  assert.match(early.body.detail, /not at the end of its way: phase 2 full/);

  await bench.advance({ phase: 4, mode: "shadow" });
  await bench.live(2);
  await bench.advance({ phase: 4, mode: "full" });
  await bench.live(3);
  assert.equal((await house.api("DELETE", "/migrations/nightly?finish=true")).status, 204);
  const put = await house.api("PUT", "/workflows/nightly", settings);
  assert.equal(put.status, 200, put.text);
  const before = orders.length;
  await bench.live(4);
  assert.equal(orders.length - before, 2, "every two minutes, by its own schedule alone");
});

it("a run without the lock counts neither way; an edit is dropped where a person says so, by resolving or by rolling back", async (t) => {
  const bench = await openBench(t);
  const { stub, id, house, original } = bench;
  await start(bench);
  await bench.advance();
  await bench.live(2);
  await bench.advance({ phase: 1, mode: "full" });
  await bench.live(2);
  const before = (await bench.migration()).runs;
  await bench.live(1, { skips: true });
  await bench.live(2);
  const { runs, gates } = await bench.migration();
  assert.ok(runs.due >= before.due + 3);
  assert.equal(runs.succeeded, runs.due - runs.open - 1, "all but the one that was skipped");
  const success = gates.find(({ gate }: Json) => gate === "success");
  assert.deepEqual([success.runs, success.now], [runs.succeeded, 1]);
  const listed = (await house.api("GET", "/migrations/nightly/runs?limit=20")).body.runs;
  const skipped = listed.filter(({ outcome }: Json) => outcome === "skipped");
  assert.equal(skipped.length, 1);
  assert.match(skipped[0].cause, /the lock was held/);

  const workflow = stub.workflows.get(id) as Json;
  const work = () => workflow.nodes.find(({ name }: Json) => name === "Work");
  const edit = async () => {
    work().parameters = { edited: true };
    await bench.live(1);
    assert.equal((await bench.migration()).state, "edited");
  };
  await edit();
  await bench.post("resolve", { take: "ours" });
  await bench.live(2);
  const ours = await bench.migration();
  assert.deepEqual([ours.state, ours.original.version, ours.deployed.form], ["steady", 1, "mutex"]);
  assert.deepEqual(work().parameters, {}, "the edit is gone");

  await edit();
  const refused = await house.api("POST", "/migrations/nightly/rollback", {});
  assert.equal(refused.status, 409);
  await bench.post("rollback", { force: true });
  await bench.live(2);
  const back = await bench.migration();
  assert.deepEqual([back.state, back.cause], ["rolled_back", "the original is back, byte for byte"]);
  assert.equal(content(workflow), original);
  const { events } = (await house.api("GET", "/migrations/nightly/history?limit=100")).body;
  assert.ok(events.some(({ event }: Json) => event === "edit_dropped"));
});
