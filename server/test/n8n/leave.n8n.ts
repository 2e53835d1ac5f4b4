/** A scheduled workflow leaves a real n8n, is broken on purpose, and comes back by its gate; counted from three sides. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it, type TestContext } from "node:test";
import { loadConfig } from "#config.ts";
import { wallClock } from "#engine/clock.ts";
import { type House, openHouse } from "#house.ts";
import { freshDatabase } from "../database.ts";
import { send } from "../http.ts";
import { findN8n, HOW_TO_INSTALL, openRealN8n, type RealN8n } from "./real-n8n.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into as the test pleases
type Json = Record<string, any>;

const EVERY_MS = 30_000;
const ADMIN_KEY = "the-admin-key-of-the-n8n-suite";
const TYPE = "nightly_report";

/** What the workflow does is a call of this: it counts the work itself, whoever has started it. */
interface Site {
  url: string;
  /** By the moment of the schedule: how often the work was begun for it, first attempts alone. */
  begun: Map<number, number>;
  /** Runs that the orchestrator starts fail from now on. */
  breakIt(): void;
  close(): Promise<void>;
}

async function openSite(): Promise<Site> {
  const begun = new Map<number, number>();
  let broken = false;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const { slot, timestamp, attempt } = JSON.parse(Buffer.concat(chunks).toString());
      const moment = Math.floor((Date.parse(slot ?? timestamp) + 500) / EVERY_MS) * EVERY_MS;
      if (!slot || attempt === 1) begun.set(moment, (begun.get(moment) ?? 0) + 1);
      response.statusCode = broken && slot ? 500 : 200;
      response.setHeader("content-type", "application/json");
      response.end(JSON.stringify({ done: response.statusCode === 200 }));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    begun,
    breakIt() {
      broken = true;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

function scheduled(siteUrl: string) {
  const order = "$json.orchestrator";
  const body = `={{ JSON.stringify({ timestamp: $json.timestamp, slot: ${order}?.tasks[0].payload.scheduled_for ?? null, attempt: ${order}?.attempt ?? null }) }}`;
  return {
    name: "Nightly report",
    nodes: [
      {
        parameters: { rule: { interval: [{ field: "cronExpression", expression: "*/30 * * * * *" }] } },
        id: "0f9d3c1e-5a34-4d0e-9b62-6a86c4a1f001",
        name: "Every thirty seconds",
        type: "n8n-nodes-base.scheduleTrigger",
        typeVersion: 1.2,
        position: [0, 0],
      },
      {
        parameters: {
          ...{ method: "POST", url: `${siteUrl}/work`, sendBody: true, specifyBody: "json", jsonBody: body },
          options: {},
        },
        id: "0f9d3c1e-5a34-4d0e-9b62-6a86c4a1f002",
        name: "Work",
        type: "n8n-nodes-base.httpRequest",
        typeVersion: 4.2,
        position: [220, 0],
      },
    ],
    connections: { "Every thirty seconds": { main: [[{ node: "Work", type: "main", index: 0 }]] } },
    settings: { executionOrder: "v1", timezone: "UTC", executionTimeout: 60 },
  };
}

async function openService(t: TestContext, n8n: RealN8n): Promise<House> {
  const database = await freshDatabase();
  const dataDir = await mkdtemp(join(tmpdir(), "orchestrator-n8n-"));
  const write = (level: string) => (message: string, details?: object) => {
    if (level === "error" || process.env.LOG_ALL)
      t.diagnostic(
        `${level}: ${message} ${JSON.stringify(details, (_, v) => (v instanceof Error ? v.stack : v))}`,
      );
  };
  const config = loadConfig({
    ...{ PORT: "0", DATA_DIR: dataDir, ORCHESTRATOR_ADMIN_KEY: ADMIN_KEY, OUTBOUND_ALLOW: "127.0.0.1" },
    ...{ N8N_URL: n8n.url, N8N_API_KEY: n8n.apiKey, N8N_TIMEZONE: "UTC" },
  });
  const log = { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
  const house = await openHouse({ config, log, clock: wallClock, databaseUrl: database.url });
  t.after(async () => {
    await house.stop();
    await database.close();
    await rm(dataDir, { recursive: true, force: true });
  });
  return house;
}

const content = ({ id, name, nodes, connections, settings }: Record<string, unknown>) =>
  JSON.stringify({ id, name, nodes, connections, settings });

const folder = findN8n();

it("a scheduled workflow leaves n8n phase by phase, and its gate brings it back", {
  skip: folder === null && HOW_TO_INSTALL,
  timeout: 1_500_000,
}, async (t) => {
  const site = await openSite();
  t.after(() => site.close());
  const n8n = await openRealN8n(folder as string);
  t.after(() => n8n.close());
  const made = await n8n.call("POST", "/workflows", scheduled(site.url));
  await n8n
    .call("POST", `/workflows/${made.id}/activate`)
    .catch(() => n8n.call("POST", `/workflows/${made.id}/publish`, {}));
  const original = content(await n8n.call("GET", `/workflows/${made.id}`));
  const house = await openService(t, n8n);
  const api = async (method: string, path: string, body?: unknown) => {
    const answer = await send(`${house.url}/api/v1${path}`, { method, body, key: ADMIN_KEY });
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  };
  const migration = () => api("GET", `/migrations/${TYPE}`);
  const until = async (what: string, fits: (migration: Json) => boolean, seconds = 400) => {
    const giveUpAt = performance.now() + seconds * 1000;
    for (;;) {
      const seen = await migration();
      if (fits(seen)) return seen;
      if (performance.now() > giveUpAt) {
        const { events } = await api("GET", `/migrations/${TYPE}/history?limit=20`);
        const { runs } = await api("GET", `/migrations/${TYPE}/runs?limit=20`);
        assert.fail(`${what} did not come: ${JSON.stringify({ seen, events, runs }, null, 1)}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
  };
  const { workflows } = await api("GET", "/migrations/inventory");
  assert.deepEqual(workflows[0].schedules, ["cron */30 * * * * *"]);
  await api("POST", "/migrations", {
    ...{ n8n_workflow_id: made.id, workflow_type: TYPE },
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
  assert.equal(content(await n8n.call("GET", `/workflows/${made.id}`)), original, "the original's bytes");
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
