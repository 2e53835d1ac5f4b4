/** What the commands over the API promise: right requests, readable answers, exit codes, clean text. */
import assert from "node:assert/strict";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { command, deadUrl, KEY, problem, startStub, taskId } from "./stub-api.ts";

const summary = {
  task_id: taskId(1),
  workflow_type: "content_pipeline",
  content_type: "how_to",
  priority: 80,
  status: "queued",
  failures: 0,
  idempotency_key: null,
  created_at: "2026-12-01T08:57:00Z",
  due_at: "2026-12-01T08:57:00Z",
  started_at: null,
  completed_at: null,
  execution_id: null,
};

test("a listing sends its filters and prints an aligned table with relative times", async (t) => {
  const stub = await startStub(t, () => ({ body: { tasks: [summary], next_cursor: null } }));
  const line = [
    "tasks",
    "--status",
    "Queued",
    "--workflow",
    "content_pipeline",
    "--from",
    "2h",
    "--limit",
    "7",
  ];
  const outcome = await command(t, stub.url, line);
  assert.equal(outcome.code, 0);
  const [request] = stub.requests;
  assert.equal(request!.authorization, `Bearer ${KEY}`);
  assert.deepEqual(request!.query, {
    status: "queued",
    workflow_type: "content_pipeline",
    from: "2026-12-01T07:00:00.000Z",
    limit: "7",
  });
  const [header, row] = outcome.stdout.split("\n");
  assert.equal(header!.indexOf("STATUS"), row!.indexOf("queued"));
  assert.match(row!, /content_pipeline\/how_to\s+80\s+0\s+3m ago/);
});

test("a listing goes through as many pages as it takes", async (t) => {
  const stub = await startStub(t, ({ query }) => {
    const tasks = Array.from({ length: Number(query.limit) }, () => summary);
    return { body: { tasks, next_cursor: `after-${query.cursor ?? "start"}` } };
  });
  const outcome = await command(t, stub.url, ["tasks", "list", "--limit", "700", "--json"]);
  assert.equal(JSON.parse(outcome.stdout).tasks.length, 700);
  assert.deepEqual(
    stub.requests.map(({ query }) => [query.limit, query.cursor]),
    [
      ["500", undefined],
      ["200", "after-start"],
    ],
  );
});

test("--json prints the answer as it is, and a refusal too", async (t) => {
  const body = { ...summary, unheard_of: { deep: [1, null] }, title: "\u009b31mred" };
  const stub = await startStub(t, ({ path }) => (path.endsWith("1") ? { body } : problem(404, "not_found")));
  const found = await command(t, stub.url, ["tasks", "show", taskId(1), "--json"]);
  assert.deepEqual(JSON.parse(found.stdout), body);
  assert.ok(!found.stdout.includes("\u009b"));
  const missing = await command(t, stub.url, ["--json", "tasks", "show", taskId(2)]);
  assert.equal(missing.code, 1);
  assert.equal(JSON.parse(missing.stdout).code, "not_found");
});

test("a refusal prints code, detail, hint and fields, and no stack trace", async (t) => {
  const errors = [{ path: "/priority", message: "must be at most 100" }];
  const stub = await startStub(t, () => problem(422, "validation_failed", { errors }));
  const outcome = await command(t, stub.url, ["tasks", "prioritise", taskId(1), "100"]);
  assert.equal(outcome.code, 1);
  assert.equal(
    outcome.stderr,
    "refused (validation_failed): it is validation_failed\nhint: mend it\n  /priority: must be at most 100\n",
  );
  assert.deepEqual(stub.requests[0]!.body, { priority: 100 } as never);
});

test("control characters from the server do not reach the terminal", async (t) => {
  const evil = "\u001b[2Jgone\u001b]0;title\u0007\u0007\tx\u202ey\nz";
  const stub = await startStub(t, () => ({
    body: {
      workflows: [
        {
          workflow_type: "a",
          built_in: false,
          settings: { webhook_url: evil },
          updated_at: "2026-12-01T08:00:00Z",
          updated_by: evil,
        },
      ],
    },
  }));
  const outcome = await command(t, stub.url, ["workflows"]);
  assert.equal(outcome.code, 0);
  assert.match(outcome.stdout, /gone xy z\n$/);
  assert.doesNotMatch(outcome.stdout.replaceAll("\n", ""), /\p{Cc}/u);
});

