/** The server at its door: who may come in and where, over real connections. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import { Readable } from "node:stream";
import { after, before, describe, it } from "node:test";
import { PageQuery, Problem } from "@master-orchestrator/contract";
import { z } from "zod";
import { defineRoute, type Route } from "./route.ts";
import { ADMIN, EXECUTION, problem, type TrialServer, trialServer } from "./trial-server.ts";

const Thing = z.strictObject({ name: z.string(), size: z.int().optional(), deep: z.json().optional() });
const anything = { 200: z.json() };
const about = { summary: "", tag: "Test", answers: anything } as const;
const fail = (error: () => unknown) => async () => {
  throw error();
};

const routes: Route[] = [
  defineRoute({
    ...about,
    method: "POST",
    path: "/api/v1/things",
    access: "operator",
    body: Thing,
    handle: async ({ body }) => ({ status: 200, body: { got: body.name } }),
  }),
  defineRoute({
    ...about,
    method: "GET",
    path: "/api/v1/things",
    access: ["viewer", "worker"],
    query: PageQuery,
    handle: async ({ query, url }) => ({ status: 200, body: { ...query, href: url.href } }),
  }),
  defineRoute({
    ...about,
    method: "GET",
    path: "/api/v1/things/:thing_id",
    access: "viewer",
    params: z.object({ thing_id: z.uuid() }),
    handle: async ({ params }) => ({ status: 200, body: params }),
  }),
  defineRoute({
    ...about,
    method: "POST",
    path: "/api/v1/things/:thing_id/stop",
    access: "operator",
    handle: async ({ params }) => ({ status: 200, body: { stopped: params.thing_id ?? null } }),
  }),
  defineRoute({
    ...about,
    method: "POST",
    path: "/api/v1/executions/:execution_id/claim",
    access: "execution",
    handle: async ({ caller }) => ({ status: 200, body: { kind: caller.kind } }),
  }),
  defineRoute({
    ...about,
    method: "POST",
    path: "/workflows/:name",
    access: "public",
    raw: true,
    maxBodyBytes: 2_000_000,
    handle: async ({ rawBody, caller }) => ({
      status: 200,
      body: { bytes: rawBody.length, kind: caller.kind },
    }),
  }),
  defineRoute({
    ...about,
    method: "GET",
    path: "/page",
    access: "public",
    handle: async () => ({ status: 200, body: "<p>", headers: { "content-type": "text/html" } }),
  }),
  defineRoute({
    ...about,
    method: "GET",
    path: "/stream",
    access: "public",
    handle: async () => ({
      status: 200,
      body: Readable.from(["a", "b"]),
      headers: { "content-type": "text/event-stream" },
    }),
  }),
  defineRoute({
    ...about,
    method: "GET",
    path: "/boom",
    access: "public",
    handle: fail(() => new Error("/etc/secret exploded")),
  }),
  defineRoute({
    ...about,
    method: "GET",
    path: "/outage",
    access: "public",
    handle: fail(() => Object.assign(new Error("terminating connection"), { code: "57P01" })),
  }),
  defineRoute({
    ...about,
    method: "GET",
    path: "/locked",
    access: "public",
    handle: fail(
      () => new Problem("conflict", "held by another", "Wait.", { retry_after_seconds: 2.2, holder: "x" }),
    ),
  }),
  defineRoute({
    ...about,
    method: "GET",
    path: "/undocumented",
    access: "public",
    handle: async () => ({ status: 201, body: {} }),
  }),
];

let server: TrialServer;
const call: TrialServer["call"] = (path, sent) => server.call(path, sent);
before(async () => {
  server = await trialServer(routes);
});
after(() => server.close());

const THINGS = "/api/v1/things";

describe("a caller", () => {
  it("without a key, or with a wrong one, is told so before the body is looked at", async () => {
    const got = await call(THINGS, { key: null, body: "x".repeat(2_000_000), type: "text/plain" });
    problem(got, 401, "unauthorized");
    assert.match(got.headers.get("www-authenticate") ?? "", /^Bearer realm=/);
    const wrong = await call(THINGS, { key: "wrong" });
    problem(wrong, 401, "unauthorized");
    assert.match(wrong.headers.get("www-authenticate") ?? "", /invalid_token/);
  });
  it("of too small a role is refused; any of a route's roles is enough", async () => {
    const got = await call(THINGS, { key: server.workerKey, body: '{"name":"a"}' });
    problem(got, 403, "forbidden");
    assert.match(got.body.hint, /operator/);
    assert.equal((await call(THINGS, { key: server.workerKey })).status, 200);
  });
  it("with an execution token opens its own execution only", async () => {
    const claim = (id: string, key: string) =>
      call(`/api/v1/executions/${id}/claim`, { method: "POST", key });
    assert.deepEqual((await claim(EXECUTION, "moe_1")).body, { kind: "execution" });
    assert.equal((await claim(EXECUTION.toUpperCase(), "moe_1")).status, 200);
    problem(await claim("01890a5d-ac96-774b-bcce-000000000000", "moe_1"), 403, "forbidden");
    problem(await claim(EXECUTION, ADMIN), 403, "forbidden");
    problem(await call(THINGS, { key: "moe_1" }), 403, "forbidden");
  });
});

describe("a query", () => {
  it("is read by its schema; an empty value is no value", async () => {
    const got = await call(`${THINGS}?limit=500&cursor=`);
    assert.deepEqual(got.body, { limit: 500, href: `https://o.example.org/base${THINGS}?limit=500&cursor=` });
  });
  const wrong = ["limit=501", "limit=0", "limit=x", "limit=1&limit=2", "cursor=%00"];
  for (const query of wrong) {
    it(`${query} is refused`, async () =>
      problem(await call(`${THINGS}?${query}`), 422, "validation_failed"));
  }
  it("with an unknown parameter is refused with what was meant; a key is one too", async () => {
    const got = await call(`${THINGS}?limt=3`);
    problem(got, 422, "validation_failed");
    assert.match(got.body.detail, /did you mean "limit"\?/);
    problem(await call(`${THINGS}?api_key=abc`), 422, "validation_failed");
    problem(await call(`${THINGS}/7/stop?key=abc`, { method: "POST" }), 422, "validation_failed");
  });
  it("outside of the API does no harm", async () => assert.equal((await call("/page?utm=1")).status, 200));
});

describe("an address", () => {
  it("that nothing serves is not found, with what was meant", async () => {
    const got = await call("/api/v1/thingz");
    problem(got, 404, "not_found");
    assert.match(got.body.hint, /Did you mean \/api\/v1\/things\?/);
    assert.match((await call("/things")).body.hint, /\/api\/v1\/things/);
    assert.match((await call("/api/v1/things/")).body.hint, /\/api\/v1\/things/);
    problem(await call("/wp-admin.php"), 404, "not_found");
  });
  it("that serves another method says which", async () => {
    const got = await call(THINGS, { method: "DELETE" });
    problem(got, 405, "method_not_allowed");
    assert.equal(got.headers.get("allow"), "GET, HEAD, POST");
    problem(await call(THINGS, { method: "OPTIONS", key: null }), 405, "method_not_allowed");
  });
  it("whose id cannot be one is not found", async () => {
    problem(await call(`${THINGS}/nonsense`), 404, "not_found");
    problem(await call(`${THINGS}/a%00b`), 422, "validation_failed");
    problem(await call(`${THINGS}/${"x".repeat(600)}`), 400, "invalid_request");
  });
  it("that cannot be decoded is refused", async () =>
    problem(await call("/api/%zz"), 400, "invalid_request"));
  it("answers HEAD like GET, without the body", async () => {
    const got = await call(THINGS, { method: "HEAD" });
    assert.equal(got.status, 200);
    assert.equal(got.text, "");
    assert.ok(Number(got.headers.get("content-length")) > 0);
  });
});

describe("an answer", () => {
  it("has security headers everywhere, and under /api is not stored", async () => {
    for (const path of [THINGS, "/page", "/nowhere", "/boom"]) {
      const { headers } = await call(path);
      assert.equal(headers.get("x-content-type-options"), "nosniff");
      assert.equal(headers.get("referrer-policy"), "no-referrer");
      assert.equal(headers.get("x-frame-options"), "DENY");
      assert.match(headers.get("content-security-policy") ?? "", /default-src 'none'/);
    }
    assert.equal((await call(THINGS)).headers.get("cache-control"), "no-store");
  });
  it("may be a page or a stream", async () => {
    assert.equal((await call("/page")).text, "<p>");
    assert.equal((await call("/stream")).text, "ab");
  });
  it("to an unexpected error tells an incident that the log knows, and nothing else", async () => {
    const got = await call("/boom");
    problem(got, 500, "internal");
    assert.doesNotMatch(got.text, /secret|exploded/);
    const told = server.logged.map(({ details }) => details as { incident_id?: string; error?: Error });
    const entry = told.find((details) => details?.incident_id === got.body.incident_id);
    assert.match(String(entry?.error), /exploded/);
  });
  it("while the database is away says to come back", async () => {
    const got = await call("/outage");
    problem(got, 503, "database_unavailable");
    assert.equal(got.headers.get("retry-after"), "1");
  });
  it("carries a problem's details and when to try again", async () => {
    const got = await call("/locked");
    problem(got, 409, "conflict");
    assert.equal(got.body.holder, "x");
    assert.equal(got.headers.get("retry-after"), "3");
  });
  it("that is not documented is an error in tests", async () =>
    problem(await call("/undocumented"), 500, "internal"));
});

describe("bytes that are no HTTP", () => {
  const exchange = async (bytes: string): Promise<string> => {
    const socket = connect(Number(new URL(server.base).port), "127.0.0.1");
    socket.on("error", () => {});
    let answer = "";
    socket.setEncoding("utf8").on("data", (text: string) => {
      answer += text;
    });
    socket.write(bytes);
    await once(socket, "close");
    return answer;
  };
  it("are answered and cut off", async () => {
    const answer = await exchange("HELLO\r\n\r\n");
    assert.match(answer, /^HTTP\/1\.1 400 /);
    assert.match(answer, /application\/problem\+json/);
  });
  it("headers without end are too large", async () => {
    assert.match(await exchange(`GET / HTTP/1.1\r\nx: ${"y".repeat(40_000)}\r\n\r\n`), /^HTTP\/1\.1 431 /);
  });
  it("that come too slowly do not hold a connection", () => {
    assert.ok(
      server.app.server.requestTimeout > 0 &&
        server.app.server.headersTimeout > 0 &&
        server.app.server.keepAliveTimeout > 0,
    );
    assert.ok(server.app.server.headersTimeout <= server.app.server.requestTimeout);
  });
});

describe("closing", () => {
  it("ends a stream that nobody ends, after a grace", { timeout: 20_000 }, async (context) => {
    context.mock.timers.enable({ apis: ["setTimeout"] });
    const stream = new Readable({ read() {} });
    const closing = await trialServer([
      defineRoute({
        ...about,
        method: "GET",
        path: "/events",
        access: "public",
        handle: async () => ({ status: 200, body: stream, headers: { "content-type": "text/event-stream" } }),
      }),
    ]);
    stream.push("hello");
    const response = await fetch(`${closing.base}/events`);
    const reader = response.body!.getReader();
    await reader.read();
    const closed = closing.close();
    const broken = assert.rejects(reader.read());
    // The grace begins in a hook, a few turns after close was called.
    for (let turns = 0; turns < 20; turns++) await new Promise(setImmediate);
    context.mock.timers.tick(5_000);
    await Promise.all([closed, broken]);
  });
});
