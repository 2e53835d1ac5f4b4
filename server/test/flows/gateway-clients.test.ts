/** Owns the proof that the providers' own clients work through the gateway by their base URL alone, and are metered to the micro-dollar. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { ApiError, GoogleGenAI } from "@google/genai";
import { APICallError, embed, generateText, streamText } from "ai";
import OpenAI from "openai";
import { ADMIN_KEY, openTestHouse, type TestHouse, type TestHouseOptions } from "#test/house.ts";
import { type StubProvider, stubProvider } from "#test/stub-provider.ts";

const MODEL = "gpt-4o-mini";
const GEMINI = "gemini-2.5-flash";

async function open(t: TestContext, policy: TestHouseOptions["policy"] = {}) {
  const provider = await stubProvider(t);
  const house = await openTestHouse(t, { workflows: { writer: {} }, env: provider.env, policy });
  const openai = new OpenAI({ apiKey: ADMIN_KEY, baseURL: `${house.url}/ai/openai/v1`, maxRetries: 0 });
  const google = new GoogleGenAI({ apiKey: ADMIN_KEY, httpOptions: { baseUrl: `${house.url}/ai/gemini` } });
  return { provider, house, openai, google };
}

/** What the provider billed, in micro-dollars, by prices in dollars per million tokens. */
function billed(
  { arrivals }: StubProvider,
  price: { input: number; cached: number; output: number },
): number {
  return arrivals.reduce((sum, { billed: used }) => {
    if (!used) return sum;
    const cached = used.cached ?? 0;
    const micros = (used.input - cached) * price.input + cached * price.cached + used.output * price.output;
    return sum + Math.floor(Number(micros.toFixed(6)) + 0.5);
  }, 0);
}

async function settledMicros(house: TestHouse): Promise<number> {
  const { budget } = (await house.api("GET", "/resources")).body;
  assert.equal(budget.held_usd, 0, "nothing is held");
  const summary = (await house.api("GET", "/budget/summary")).body;
  assert.equal(summary.agrees, true, "the sums are those of the entries");
  assert.equal(summary.settled_usd, budget.settled_usd);
  return Math.round(budget.settled_usd * 1e6);
}

const PRICE = { input: 0.15, cached: 0.075, output: 0.6 };
const GEMINI_PRICE = { input: 0.3, cached: 0.03, output: 2.5 };
const messages = [{ role: "user" as const, content: "Say hello" }];

test("OpenAI's client: chat, stream, responses, embeddings and models, each metered", async (t) => {
  const { provider, house, openai } = await open(t);
  provider.uses({ input: 1_003, cached: 501, output: 333, thinking: 100 });
  const chat = await openai.chat.completions.create({ model: MODEL, messages });
  assert.equal(chat.choices[0]?.message.content, "Hello there");
  const parts: string[] = [];
  for await (const chunk of await openai.chat.completions.create({ model: MODEL, messages, stream: true })) {
    assert.ok(chunk.choices.length > 0, "the event that only tells the usage was not asked for");
    assert.ok(!("usage" in chunk));
    parts.push(chunk.choices[0]?.delta.content ?? "");
  }
  assert.equal(parts.join(""), "Hello there");
  const asked = [];
  const withUsage = {
    model: MODEL,
    messages,
    stream: true,
    stream_options: { include_usage: true },
  } as const;
  for await (const chunk of await openai.chat.completions.create(withUsage)) asked.push(chunk);
  assert.equal(asked.at(-1)?.usage?.prompt_tokens, 1_003, "who asks for the usage gets it");
  const response = await openai.responses.create({ model: MODEL, input: "Say hello" });
  assert.equal(response.output_text, "Hello there");
  const events = [];
  for await (const event of await openai.responses.create({ model: MODEL, input: "hi", stream: true })) {
    events.push(event.type);
  }
  assert.equal(events.at(-1), "response.completed");
  assert.equal((await openai.models.list()).data.length, 1);
  assert.equal(await settledMicros(house), billed(provider, PRICE));
  await openai.embeddings.create({
    model: "text-embedding-3-small",
    input: "hello",
    encoding_format: "float",
  });
  const { entries } = (await house.api("GET", "/budget/ledger")).body;
  assert.equal(entries.length, 7);
  assert.deepEqual(
    [entries[0].operation, entries[0].cost_usd, entries[0].outcome],
    ["embeddings", 0.00002, "metered"],
  );
  assert.match(entries[0].price_version, /^genai-prices \d/);
  assert.equal(provider.arrivals[0]?.headers.authorization, "Bearer the-real-openai-key");
});

