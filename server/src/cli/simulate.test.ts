/** What `orchestrator simulate` promises: figures side by side, the same for the same seed, and every mistake by its name. */
import assert from "node:assert/strict";
import { Readable } from "node:stream";
import { test } from "node:test";
import { defaultPolicy, MASTER } from "@master-orchestrator/contract";
import { command, deadUrl, type StubRequest, startStub, taskId } from "./stub-api.ts";

const NEWS = '{"lanes": {"content_pipeline/news": {"weight": 4}}}';
const NOWHERE = "http://127.0.0.1:9";

test("a seed is simulated without a service, policy by policy, the same every time", async (t) => {
  const line = ["simulate", "--seed", "7", "--days", "2", "--profile", "bursty", "--policy", "news.json"];
  const files = { "news.json": NEWS };
  const first = await command(t, await deadUrl(), line, { files, env: { ORCHESTRATOR_API_KEY: "" } });
  assert.deepEqual([first.code, first.stderr], [0, ""]);
  const [headline, header, ...rows] = first.stdout.split("\n");
  assert.equal(
    headline,
    "seed 7: 1,000 tasks in 2 days (500 a day, bursty), each 1m on average, 2 % of tries fail",
  );
  assert.match(header as string, /^ +default +news$/);
  assert.match(rows[0] as string, /^completed +\d[\d,]* +\d[\d,]*$/);
  assert.match(first.stdout, /^· content_pipeline\/news +\S.* \/ .* \/ /m);
  assert.match(first.stdout, /^received \/ entitled content_pipeline\/news +[\d.]+ % \/ [\d.]+ %/m);
  const second = await command(t, NOWHERE, line, { files });
  assert.equal(second.stdout, first.stdout);
});

test("--json prints every figure, with the seed and the whole policies", async (t) => {
  const line = [
    "simulate",
    "--seed",
    "3",
    "--days",
    "1",
    "--backlog",
    "50",
    "--json",
    "--policy",
    "news.json",
  ];
  const outcome = await command(t, NOWHERE, line, { files: { "news.json": NEWS } });
  const { source, policies } = JSON.parse(outcome.stdout);
  assert.deepEqual([source.kind, source.seed, source.tasks], ["seed", 3, 550]);
  assert.deepEqual(
    policies.map((each: { name: string }) => each.name),
    ["default", "news"],
  );
  const [base, news] = policies;
  assert.deepEqual(base.policy, defaultPolicy());
  assert.equal(news.policy.lanes["content_pipeline/news"].weight, 4);
  for (const { figures } of policies) {
    assert.equal(figures.completed + figures.dead_lettered, 550);
    assert.deepEqual(Object.keys(figures.lanes["content_pipeline/news"].wait_seconds), ["p50", "p95", "max"]);
    assert.deepEqual(figures.slots_by_workflow.content_pipeline.limit, 3);
    const held = Object.values(figures.holds as Record<string, { share: number }>);
    assert.ok(Math.abs(held.reduce((sum, { share }) => sum + share, 0) - 1) < 0.001);
  }
});

test("a file's tasks are simulated as they are, and change with the workflow's settings", async (t) => {
  const at = (minute: number) => `2026-03-01T09:0${minute}:00Z`;
  const tasks = [
    { at: at(1), workflow_type: "audit", duration_seconds: 30, cost_usd: 0.1 },
    {
      at: at(0),
      workflow_type: "audit",
      content_type: "deep",
      duration_seconds: 90,
      fails: 1,
      cost_usd: 0.2,
    },
    { at: at(2), workflow_type: "audit", duration_seconds: 1, fails: true },
  ];
  const ndjson = `${tasks.map((task) => JSON.stringify(task)).join("\n")}\n\n`;
  const files = { "work.ndjson": ndjson, "w.json": '{"audit": {"max_concurrent": 1}}' };
  const run = async (...more: string[]) => {
    const outcome = await command(t, NOWHERE, ["simulate", "--file", "work.ndjson", "--json", ...more], {
      files,
    });
    assert.equal(outcome.code, 0, outcome.stderr);
    return JSON.parse(outcome.stdout).policies[0].figures;
  };
  const free = await run();
  assert.deepEqual([free.tasks, free.completed, free.dead_lettered, free.cost_usd], [3, 2, 1, 0.5]);
  assert.equal(free.wait_seconds.max, 0);
  const narrow = await run("--workflows", "w.json");
  assert.equal(narrow.slots.peak, 1);
  assert.equal(narrow.wait_seconds.max, 30.1);
});

