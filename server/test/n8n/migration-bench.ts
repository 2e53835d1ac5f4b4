/** Owns a house beside a stand-in for n8n, and lets both live through minutes. Judges nothing. */
import assert from "node:assert/strict";
import type { TestContext } from "node:test";
import { openTestHouse, type TestHouse } from "../house.ts";
import { type Json, openStubN8n, type StubN8n } from "./stub-n8n.ts";

export const MINUTE_MS = 60_000;
const GATES = { min_runs: 2, baseline_hours: 1, latency_slack_seconds: 30, stability_drop: 0.1 };

export const NIGHTLY = {
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

export interface Bench {
  house: TestHouse;
  stub: StubN8n;
  id: string;
  original: string;
  migration(): Promise<Json>;
  post(action: string, body?: unknown): Promise<Json>;
  /** Tasks that were posted to n8n, oldest first. */
  orders: Json[];
  /** Lets minutes pass as n8n and its workflow would live through them; `skips`: without getting the lock. */
  live(minutes: number, how?: { fails?: boolean; skips?: boolean }): Promise<void>;
  /** To the next step that is open, or to one that is named. */
  advance(to?: object): Promise<Json>;
}

export const content = ({ id, name, nodes, connections, settings }: Json) =>
  JSON.stringify({ id, name, nodes, connections, settings });

export async function openBench(
  t: TestContext,
  { workflow = NIGHTLY }: { workflow?: object } = {},
): Promise<Bench> {
  const stub = await openStubN8n();
  const house = await openTestHouse(t, {
    workflows: {},
    env: { N8N_URL: stub.url, N8N_API_KEY: stub.apiKey, N8N_TIMEZONE: "UTC" },
  });
  t.after(() => stub.close());
  const id = stub.add(structuredClone(workflow) as Json);
  const held = () => stub.workflows.get(id) as Json;
  const call = async (method: string, path: string, body?: unknown) => {
    const answer = await house.api(method, `/migrations${path}`, body);
    assert.ok(answer.status < 300, `${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  };
  let executions = 0;
  const orders: Json[] = [];
  const run = (atMs: number, status: string, skipped = false) => {
    executions += 1;
    const [startedAt, stoppedAt] = [atMs + 200, atMs + 20_000].map((ms) => new Date(ms).toISOString());
    stub.executions.push({
      id: String(executions),
      mode: "trigger",
      status,
      startedAt: startedAt!,
      stoppedAt: stoppedAt!,
      ...(skipped ? { data: { resultData: { runData: { "Orchestrator: skipped": [{}] } } } } : {}),
    });
    return String(executions);
  };
  // n8n has run it for a while before.
  for (let i = 10; i >= 0; i--) run(house.clock.nowMs() - i * MINUTE_MS, "success");
  const fire = async (skips: boolean) => {
    const clock = held().nodes.find(({ name }: Json) => name === "Clock");
    const nowMs = house.clock.nowMs();
    if (!clock || clock.disabled || stub.mood !== "up") return;
    const turn = held().connections.Clock.main[0][0].node === "Orchestrator: whose turn?";
    const execution = run(nowMs, "success", skips);
    if (!turn) return;
    const ask = { fired_at: new Date(nowMs + 100).toISOString(), n8n_execution_id: execution };
    await house.api("POST", "/migrations/nightly/turns", ask);
  };
  const answerMessages = async (fails: boolean) => {
    for (const message of stub.messages.splice(0)) {
      const { execution_id, attempt, authentication } = message;
      orders.push(message.input_data.tasks[0]);
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
    ...{ house, stub, id, orders, original: content(held()) },
    migration: () => call("GET", "/nightly"),
    post: (action, body = {}) => call("POST", `/nightly/${action}`, body),
    async live(minutes, { fails = false, skips = false } = {}) {
      for (let i = 0; i < minutes; i++) {
        // Leaps, since looks every few seconds in between would show nothing more.
        await house.leap(MINUTE_MS - (house.clock.nowMs() % MINUTE_MS));
        await fire(skips);
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

export const start = async (bench: Bench, more: object = {}) => {
  const body = { n8n_workflow_id: bench.id, gates: GATES, ...more };
  const answer = await bench.house.api("POST", "/migrations", body);
  assert.equal(answer.status, 201, answer.text);
  await bench.live(3);
};