test("Gemini's client: content, stream, embeddings and counting, each metered by its own meaning of usage", async (t) => {
  const { provider, house, google } = await open(t);
  provider.uses({ input: 1_003, cached: 501, output: 333, thinking: 100 });
  const said = await google.models.generateContent({ model: GEMINI, contents: "Say hello" });
  assert.equal(said.text, "Hello there");
  const parts: string[] = [];
  for await (const chunk of await google.models.generateContentStream({ model: GEMINI, contents: "hi" })) {
    parts.push(chunk.text ?? "");
  }
  assert.equal(parts.join(""), "Hello there");
  assert.equal((await google.models.countTokens({ model: GEMINI, contents: "hi" })).totalTokens, 1_003);
  assert.equal(await settledMicros(house), billed(provider, GEMINI_PRICE));
  await google.models.embedContent({ model: "gemini-embedding-001", contents: "hi" });
  const { entries } = (await house.api("GET", "/budget/ledger?provider=gemini")).body;
  const [embedding, counting, stream] = entries;
  assert.equal(embedding.cost_usd, 0.00015);
  assert.deepEqual([counting.cost_usd, counting.outcome], [0, "not_billed"]);
  assert.deepEqual(
    [stream.input_tokens, stream.cached_input_tokens, stream.output_tokens, stream.thinking_tokens],
    [1_003, 501, 333, 100],
  );
});

test("the Vercel AI SDK: text, stream and embeddings of both providers", async (t) => {
  const { provider, house } = await open(t);
  const openai = createOpenAI({ apiKey: ADMIN_KEY, baseURL: `${house.url}/ai/openai/v1` });
  const google = createGoogle({ apiKey: ADMIN_KEY, baseURL: `${house.url}/ai/gemini/v1beta` });
  for (const model of [openai.chat(MODEL), openai.responses(MODEL), google(GEMINI)]) {
    assert.equal((await generateText({ model, prompt: "Say hello", maxRetries: 0 })).text, "Hello there");
    const { textStream } = streamText({ model, prompt: "Say hello", maxRetries: 0 });
    const parts = [];
    for await (const part of textStream) parts.push(part);
    assert.equal(parts.join(""), "Hello there");
  }
  await embed({ model: openai.embedding("text-embedding-3-small"), value: "hello", maxRetries: 0 });
  await house.quiet();
  const summary = (await house.api("GET", "/budget/summary?by=provider")).body;
  assert.equal(summary.assumed_usd, 0, "every usage was found");
  assert.deepEqual(summary.groups.map((group: { name: string }) => group.name).sort(), ["gemini", "openai"]);
  assert.equal(provider.arrivals.length, 7);
});

async function failure(call: PromiseLike<unknown>) {
  return call.then(
    () => assert.fail("was not refused"),
    (error) => error,
  );
}

/** Little money, one call a minute of one model of each provider, and that call is made. */
async function openStrict(t: TestContext) {
  const { openai, google, house, provider } = await open(t, {
    providers: {
      openai: { models: { "gpt-4.1-nano": { requests_per_minute: 1 } } },
      gemini: { models: { "gemini-2.0-flash": { requests_per_minute: 1 } } },
    },
    budget: { daily_usd: 0.5 },
    gateway: { hold_seconds: 0 },
  });
  await openai.chat.completions.create({ model: "gpt-4.1-nano", messages });
  await google.models.generateContent({ model: "gemini-2.0-flash", contents: "hi" });
  await house.quiet();
  return { openai, google, house, provider, made: provider.arrivals.length };
}

const LIMITED = { openai: "gpt-4.1-nano", google: "gemini-2.0-flash" };
const DEAR = { openai: "gpt-5-pro", google: "gemini-2.5-pro" };

