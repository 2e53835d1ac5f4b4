/** Owns the proof that AI calls pass the gateway unchanged, for those who may, to the provider and nowhere else. */
import assert from "node:assert/strict";
import { createServer, type IncomingHttpHeaders, request } from "node:http";
import { type TestContext, test } from "node:test";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";

interface Seen {
  method: string;
  url: string;
  headers: IncomingHttpHeaders;
  body: string;
}

/** A provider that answers everything in one breath and keeps what it was asked. */
async function aProvider(t: TestContext): Promise<{ url: string; seen: Seen[] }> {
  const seen: Seen[] = [];
  const server = createServer(async (incoming, outgoing) => {
    const chunks: Buffer[] = [];
    for await (const chunk of incoming) chunks.push(chunk as Buffer);
    const { method = "", url = "", headers } = incoming;
    seen.push({ method, url, headers, body: Buffer.concat(chunks).toString() });
    outgoing.setHeader("content-type", "application/json");
    outgoing.end('{"said":"hello"}');
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return { url: `http://127.0.0.1:${(server.address() as { port: number }).port}`, seen };
}

async function aHouse(t: TestContext, env: Record<string, string> = {}) {
  const provider = await aProvider(t);
  const house = await openTestHouse(t, {
    workflows: { writer: {} },
    env: {
      GEMINI_API_KEY: "the-real-gemini-key",
      GEMINI_BASE_URL: provider.url,
      OPENAI_API_KEY: "the-real-openai-key",
      OPENAI_BASE_URL: `${provider.url}/v1`,
      ...env,
    },
  });
  return { house, provider };
}

/** Sends the path exactly as it stands: `fetch` would resolve its dots before sending. */
function post(house: TestHouse, path: string, headers: Record<string, string>) {
  return new Promise<{ status: number; body: string }>((resolve, reject) => {
    const { hostname, port } = new URL(house.url);
    const sent = { hostname, port, path, method: "POST", agent: false, headers };
    const call = request(sent, async (answer) => {
      const chunks: Buffer[] = [];
      for await (const chunk of answer) chunks.push(chunk as Buffer);
      resolve({ status: answer.statusCode ?? 0, body: Buffer.concat(chunks).toString() });
    });
    call.on("error", reject);
    call.end(BODY);
  });
}

const BODY = '{"model":"gpt-4o-mini","messages":[]}';
const json = { "content-type": "application/json" };

test("a call passes unchanged, with the provider's key instead of the caller's", async (t) => {
  const { house, provider } = await aHouse(t);
  const path = "/ai/gemini/v1beta/models/gemini-2.5-flash:generateContent";
  const answer = await post(house, `${path}?alt=sse&key=${ADMIN_KEY}`, json);
  assert.deepEqual(answer, { status: 200, body: '{"said":"hello"}' });
  const bearer = { ...json, authorization: `Bearer ${ADMIN_KEY}` };
  assert.equal((await post(house, "/ai/openai/v1/chat/completions", bearer)).status, 200);
  const [gemini, openai] = provider.seen as [Seen, Seen];
  assert.equal(gemini.url, "/v1beta/models/gemini-2.5-flash:generateContent?alt=sse");
  assert.equal(gemini.headers["x-goog-api-key"], "the-real-gemini-key");
  assert.equal(gemini.body, BODY);
  assert.equal(openai.url, "/v1/chat/completions");
  assert.equal(openai.headers.authorization, "Bearer the-real-openai-key");
  assert.doesNotMatch(JSON.stringify(provider.seen), new RegExp(ADMIN_KEY));
});

test("a path prefix of PUBLIC_URL changes nothing", async (t) => {
  const { house, provider } = await aHouse(t, { PUBLIC_URL: "https://o.example.org/base" });
  await post(house, "/ai/gemini/v1beta/models/gemini-2.5-flash:countTokens", {
    ...json,
    "x-goog-api-key": ADMIN_KEY,
  });
  assert.equal(provider.seen[0]?.url, "/v1beta/models/gemini-2.5-flash:countTokens");
});

test("dots in the path lead nowhere else, least of all to another host", async (t) => {
  const { house, provider } = await aHouse(t);
  const key = { ...json, "x-goog-api-key": ADMIN_KEY, authorization: `Bearer ${ADMIN_KEY}` };
  for (const path of [
    "/ai/gemini/../../aaaaaaaaa.example.com/x",
    "/ai/gemini/%2e%2e/%2e%2e/aaaaaaaaa@example.com/x",
    "/ai/openai/v1/../../../aaaaaaaaaaaa.example.com/x",
  ]) {
    const answer = await post(house, path, key);
    assert.equal(answer.status, 404, path);
  }
  assert.equal(provider.seen.length, 0);
});

test("nobody calls without a key, and an attempt's token only while the attempt lives", async (t) => {
  const { house, provider } = await aHouse(t);
  assert.equal(
    (await post(house, "/ai/gemini/v1beta/models/gemini-2.5-flash:countTokens", json)).status,
    401,
  );
  const writer = house.workflow("writer");
  await house.enqueue({});
  const [run] = writer.deliveries;
  assert.ok(run);
  const { execution_id: id, authentication } = run.message;
  const token = { ...json, "x-goog-api-key": authentication.token };
  assert.equal(
    (await post(house, "/ai/gemini/v1beta/models/gemini-2.5-flash:countTokens", token)).status,
    200,
  );
  await house.api("POST", `/executions/${id}/cancel`);
  const late = await post(house, "/ai/gemini/v1beta/models/gemini-2.5-flash:countTokens", token);
  assert.equal(late.status, 401);
  assert.equal(JSON.parse(late.body).error.details[0].reason, "invalid_api_key");
  assert.equal(provider.seen.length, 1);
});
