/** Owns the proof that the day's money is never exceeded, that no cost is lost or counted twice, and that the ledger is the provider's truth. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { begin, call, entries, MODEL, money, openGateway } from "#test/gateway-caller.ts";
import type { StubProvider } from "#test/stub-provider.ts";

/** A tenth of a cent for a token that is written, nothing for one that is read. */
const PRICED = {
  prices: { dear: { input_usd_per_million: 0, output_usd_per_million: 1_000 } },
  providers: { openai: {}, gemini: {} },
};
const chat = (over: object = {}) => ({
  body: { model: "dear", max_tokens: 100, messages: [{ role: "user", content: "hi" }], ...over },
});

function billedTokens({ arrivals }: StubProvider): number {
  return arrivals.reduce((sum, { billed }) => sum + (billed?.output ?? 0), 0);
}

test("concurrent bypass: 32 calls at three replicas, and money for ten", async (t) => {
  const { house, provider } = await openGateway(t, { policy: { ...PRICED, budget: { daily_usd: 1 } } });
  const houses = [house, await house.replica(), await house.replica()];
  provider.uses({ input: 5, output: 100 });
  const replies = await Promise.all(Array.from({ length: 32 }, (_, n) => call(houses[n % 3]!, chat())));
  assert.equal(replies.filter(({ status }) => status === 200).length, 10);
  const refused = replies.filter(({ status }) => status === 402);
  assert.equal(refused.length, 22);
  assert.equal(refused[0]?.body.error.code, "budget_exhausted");
  assert.deepEqual(await money(house), { settled: 1_000_000, held: 0, left: 0 });
  assert.equal(billedTokens(provider), 1_000);
  await house.leap(15 * 60 * 60_000);
  assert.equal((await call(house, chat())).status, 200, "the next UTC day has its own money");
});

test("at no moment are more dollars spent and set aside than the cap, to the micro-dollar", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: { ...PRICED, budget: { daily_usd: 0.777_777 } },
  });
  const other = await house.replica();
  provider.uses({ input: 5, output: 33 });
  const clients = Array.from({ length: 8 }, async (_, n) => {
    for (let calls = 0; calls < 6; calls++) await call(n % 2 ? house : other, chat({ max_tokens: 100 + n }));
  });
  let most = 0;
  const watch = (async () => {
    for (let looks = 0; looks < 60; looks++) {
      const { rows } = await house.db.query(
        `select coalesce(sum(case when state = 'held' then reserved_micros else cost_micros end), 0) as used
           from ledger where state <> 'released'`,
      );
      most = Math.max(most, rows[0]?.used);
    }
  })();
  await Promise.all([...clients, watch]);
  assert.ok(most <= 777_777, `${most} micro-dollars at once`);
  const { settled, held } = await money(house);
  assert.deepEqual([settled, held], [billedTokens(provider) * 1_000, 0]);
  assert.ok(settled > 0.6 * 777_777, "what calls did not use, others may");
});

test("caps of a provider, a workflow and a content type hold besides the day's, and none is charged alone", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: {
      ...PRICED,
      budget: {
        daily_usd: 5,
        caps: { providers: { openai: 0.5 }, workflows: { writer: 0.2 }, content_types: { news: 0.1 } },
      },
    },
  });
  provider.uses({ input: 5, output: 100 });
  await house.enqueue({ content_type: "news" }, { content_type: "how_to" });
  const runs = house.workflow("writer").deliveries;
  const news = runs.find(({ message }) => message.input_data.tasks[0]?.content_type === "news")!;
  const howTo = runs.find(({ message }) => message.input_data.tasks[0]?.content_type === "how_to")!;
  const by = async (run: typeof news) => (await call(house, { ...chat(), key: run.token })).status;
  assert.deepEqual([await by(news), await by(news)], [200, 402], "the content type's cap");
  assert.deepEqual([await by(howTo), await by(howTo)], [200, 402], "the workflow's cap");
  for (let n = 0; n < 3; n++) assert.equal((await call(house, chat())).status, 200);
  const over = await call(house, chat());
  assert.match(over.body.error.message, /cap of provider openai of \$0\.500000/);
  const { caps } = (await house.api("GET", "/resources")).body.budget;
  assert.deepEqual(
    caps.map((cap: { scope: string; used_usd: number }) => [cap.scope, cap.used_usd]),
    [
      ["content_type:news", 0.1],
      ["provider:openai", 0.5],
      ["workflow:writer", 0.2],
    ],
  );
  const [entry] = await entries(house, `?execution_id=${news.message.execution_id}`);
  assert.deepEqual([entry.workflow_type, entry.content_type, entry.attempt], ["writer", "news", 1]);
  const ofTask = await entries(house, `?task_id=${news.taskIds[0]}`);
  assert.equal(ofTask[0].entry_id, entry.entry_id);
});

