/** What the budget's commands promise: exact money, limits that say when, and a warning that nobody overlooks. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { command, startStub } from "./stub-api.ts";

test("budget shows the day's money to the micro-dollar, the limits, and which provider rests", async (t) => {
  const limit = { name: "gemini:requests_per_minute", kind: "requests_per_minute", model: null };
  const money = {
    daily_usd: 500,
    settled_usd: 1.234567,
    held_usd: 0.5,
    left_usd: 498.265433,
    forecast_usd: 9,
  };
  const gemini = {
    ...{ limit: 60, used: 60, next_free_at: "2026-12-01T09:00:30Z", waiting: 2 },
    pauses: [{ model: null, kind: "minute", until: "2026-12-01T09:00:20Z", message: "slow down" }],
    limits: [{ ...limit, limit: 60, used: 60, next_free_at: "2026-12-01T09:00:30Z" }],
  };
  const budget = { day: "2026-12-01", ...money, caps: [] };
  const stub = await startStub(t, () => ({ body: { budget, providers: { gemini } } }));
  const outcome = await command(t, stub.url, ["budget"]);
  assert.equal(outcome.code, 0);
  assert.match(outcome.stdout, /settled\s+\$1\.234567/);
  assert.match(outcome.stdout, /gemini:requests_per_minute\s+60\s+60\s+in 30s/);
  assert.match(outcome.stderr, /gemini: 2 calls wait/);
  assert.match(outcome.stderr, /rests until .*slow down/);
});

test("budget ledger and summary send what was asked for", async (t) => {
  const group = {
    name: "writer",
    calls: 3,
    reserved_usd: 1,
    settled_usd: 0.25,
    held_usd: 0,
    released_usd: 0,
    assumed_usd: 0,
  };
  const summary = {
    day: "2026-12-01",
    by: "workflow",
    daily_usd: 500,
    settled_usd: 0.25,
    held_usd: 0,
    agrees: false,
  };
  const stub = await startStub(t, ({ path }) => ({
    body: path.endsWith("/summary") ? { ...summary, groups: [group] } : { entries: [], next_cursor: null },
  }));
  const outcome = await command(t, stub.url, [
    "budget",
    "summary",
    "--by",
    "workflow",
    "--day",
    "2026-12-01",
  ]);
  assert.match(outcome.stdout, /writer\s+3\s+\$1\.000000\s+\$0\.250000/);
  assert.match(outcome.stderr, /NOT those of the entries/);
  await command(t, stub.url, ["budget", "ledger", "--provider", "gemini", "--fallbacks"]);
  assert.deepEqual(
    stub.requests.map(({ query }) => query),
    [
      { by: "workflow", day: "2026-12-01" },
      { provider: "gemini", fallback: "true", limit: "50" },
    ],
  );
});
