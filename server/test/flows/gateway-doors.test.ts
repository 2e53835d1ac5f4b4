/** Owns the proof that no request, however written, gets round the gateway, and that no key of a provider comes back out of it. */
import assert from "node:assert/strict";
import { connect } from "node:net";
import { test } from "node:test";
import { gzipSync } from "node:zlib";
import { begin, call, entries, MODEL, money, openGateway } from "#test/gateway-caller.ts";
import { ADMIN_KEY, type TestHouse } from "#test/house.ts";

const quick = { providers: { openai: {}, gemini: {} }, gateway: { hold_seconds: 0 } };
const GEMINI = "/ai/gemini/v1beta/models/gemini-2.5-flash:generateContent";
const gemini = { contents: [{ parts: [{ text: "hi" }] }], generationConfig: { maxOutputTokens: 20 } };
const chat = { model: MODEL, max_tokens: 20, messages: [{ role: "user", content: "hi" }] };

/** Sends these bytes and reads until the other side has said what `until` matches. */
function raw(house: TestHouse, bytes: string, until: RegExp): Promise<string> {
  const { hostname, port } = new URL(house.url);
  return new Promise((resolve, reject) => {
    const socket = connect(Number(port), hostname);
    let heard = "";
    const done = () => {
      socket.destroy();
      resolve(heard);
    };
    socket.on("data", (chunk) => {
      heard += chunk.toString("latin1");
      if (until.test(heard)) done();
    });
    socket.on("error", reject);
    socket.on("end", done);
    socket.write(bytes);
  });
}

