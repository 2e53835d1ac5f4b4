/** Owns the proof that no limit of requests is ever exceeded, by the provider's own log, and that strict does not mean idle. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, call, MODEL, openGateway } from "#test/gateway-caller.ts";
import type { TestHouse } from "#test/house.ts";

const MINUTE = 60_000;

test("32 clients at three replicas, one of which is killed: never more than the limit in any minute of the provider's log, and over 90 % of it used", async (t) => {
  const limit = 20;
  const { house, provider } = await openGateway(t, {
    policy: { providers: { openai: { requests_per_minute: limit } }, gateway: { hold_seconds: 300 } },
    expectedErrors: /./,
  });
  const houses: TestHouse[] = [house, await house.replica(), await house.replica()];
  let stopped = false;
  let turn = 0;
  const client = async () => {
    while (!stopped) {
      const door = houses[turn++ % houses.length] as TestHouse;
      await call(door).catch(() => {});
    }
  };
  const clients = Array.from({ length: 32 }, client);
  await house.until("the first minute's calls", () => provider.arrivals.length >= limit);
  const minutes = 3.25;
  for (let second = 0; second < minutes * 60; second += 3) {
    await house.advance(3_000);
    if (second === 45) await houses.pop()?.kill();
  }
  stopped = true;
  assert.ok(provider.mostIn(MINUTE) <= limit, `${provider.mostIn(MINUTE)} in a minute`);
  // From the first arrival to the last; what the first minute's burst gained is not counted.
  const spanMs = provider.arrivals.at(-1)!.atMs - provider.arrivals[0]!.atMs;
  const used = (provider.arrivals.length - limit) / ((limit * spanMs) / MINUTE);
  assert.ok(used > 0.9, `${(used * 100).toFixed(1)} % of the permits were used`);
  await Promise.all(houses.map((one) => one.stop()));
  await Promise.all(clients);
});

test("a call is held open for its permit, and told the exact time when that is too far away", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: { providers: { openai: { requests_per_minute: 1 } } },
  });
  assert.equal((await call(house)).status, 200);
  const refused = await call(house);
  assert.deepEqual([refused.status, refused.body.error.code], [429, "rate_limit_exceeded"]);
  assert.equal(refused.headers["retry-after"], "63");
  await house.advance(40_000);
  const held = begin(house);
  await house.until("the call to stand in line", async () => {
    const { openai } = (await house.api("GET", "/resources")).body.providers;
    return openai.waiting === 1;
  });
  const { openai } = (await house.api("GET", "/resources")).body.providers;
  assert.deepEqual([openai.limit, openai.used], [1, 1]);
  assert.equal(Date.parse(openai.next_free_at) - house.clock.nowMs(), 23_000);
  await house.advance(22_999);
  assert.equal(provider.arrivals.length, 1);
  await house.advance(1);
  assert.equal((await held.reply).status, 200);
});

test("concurrent bypass: a burst of calls that all see a free permit gets as many as there are", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: { providers: { openai: { requests_per_minute: 5 } }, gateway: { hold_seconds: 0 } },
  });
  const other = await house.replica();
  const replies = await Promise.all(Array.from({ length: 30 }, (_, n) => call(n % 2 ? house : other)));
  assert.equal(replies.filter(({ status }) => status === 200).length, 5);
  assert.equal(provider.arrivals.length, 5);
});

test("a request rejected by one limit burns no other", async (t) => {
  const { house } = await openGateway(t, {
    policy: {
      providers: { openai: { requests_per_minute: 10, models: { [MODEL]: { requests_per_minute: 1 } } } },
      budget: { daily_usd: 0.05 },
      gateway: { hold_seconds: 0 },
    },
  });
  const replies = await Promise.all(Array.from({ length: 5 }, () => call(house)));
  assert.deepEqual(replies.map(({ status }) => status).sort(), [200, 429, 429, 429, 429]);
  const dear = { model: "gpt-4o", max_tokens: 10_000, messages: [] };
  assert.equal((await call(house, { body: dear })).status, 402);
  const { openai } = (await house.api("GET", "/resources")).body.providers;
  assert.equal(openai.used, 1, "neither the model's limit nor the budget took a permit of the provider");
  const cheap = { model: "gpt-4.1-nano", max_tokens: 10, messages: [] };
  assert.equal((await call(house, { body: cheap })).status, 200, "another model is not concerned");
});

test("a clock that is set, forward or back, opens no window early", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: { providers: { openai: { requests_per_minute: 3 } }, gateway: { hold_seconds: 0 } },
    expectedErrors: /./,
  });
  const burst = async () => Promise.all(Array.from({ length: 6 }, () => call(house)));
  await burst();
  assert.equal(provider.arrivals.length, 3);
  for (const step of ["3 hours", "-5 hours", "70 seconds"]) {
    await house.db.query("update test_clock set now = now + $1::interval", [step]);
    await burst();
    assert.equal(provider.arrivals.length, 3, `after a step of ${step}`);
  }
  // The next move sets the database's clock right again: one more step.
  await house.advance(62_000);
  await burst();
  assert.equal(provider.arrivals.length, 3);
  await house.advance(4_000);
  await burst();
  assert.equal(provider.arrivals.length, 6, "and the limit's own time goes on");
  assert.equal(provider.mostIn(MINUTE), 3);
});

test("limits change at once, down and up again, and never let more through than the new one", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: { providers: { openai: { requests_per_minute: 6 } }, gateway: { hold_seconds: 0 } },
  });
  const set = (limit: number | null) =>
    house.api("PUT", "/policy", { policy: { providers: { openai: { requests_per_minute: limit } } } });
  const burst = async (size: number) => {
    const replies = await Promise.all(Array.from({ length: size }, () => call(house)));
    return replies.filter(({ status }) => status === 200).length;
  };
  assert.equal(await burst(4), 4);
  await set(2);
  assert.equal(await burst(4), 0, "four of the last minute are more than two");
  await set(6);
  assert.equal(await burst(4), 2, "and count again among six");
  await set(7);
  assert.equal(await burst(4), 1);
  await house.advance(63_000);
  await set(3);
  assert.equal(await burst(7), 3);
  assert.equal(provider.mostIn(MINUTE), 7);
});

test("a limit that is new counts what went before it", async (t) => {
  const { house } = await openGateway(t, {
    policy: { providers: { openai: {} }, gateway: { hold_seconds: 0 } },
  });
  await Promise.all(Array.from({ length: 4 }, () => call(house)));
  await house.api("PUT", "/policy", { policy: { providers: { openai: { requests_per_minute: 5 } } } });
  const replies = await Promise.all(Array.from({ length: 4 }, () => call(house)));
  assert.equal(replies.filter(({ status }) => status === 200).length, 1);
});

test("tokens: the worst case counts until the truth is known, in no minute more than the limit", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: { providers: { openai: { output_tokens_per_minute: 100 } }, gateway: { hold_seconds: 0 } },
  });
  provider.uses({ input: 10, output: 20 });
  const body = { model: MODEL, max_tokens: 50, messages: [{ role: "user", content: "hi" }] };
  const together = await Promise.all(Array.from({ length: 4 }, () => call(house, { body })));
  const passed = together.filter(({ status }) => status === 200).length;
  assert.ok(
    passed >= 2 && passed <= 3,
    `${passed} fitted: two at once, a third if one was settled before it asked`,
  );
  // Settled at 20 each: now there is room for the worst case of one more as long as 50 are left.
  const statuses = [];
  for (let n = 0; n < 5; n++) statuses.push((await call(house, { body })).status);
  const tokens = provider.arrivals.length * 20;
  assert.ok(tokens <= 100 && tokens > 50, `${tokens} tokens in a minute`);
  assert.equal(statuses.at(-1), 429);
  const huge = await call(house, { body: { ...body, max_tokens: 101 } });
  assert.equal(huge.status, 429);
  assert.equal(huge.headers["retry-after"], undefined, "it would never fit");
  await house.advance(63_001);
  assert.equal((await call(house, { body })).status, 200);
});

test("concurrency: as many calls at once as allowed, at all replicas together; a killed one's are given back", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: { providers: { openai: { concurrency: 2 } }, gateway: { hold_seconds: 0 } },
    expectedErrors: /./,
  });
  const other = await house.replica();
  provider.next({ kind: "hang" }, { kind: "hang" });
  const hanging = [begin(other), begin(other)];
  await house.until("both at the provider", () => provider.arrivals.length === 2);
  assert.equal((await call(house)).status, 429);
  await other.kill();
  for (const one of hanging) one.leave();
  await house.advance(80_000);
  assert.equal((await call(house)).status, 200);
  const { entries } = (await house.api("GET", "/budget/ledger")).body;
  assert.deepEqual(
    entries.map((entry: { outcome: string }) => entry.outcome),
    ["metered", "assumed", "assumed"],
  );
});

test("workflows take turns at a permit, however many calls one of them has waiting", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: { providers: { openai: { requests_per_minute: 1 } }, gateway: { hold_seconds: 300 } },
  });
  const keyOf = async (name: string) =>
    (await house.api("POST", "/api-keys", { name, role: "worker" })).body.key as string;
  const [greedy, modest] = [await keyOf("greedy"), await keyOf("modest")];
  await call(house, { key: greedy });
  const say = (key: string, content: string) =>
    begin(house, { key, body: { model: MODEL, max_tokens: 5, messages: [{ role: "user", content }] } });
  const waiting = async (count: number) =>
    house.until(`${count} to wait`, async () => {
      const { openai } = (await house.api("GET", "/resources")).body.providers;
      return openai.waiting === count;
    });
  const calls = [];
  for (let n = 1; n <= 3; n++) {
    calls.push(say(greedy, `greedy ${n}`));
    await waiting(n);
  }
  calls.push(say(modest, "modest 1"));
  await waiting(4);
  await house.advance(63_000 * 4);
  await Promise.all(calls.map(({ reply }) => reply));
  const order = provider.arrivals.slice(1).map(({ body }) => body.messages[0].content);
  assert.deepEqual(order, ["greedy 1", "modest 1", "greedy 2", "greedy 3"]);
  assert.equal(provider.mostIn(MINUTE), 1);
});
