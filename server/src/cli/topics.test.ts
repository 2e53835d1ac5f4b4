/** What the commands about topics and schedules promise: files in, bad lines named, states readable. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { command, startStub, taskId } from "./stub-api.ts";

test("topics of a file are added with keys, bad lines are named, and the rest goes in", async (t) => {
  const stub = await startStub(t, ({ body }) => ({
    status: 201,
    body: {
      topics: (body as unknown as { topics: unknown[] }).topics.map((_, i) => ({
        ...{ topic_id: taskId(i + 1), duplicate: i === 1 },
      })),
    },
  }));
  const csv = [
    "title,brief,priority,content_type,not_before",
    "Tea,How tea is made,80,how_to,",
    "Milk,,50,,",
    "Water,Where water comes from,,,",
    "Late,Not before tomorrow,,,2026-12-02T00:00:00Z",
  ].join("\n");
  const outcome = await command(t, stub.url, ["topics", "add", "t.csv"], { files: { "t.csv": csv } });
  assert.equal(outcome.code, 1);
  assert.match(outcome.stderr, /line 3: brief is missing/);
  assert.match(outcome.stderr, /line 5: a topic has no not_before/);
  assert.equal(outcome.stdout, "1 added, 1 duplicate, 2 bad lines\n");
  const [request] = stub.requests;
  assert.deepEqual([request?.method, request?.path], ["POST", "/api/v1/topics"]);
  const { topics } = request!.body as unknown as { topics: { key: string }[] };
  assert.deepEqual(
    topics.map(({ key, ...topic }) => [key.startsWith("cli-"), topic]),
    [
      [true, { payload: { title: "Tea", brief: "How tea is made" }, content_type: "how_to", priority: 80 }],
      [
        true,
        {
          payload: { title: "Water", brief: "Where water comes from" },
        },
      ],
    ],
  );
});

test("what goes to another workflow is no topic", async (t) => {
  const stub = await startStub(t, () => ({ status: 500 }));
  const file = '{"workflow_type": "seo_monitor", "payload": {"url": "/"}}';
  const outcome = await command(t, stub.url, ["topics", "add", "t.ndjson"], { files: { "t.ndjson": file } });
  assert.deepEqual([outcome.code, stub.requests.length], [1, 0]);
  assert.match(outcome.stderr, /line 1: it names the workflow seo_monitor/);
});

test("topics are listed by their status, and removed", async (t) => {
  const topic = {
    ...{ topic_id: taskId(1), status: "waiting", content_type: "how_to", priority: 80, key: null },
    ...{ payload: { title: "Tea\u001b[31m" }, added_at: "2026-12-01T08:57:00Z", task_id: null },
  };
  const stub = await startStub(t, ({ method }) => ({
    body: method === "GET" ? { topics: [topic], waiting: 1, next_cursor: null } : { topic_id: taskId(1) },
  }));
  const outcome = await command(t, stub.url, ["topics", "--status", "Waiting"]);
  assert.match(outcome.stdout, /waiting\s+how_to\s+80\s+3m ago\s+Tea\s+-/);
  assert.equal(stub.requests[0]?.query.status, "waiting");
  await command(t, stub.url, ["topics", "remove", taskId(1)]);
  assert.deepEqual(
    [stub.requests[1]?.method, stub.requests[1]?.path],
    ["DELETE", `/api/v1/topics/${taskId(1)}`],
  );
  const wrong = await command(t, stub.url, ["topics", "--status", "done"]);
  assert.equal(wrong.code, 2);
});

const workflow = {
  ...{ workflow_type: "w", built_in: false, settings: {}, updated_by: "x" },
  updated_at: "2026-12-01T08:00:00Z",
};

test("workflows show says where its schedule stands, and what slows it down", async (t) => {
  const stub = await startStub(t, () => ({
    body: {
      ...workflow,
      schedule_state: {
        ...{ last_slot: "2026-12-01T08:45:00Z", next_slot: "2026-12-01T09:00:30Z" },
        ...{ last_decision: "nothing_to_do", cause: "no topics wait", decided_at: "2026-12-01T08:45:00Z" },
      },
      adapted: {
        ...{ slowness: 0.5, batch_max: 6, every_seconds: 2250, per_slot: 6, reason: "money is short" },
        since: "2026-12-01T08:50:00Z",
      },
    },
  }));
  const { stdout } = await command(t, stub.url, ["workflows", "show", "w"]);
  assert.match(stdout, /^last slot\s+2026-12-01T08:45:00Z \(15m ago\)$/m);
  assert.match(stdout, /^decided\s+nothing_to_do: no topics wait$/m);
  assert.match(stdout, /^next slot\s+2026-12-01T09:00:30Z \(in 30s\)$/m);
  assert.match(
    stdout,
    /^slowed down\s+50 %, since 10m ago: batches of 6 at most, a run every 37m 30s, 6 tasks a slot$/m,
  );
  assert.match(stdout, /^because\s+money is short$/m);
});

test("workflows show is silent about schedules and slowness where there are none", async (t) => {
  const adapted = {
    slowness: 0,
    batch_max: 10,
    every_seconds: null,
    per_slot: null,
    reason: "",
    since: null,
  };
  const stub = await startStub(t, () => ({ body: { ...workflow, schedule_state: null, adapted } }));
  const { stdout } = await command(t, stub.url, ["workflows", "show", "w"]);
  assert.doesNotMatch(stdout, /slot|slowed|because/);
});

test("tasks show names the task before, and those that follow", async (t) => {
  const task = {
    ...{ task_id: taskId(2), status: "completed", workflow_type: "w", content_type: "x", priority: 50 },
    ...{
      failures: 0,
      idempotency_key: null,
      created_at: "2026-12-01T08:00:00Z",
      due_at: "2026-12-01T08:00:00Z",
    },
    ...{ parent_task_id: taskId(1), follow_ups: [taskId(3), taskId(4)], payload: {}, result_data: null },
    ...{ rank: null, score: null, hold: null, errors: [], attempts: [], execution_ids: [] },
  };
  const stub = await startStub(t, () => ({ body: task }));
  const { stdout } = await command(t, stub.url, ["tasks", "show", taskId(2)]);
  assert.match(stdout, new RegExp(`^follows\\s+${taskId(1)}$`, "m"));
  assert.match(stdout, new RegExp(`^followed by\\s+${taskId(3)} ${taskId(4)}$`, "m"));
});