test("a table fits a narrow terminal, and ids stay whole", async (t) => {
  const long = { ...summary, content_type: "x".repeat(60) };
  const stub = await startStub(t, () => ({ body: { tasks: [long], next_cursor: null } }));
  const outcome = await command(t, stub.url, ["tasks", "--no-color"], { isTTY: true, columns: 100 });
  for (const line of outcome.stdout.split("\n")) assert.ok(line.length <= 100, line);
  assert.match(outcome.stdout, new RegExp(`${taskId(1)}.*content.*…`));
});

test("explain gives the verdict first, then the gates", async (t) => {
  const stub = await startStub(t, () => ({
    body: {
      task_id: taskId(1),
      at: "2026-12-01T09:00:00Z",
      status: "queued",
      verdict: "It waits for a slot: 10 of 10 are taken.",
      score: 800,
      rank: 3,
      hold: {
        ...{ reason: "concurrency_total", cause: "10 of 10", expected_start: "2026-12-01T09:04:00Z" },
        freed_by: { event: "run_ends", detail: "run 9 of seo_monitor ends", execution_id: taskId(9) },
      },
      bound: {
        ...{ work_seconds: 90, own_lane_seconds: 90, same_workflow_seconds: 0, other_workflows_seconds: 0 },
        ...{ per_overtaking_task_seconds: 3, overtaken_until: null, starts_within_seconds: 240 },
      },
      gates: [
        { gate: "due", passed: true, detail: "since 08:57" },
        { gate: "concurrency", passed: false, detail: "10 of 10" },
      ],
      slot_holders: [
        {
          execution_id: taskId(9),
          workflow_type: "seo_monitor",
          since: "2026-12-01T08:59:00Z",
          tasks: 4,
          expected_end: "2026-12-01T09:04:00Z",
        },
      ],
      history: [{ at: "2026-12-01T08:57:00Z", from: null, to: "queued", reason: "enqueued" }],
    },
  }));
  const outcome = await command(t, stub.url, ["explain", taskId(1), "--at", "2026-12-01"]);
  assert.equal(stub.requests[0]!.query.at, "2026-12-01T00:00:00.000Z");
  assert.match(
    outcome.stdout,
    /^It waits for a slot: 10 of 10 are taken\.\n\n✓ due {10}since 08:57\n✗ concurrency {2}10 of 10\n/,
  );
  assert.match(outcome.stdout, /expected +in 4m/);
  assert.match(outcome.stdout, /freed by +run 9 of seo_monitor ends/);
  assert.match(outcome.stdout, /at the latest +behind 1m 30s of work, 4m at this pace\n/);
  assert.match(outcome.stdout, /seo_monitor/);
});

test("executions show draws the tree of descendants", async (t) => {
  const execution = (n: number, children: unknown[] = []) => ({
    execution_id: taskId(n),
    parent_execution_id: null,
    workflow_type: "content_pipeline",
    status: "COMPLETED",
    task_count: 1,
    cost_usd: 0.05,
    attempts_used: 1,
    priority: 1,
    created_at: "2026-12-01T08:00:00Z",
    started_at: "2026-12-01T08:00:00Z",
    completed_at: "2026-12-01T08:01:30Z",
    attempts: [],
    transitions: [],
    tasks: [],
    children,
    error: { message: "broken", stack_trace: "a\n  at b" },
    result: null,
    recovery_actions: [],
  });
  const stub = await startStub(t, ({ path, query }) => {
    if (path.endsWith("1")) return { body: execution(1, [execution(2), execution(4)]) };
    const executions = query.parent_execution_id === taskId(2) ? [execution(3)] : [];
    return { body: { executions, next_cursor: null } };
  });
  const outcome = await command(t, stub.url, ["executions", "show", taskId(1)]);
  assert.equal(outcome.code, 0);
  assert.match(outcome.stdout, new RegExp(`├─ ${taskId(2)}.*\\n│ {2}└─ ${taskId(3)}.*\\n└─ ${taskId(4)}`));
  assert.match(outcome.stdout, /1m 30s/);
});

