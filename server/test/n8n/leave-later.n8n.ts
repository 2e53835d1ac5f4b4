/** The later phases in a real n8n: models through the gateway, triggers gone, and an n8n that is killed on the way. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";
import { stubProvider } from "../stub-provider.ts";
import { content, EVERY_MS, type Json, openLeaveBench, openSite, scheduled, TYPE } from "./leave-bench.ts";
import { findN8n, HOW_TO_INSTALL, openRealN8n, type RealN8n } from "./real-n8n.ts";

const OWN_KEY = "the-key-that-n8n-had-before";
const REAL_KEY = "the-real-openai-key";

/** The scheduled work, and then a question to a model by a credential of n8n's own. */
function asking(siteUrl: string, credentialId: string) {
  const workflow = scheduled(siteUrl) as Json;
  workflow.nodes.push({
    parameters: {
      ...{ resource: "text", operation: "message" },
      modelId: { __rl: true, value: "gpt-4o-mini", mode: "id" },
      messages: { values: [{ content: "Say hello" }] },
      options: {},
    },
    id: "0f9d3c1e-5a34-4d0e-9b62-6a86c4a1f003",
    name: "Ask",
    type: "@n8n/n8n-nodes-langchain.openAi",
    typeVersion: 1.8,
    position: [440, 0],
    credentials: { openAiApi: { id: credentialId, name: "OpenAI account" } },
  });
  workflow.connections.Work = { main: [[{ node: "Ask", type: "main", index: 0 }]] };
  return workflow;
}

const momentAfter = (ms: number) => (Math.floor(ms / EVERY_MS) + 1) * EVERY_MS;

/** In the midst of the run of the next moment; back after one more moment has passed without it. */
async function killInMidRun(n8n: RealN8n): Promise<{ moment: number; awayMs: number }> {
  const moment = momentAfter(Date.now());
  await sleep(moment + 2_500 - Date.now());
  const fromMs = Date.now();
  await n8n.kill();
  await sleep(moment + EVERY_MS + 2_000 - Date.now());
  await n8n.start();
  return { moment, awayMs: Date.now() - fromMs };
}

const folder = findN8n();
const owned = folder !== null && folder !== "";

