import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { anArticle } from "../sample-pages.ts";
import { suggestTexts } from "./model.ts";

const FITTING = {
  title: "The heat pump in an old house, explained",
  description:
    "How a heat pump warms an old house, what has to be done before it comes, and what it costs in the end.",
};

/** A server that answers every chat completion with `content`, or with a status alone. */
async function provider(t: TestContext, answer: { content?: string; status?: number }) {
  const requests: { authorization: string | undefined; body: Record<string, unknown> }[] = [];
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    requests.push({
      authorization: request.headers.authorization,
      body: JSON.parse(Buffer.concat(chunks).toString()) as Record<string, unknown>,
    });
    response.writeHead(answer.status ?? 200, { "content-type": "application/json" });
    const usage = { prompt_tokens: 10, completion_tokens: 10, total_tokens: 20 };
    const choices = [
      { index: 0, finish_reason: "stop", message: { role: "assistant", content: answer.content } },
    ];
    const refusal = { error: { message: "the day's budget is spent", code: "budget_exhausted", type: "x" } };
    const body = answer.status
      ? refusal
      : { id: "x", object: "chat.completion", created: 1, model: "m", choices, usage };
    response.end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/v1`, requests };
}

async function suggested(t: TestContext, answer: { content?: string; status?: number }) {
  const { url, requests } = await provider(t, answer);
  const logged: string[] = [];
  const suggestions = await suggestTexts(anArticle(), "Long text. ".repeat(2_000), {
    ...{ provider: "openai", model: "gpt-6-luna" },
    gateway: { openaiBaseUrl: url, geminiBaseUrl: "http://127.0.0.1:9", token: "moe_1", headers: () => ({}) },
    signal: AbortSignal.timeout(10_000),
    log: (message) => logged.push(message),
  });
  return { suggestions, requests, logged };
}

test("one bounded call through the gateway, with the execution's token", async (t) => {
  const { suggestions, requests } = await suggested(t, { content: JSON.stringify(FITTING) });
  assert.deepEqual(suggestions, { ...FITTING, basis: "openai/gpt-6-luna" });
  assert.equal(requests.length, 1);
  const { authorization, body } = requests[0]!;
  assert.equal(authorization, "Bearer moe_1");
  assert.equal(body.max_completion_tokens ?? body.max_tokens, 1024);
  assert.ok(JSON.stringify(body).length < 12_000, "the text is cut");
});

test("what does not fit is left out; an answer that is none, and a refusal, leave it to the rules", async (t) => {
  const long = await suggested(t, { content: JSON.stringify({ ...FITTING, title: "x".repeat(99) }) });
  assert.deepEqual(long.suggestions, { ...FITTING, title: null, basis: "openai/gpt-6-luna" });
  for (const answer of [{ content: "I'd rather not." }, { status: 402 }, { status: 429 }]) {
    const { suggestions, requests, logged } = await suggested(t, answer);
    assert.equal(suggestions, null);
    assert.equal(requests.length, 1, "an audit is not worth a second call");
    assert.match(logged.join(), /rules write them/);
  }
});
