/** Owns the proof that the plan holds back what would not find its permits, money, connections or memory, says so, and goes on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const SECOND = 1_000;
const HOUR = 3_600_000;
/** Six o'clock in the morning, UTC. */
const startMs = Date.UTC(2026, 2, 2, 6);

async function held(house: TestHouse, taskId: string | undefined) {
  const { status, hold } = await house.task(taskId as string);
  return {
    status,
    reason: hold?.reason ?? null,
    start: hold?.expected_start ?? null,
    by: hold?.freed_by.event,
  };
}

async function put(house: TestHouse, policy: Record<string, unknown>): Promise<number> {
  const answer = await house.api("PUT", "/policy", { policy, comment: "the test's" });
  assert.equal(answer.status, 200, answer.text);
  await house.quiet();
  return answer.body.version;
}

const resources = async (house: TestHouse) => (await house.api("GET", "/resources")).body;
const spend = (house: TestHouse, cost_usd: number) =>
  house.api("POST", "/usage", { provider: "gemini", cost_usd });

test("work waits for its permits, in every view alike, and starts when they are free", async (t) => {
  const house = await openTestHouse(t, {
    startMs,
    policy: { providers: { gemini: { requests_per_minute: 10 } } },
    env: { TICK_INTERVAL: "10s" },
    workflows: { writer: { estimates: { gemini_calls_per_task: 3 } } },
  });
  const taken = await house.api("POST", "/permits", { provider: "gemini", count: 8 });
  assert.equal(taken.status, 200, taken.text);
  const [first] = await house.enqueue({});
  const hold = await held(house, first);
  assert.deepEqual([hold.status, hold.reason, hold.by], ["queued", "rate_limit", "permits"]);
  assert.equal(hold.start, new Date(startMs + 63 * SECOND).toISOString());
  const explained = (await house.api("GET", `/tasks/${first}/explain`)).body;
  assert.equal(explained.gates.at(-1).gate, "permits");
  assert.match(explained.verdict, /gemini allows 10 requests a minute .* fewer than the 3/);
  assert.equal((await resources(house)).providers.gemini.used, 8);
  await house.advance(10 * SECOND);
  const { rows } = await house.db.query(
    "select snapshot, reasons from cycles where trigger = 'tick' order by cycle_id desc limit 1",
  );
  assert.deepEqual(rows[0]?.snapshot.supplies.permits, [
    { name: "gemini:requests_per_minute", limit: 10, used: 8, free: 2, next_free_at: null },
  ]);
  assert.equal(rows[0]?.reasons[0].reason, "rate_limit");

  await house.advance(52 * SECOND);
  assert.equal((await held(house, first)).status, "queued");
  await house.advance(2 * SECOND);
  assert.equal((await held(house, first)).status, "running");
  const now = await resources(house);
  assert.deepEqual([now.providers.gemini.used, now.providers.gemini.expected], [0, 3]);
});

test("what runs are still expected to call is theirs; what they have called is not counted twice", async (t) => {
  const house = await openTestHouse(t, {
    startMs,
    policy: { providers: { gemini: { requests_per_minute: 10 } }, high_load: { resource_above: 1 } },
    workflows: {
      writer: { estimates: { gemini_calls_per_task: 3 }, max_concurrent: 5, batch: { min: 1, max: 1 } },
    },
  });
  const ids = await house.enqueue({}, {}, {}, {}, {});
  const status = async () => (await Promise.all(ids.map((id) => house.task(id)))).map((task) => task.status);
  assert.deepEqual((await status()).filter((one) => one === "running").length, 3);
  const [delivery] = house.workflow("writer").deliveries;
  await delivery?.callback();
  await house.quiet();
  assert.equal((await status()).filter((one) => one === "running").length, 3, "it made no call: another may");
});

test("above nine tenths of the budget only critical work starts, at the ceiling none, and the next day all", async (t) => {
  const house = await openTestHouse(t, {
    startMs,
    policy: { budget: { daily_usd: 10 } },
    workflows: {
      writer: { estimates: { cost_usd_per_task: 0.1 } },
      vital: { estimates: { cost_usd_per_task: 0.1 }, critical: true },
    },
  });
  await spend(house, 9);
  const [plain, critical] = await house.enqueue({}, { workflow_type: "vital" });
  const hold = await held(house, plain);
  assert.deepEqual([hold.reason, hold.by], ["budget_critical_only", "budget"]);
  assert.equal(hold.start, new Date(startMs + 18 * HOUR).toISOString(), "the next UTC day");
  assert.equal((await held(house, critical)).status, "running");
  await spend(house, 0.9);
  const [late] = await house.enqueue({ workflow_type: "vital" });
  assert.equal((await held(house, late)).reason, "budget", "the run at work is expected to cost the rest");
  assert.equal((await resources(house)).budget.expected_usd, 0.1);
  house.workflow("writer").always(completeAtOnce);
  await house.leap(18 * HOUR);
  await house.advance(SECOND);
  assert.equal((await held(house, plain)).status, "completed");
});

test("what work needs is learned from its runs: their calls, their cost, how long they take", async (t) => {
  const house = await openTestHouse(t, { startMs, workflows: { writer: {} } });
  const [first] = await house.enqueue({ content_type: "news" });
  await house.advance(20 * SECOND);
  await house
    .workflow("writer")
    .last()
    .callback({ metrics: { cost_usd: 0.4, api_calls: { gemini: 6, unheard_of: 3 } } });
  await house.quiet();
  assert.equal((await held(house, first)).status, "completed");
  const [need] = (await resources(house)).needs;
  assert.deepEqual(need, {
    lane: "writer/news",
    runs: 1,
    calls: { gemini: 6 },
    cost_usd: 0.4,
    run_seconds: 20,
  });
  await put(house, { providers: { gemini: { requests_per_minute: 5 } }, budget: { daily_usd: 0.5 } });
  const [second] = await house.enqueue({ content_type: "news" });
  assert.equal((await held(house, second)).reason, "budget", "0.40 is spent, and 0.40 are needed");
});