it("models go through the gateway, the triggers go, n8n is killed on the way, and the original comes back", {
  skip: !owned && HOW_TO_INSTALL,
  timeout: 1_500_000,
}, async (t) => {
  const site = await openSite();
  t.after(() => site.close());
  site.takes(5_000);
  const provider = await stubProvider(t);
  const n8n = await openRealN8n(folder as string);
  t.after(() => n8n.close());
  const data = { apiKey: OWN_KEY, url: `${provider.url}/v1` };
  const credential = await n8n.call("POST", "/credentials", {
    ...{ name: "OpenAI account", type: "openAiApi", data },
  });
  const workflow = asking(site.url, credential.id);
  const { id, original, api, until } = await openLeaveBench(t, { n8n, workflow, env: provider.env });
  const migration = () => api("GET", `/migrations/${TYPE}`);
  const askedWith = (key: string) =>
    provider.arrivals.filter(({ headers }) => headers.authorization === `Bearer ${key}`).length;
  await sleep(momentAfter(Date.now()) + 8_000 - Date.now());
  await api("POST", "/migrations", {
    ...{ n8n_workflow_id: id, workflow_type: TYPE, cost_usd_per_run: 0.01 },
    gates: {
      min_runs: 1,
      baseline_hours: 1,
      latency_slack_seconds: 300,
      stability_drop: 0.9,
      success_drop: 0.9,
    },
  });
  await until("a run that has ended", ({ runs }) => runs.succeeded >= 1);
  const go = async (phase: number, mode: string) => {
    const to = { phase, mode, ...(mode === "share" ? { share_percent: 50 } : {}) };
    await until("a run", ({ gates }) => gates.length > 0);
    await api("POST", `/migrations/${TYPE}/advance`, { to, force: true });
    const seen = await until("n8n has it", ({ state }) => state === "steady");
    t.diagnostic(`${new Date().toISOString()} phase ${phase} ${mode}: ${seen.deployed.form}`);
    return seen;
  };
  await go(2, "shadow");
  await go(2, "full");
  await until("a run by the orchestrator", ({ runs }) => runs.by_orchestrator >= 1 && runs.succeeded >= 1);
  assert.equal(askedWith(REAL_KEY), 0, "nothing has gone through the gateway yet");
  await go(3, "shadow");
  await go(3, "share");
  await until("a run in the share", () => askedWith(REAL_KEY) > 0, 600);
  const trials = (await n8n.call("GET", "/workflows?limit=100")).data.filter((each: Json) => each.active);
  assert.equal(trials.length, 2, "the share is run by a second workflow");
  await go(3, "full");
  const before = askedWith(OWN_KEY);
  const three = await until("runs by the gateway", ({ runs }) => runs.succeeded >= 2);
  assert.ok(askedWith(OWN_KEY) - before <= 1, "at most a run that was on its way has n8n's own key");
  const cost = three.gates.find(({ gate }: Json) => gate === "cost");
  t.diagnostic(`the gate of cost: ${cost.cause}`);
  assert.ok(cost.now > 0, "what a run costs is known by the gateway");
  const left = (await n8n.call("GET", "/workflows?limit=100")).data.filter((each: Json) => each.active);
  assert.equal(left.length, 1, "the second workflow is gone");
  await go(4, "shadow");
  await go(4, "full");
  const { nodes } = await n8n.call("GET", `/workflows/${id}`);
  assert.ok(!nodes.some(({ type }: Json) => type.endsWith(".scheduleTrigger")), "no schedule is left in n8n");
  await until("runs without a trigger in n8n", ({ runs }) => runs.succeeded >= 1);
  const { moment: killed, awayMs } = await killInMidRun(n8n);
  t.diagnostic(`killed and started: away for ${Math.round(awayMs / 1000)} s`);
  assert.equal(site.done.get(killed) ?? 0, 0, "its run was cut off");
  const { runs: atKill } = await migration();
  await until("runs after the restart", ({ runs }) => runs.succeeded >= atKill.succeeded + 2);
  await until("what was cut off is made up for", () => site.done.get(killed) === 1);
  t.diagnostic(`${new Date().toISOString()} the run of ${new Date(killed).toISOString()} is made up for`);
  await api("POST", `/migrations/${TYPE}/rollback`, { reason: "the test is over" });
  await until("the original", ({ state }) => state === "rolled_back");
  assert.equal(content(await n8n.call("GET", `/workflows/${id}`)), original, "the original's bytes");
  const endMs = momentAfter(Date.now());
  await sleep(endMs + 15_000 - Date.now());
  const moments = [...site.done.keys()].sort((a, b) => a - b);
  const odd: string[] = [];
  for (let at = moments[0]! + EVERY_MS; at <= endMs; at += EVERY_MS) {
    const times = site.done.get(at) ?? 0;
    if (times !== 1)
      odd.push(`${new Date(at).toISOString()}: done ${times}, begun ${site.begun.get(at) ?? 0}`);
  }
  const { runs } = await api("GET", `/migrations/${TYPE}/runs?limit=500`);
  const { events } = await api("GET", `/migrations/${TYPE}/history?limit=200`);
  t.diagnostic(`${moments.length} moments; ${JSON.stringify(odd)}`);
  for (const run of [...runs].reverse()) {
    t.diagnostic(`${run.slot} ${run.by} ${run.way} ${run.outcome} [${run.n8n_execution_ids}] ${run.cause}`);
  }
  const told = events.map(({ at, event, cause }: Json) => `${at} ${event}: ${cause}`).reverse();
  for (const line of told) t.diagnostic(line);
  const doubled = runs.filter(({ n8n_execution_ids }: Json) => n8n_execution_ids.length > 1);
  const lost = runs.filter(({ outcome }: Json) => outcome === "lost");
  assert.deepEqual({ odd, doubled, lost }, { odd: [], doubled: [], lost: [] });
  assert.equal((await migration()).phase, 0);
});