test("usage lost on disconnect: the client leaves a stream, and what it used is charged all the same", async (t) => {
  const { house, provider } = await openGateway(t, { policy: PRICED });
  provider.uses({ input: 5, output: 7 });
  const release = provider.holdStreams();
  const stream = begin(house, chat({ stream: true }));
  await stream.begun;
  stream.leave();
  release();
  await house.until("the settlement", async () => (await money(house)).settled === 7_000);
  assert.equal((await money(house)).held, 0);
});

test("a client that leaves for good, and a provider that never ends: cut off after a while, charged at the worst case", async (t) => {
  const { house, provider } = await openGateway(t, { policy: PRICED });
  provider.next({ kind: "hang" });
  const open = begin(house, chat());
  await house.until("the call to arrive", () => provider.arrivals.length === 1);
  open.leave();
  await house.until("the house to notice", async () => house.clock.pending() > 0);
  await house.advance(31_000);
  await house.until("the settlement", async () => (await money(house)).held === 0);
  assert.equal((await money(house)).settled, 100_000);
  assert.equal((await entries(house))[0].outcome, "assumed");
});

test("cost lost on restart, leaked holds: a replica dies between reserve and settle, and its calls are charged at the worst case", async (t) => {
  const { house, provider } = await openGateway(t, { policy: PRICED, expectedErrors: /./ });
  const other = await house.replica();
  provider.next({ kind: "hang" });
  const open = begin(other, chat());
  await house.until("the call to arrive", () => provider.arrivals.length === 1);
  await other.kill();
  open.leave();
  assert.deepEqual(await money(house), { settled: 0, held: 100_000, left: 499_900_000 });
  await house.advance(90_000);
  assert.deepEqual(await money(house), { settled: 100_000, held: 0, left: 499_900_000 });
});

test("what is known to have cost nothing costs nothing; what is not known costs the worst case", async (t) => {
  const { house, provider } = await openGateway(t, { policy: PRICED });
  const fares = async (fault: Parameters<StubProvider["next"]>[0], over: object = {}) => {
    provider.next(fault);
    const before = (await money(house)).settled;
    const reply = await call(house, chat(over)).catch((error) => ({ status: 0, body: error }));
    await house.until("the settlement", async () => (await money(house)).held === 0);
    const [entry] = await entries(house);
    return [reply.status, (await money(house)).settled - before, entry.outcome];
  };
  const error = { error: { message: "no", type: "x", code: "y" } };
  assert.deepEqual(await fares({ kind: "status", status: 400, body: error }), [400, 0, "not_billed"]);
  assert.deepEqual(await fares({ kind: "status", status: 500, body: error }), [500, 0, "not_billed"]);
  assert.deepEqual(
    await fares({ kind: "status", status: 502, headers: { "content-type": "text/html" }, body: "<html>" }),
    [502, 100_000, "assumed"],
  );
  assert.deepEqual(await fares({ kind: "nonsense" }), [502, 100_000, "assumed"]);
  assert.deepEqual(await fares({ kind: "no_usage" }), [200, 100_000, "assumed"]);
  assert.deepEqual(await fares({ kind: "no_usage" }, { stream: true }), [200, 100_000, "assumed"]);
  assert.deepEqual(await fares({ kind: "cut", afterEvents: 2 }, { stream: true }), [0, 100_000, "assumed"]);
  const nothing = { prompt_tokens: 0, completion_tokens: 0, total_tokens: 0 };
  assert.deepEqual(await fares({ kind: "usage", usage: nothing }), [200, 0, "metered"], "an explicit zero");
  assert.deepEqual(await fares({ kind: "usage", usage: { prompt_tokens: -1, completion_tokens: 3 } }), [
    200,
    100_000,
    "assumed",
  ]);
  const { groups } = (await house.api("GET", "/budget/summary?by=actor")).body;
  assert.deepEqual([groups.length, groups[0].calls, groups[0].assumed_usd], [1, 9, 0.6]);
});