test("memory that is short pauses what is not critical until it is well below; a replica that runs away ends", async (t) => {
  let rssMb = 500;
  let ended = 0;
  const house = await openTestHouse(t, {
    startMs,
    rssMb: () => rssMb,
    onRunaway: () => void ended++,
    workflows: { writer: {}, vital: { critical: true } },
  });
  rssMb = 1_600;
  await house.advance(5 * SECOND);
  const [plain, critical] = await house.enqueue({}, { workflow_type: "vital" });
  const hold = await held(house, plain);
  assert.deepEqual([hold.reason, hold.by, hold.start], ["memory", "resources", null]);
  assert.equal((await held(house, critical)).status, "running");
  assert.deepEqual((await resources(house)).memory, {
    ...{ limit_mb: 1536, largest_rss_mb: 1600, replicas: 1, short: true },
  });
  assert.ok(house.logged.some(({ message }) => message.startsWith("Memory is short: caches were dropped")));
  rssMb = 1_400;
  await house.advance(6 * SECOND);
  assert.equal((await held(house, plain)).reason, "memory");
  rssMb = 1_200;
  await house.advance(6 * SECOND);
  assert.equal((await held(house, plain)).status, "running");
  rssMb = 2_400;
  await house.advance(60 * SECOND);
  assert.equal(ended, 0);
  await house.advance(10 * SECOND);
  assert.equal(ended, 1);
  assert.ok(house.logged.some(({ message }) => message.startsWith("This process drains and ends")));
});

test("connections are shared by the replicas, and by the word of workflows that have some open", async (t) => {
  const house = await openTestHouse(t, {
    startMs,
    policy: { database: { max_connections: 8 } },
    workflows: { writer: { estimates: { database_connections: 9 } } },
  });
  const [task] = await house.enqueue({});
  const hold = await held(house, task);
  assert.deepEqual([hold.reason, hold.by], ["database_connections", "resources"]);
  await house.replica();
  // One announcement each to see the other, one to tell what that left open.
  await house.advance(11 * SECOND);
  const { replicas } = (await house.api("GET", "/orchestrator")).body;
  assert.equal(replicas.length, 2);
  for (const { connections } of replicas)
    assert.ok(connections.open <= 4, `${connections.open} of 4 are open`);
  await put(house, { database: { max_connections: 40 } });
  assert.equal((await held(house, task)).status, "running");
});

const limits: [what: string, low: Record<string, unknown>, high: Record<string, unknown>, reason: string][] =
  [
    [
      "requests a minute",
      { providers: { gemini: { requests_per_minute: 0 } } },
      { providers: { gemini: { requests_per_minute: 60 } } },
      "rate_limit",
    ],
    [
      "requests a day",
      { providers: { gemini: { requests_per_day: 0 } } },
      { providers: { gemini: { requests_per_day: null } } },
      "rate_limit",
    ],
    ["the day's budget", { budget: { daily_usd: 0 } }, { budget: { daily_usd: 1 } }, "budget"],
    [
      "a provider's cap",
      { budget: { caps: { providers: { gemini: 0 } } } },
      { budget: { caps: { providers: { gemini: null } } } },
      "budget",
    ],
    [
      "a workflow's cap",
      { budget: { caps: { workflows: { writer: 0 } } } },
      { budget: { caps: { workflows: { writer: null } } } },
      "budget",
    ],
    [
      "a content type's cap",
      { budget: { caps: { content_types: { default: 0 } } } },
      { budget: { caps: { content_types: { default: null } } } },
      "budget",
    ],
    [
      "the critical share",
      { budget: { critical_only_at: 0, slow_down_at: 0 } },
      { budget: { critical_only_at: 0.9 } },
      "budget_critical_only",
    ],
    [
      "connections",
      { database: { max_connections: 2 } },
      { database: { max_connections: 15 } },
      "database_connections",
    ],
    ["memory", { memory: { max_rss_mb: 10 } }, { memory: { max_rss_mb: 100_000 } }, "memory"],
    [
      "runs in all",
      { concurrency: { total: 0, high_load: 0 } },
      { concurrency: { total: 1 } },
      "concurrency_total",
    ],
  ];

test("every limit changes without a restart, in versions that say who, when and why", async (t) => {
  const estimates = { gemini_calls_per_task: 1, cost_usd_per_task: 0.01, database_connections: 3 };
  const house = await openTestHouse(t, { startMs, workflows: { writer: { estimates } } });
  house.workflow("writer").always(completeAtOnce);
  for (const [what, low, high, reason] of limits) {
    await put(house, low);
    await house.advance(6 * SECOND);
    const [task] = await house.enqueue({});
    assert.equal((await held(house, task)).reason, reason, what);
    const version = await put(house, high);
    await house.advance(6 * SECOND);
    assert.equal((await held(house, task)).status, "completed", what);
    const { versions } = (await house.api("GET", "/policy/history?limit=1")).body;
    const [{ changed_by, changed_at, comment, ...newest }] = versions;
    assert.deepEqual([newest.version, changed_by, comment], [version, "the admin key (admin)", "the test's"]);
    assert.ok(Date.parse(changed_at) > startMs);
  }
});
