import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { Writer } from "./draft.ts";
import type { Provider } from "./model.ts";
import { draftFrom, modelWriter, outlineFrom } from "./model-writer.ts";
import type { ModelArticle } from "./prompt.ts";
import { aTopic } from "./sample-topics.ts";

const never = new AbortController().signal;

const ANSWER: ModelArticle = {
  title: "Warm without a boiler",
  summary: "Heat pumps move heat.",
  sections: [
    {
      heading: "## How",
      blocks: [
        {
          list: false,
          claims: [
            { text: "They move heat.", sources: [1] },
            { text: "They pause [2, 9].", sources: [] },
          ],
        },
        {
          list: true,
          claims: [
            { text: "<script>x</script>", sources: [0, 3] },
            { text: "second\nitem", sources: [2, 1, 2] },
          ],
        },
      ],
    },
    { heading: "", blocks: [{ list: false, claims: [{ text: "no heading", sources: [] }] }] },
  ],
  key_facts: [
    { text: "At ten metres it is quieter than a refrigerator. [1]", sources: [1] },
    { text: " ", sources: [] },
  ],
  pull_quote: "noise is the complaint that neighbours  make most often",
  citations: [
    { source: 1, quote: "Heat pumps move heat instead of making it." },
    { source: 2, quote: "Penguins invented the heat pump." },
    { source: 7, quote: "Heat pumps move heat instead of making it." },
  ],
};

interface Seen {
  path: string;
  headers: IncomingHttpHeaders;
  body: Record<string, unknown>;
}

