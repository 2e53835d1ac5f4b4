/** Migrations against a stand-in for n8n: steps, gates, rollback, edits, an n8n that is down, lost callbacks, cancelled runs. */
import assert from "node:assert/strict";
import { it, type TestContext } from "node:test";
import { openTestHouse, type TestHouse } from "../house.ts";
import { type Json, openStubN8n, type StubN8n } from "./stub-n8n.ts";

const MINUTE_MS = 60_000;
const GATES = { min_runs: 2, baseline_hours: 1, latency_slack_seconds: 30, stability_drop: 0.1 };

const NIGHTLY = {
  name: "Nightly",
  nodes: [
    {
      parameters: { rule: { interval: [{ field: "minutes", minutesInterval: 1 }] } },
      ...{
        id: "a",
        name: "Clock",
        type: "n8n-nodes-base.scheduleTrigger",
        typeVersion: 1.2,
        position: [0, 0],
      },
    },
    {
      parameters: {},
      ...{ id: "b", name: "Work", type: "n8n-nodes-base.noOp", typeVersion: 1, position: [200, 0] },
    },
  ],
  connections: { Clock: { main: [[{ node: "Work", type: "main", index: 0 }]] } },
  settings: { executionOrder: "v1", timezone: "UTC" },
};

interface Bench {
  house: TestHouse;
  stub: StubN8n;
  id: string;
  original: string;
  migration(): Promise<Json>;
  post(action: string, body?: unknown): Promise<Json>;
  /** Lets minutes pass as n8n and its workflow would live through them. */
  live(minutes: number, how?: { fails?: boolean }): Promise<void>;
  /** To the next step that is open, or to one that is named. */
  advance(to?: object): Promise<Json>;
}

const content = ({ id, name, nodes, connections, settings }: Json) =>
  JSON.stringify({ id, name, nodes, connections, settings });

async function openBench(t: TestContext, options: { expectedErrors?: RegExp } = {}): Promise<Bench> {
  const stub = await openStubN8n();
  const house = await openTestHouse(t, {
    workflows: {},
    env: { N8N_URL: stub.url, N8N_API_KEY: stub.apiKey, N8N_TIMEZONE: "UTC" },
    ...options,
  });
  t.after(() => stub.close());
  const id = stub.add(structuredClone(NIGHTLY));
  const workflow = () => stub.workflows.get(id) as Json;
  const call = async (method: string, path: string, body?: unknown) => {
    const answer = await house.api(method, `/migrations${path}`, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  };
  let executions = 0;
  const run = (atMs: number, status: string) => {
    executions += 1;
    const [startedAt, stoppedAt] = [atMs + 200, atMs + 20_000].map((ms) => new Date(ms).toISOString());
    stub.executions.push({
      id: String(executions),
      mode: "trigger",
      status,
      startedAt: startedAt!,
      stoppedAt: stoppedAt!,
    });
    return String(executions);
  };
  // n8n has run it for a while before.
  for (let i = 10; i >= 0; i--) run(house.clock.nowMs() - i * MINUTE_MS, "success");
  const fire = async (fails: boolean) => {
    const clock = workflow().nodes.find(({ name }: Json) => name === "Clock");
    const nowMs = house.clock.nowMs();
    if (!clock || clock.disabled || stub.mood !== "up") return;
    const turn = workflow().connections.Clock.main[0][0].node === "Orchestrator: whose turn?";
    const execution = run(nowMs, fails ? "error" : "success");
    if (!turn) return;
    const ask = { fired_at: new Date(nowMs + 100).toISOString(), n8n_execution_id: execution };
    await house.api("POST", "/migrations/nightly/turns", ask);
  };
  const answerMessages = async (fails: boolean) => {
    for (const message of stub.messages.splice(0)) {
      const { execution_id, attempt, authentication } = message;
      const status = fails ? "failed" : "completed";
      const error = fails ? { error_data: { message: "it is broken" } } : {};
      await house.api(
        "POST",
        `/executions/${execution_id}/callback`,
        { execution_id, attempt, status, ...error },
        authentication.token,
      );
    }
  };
  const bench: Bench = {
    ...{ house, stub, id, original: content(workflow()) },
    migration: () => call("GET", "/nightly"),
    post: (action, body = {}) => call("POST", `/nightly/${action}`, body),
    async live(minutes, { fails = false } = {}) {
      for (let i = 0; i < minutes; i++) {
        // Leaps, since looks every few seconds in between would show nothing more.
        await house.leap(MINUTE_MS - (house.clock.nowMs() % MINUTE_MS));
        await fire(false);
        await house.leap(1_000);
        await answerMessages(fails);
        await house.leap(24_000);
        await house.leap(30_000);
      }
    },
    async advance(to) {
      await call("POST", "/nightly/advance", to ? { to } : {});
      await bench.live(1);
      return await call("GET", "/nightly");
    },
  };
  return bench;
}

const start = async (bench: Bench, more: object = {}) => {
  const body = { n8n_workflow_id: bench.id, gates: GATES, ...more };
  const answer = await bench.house.api("POST", "/migrations", body);
  assert.equal(answer.status, 201, answer.text);
  await bench.live(3);
};

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
  stub.mood = "booting";
  await bench.live(1);
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
  const { version } = (await bench.migration()).original;
  const bytes = await house.api("GET", `/migrations/nightly/original?version=${version}`);
  assert.equal(bytes.text, content(workflow));
});