test("every action reaches its address", async (t) => {
  const version = {
    version: 4,
    policy: {},
    comment: null,
    changed_by: "me",
    changed_at: "2026-12-01T08:00:00Z",
  };
  const answers: Record<string, unknown> = {
    "/api/v1/dead-letters/redrive": { dry_run: true, count: 1, left: 0, task_ids: [taskId(1)], ignored: [] },
    "/api/v1/api-keys": { key_id: "k1", key: "mo_k1_secret" },
    "/api/v1/executions/e/replay": {
      execution_id: taskId(5),
      tasks: [{ task_id: taskId(6), replays: taskId(1) }],
    },
    "/api/v1/policy": version,
    "/api/v1/policy/rollback": version,
  };
  const stub = await startStub(t, ({ path }) => ({ body: answers[path] ?? {} }));
  const files = { "p.json": '{"concurrency": {"total": 4}}', "w.json": '{"webhook_url": "https://e.org/h"}' };
  for (const [line, request] of [
    ["tasks cancel a/b", ["POST", "/api/v1/tasks/a%2Fb/cancel", {}]],
    ["executions cancel e", ["POST", "/api/v1/executions/e/cancel", {}]],
    ["executions replay e", ["POST", "/api/v1/executions/e/replay", {}]],
    ["workflows pause seo", ["POST", "/api/v1/workflows/seo/pause", {}]],
    ["pause", ["POST", "/api/v1/orchestrator/pause", {}]],
    ["resume", ["POST", "/api/v1/orchestrator/resume", {}]],
    ["tick", ["POST", "/api/v1/orchestrator/tick", {}]],
    [
      "dead-letters redrive --task x --task y --dry-run",
      ["POST", "/api/v1/dead-letters/redrive", { task_ids: ["x", "y"], dry_run: true }],
    ],
    [
      "dead-letters redrive --workflow w",
      ["POST", "/api/v1/dead-letters/redrive", { filter: { workflow_type: "w" }, dry_run: false }],
    ],
    [
      "dead-letters redrive --fingerprint 010259bd93420d37 --dry-run",
      [
        "POST",
        "/api/v1/dead-letters/redrive",
        { filter: { fingerprint: "010259bd93420d37" }, dry_run: true },
      ],
    ],
    [
      "policy set p.json --comment why",
      ["PUT", "/api/v1/policy", { policy: { concurrency: { total: 4 } }, comment: "why" }],
    ],
    ["policy rollback 2", ["POST", "/api/v1/policy/rollback", { version: 2 }]],
    ["workflows set seo w.json", ["PUT", "/api/v1/workflows/seo", { webhook_url: "https://e.org/h" }]],
    [
      "keys create --name n --role viewer --expires 1d",
      ["POST", "/api/v1/api-keys", { name: "n", role: "viewer", expires_at: "2026-12-02T09:00:00.000Z" }],
    ],
    ["keys revoke k1", ["DELETE", "/api/v1/api-keys/k1", {}]],
  ] as const) {
    const outcome = await command(t, stub.url, line.split(" "), { files });
    assert.deepEqual([outcome.code, outcome.stderr.replace(/^key k1.*\n/, "")], [0, ""], line);
    const { method, path, body } = stub.requests.at(-1)!;
    assert.deepEqual([method, path, body], request, line);
  }
});

