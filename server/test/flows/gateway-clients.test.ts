/** Owns the proof that the providers' own clients work through the gateway by their base URL alone, and are metered to the micro-dollar. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { createGoogle } from "@ai-sdk/google";
import { createOpenAI } from "@ai-sdk/openai";
import { ApiError, GoogleGenAI } from "@google/genai";
import { embed, generateText, streamText } from "ai";
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

test("refusals are errors that the clients understand", async (t) => {
  const { provider, openai, google, house } = await open(t, {
    providers: { gemini: { requests_per_minute: 0 }, openai: { requests_per_minute: 50 } },
    gateway: { hold_seconds: 0 },
  });
  const failure = async (call: Promise<unknown>) =>
    call.then(
      () => assert.fail("was not refused"),
      (error) => error,
    );
  const unknown = await failure(openai.chat.completions.create({ model: "no-such-model", messages }));
  assert.ok(unknown instanceof OpenAI.UnprocessableEntityError);
  assert.equal(unknown.code, "unknown_model");
  const unfit = await failure(openai.chat.completions.create({ model: "gpt-5-pro", n: 128, messages }));
  assert.deepEqual([unfit.status, unfit.code], [402, "budget_exhausted"]);
  const limited = await failure(google.models.generateContent({ model: GEMINI, contents: "hi" }));
  assert.ok(limited instanceof ApiError);
  assert.equal(limited.status, 429);
  const wrong = new OpenAI({ apiKey: "mo_wrong", baseURL: `${house.url}/ai/openai/v1`, maxRetries: 0 });
  assert.ok((await failure(wrong.models.list())) instanceof OpenAI.AuthenticationError);
  assert.equal(provider.arrivals.length, 0, "the provider got none of it");
});