test("broken lines are named by their numbers, and nothing is simulated", async (t) => {
  const good = '{"at": "2026-03-01T09:00:00Z", "workflow_type": "a", "duration_seconds": 1}';
  const lines = [
    good,
    "{",
    good.replace("_seconds", ""),
    good.replace(": 1}", ": -1}"),
    good.replace("2026", "x"),
  ];
  const outcome = await command(t, NOWHERE, ["simulate", "--file", "-"], {
    stdin: Readable.from([Buffer.from(lines.join("\n"))]),
  });
  assert.deepEqual([outcome.code, outcome.stdout], [1, ""]);
  const said = outcome.stderr.split("\n");
  assert.match(said[0] as string, /^line 2: /);
  assert.match(said[1] as string, /^line 3: .*duration/);
  assert.match(said[2] as string, /^line 4: \/duration_seconds: /);
  assert.match(said[3] as string, /^line 5: \/at: /);
  assert.match(said[4] as string, /^- has 4 bad lines; nothing was simulated$/);
});

const WRONG: [line: string[], code: number, says: RegExp][] = [
  [["--days", "0"], 2, /--days is "0"\nhint: it has to be a whole number from 1/],
  [["--days", "3660", "--arrivals", "100000/day"], 2, /366,000,000 tasks are too many/],
  [["--arrivals", "0/day"], 2, /there is no task to simulate/],
  [["--arrivals", "many"], 2, /--arrivals is "many"\nhint: write it like 500\/day/],
  [["--profile", "ofice"], 2, /"ofice" is no profile\nhint: did you mean "office"\?/],
  [["--lanes", "news=1"], 2, /"news=1" is no lane with a share/],
  [["--lanes", "a/b=0"], 2, /"a\/b=0" is no lane with a share/],
  [["--lanes", "a/b,a/b"], 2, /names a\/b twice/],
  [["--failures", "1.5"], 2, /--failures is "1.5"\nhint: it has to be a number from 0 to 1/],
  [["--seed", "-1"], 2, /--seed is "-1"/],
  [["--seed", "1", "--file", "x"], 2, /--seed and --file exclude each other/],
  [["--file", "x", "--history"], 2, /--file and --history exclude each other/],
  [["--from", "7d"], 2, /--from and --to belong to --history/],
  [["--polcy", "x"], 2, /unknown option/],
  [["--file", "missing.ndjson"], 1, /cannot read missing.ndjson: there is no such file/],
  [["--file", "empty.ndjson"], 1, /empty.ndjson holds no task/],
  [["--policy", "missing.json"], 1, /cannot read missing.json: there is no such file/],
  [
    ["--policy", "unknown.json"],
    1,
    /unknown.json: \/concurency: unknown field "concurency"; did you mean "concurrency"\?/,
  ],
  [["--policy", "negative.json"], 1, /negative.json: \/lanes\/a\/b\/weight: -1 is too small/],
  [["--policy", "list.json"], 1, /list.json does not hold a JSON object/],
  [
    ["--workflows", "settings.json"],
    1,
    /settings.json: \/content_pipeline\/max_concurent: unknown field .* did you mean "max_concurrent"\?/,
  ],
];

for (const [line, code, says] of WRONG) {
  test(`refused with exit code ${code}: simulate ${line.join(" ")}`, async (t) => {
    const files = {
      "empty.ndjson": "\n",
      "unknown.json": '{"concurency": {"total": 3}}',
      "negative.json": '{"lanes": {"a/b": {"weight": -1}}}',
      "list.json": "[]",
      "settings.json": '{"content_pipeline": {"max_concurent": 3}}',
    };
    const outcome = await command(t, NOWHERE, ["simulate", ...line], { files });
    assert.match(outcome.stderr, says);
    assert.deepEqual([outcome.code, outcome.stdout], [code, ""]);
  });
}

test("a lane that no task belongs to is remarked upon: it is most likely misspelt", async (t) => {
  const files = {
    "p.json": '{"lanes": {"content_pipeline/newz": {"weight": 2}}}',
    "w.json": '{"audit": {}}',
  };
  const line = ["simulate", "--days", "1", "--policy", "p.json", "--workflows", "w.json"];
  const outcome = await command(t, NOWHERE, line, { files });
  assert.equal(outcome.code, 0);
  assert.match(
    outcome.stderr,
    /^p: no task is of content_pipeline\/newz; did you mean "content_pipeline\/news"\?$/m,
  );
  assert.match(outcome.stderr, /^--workflows: no task is of audit; there are: content_pipeline$/m);
});

