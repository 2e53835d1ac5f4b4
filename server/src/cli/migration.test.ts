/** Migrations on the command line, against answers that keep to the contract: shown, moved on and back, and reported. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  Migration,
  MigrationHistory,
  MigrationList,
  MigrationReport,
  MigrationRunList,
  N8nInventory,
  ShadowRunList,
} from "@master-orchestrator/contract";
import { command, problem, type StubRequest, startStub, taskId } from "./stub-api.ts";

const at = "2026-12-01T08:59:30Z";
const gate = {
  gate: "latency",
  unit: "seconds",
  baseline: 40,
  now: 61.5,
  limit: 65,
  runs: 20,
  runs_needed: 20,
  verdict: "holds",
  cause: "the 95th percentile of 20 runs is 61.5 s; 65 s are allowed",
} as const;
const cost = { ...gate, gate: "cost", unit: "usd_per_run", baseline: null, now: 0.08, limit: null } as const;
const gates = [gate, { ...cost, verdict: "not_measured", cause: "nobody knows what a run cost before" }];
const runs = {
  due: 30,
  by_n8n: 22,
  by_orchestrator: 8,
  open: 1,
  succeeded: 28,
  failed: 1,
  lost: 0,
  doubled: 0,
};
const migration = Migration.parse({
  workflow_type: "news",
  n8n_workflow_id: "a1B2",
  name: "News | every 15 minutes",
  n8n_url: "http://n8n/workflow/a1B2",
  ...{ phase: 2, mode: "share", share_percent: 25, state: "steady", cause: null, edits: [] },
  ...{ auto_advance: false, lock: "platform", schedules: ["every 15 minutes"], time_zone: "UTC" },
  original: { version: 1, sha256: "ab".repeat(32), bytes: 4711, kept_at: at },
  deployed: { form: "basic", by_share: true, n8n_version_id: "v2", at },
  ...{ gates, gates_at: at, runs },
  next: { phase: 2, mode: "full", share_percent: 100 },
  ...{ next_opens: false, next_cause: "12 of 20 runs", notes: ["Create the credential in n8n."] },
  ...{ since: at, retry_at: null, created_at: at, created_by: "ops", updated_at: at },
});
const n8n = { configured: true, url: "http://n8n", reachable: false, error: "no answer", asked_at: at };
const event = {
  ...{ event_id: taskId(1), at, event: "gate_breached", phase: 2, mode: "share", share_percent: 25 },
  ...{ actor: "orchestrator", cause: "success fell to 80 %", gates: null },
};
const run = {
  ...{ slot: at, by: "orchestrator", way: "phase", outcome: "succeeded", n8n_execution_ids: ["4711"] },
  ...{ task_id: taskId(2), started_at: at, ended_at: at, cause: "its turn" },
};
const shadowRun = {
  ...{ slot: at, phase: 2, n8n: null, difference: "missed_by_n8n", explanation: "n8n did not start it" },
  orchestrator: { would_start_at: at, hold: null },
};
const report = MigrationReport.parse({
  from: "2026-11-24T09:00:00Z",
  to: "2026-12-01T09:00:00Z",
  targets: [
    {
      ...{ target: "articles_per_day", wanted: 500, measured: 612.4, met: true },
      measured_on: 7,
      cause: "a",
    },
    {
      ...{ target: "task_to_result_seconds", wanted: 120, measured: 140, met: false },
      measured_on: 9,
      cause: "b",
    },
    { ...{ target: "success_share", wanted: 0.95, measured: null, met: null }, measured_on: 0, cause: "c" },
  ],
  workflows: [
    { workflow_type: "news", name: migration.name, phase: 2, mode: "share", state: "steady", gates, runs },
  ],
});

const API = "/api/v1/migrations";
const ANSWERS: Record<string, unknown> = {
  [API]: MigrationList.parse({ n8n, migrations: [migration], next_cursor: null }),
  [`${API}/inventory`]: N8nInventory.parse({
    n8n,
    workflows: [
      {
        ...{
          n8n_workflow_id: "a1B2",
          name: "News",
          workflow_type: "news",
          active: true,
          schedules: ["daily"],
        },
        ...{ ai_nodes: 1, database_nodes: 0, migration: null },
        obstacles: { mutex: null, basic: "no schedule starts it", gateway: null },
      },
    ],
  }),
  [`${API}/report`]: report,
  [`${API}/news`]: migration,
  [`${API}/news/history`]: MigrationHistory.parse({ events: [event], next_cursor: null }),
  [`${API}/news/runs`]: MigrationRunList.parse({ runs: [run], next_cursor: null }),
  [`${API}/news/shadow`]: ShadowRunList.parse({
    summary: { runs: 9, by_difference: { none: 8, missed_by_n8n: 1 } },
    shadow_runs: [shadowRun],
    next_cursor: null,
  }),
  [`${API}/news/original`]: '{ "name":  "News" }\n',
};
const answer = ({ method, path }: StubRequest) =>
  method === "GET"
    ? { body: ANSWERS[path] }
    : { body: { ...migration, state: "changing", cause: "n8n is asked" } };

test("migrations are listed and shown with their gates, next step, history, runs and shadow", async (t) => {
  const stub = await startStub(t, answer);
  const lines: [line: string, text: RegExp][] = [
    ["migration", /news\s+2 basic, 25 % of runs\s+steady\s+30s ago\s+0\s+0\s+1 hold, 1 not measured/],
    ["migration", /NEXT[\s\S]*2 basic: 12 of 20 runs/],
    ["migration show news", /latency\s+40 s\s+61\.5 s\s+65 s\s+20\/20\s+holds/],
    ["migration show news", /cost\s+-\s+\$0\.08\s+-\s+20\/20\s+not_measured/],
    ["migration show news", /30 due, 22 by n8n, 8 by the orchestrator, 1 open/],
    ["migration inventory", /a1B2\s+News\s+yes\s+daily\s+1\s+0\s+as news\s+basic: no schedule/],
    ["migration history news", /gate_breached\s+2 basic, 25 % of runs\s+orchestrator\s+success fell/],
    ["migration runs news", /orchestrator\s+phase\s+succeeded\s+4711/],
    ["migration shadow news --difference missed_by_n8n", /missed_by_n8n\s+n8n did not start it/],
  ];
  for (const [line, text] of lines) {
    const { stdout, code } = await command(t, stub.url, line.split(" "), { columns: 200 });
    assert.match(stdout, text, line);
    assert.equal(code, 0, line);
  }
  assert.match((await command(t, stub.url, ["migration"])).stderr, /n8n does not answer: no answer/);
  assert.match((await command(t, stub.url, ["migration", "shadow", "news"])).stderr, /9 in all: 8 none/);
  assert.equal(stub.requests.at(-3)?.query.difference, "missed_by_n8n");
});

test("each step says what is sent, and wrong usage sends nothing", async (t) => {
  const stub = await startStub(t, answer);
  const to = { phase: 3, mode: "share", share_percent: 10 };
  const lines: [line: string, method: string, path: string, body: unknown][] = [
    [
      "start a1B2 --lock platform --cost-per-run 0.08 --auto-advance",
      "POST",
      API,
      { n8n_workflow_id: "a1B2", lock: "platform", cost_usd_per_run: 0.08, auto_advance: true },
    ],
    ["advance news", "POST", `${API}/news/advance`, {}],
    [
      "advance news --phase 3 --mode share --share 10 --force",
      "POST",
      `${API}/news/advance`,
      { to, force: true },
    ],
    ["share news 50", "POST", `${API}/news/share`, { share_percent: 50 }],
    ["rollback news --reason slow", "POST", `${API}/news/rollback`, { reason: "slow" }],
    ["resolve news merge", "POST", `${API}/news/resolve`, { take: "merge" }],
    [
      "set news --auto-advance off --cost-per-run none",
      "PATCH",
      `${API}/news`,
      { auto_advance: false, cost_usd_per_run: null },
    ],
  ];
  for (const [line, method, path, body] of lines) {
    const { stdout, code } = await command(t, stub.url, ["migration", ...line.split(" ")]);
    assert.equal(code, 0, line);
    assert.match(stdout, /^news: 2 basic, 25 % of runs, changing: n8n is asked\n$/);
    const sent = stub.requests.at(-1)!;
    assert.deepEqual([sent.method, sent.path, sent.body], [method, path, body], line);
  }
  const before = stub.requests.length;
  for (const line of [
    "share news 100",
    "advance news --mode full",
    "advance news --phase 5",
    "resolve news theirs",
    "set news",
    "set news --auto-advance maybe",
    "start a1B2 --cost-per-run much",
    "report --format pdf",
    "report --days 0",
    "shadow news --difference sooner",
  ]) {
    const { code, stderr } = await command(t, stub.url, ["migration", ...line.split(" ")]);
    assert.equal(code, 2, `${line}: ${stderr}`);
    assert.match(stderr, /hint: /, line);
  }
  assert.equal(stub.requests.length, before);
});

test("a step whose gates are closed is refused with the reason", async (t) => {
  const detail = "12 of 20 runs have ended";
  const stub = await startStub(t, () => problem(409, "conflict", { detail }));
  const { code, stderr } = await command(t, stub.url, ["migration", "advance", "news"]);
  assert.deepEqual([code, stderr], [1, `refused (conflict): ${detail}\nhint: mend it\n`]);
});

test("the report states the targets against what was measured, as Markdown and as JSON", async (t) => {
  const stub = await startStub(t, answer);
  const { stdout } = await command(t, stub.url, ["migration", "report", "--days", "30"]);
  assert.equal(stub.requests[0]?.query.days, "30");
  assert.match(stdout, /^# Migration report\n\n2026-11-24 09:00 to 2026-12-01 09:00 UTC\.\n/);
  assert.ok(stdout.includes("| Articles a day | at least 500 | 612.4 | yes | 7 | a |"), stdout);
  assert.ok(stdout.includes("| Task to result | under 120 s | 140 s | no | 9 | b |"), stdout);
  assert.ok(stdout.includes("| Success | at least 95 % | - | not measured | 0 | c |"), stdout);
  assert.match(stdout, /### News \\\| every 15 minutes \(`news`\): phase 2 basic, share, steady/);
  assert.match(stdout, /\| latency \| 40 s \| 61\.5 s \| 65 s \| holds \| 20 \|/);
  assert.match(stdout, /30 due: 22 by n8n, 8 by the orchestrator; .* \*\*0 lost, 0 doubled\*\*/);
  const asJson = await command(t, stub.url, ["migration", "report", "--format", "json"]);
  assert.deepEqual(JSON.parse(asJson.stdout), report);
});

test("the original is written byte for byte", async (t) => {
  const stub = await startStub(t, answer);
  const { folder, code } = await command(t, stub.url, [
    "migration",
    "original",
    "news",
    "--out",
    "news.json",
  ]);
  assert.equal(code, 0);
  assert.equal(readFileSync(join(folder, "news.json"), "utf8"), ANSWERS[`${API}/news/original`]);
  const nowhere = await command(t, stub.url, ["migration", "original", "news", "--out", "no/such/file"]);
  assert.equal(nowhere.code, 1);
  assert.match(nowhere.stderr, /cannot be written/);
});