test("OpenAI's client: each refusal is the error that it knows, with our code", async (t) => {
  const { openai, house, provider, made } = await openStrict(t);
  const chat = (model: string, at = openai) => failure(at.chat.completions.create({ model, messages }));
  const unknown = await chat("no-such-model");
  assert.ok(unknown instanceof OpenAI.UnprocessableEntityError);
  assert.equal(unknown.code, "unknown_model");
  const unfit = await chat(DEAR.openai);
  assert.ok(unfit instanceof OpenAI.APIError);
  assert.deepEqual([unfit.status, unfit.code], [402, "budget_exhausted"]);
  const limited = await chat(LIMITED.openai);
  assert.ok(limited instanceof OpenAI.RateLimitError);
  assert.deepEqual([limited.code, limited.headers.get("retry-after")], ["rate_limit_exceeded", "63"]);
  const stream = { model: LIMITED.openai, messages, stream: true } as const;
  assert.ok((await failure(openai.chat.completions.create(stream))) instanceof OpenAI.RateLimitError);
  const none = await failure(openai.embeddings.create({ model: "no-such-model", input: "hi" }));
  assert.ok(none instanceof OpenAI.UnprocessableEntityError);
  const wrong = new OpenAI({ apiKey: "mo_wrong", baseURL: `${house.url}/ai/openai/v1`, maxRetries: 0 });
  assert.ok((await chat(MODEL, wrong)) instanceof OpenAI.AuthenticationError);
  const huge = [{ role: "user" as const, content: "x".repeat(21 * 1024 * 1024) }];
  const tooLarge = await failure(openai.chat.completions.create({ model: MODEL, messages: huge }));
  assert.deepEqual([tooLarge.status, tooLarge.code], [413, "payload_too_large"]);
  assert.equal(provider.arrivals.length, made, "the provider got none of it");
});

test("Gemini's client: each refusal is an ApiError with its status, and our code among its details", async (t) => {
  const { google, house, provider, made } = await openStrict(t);
  const refusedAs = async (call: Promise<unknown>) => {
    const error = await failure(call);
    assert.ok(error instanceof ApiError, String(error));
    const told = JSON.parse(error.message).error;
    assert.equal(told.code, error.status);
    return [error.status, told.status, told.details[0].reason, told.details[1]?.retryDelay];
  };
  const content = (model: string, at = google) =>
    refusedAs(at.models.generateContent({ model, contents: "hi" }));
  assert.deepEqual(await content("no-such-model"), [422, "INVALID_ARGUMENT", "unknown_model", undefined]);
  assert.deepEqual(await content(DEAR.google), [402, "FAILED_PRECONDITION", "budget_exhausted", undefined]);
  const limited = [429, "RESOURCE_EXHAUSTED", "rate_limit_exceeded", "63s"];
  assert.deepEqual(await content(LIMITED.google), limited);
  const stream = { model: LIMITED.google, contents: "hi" };
  assert.deepEqual(await refusedAs(google.models.generateContentStream(stream)), limited);
  const wrong = new GoogleGenAI({
    apiKey: "mo_wrong",
    httpOptions: { baseUrl: `${house.url}/ai/gemini` },
  });
  assert.deepEqual(await content(GEMINI, wrong), [401, "UNAUTHENTICATED", "invalid_api_key", undefined]);
  assert.equal(provider.arrivals.length, made, "the provider got none of it");
});

test("the Vercel AI SDK: each refusal is an APICallError; only what may pass later is to be tried again", async (t) => {
  const { house, provider, made } = await openStrict(t);
  const key = { openai: ADMIN_KEY, google: ADMIN_KEY };
  const models = ({ openai: a, google: b } = key) => ({
    openai: createOpenAI({ apiKey: a, baseURL: `${house.url}/ai/openai/v1` }).chat,
    google: createGoogle({ apiKey: b, baseURL: `${house.url}/ai/gemini/v1beta` }),
  });
  for (const name of ["openai", "google"] as const) {
    const refusedAs = async (model: string, by = models()) => {
      const call = generateText({ model: by[name](model), prompt: "hi", maxRetries: 0 });
      const error = await failure(call);
      assert.ok(APICallError.isInstance(error), String(error));
      return [error.statusCode, error.isRetryable];
    };
    assert.deepEqual(await refusedAs("no-such-model"), [422, false], name);
    assert.deepEqual(await refusedAs(DEAR[name]), [402, false], name);
    assert.deepEqual(await refusedAs(LIMITED[name]), [429, true], name);
    const wrong = models({ openai: "mo_wrong", google: "mo_wrong" });
    assert.deepEqual(await refusedAs(LIMITED[name], wrong), [401, false], name);
    const { promise: refused, resolve: onError } = Promise.withResolvers<{ error: unknown }>();
    const streamed = streamText({
      ...{ model: models()[name](LIMITED[name]), prompt: "hi", maxRetries: 0 },
      onError,
    });
    await streamed.consumeStream();
    const { error } = await refused;
    assert.ok(APICallError.isInstance(error));
    assert.match(error.message, /no permit of/, "the reason is told, not only a status");
  }
  assert.equal(provider.arrivals.length, made, "the provider got none of it");
});