const second = (n: number) => new Date(Date.UTC(2026, 10, 30) + n * 1000).toISOString();
const summary = (n: number, over: object = {}) => ({
  ...{ task_id: taskId(n), workflow_type: "audit", content_type: "deep", priority: 50, status: "completed" },
  ...{ failures: 0, idempotency_key: null, created_at: second(n), due_at: second(n), started_at: second(n) },
  ...{ completed_at: second(n + 60), execution_id: null, ...over },
});

/** A service whose history is `tasks`, all of them done in one run. */
function historyOf(tasks: ReturnType<typeof summary>[]) {
  const run = { execution_id: taskId(900), workflow_type: "audit", completed_at: second(99), cost_usd: 0.3 };
  const attempt = {
    ...{ state: "completed", dispatched_at: second(0), accepted_at: second(10), ended_at: second(70) },
    task_ids: tasks.map((task) => task.task_id),
  };
  const policy = { ...defaultPolicy(), concurrency: { total: 4, high_load: 3 } };
  return ({ path }: StubRequest) => {
    const answers: Record<string, unknown> = {
      "/api/v1/policy": { version: 12, policy, comment: null, changed_by: "x", changed_at: second(0) },
      "/api/v1/workflows": {
        workflows: [
          { workflow_type: "audit", settings: { max_concurrent: 2, webhook_url: "https://x", auth: "set" } },
        ],
        next_cursor: null,
      },
      "/api/v1/tasks": { tasks, next_cursor: null },
      "/api/v1/executions": {
        executions: [run, { ...run, execution_id: taskId(901), workflow_type: MASTER }],
        next_cursor: null,
      },
      [`/api/v1/executions/${taskId(900)}`]: { ...run, attempts: [attempt] },
    };
    return answers[path] === undefined ? { status: 404 } : { body: answers[path] };
  };
}

test("a service's history is replayed under its own policy and settings, and under others", async (t) => {
  const stub = await startStub(t, historyOf([summary(1), summary(2), summary(3, { status: "cancelled" })]));
  const line = ["simulate", "--history", "--from", "7d", "--policy", "p.json", "--json"];
  const outcome = await command(t, stub.url, line, { files: { "p.json": '{"concurrency": {"total": 1}}' } });
  assert.equal(outcome.code, 0, outcome.stderr);
  const { source, policies } = JSON.parse(outcome.stdout);
  assert.deepEqual(
    [source.kind, source.policy_version, source.tasks, source.cancelled],
    ["history", 12, 2, 1],
  );
  const [current, changed] = policies;
  assert.deepEqual([current.name, current.policy.concurrency.total], ["current (v12)", 4]);
  assert.deepEqual([changed.policy.concurrency.total, changed.policy.concurrency.high_load], [1, 3]);
  assert.deepEqual([current.figures.completed, current.figures.slots_by_workflow.audit.limit], [2, 2]);
  assert.equal(current.figures.cost_usd, 0.2);
  assert.deepEqual([current.figures.wait_seconds.max, changed.figures.wait_seconds.max], [0, 59.1]);
  assert.equal(
    stub.requests.find(({ path }) => path === "/api/v1/tasks")?.query.from,
    "2026-11-24T09:00:00.000Z",
  );
});

test("an empty history is refused, and so is one in which nothing has run", async (t) => {
  const empty = await startStub(t, historyOf([]));
  const none = await command(t, empty.url, ["simulate", "--history", "--from", "2026-11-01"]);
  assert.deepEqual([none.code, none.stdout], [1, ""]);
  assert.match(none.stderr, /the history is empty: no task was created from 2026-11-01T00:00:00.000Z to now/);
  const cancelled = await startStub(t, historyOf([summary(1, { status: "cancelled" })]));
  const all = await command(t, cancelled.url, ["simulate", "--history"]);
  assert.match(all.stderr, /the history is empty: every task .* was cancelled/);
  const gone = await command(t, await deadUrl(), ["simulate", "--history"]);
  assert.deepEqual([gone.code, gone.stdout], [1, ""]);
  assert.match(gone.stderr, /no orchestrator answers/);
});
