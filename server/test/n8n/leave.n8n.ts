/** A scheduled workflow leaves a real n8n, is broken on purpose, and comes back by its gate; counted from three sides. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { content, EVERY_MS, type Json, openLeaveBench, openSite, scheduled, TYPE } from "./leave-bench.ts";
import { findN8n, HOW_TO_INSTALL, openRealN8n } from "./real-n8n.ts";

const folder = findN8n();

it("a scheduled workflow leaves n8n phase by phase, and its gate brings it back", {
  skip: folder === null && HOW_TO_INSTALL,
  timeout: 1_500_000,
}, async (t) => {
  const site = await openSite();
  t.after(() => site.close());
  const n8n = await openRealN8n(folder as string);
  t.after(() => n8n.close());
  const { id, original, api, until } = await openLeaveBench(t, { n8n, workflow: scheduled(site.url) });
  const { workflows } = await api("GET", "/migrations/inventory");
  assert.deepEqual(workflows[0].schedules, ["cron */30 * * * * *"]);
  await api("POST", "/migrations", {
    ...{ n8n_workflow_id: id, workflow_type: TYPE },
    gates: { min_runs: 2, baseline_hours: 1, latency_slack_seconds: 60, stability_drop: 0.3 },
  });
  const steps: [number, string, number][] = [];
  const go = async (to?: unknown) => {
    await until("the next step opens", ({ next_opens }) => next_opens);
    const { phase, mode, share_percent } = await api("POST", `/migrations/${TYPE}/advance`, to ? { to } : {});
    steps.push([phase, mode, share_percent]);
    t.diagnostic(`phase ${phase} ${mode} ${share_percent} %`);
    return await until("n8n has it", ({ state }) => state === "steady");
  };
  await go();
  const { summary } = await (async () => {
    await until("a shadow", ({ gates }) => gates.length > 0);
    await until("runs in the shadow", ({ next_opens }) => next_opens);
    return await api("GET", `/migrations/${TYPE}/shadow`);
  })();
  assert.ok(summary.runs >= 2, "the shadow has compared runs");
  await go({ phase: 1, mode: "share", share_percent: 50 });
  await go({ phase: 1, mode: "full" });
  await go();
  await go({ phase: 2, mode: "share", share_percent: 50 });
  await go({ phase: 2, mode: "full" });
  await until(
    "runs by the orchestrator alone",
    ({ runs }) => runs.by_orchestrator >= 2 && runs.succeeded >= 2,
  );
  site.breakIt();
  const back = await until("the gate rolls it back", ({ state }) => state === "rolled_back", 600);
  assert.equal(back.phase, 0);
  assert.equal(content(await n8n.call("GET", `/workflows/${id}`)), original, "the original's bytes");
  const { events } = await api("GET", `/migrations/${TYPE}/history?limit=100`);
  assert.ok(events.some(({ event, cause }: Json) => event === "gate_breached" && /success/.test(cause)));
  const endMs = Date.now() + 2 * EVERY_MS;
  while (Date.now() < endMs + 15_000) await new Promise((resolve) => setTimeout(resolve, 500));
  // From the third side: the work itself was begun once for each moment, from the first until after the rollback.
  const moments = [...site.begun.keys()].sort((a, b) => a - b);
  const problems: string[] = [];
  for (let at = moments[0]! + EVERY_MS; at <= endMs - EVERY_MS; at += EVERY_MS) {
    const times = site.begun.get(at) ?? 0;
    if (times !== 1) problems.push(`${new Date(at).toISOString()}: ${times}`);
  }
  const { runs } = await api("GET", `/migrations/${TYPE}/runs?limit=500`);
  const lost = runs.filter(({ outcome }: Json) => outcome === "lost");
  const doubled = runs.filter(({ n8n_execution_ids }: Json) => n8n_execution_ids.length > 1);
  t.diagnostic(
    `${moments.length} moments; runs of the orchestrator's account: ${runs.length}, lost ${lost.length}, doubled ${doubled.length}`,
  );
  assert.deepEqual({ problems, lost, doubled }, { problems: [], lost: [], doubled: [] });
  assert.deepEqual(
    steps.map(([phase, mode]) => `${phase} ${mode}`),
    ["1 shadow", "1 share", "1 full", "2 shadow", "2 share", "2 full"],
  );
});