test("the views of the orchestrator read well", async (t) => {
  const at = "2026-12-01T08:59:30Z";
  const lane = {
    lane: "a/b",
    workflow_type: "a",
    content_type: "b",
    depth: 3,
    scheduled: 0,
    retrying: 1,
    running: 2,
  };
  const bound = { work_seconds: 90, starts_within_seconds: 240 };
  const shares = { share: 0.5, weight: 1, entitled_share: 0.25, received_share: null };
  const numbers = {
    ...{ oldest_age_seconds: 190, completed_last_hour: 12, ...shares, hold: null },
    bounds: [{ priority: 50, bound }],
  };
  const cycle = {
    cycle_id: taskId(3),
    trigger: "tick",
    boundary: at,
    drift_ms: 3,
    started_at: at,
    duration_ms: 8.2,
  };
  const outcomes = { policy_version: 1, dispatched: 2, held: 5 };
  const held = { lane: "a/b", reason: "backoff", cause: "retries in 30s", tasks: 5 };
  const unmeasured = { rss_mb: null, event_loop_delay_ms: null, connections: null };
  const bodies: Record<string, unknown> = {
    "/api/v1/orchestrator": {
      state: "MONITORING",
      paused: true,
      paused_by: "Ada",
      replicas: [{ replica_id: "r1", started_at: at, seen_at: at, ...unmeasured }],
      recoveries: [],
      last_tick: { boundary: at, ran_at: at, drift_ms: 2 },
      next_tick: "2026-12-01T09:05:00Z",
      running: 2,
      waiting: 3,
      version: "1",
    },
    "/api/v1/queue": { depth: 3, oldest_age_seconds: 190, lanes: [{ ...lane, ...numbers }] },
    "/api/v1/cycles": { cycles: [{ ...cycle, ...outcomes }], next_cursor: "next" },
    [`/api/v1/cycles/${taskId(3)}`]: {
      ...cycle,
      ...outcomes,
      snapshot: {},
      decisions: [{ kind: "dispatch" }],
      reasons: [held],
    },
    "/api/v1/dead-letters": {
      dead_letters: [{ ...summary, errors: [{ at, message: "no model" }] }],
      next_cursor: null,
    },
    "/api/v1/dead-letters/groups": {
      groups: [
        {
          ...{ fingerprint: "010259bd93420d37", code: "failed", message: "no paper", task_id: taskId(1) },
          ...{ workflow_types: ["a", "b"], count: 1234, first_seen: at, last_seen: at },
        },
      ],
      next_cursor: null,
    },
    "/api/v1/policy/history": {
      versions: [{ version: 2, changed_at: at, changed_by: "Ada", comment: "calm" }],
      next_cursor: null,
    },
    "/api/v1/api-keys": {
      api_keys: [
        { key_id: "k1", name: "ci", role: "worker", created_at: at, expires_at: at, revoked_at: null },
      ],
    },
  };
  const stub = await startStub(t, ({ path }) => ({ body: bodies[path] }));
  for (const [line, text] of [
    ["status", /paused by Ada; MONITORING[\s\S]*30s ago, 2 ms after its time[\s\S]*in 5m[\s\S]*r1 /],
    ["queue", /^3 waiting, the oldest for 3m 10s\n\nLANE[\s\S]*a\/b\s+3\s+0\s+1\s+2\s+3m 10s\s+12\s+50%/],
    ["cycles", /tick\s+30s ago\s+3 ms\s+8 ms\s+2\s+5\s+1/],
    [`cycles show ${taskId(3)}`, /backoff\s+retries in 30s[\s\S]*"dispatch"/],
    ["dead-letters", /30s ago\s+no model/],
    ["policy history", /2\s+30s ago\s+Ada\s+calm/],
    ["dead-letters groups", /010259bd93420d37 +1234 +30s ago +30s ago +a, b +failed: no paper/],
    ["keys list", /k1\s+worker\s+expired 30s ago\s+30s ago\s+ci/],
  ] as const) {
    const outcome = await command(t, stub.url, line.split(" "));
    assert.equal(outcome.code, 0, outcome.stderr);
    assert.match(outcome.stdout, text);
  }
});

test("wrong usage is exit code 2, with what was probably meant", async (t) => {
  for (const [line, text] of [
    ["enqeue x", /Did you mean enqueue\?/],
    ["tasks shw x", /did you mean "tasks show"\?/],
    ["tasks --status runing", /did you mean "running"\?/],
    ["tasks --limit none", /--limit is "none"/],
    ["tasks --from yesterday", /--from is no time/],
    ["tasks show", /missing required argument/],
    ["keys create --name x --role adminn", /did you mean "admin"\?/],
    ["dead-letters redrive", /give either --task/],
    ["queue --urll x", /Did you mean --url\?/],
    ["status --url ftp://x", /neither http nor https/],
    ["enqueue x --wait --dry-run", /nothing to --wait for/],
  ] as const) {
    const outcome = await command(t, "http://127.0.0.1:1", line.split(" "));
    assert.equal(outcome.code, 2, `${line}: ${outcome.stderr}`);
    assert.match(outcome.stderr, text);
  }
});

test("without a server it says so, and how to start one", async (t) => {
  const url = await deadUrl();
  const outcome = await command(t, url, ["queue"]);
  assert.equal(outcome.code, 1);
  assert.equal(outcome.stderr, `no orchestrator answers at ${url}; start it with npm start\n`);
});

test("what answers without JSON is no orchestrator", async (t) => {
  const stub = await startStub(t, () => ({ body: "<html>" }));
  assert.match((await command(t, stub.url, ["queue"])).stderr, /is no orchestrator: its answer is not JSON/);
});

test("the key comes from the environment, else from the file of the first start", async (t) => {
  const stub = await startStub(t, () => ({ body: { depth: 0, oldest_age_seconds: null, lanes: [] } }));
  const none = { ORCHESTRATOR_API_KEY: "" };
  const missing = await command(t, stub.url, ["queue"], { env: none });
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^no API key: [\s\S]*hint: set ORCHESTRATOR_API_KEY/);
  const data = join(missing.folder, "data");
  mkdirSync(data);
  writeFileSync(join(data, "admin-key"), "mo_from_file\n");
  await command(t, stub.url, ["queue"], { env: { ...none, DATA_DIR: data } });
  await command(t, stub.url, ["queue"], {
    env: { ...none, ORCHESTRATOR_ADMIN_KEY: "mo_admin", DATA_DIR: data },
  });
  assert.deepEqual(
    stub.requests.map((request) => request.authorization),
    ["Bearer mo_from_file", "Bearer mo_admin"],
  );
});