/** A provider's server on loopback that gives `answer` to every request. */
async function stub(
  answer: (seen: Seen) => { status: number; body: unknown; headers?: Record<string, string> },
) {
  const seen: Seen[] = [];
  const server = createServer((request, response) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      const call = {
        path: request.url!,
        headers: request.headers,
        body: JSON.parse(Buffer.concat(chunks).toString()),
      };
      seen.push(call);
      const { status, body, headers } = answer(call);
      response.writeHead(status, { "content-type": "application/json", ...headers });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const gateway = {
    openaiBaseUrl: `${base}/ai/openai/v1`,
    geminiBaseUrl: `${base}/ai/gemini`,
    token: "moe_secret",
    headers: () => ({}),
  };
  return {
    seen,
    writer: (provider: Provider, model: string): Writer => modelWriter({ provider, model, gateway }),
    [Symbol.asyncDispose]: async () => {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

const gemini = (text: string) => ({
  candidates: [{ content: { role: "model", parts: [{ text }] }, finishReason: "STOP", index: 0 }],
  usageMetadata: { promptTokenCount: 10, candidatesTokenCount: 20, totalTokenCount: 30 },
});
const openai = (content: string) => ({
  id: "chatcmpl-1",
  object: "chat.completion",
  created: 1,
  model: "gpt-6-luna",
  choices: [{ index: 0, message: { role: "assistant", content }, finish_reason: "stop" }],
  usage: { prompt_tokens: 10, completion_tokens: 20, total_tokens: 30 },
});

test("Gemini is asked through the gateway, with the execution's token in the place of its key", async () => {
  await using provider = await stub(() => ({ status: 200, body: gemini(JSON.stringify(ANSWER)) }));
  const entities = [{ entityId: "e", name: "Fraunhofer Institute", mention: "", resolution: "new" as const }];
  const draft = await provider
    .writer("gemini", "gemini-3.5-flash-lite")
    .write(aTopic(), entities, null, never);
  assert.equal(provider.seen.length, 1);
  const [call] = provider.seen;
  assert.equal(call!.path, "/ai/gemini/v1beta/models/gemini-3.5-flash-lite:generateContent");
  assert.equal(call!.headers["x-goog-api-key"], "moe_secret");
  const sent = JSON.stringify(call!.body);
  assert.match(sent, /\[2\] Peak load/);
  assert.match(sent, /Fraunhofer Institute/);
  assert.match(sent, /"maxOutputTokens":6144/);
  assert.match(sent, /responseSchema|responseJsonSchema/);
  assert.equal(draft.title, "Warm without a boiler");
  assert.equal(draft.generator, "gemini/gemini-3.5-flash-lite");
});

test("OpenAI is asked by chat completions, which compatible servers speak as well", async () => {
  await using provider = await stub(() => ({ status: 200, body: openai(JSON.stringify(ANSWER)) }));
  const draft = await provider.writer("openai", "gpt-6-luna").write(aTopic(), [], null, never);
  const [call] = provider.seen;
  assert.equal(call!.path, "/ai/openai/v1/chat/completions");
  assert.equal(call!.headers.authorization, "Bearer moe_secret");
  assert.equal((call!.body.response_format as { type: string }).type, "json_schema");
  assert.equal(draft.generator, "openai/gpt-6-luna");
});

test("an answer is checked against the sources", () => {
  const messages: string[] = [];
  const draft = draftFrom(ANSWER, aTopic(), "test/model", (message) => messages.push(message));
  assert.deepEqual(draft.sections, [
    {
      heading: "How",
      markdown:
        "They move heat.[1](#source-1) They pause.[2](#source-2)\n\n- <script>x</script>\n- second item[1](#source-1)[2](#source-2)",
    },
  ]);
  assert.deepEqual(draft.citations, [{ text: "Heat pumps move heat instead of making it.", source: 0 }]);
  assert.deepEqual(draft.pullQuote, { text: ANSWER.pull_quote, source: 0 });
  assert.deepEqual(draft.keyFacts, [{ text: "At ten metres it is quieter than a refrigerator.", source: 0 }]);
  assert.deepEqual(messages, ["quotations that are not in the source were dropped"]);
});

test("a quotation that no source holds is dropped, and an empty article refused", () => {
  const draft = draftFrom(
    { ...ANSWER, pull_quote: "Penguins fly south every winter." },
    aTopic(),
    "t",
    () => {},
  );
  assert.equal(draft.pullQuote, null);
  assert.throws(() => draftFrom({ ...ANSWER, sections: [] }, aTopic(), "t", () => {}), /no sections/);
});

test("a refusal of the gateway fails the task, with what the gateway said", async () => {
  const refusals: [provider: Provider, status: number, body: unknown, expected: RegExp][] = [
    [
      "gemini",
      402,
      { error: { code: 402, message: "the day's budget is spent", status: "FAILED_PRECONDITION" } },
      /HTTP 402.*budget/,
    ],
    [
      "openai",
      402,
      { error: { code: "budget_exhausted", message: "the day's budget is spent", type: "x" } },
      /HTTP 402.*budget/,
    ],
    [
      "openai",
      422,
      { error: { code: "unknown_model", message: "no price for gpt-6-luna", type: "x" } },
      /HTTP 422.*no price/,
    ],
    ["gemini", 200, gemini("I would rather not."), /did not answer with an article/],
    ["openai", 200, openai('{"title": "x"}'), /did not answer with an article/],
  ];
  for (const [name, status, body, expected] of refusals) {
    await using provider = await stub(() => ({ status, body }));
    await assert.rejects(provider.writer(name, "gpt-6-luna").write(aTopic(), [], null, never), expected);
    assert.equal(provider.seen.length, 1, "a refusal for good is not tried again");
  }
});

test("a provider that is down is tried once more, and then the task fails", async () => {
  await using provider = await stub(() => ({
    status: 503,
    body: { error: { message: "overloaded" } },
    headers: { "retry-after-ms": "1" },
  }));
  await assert.rejects(
    provider.writer("openai", "gpt-6-luna").write(aTopic(), [], null, never),
    /HTTP 503: overloaded/,
  );
  assert.equal(provider.seen.length, 2);
});

test("an abort ends the call", async () => {
  const stopped = new AbortController();
  await using provider = await stub(() => {
    stopped.abort(new Error("deadline"));
    return { status: 200, body: gemini(JSON.stringify(ANSWER)) };
  });
  await assert.rejects(provider.writer("gemini", "m").write(aTopic(), [], null, stopped.signal), /deadline/);
});

test("an outline keeps only sources that there are, and is refused without sections", () => {
  const points = [
    { claim: "Heat is moved", sources: [1, 9, 1] },
    { claim: "Peaks", sources: [2] },
  ];
  const answer = {
    angle: "How",
    sections: [
      { heading: " How ", points },
      { heading: "Empty", points: [] },
    ],
    not_covered: [],
  };
  assert.deepEqual(outlineFrom(answer, aTopic()).sections, [
    {
      heading: "How",
      points: [
        { claim: "Heat is moved", sources: [1] },
        { claim: "Peaks", sources: [2] },
      ],
    },
  ]);
  assert.throws(() => outlineFrom({ ...answer, sections: [] }, aTopic()), /no sections/);
});

test("the article follows its outline, and a revision is told what was found", async () => {
  await using provider = await stub(() => ({ status: 200, body: gemini(JSON.stringify(ANSWER)) }));
  const writer = provider.writer("gemini", "m");
  const outline = {
    angle: "Warmth for less",
    sections: [{ heading: "Costs", points: [{ claim: "What it costs", sources: [1] }] }],
    not_covered: [],
  };
  const draft = await writer.write(aTopic(), [], outline, never);
  await writer.revise!(aTopic(), [], { draft, findings: ["Say what it costs"] }, never);
  const [first, second] = provider.seen.map((call) => JSON.stringify(call.body));
  assert.match(first!, /Outline: Warmth for less.*## Costs.*What it costs \[1\]/);
  assert.match(second!, /\(2\) At ten metres.*An editor found:.*Say what it costs/);
});
