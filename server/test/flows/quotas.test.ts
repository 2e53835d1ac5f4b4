/** Owns the proof that a provider's own limits are respected, that fallbacks show themselves, and that calls beside the gateway count. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { call, entries, MODEL, money, openGateway } from "#test/gateway-caller.ts";
import { stubProvider } from "#test/stub-provider.ts";

const quick = { providers: { openai: {}, gemini: {} }, gateway: { hold_seconds: 0 } };
const gemini = {
  path: "/ai/gemini/v1beta/models/gemini-2.5-flash:generateContent",
  body: { contents: [{ parts: [{ text: "hi" }] }], generationConfig: { maxOutputTokens: 50 } },
};
const refusedFor = (quotaId: string, retryDelay: string) => ({
  kind: "status" as const,
  status: 429,
  body: {
    error: {
      ...{ code: 429, message: "quota", status: "RESOURCE_EXHAUSTED" },
      details: [
        {
          "@type": "type.googleapis.com/google.rpc.QuotaFailure",
          violations: [{ quotaId, quotaDimensions: { model: "gemini-2.5-flash" } }],
        },
        { "@type": "type.googleapis.com/google.rpc.RetryInfo", retryDelay },
      ],
    },
  },
});

test("a provider that says when to come back is left alone until then, and goes on by itself", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  const error = { error: { message: "slow down", type: "requests", code: "rate_limit_exceeded" } };
  provider.next({ kind: "status", status: 429, headers: { "retry-after": "7" }, body: error });
  const first = await call(house);
  assert.deepEqual([first.status, first.headers["retry-after"], first.body], [429, "7", error]);
  const second = await call(house);
  assert.deepEqual([second.status, second.headers["retry-after"]], [429, "7"]);
  assert.equal(provider.arrivals.length, 1, "nobody asked it again");
  await house.advance(7_001);
  assert.equal((await call(house)).status, 200);
});

test("a minute's quota, a day's quota and an empty account are told apart", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  const pauses = async (name: string) =>
    (await house.api("GET", "/resources")).body.providers[name].pauses.map(
      (pause: { kind: string; model: string | null; until: string }) => [
        pause.kind,
        pause.model,
        Math.round((Date.parse(pause.until) - house.clock.nowMs()) / 1000),
      ],
    );
  provider.next(refusedFor("GenerateRequestsPerMinutePerProjectPerModel", "12.5s"));
  await call(house, gemini);
  assert.deepEqual(await pauses("gemini"), [["minute", "gemini-2.5-flash", 13]]);
  const other = { ...gemini, path: gemini.path.replace("2.5-flash", "2.5-pro") };
  assert.equal((await call(house, other)).status, 200, "another model of it is not concerned");
  await house.advance(13_000);
  provider.next(refusedFor("GenerateRequestsPerDayPerProjectPerModel", "30s"));
  await call(house, gemini);
  const [[kind, , seconds]] = await pauses("gemini");
  assert.deepEqual([kind, seconds > 20 * 3600], ["day", true], "until midnight there, not for 30 s");
  const empty = { error: { message: "no credit", type: "insufficient_quota", code: "insufficient_quota" } };
  provider.next({ kind: "status", status: 429, body: empty });
  await call(house);
  assert.deepEqual(await pauses("openai"), [["insufficient_quota", null, 900]]);
  const resumed = await house.api("POST", "/resources/providers/openai/resume");
  assert.equal(resumed.body.pauses_ended, 1);
  assert.equal((await call(house)).status, 200);
});

test("a cheaper model when spending outruns the day, and the answer, the ledger and its list say so", async (t) => {
  const { house, provider } = await openGateway(t, {
    policy: {
      ...quick,
      budget: { daily_usd: 1 },
      prices: { dear: { input_usd_per_million: 0, output_usd_per_million: 10_000 } },
      fallbacks: [{ model: "dear", to: MODEL, when: "budget_pace" }],
    },
  });
  provider.uses({ input: 5, output: 90 });
  const body = { model: "dear", max_tokens: 90, messages: [{ role: "user", content: "hi" }] };
  const first = await call(house, { body });
  assert.deepEqual([first.status, first.headers["x-orchestrator-fallback"]], [200, undefined]);
  await house.advance(6_000);
  const second = await call(house, { body });
  assert.equal(second.headers["x-orchestrator-fallback"], `dear to ${MODEL}: budget_pace`);
  assert.deepEqual(
    provider.arrivals.map((arrival) => arrival.body.model),
    ["dear", MODEL],
  );
  const [entry, ...others] = await entries(house, "?fallback=true");
  assert.equal(others.length, 0);
  assert.deepEqual([entry.asked_model, entry.model, entry.cost_usd], ["dear", MODEL, 0.000055]);
  await call(house, { body });
  const takenAt = new Date(house.clock.nowMs()).toISOString();
  // With the next cycle that is kept: a heartbeat, or one that decided something.
  await house.leap(5 * 60_000);
  const told = async () => {
    const { cycles } = (await house.api("GET", "/cycles?limit=100")).body;
    const shown = await Promise.all(
      cycles.map((cycle: { cycle_id: string }) => house.api("GET", `/cycles/${cycle.cycle_id}`)),
    );
    return shown.flatMap(({ body }) => body.decisions).filter(({ kind }) => kind === "fallback");
  };
  const fallback = { kind: "fallback", fallback: `dear to ${MODEL}: budget_pace`, provider: "openai" };
  assert.deepEqual(await told(), [{ ...fallback, calls: 2, first_at: takenAt, last_at: takenAt }]);
  await house.leap(5 * 60_000);
  assert.equal((await told()).length, 1, "told once");
});

test("another provider when one is down, in the same call, for calls of OpenAI's form", async (t) => {
  const gone = await stubProvider(t);
  gone.close();
  const there = await stubProvider(t);
  const { openTestHouse } = await import("#test/house.ts");
  const house = await openTestHouse(t, {
    env: { ...there.env, OPENAI_BASE_URL: gone.env.OPENAI_BASE_URL! },
    policy: {
      ...quick,
      fallbacks: [{ model: MODEL, provider: "gemini", to: "gemini-2.5-flash", when: "provider_down" }],
    },
  });
  const reply = await call(house);
  assert.equal(reply.status, 200);
  assert.equal(reply.headers["x-orchestrator-fallback"], `${MODEL} to gemini-2.5-flash: provider_down`);
  const [arrival] = there.arrivals;
  assert.deepEqual(
    [arrival?.path, arrival?.body.model],
    ["/v1beta/openai/chat/completions", "gemini-2.5-flash"],
  );
  assert.equal(arrival?.headers.authorization, "Bearer the-real-gemini-key");
  assert.deepEqual(
    (await entries(house)).map(({ provider, outcome }) => [provider, outcome]),
    [
      ["gemini", "metered"],
      ["openai", "never_sent"],
    ],
  );
});

test("permits and usage of calls that cannot pass the gateway", async (t) => {
  const { house } = await openGateway(t, {
    policy: { ...quick, providers: { gemini: { requests_per_minute: 5 } } },
  });
  const { body: key } = await house.api("POST", "/api-keys", { name: "n8n", role: "worker" });
  const api = (path: string, body: unknown) => house.api("POST", path, body, key.key);
  const asked = {
    provider: "gemini",
    model: "gemini-2.5-flash",
    max_input_tokens: 1_000,
    max_output_tokens: 1_000,
  };
  const taken = await api("/permits", { ...asked, count: 4 });
  assert.deepEqual([taken.status, taken.body.reserved_usd], [200, 0.0035]);
  assert.equal((await money(house)).held, 3_500);
  const none = await api("/permits", { ...asked, count: 2 });
  assert.deepEqual(
    [none.status, none.body.code, none.headers.get("retry-after")],
    [429, "rate_limit_exceeded", "63"],
  );
  assert.equal((await api("/permits", { ...asked, count: 1 })).status, 200, "the refused ones took none");
  const report = { permit_id: taken.body.permit_id, input_tokens: 100, output_tokens: 10 };
  assert.deepEqual((await api("/usage", report)).body.cost_usd, 0.000055);
  assert.deepEqual((await api("/usage", report)).body.duplicate, true);
  const alone = { provider: "gemini", cost_usd: 0.5, idempotency_key: "run 7" };
  assert.equal((await api("/usage", alone)).body.duplicate, false);
  assert.equal((await api("/usage", alone)).body.duplicate, true);
  assert.equal(
    (await api("/usage", { provider: "gemini", model: "none", input_tokens: 1 })).body.code,
    "unknown_model",
  );
  assert.deepEqual([(await money(house)).settled, (await money(house)).held], [500_055, 3_500]);
});

test("what is not the provider's is refused in the provider's words, and costs nothing", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  const statuses = async (options: Parameters<typeof call>[1]) => {
    const { status, body } = await call(house, options);
    return [status, body.error.code];
  };
  assert.deepEqual(await statuses({ body: "not json" }), [400, "invalid_json"]);
  assert.deepEqual(await statuses({ body: { messages: [] } }), [400, "invalid_request"]);
  assert.deepEqual(await statuses({ path: "/ai/openai/v1/images/generations" }), [404, "unsupported_path"]);
  assert.deepEqual(await statuses({ body: { model: "gpt-99", messages: [] } }), [422, "unknown_model"]);
  const tools = [{ type: "web_search" }];
  assert.deepEqual(await statuses({ body: { model: MODEL, messages: [], tools } }), [422, "unpriced_tool"]);
  const wrong = await call(house, { ...gemini, key: "wrong" });
  assert.deepEqual([wrong.status, wrong.body.error.details[0].reason], [401, "invalid_api_key"]);
  assert.equal(provider.arrivals.length, 0);
  assert.deepEqual(await money(house), { settled: 0, held: 0, left: 500_000_000 });
});