test("a provider that cannot be reached got nothing: its money is given back, its permit is not", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: { ...PRICED, providers: { openai: { requests_per_minute: 5 } } },
  });
  provider.close();
  const reply = await call(house, chat());
  assert.deepEqual([reply.status, reply.body.error.code], [502, "provider_unreachable"]);
  assert.deepEqual(await money(house), { settled: 0, held: 0, left: 500_000_000 });
  assert.deepEqual(
    [(await entries(house))[0].state, (await entries(house))[0].outcome],
    ["released", "never_sent"],
  );
  assert.equal((await house.api("GET", "/resources")).body.providers.openai.used, 1);
});

test("cached tokens dropped in streams: they are charged at their own price, thinking ones as output", async (t) => {
  const { house, provider } = await openGateway(t);
  provider.uses({ input: 1_000, cached: 900, output: 500, thinking: 400 });
  for (const stream of [false, true]) {
    await call(house, { body: { model: MODEL, max_tokens: 500, stream, messages: [] } });
  }
  const path = "/ai/gemini/v1beta/models/gemini-2.5-flash:streamGenerateContent";
  const body = { contents: [{ parts: [{ text: "hi" }] }], generationConfig: { maxOutputTokens: 500 } };
  await call(house, { path: `${path}?alt=sse`, body });
  await call(house, { path, body });
  const openai = Math.floor(100 * 0.15 + 900 * 0.075 + 500 * 0.6 + 0.5);
  const gemini = Math.floor(100 * 0.3 + 900 * 0.03 + 500 * 2.5 + 0.5);
  await house.until("the settlements", async () => (await money(house)).held === 0);
  const costs = (await entries(house)).map((entry) => Math.round(entry.cost_usd * 1e6));
  assert.deepEqual(costs, [gemini, gemini, openai, openai]);
});

test("double count: what a callback reports counts less what the gateway metered for that attempt, once", async (t) => {
  const { house, provider } = await openGateway(t, { policy: PRICED });
  provider.uses({ input: 5, output: 30 });
  const [id] = await house.enqueue({});
  const run = house.workflow("writer").last();
  await call(house, { ...chat(), key: run.token });
  assert.equal((await money(house)).settled, 30_000);
  await run.callback({ metrics: { cost_usd: 0.11 } });
  await run.callback({ metrics: { cost_usd: 0.11 } });
  await house.quiet();
  assert.equal((await house.task(id!)).status, "completed");
  assert.equal((await money(house)).settled, 110_000);
  const [charged] = await entries(house);
  assert.deepEqual([charged.source, charged.cost_usd, charged.workflow_type], ["callback", 0.08, "writer"]);
  await house.enqueue({});
  const second = house.workflow("writer").last();
  await call(house, { ...chat(), key: second.token });
  await second.callback({ metrics: { cost_usd: 0.01 } });
  await house.quiet();
  assert.equal((await money(house)).settled, 140_000, "less than was metered changes nothing");
});

test("a call that ends after its attempt's callback takes the place of what the callback was charged", async (t) => {
  const { house, provider } = await openGateway(t, { policy: PRICED });
  provider.uses({ input: 5, output: 30 });
  await house.enqueue({});
  const run = house.workflow("writer").last();
  const release = provider.holdStreams();
  const stream = begin(house, { ...chat({ stream: true }), key: run.token });
  await stream.begun;
  await run.callback({ metrics: { cost_usd: 0.05 } });
  await house.until("the fold", async () => (await entries(house)).length === 2);
  assert.deepEqual([(await money(house)).settled, (await money(house)).held], [0, 100_000]);
  release();
  await stream.reply;
  assert.equal((await money(house)).settled, 50_000);
});