function post(target: string, headers: Record<string, string>, body: string): string {
  const lines = {
    host: "house",
    authorization: `Bearer ${ADMIN_KEY}`,
    "x-goog-api-key": ADMIN_KEY,
    ...headers,
  };
  const head = Object.entries(lines).map(([name, value]) => `${name}: ${value}\r\n`);
  return `POST ${target} HTTP/1.1\r\n${head.join("")}content-length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;
}

test("no way of writing a path leads to another host, or to a call that is not metered", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  for (const target of [
    "http://evil.example/ai/gemini/v1beta/models/gemini-2.5-flash:generateContent",
    "//evil.example/ai/openai/v1/chat/completions",
    "/ai/gemini/..%2f..%2fevil.example/x",
    "/ai/gemini/%2e%2e/%2e%2e/evil.example/x",
    "/ai/gemini/\\..\\..\\evil.example/x",
    "/ai/gemini//evil.example/v1beta/models/gemini-2.5-flash:generateContent",
    "/ai/gemini/@evil.example/v1beta/models/gemini-2.5-flash:generateContent",
    "/ai/gemini/v1beta/models/x/../../../v1/files:generateContent",
    "/ai/gemini/v1beta/models/a%2f..%2ffiles:upload",
    "/ai/openai/v1/chat/completions/../../images/generations",
    "/ai/openai/v1/chat%2fcompletions",
    "/ai/openai/v1/Chat/Completions",
  ]) {
    const heard = await raw(house, post(target, {}, JSON.stringify({ ...chat, ...gemini })), /\}\s*$/);
    assert.match(heard, /^HTTP\/1\.1 (404|400|422)/, target);
  }
  assert.equal(provider.arrivals.length, 0);
  assert.equal((await entries(house)).length, 0);
});

test("a request that could be read in two ways is not read at all", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  const target = "/ai/openai/v1/chat/completions";
  const body = JSON.stringify(chat);
  const chunked = post(target, { "transfer-encoding": "chunked" }, `0\r\n\r\n${post(target, {}, body)}`);
  assert.match(await raw(house, chunked, /\}\s*$/), /^HTTP\/1\.1 400/);
  const twice = post(target, {}, body).replace("content-length:", "content-length: 3\r\ncontent-length:");
  assert.match(await raw(house, twice, /\}\s*$/), /^HTTP\/1\.1 400/);
  const injected = post(target, { "x-client-request-id": "a\nx-evil: b" }, body);
  assert.match(await raw(house, injected, /\}\s*$/), /^HTTP\/1\.1 400/);
  assert.equal(provider.arrivals.length, 0);
});

test("a client that waits for 100-continue gets it, then its answer", async (t) => {
  const { house } = await openGateway(t, { policy: quick });
  const whole = post("/ai/openai/v1/chat/completions", { expect: "100-continue" }, JSON.stringify(chat));
  const heard = await raw(house, whole, /Hello there/);
  assert.match(heard, /^HTTP\/1\.1 100 Continue\r\n\r\nHTTP\/1\.1 200 OK/);
});

test("a key in the query is not passed on, however often and however written, and stands in no log", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  const query = `key=${ADMIN_KEY}&key=second&%6bey=third&alt=json&alt=json`;
  const head = `POST ${GEMINI}?${query} HTTP/1.1\r\nhost: house\r\ncontent-type: application/json\r\n`;
  const body = JSON.stringify(gemini);
  const heard = await raw(house, `${head}content-length: ${body.length}\r\n\r\n${body}`, /Hello there/);
  assert.match(heard, /^HTTP\/1\.1 200/);
  assert.equal(provider.arrivals[0]?.query, "?alt=json&alt=json");
  const wrong = await raw(house, `${head.replace(ADMIN_KEY, "wrong")}content-length: 0\r\n\r\n`, /\}\s*$/);
  assert.match(wrong, /^HTTP\/1\.1 401/);
  assert.doesNotMatch(JSON.stringify(house.logged), /second|third|the-admin-key|the-real/);
});

test("of a client's headers only the provider's business is passed on; of an answer's none of this hop, and none with our key", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  const leak = {
    error: { message: "Incorrect API key provided: the-real-openai-key", type: "x", code: "y" },
  };
  provider.next({
    kind: "status",
    status: 401,
    headers: {
      "set-cookie": "a=b",
      "x-echo": "Bearer the-real-openai-key",
      connection: "keep-alive, x-hop",
      "x-hop": "1",
      trailer: "x",
      "x-request-id": "req_1",
    },
    body: leak,
  });
  const request = post(
    "/ai/openai/v1/chat/completions",
    {
      ...{ cookie: "session=1", te: "trailers", "x-forwarded-for": "1.2.3.4", "openai-beta": "b" },
      ...{ "proxy-authorization": "Basic eA==", "openai-organization": "other", "x-api-key": "k" },
    },
    JSON.stringify(chat),
  );
  const heard = await raw(house, request, /\}\s*$/);
  const sent = Object.keys(provider.arrivals[0]?.headers ?? {});
  for (const name of [
    "cookie",
    "te",
    "x-forwarded-for",
    "proxy-authorization",
    "openai-organization",
    "x-api-key",
  ])
    assert.ok(!sent.includes(name), name);
  assert.ok(sent.includes("openai-beta"));
  assert.match(heard, /^HTTP\/1\.1 401/);
  assert.match(heard, /x-request-id: req_1/);
  assert.doesNotMatch(heard, /the-real-openai-key|set-cookie|x-hop: 1|x-echo|trailer/i);
  assert.match(heard, /Incorrect API key provided: \[key\]/);
});

test("an answer that comes packed all the same is unpacked, and its usage found", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  const usage = { prompt_tokens: 1_000, completion_tokens: 10, total_tokens: 1_010 };
  const packed = gzipSync(JSON.stringify({ id: "x", choices: [], usage }));
  provider.next({ kind: "bytes", headers: { "content-encoding": "gzip" }, bytes: packed });
  const reply = await call(house, { body: chat });
  assert.deepEqual(
    [reply.status, reply.body.usage, reply.headers["content-encoding"]],
    [200, usage, undefined],
  );
  assert.equal((await money(house)).settled, 156);
  provider.next({ kind: "bytes", headers: { "content-encoding": "gzip" }, bytes: packed.subarray(0, 20) });
  assert.equal((await call(house, { body: chat })).status, 502);
  assert.equal((await entries(house))[0].outcome, "assumed");
});

test("a provider that sends its callers elsewhere is not followed, by us or by them", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  const elsewhere = {
    kind: "status",
    status: 307,
    headers: { location: "https://evil.example/" },
    body: {},
  } as const;
  provider.next(elsewhere, elsewhere);
  const reply = await call(house, { body: chat });
  assert.deepEqual([reply.status, reply.body.error.code], [502, "provider_redirects"]);
  assert.equal(reply.headers.location, undefined);
  const reading = await call(house, { path: "/ai/openai/v1/models", method: "GET" });
  assert.deepEqual([reading.status, reading.headers.location], [502, undefined]);
  assert.deepEqual(await money(house), { settled: 0, held: 0, left: 500_000_000 });
});

test("a body that is too large is refused in the provider's words", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  const body = JSON.stringify({
    ...chat,
    messages: [{ role: "user", content: "x".repeat(21 * 1024 * 1024) }],
  });
  const reply = await call(house, { body });
  assert.deepEqual([reply.status, reply.body.error.code], [413, "payload_too_large"]);
  const other = await call(house, { path: GEMINI, body });
  assert.deepEqual([other.body.error.code, other.body.error.details[0].reason], [413, "payload_too_large"]);
  assert.equal(provider.arrivals.length, 0);
});

test("a huge stream passes in pieces, whole, and is metered", async (t) => {
  const { house, provider } = await openGateway(t, { policy: quick });
  const event = `data: {"choices":[{"index":0,"delta":{"content":"${"x".repeat(64 * 1024)}"}}]}\n\n`;
  const last =
    'data: {"choices":[],"usage":{"prompt_tokens":1000,"completion_tokens":10}}\n\ndata: [DONE]\n\n';
  const bytes = Buffer.from(event.repeat(400) + last);
  provider.next({ kind: "bytes", headers: { "content-type": "text/event-stream" }, bytes });
  const stream = begin(house, { body: { ...chat, stream: true, stream_options: { include_usage: true } } });
  const reply = await stream.reply;
  assert.equal(reply.text.length, bytes.length);
  assert.equal((await money(house)).settled, 156);
});
