/** Owns what the tests with a real n8n have in common: a site that counts the work, a workflow that calls it, a service beside. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { loadConfig } from "#config.ts";
import { wallClock } from "#engine/clock.ts";
import { type House, openHouse } from "#house.ts";
import { freshDatabase } from "../database.ts";
import { send } from "../http.ts";
import type { RealN8n } from "./real-n8n.ts";

// biome-ignore lint/suspicious/noExplicitAny: answers are looked into as the test pleases
export type Json = Record<string, any>;

export const EVERY_MS = 30_000;
export const ADMIN_KEY = "the-admin-key-of-the-n8n-suite";
export const TYPE = "nightly_report";

/** What the workflow does is a call of this: it counts the work itself, whoever has started it. */
export interface Site {
  url: string;
  /** By the moment of the schedule: how often the work was begun for it, first attempts alone. */
  begun: Map<number, number>;
  /** By the same: how often it was answered that the work is done, whichever attempt it was. */
  done: Map<number, number>;
  /** How long the work takes from now on. */
  takes(ms: number): void;
  /** Runs that the orchestrator starts fail from now on. */
  breakIt(): void;
  close(): Promise<void>;
}

export async function openSite(): Promise<Site> {
  const begun = new Map<number, number>();
  const done = new Map<number, number>();
  const count = (of: Map<number, number>, moment: number) => of.set(moment, (of.get(moment) ?? 0) + 1);
  let broken = false;
  let takesMs = 0;
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      if (request.method !== "POST") return void response.writeHead(405).end();
      const { slot, timestamp, attempt } = JSON.parse(Buffer.concat(chunks).toString());
      const moment = Math.floor((Date.parse(slot ?? timestamp) + 500) / EVERY_MS) * EVERY_MS;
      if (!slot || attempt === 1) count(begun, moment);
      response.statusCode = broken && slot ? 500 : 200;
      response.setHeader("content-type", "application/json");
      const answer = setTimeout(() => {
        if (response.statusCode === 200) count(done, moment);
        response.end(JSON.stringify({ done: response.statusCode === 200 }));
      }, takesMs);
      // Whoever asked is gone before the answer: the work is not done.
      response.once("close", () => clearTimeout(answer));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  return {
    url: `http://127.0.0.1:${port}`,
    begun,
    done,
    takes(ms) {
      takesMs = ms;
    },
    breakIt() {
      broken = true;
    },
    close: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

export function scheduled(siteUrl: string) {
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

export async function openService(
  t: TestContext,
  n8n: RealN8n,
  env: Record<string, string> = {},
): Promise<House> {
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
    ...env,
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

export const content = ({ id, name, nodes, connections, settings }: Record<string, unknown>) =>
  JSON.stringify({ id, name, nodes, connections, settings });

export interface LeaveBench {
  id: string;
  original: string;
  api(method: string, path: string, body?: unknown): Promise<Json>;
  until(what: string, fits: (migration: Json) => boolean, seconds?: number): Promise<Json>;
}

/** A workflow that runs in n8n, and a service beside it. */
export async function openLeaveBench(
  t: TestContext,
  { n8n, workflow, env = {} }: { n8n: RealN8n; workflow: object; env?: Record<string, string> },
): Promise<LeaveBench> {
  const made = await n8n.call("POST", "/workflows", workflow);
  await n8n
    .call("POST", `/workflows/${made.id}/activate`)
    .catch(() => n8n.call("POST", `/workflows/${made.id}/publish`, {}));
  const original = content(await n8n.call("GET", `/workflows/${made.id}`));
  const house = await openService(t, n8n, env);
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
  return { id: made.id, original, api, until };
}
