/** Owns the proof that what is malformed is refused at the door: a 4xx with a hint, and nothing half written. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";
import { send } from "#test/http.ts";

const WATCHED = ["tasks", "facts", "transitions", "workflows", "policy_versions", "api_keys", "checkpoints"];

async function rowCounts(house: TestHouse): Promise<Record<string, number>> {
  const counts = WATCHED.map((table) => `(select count(*) from ${table})::int as ${table}`);
  return (await house.db.query(`select ${counts.join(", ")}`)).rows[0] as Record<string, number>;
}

const task = (change: object) => ({ workflow_type: "writer", ...change });
const deep = (levels: number) => `${"[".repeat(levels)}1${"]".repeat(levels)}`;
const wrap = (payload: string) => `{"workflow_type":"writer","payload":{"x":${payload}}}`;

interface Case {
  method?: string;
  path?: string;
  body?: unknown;
  headers?: Record<string, string>;
  expect: [status: number, code: string];
  /** What the answer has to say. */
  says?: RegExp;
}

const cases: Record<string, Case> = {
  "a NUL character": { body: wrap('"a\\u0000b"'), expect: [400, "invalid_json"], says: /NUL/ },
  "a NUL in a member's name": { body: wrap('{"a\\u0000":1}'), expect: [400, "invalid_json"] },
  "a lone surrogate": { body: wrap('"\\ud800"'), expect: [400, "invalid_json"] },
  "bytes that are no UTF-8": { body: Buffer.from([0x7b, 0x22, 0xff, 0x22]), expect: [400, "invalid_json"] },
  "a depth of 100": { body: wrap(deep(100)), expect: [400, "json_too_deep"], says: /64/ },
  "a depth of 100,000": { body: wrap(deep(100_000)), expect: [400, "json_too_deep"] },
  "no JSON": { body: "{oops", expect: [400, "invalid_json"] },
  "an empty body": { body: "", expect: [400, "invalid_json"] },
  "two JSON values": { body: "{}{}", expect: [400, "invalid_json"] },
  "another content type": {
    body: "workflow_type=writer",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    expect: [415, "unsupported_media_type"],
  },
  "a body of 2 MB where 1.5 are allowed": {
    method: "PUT",
    path: "/workflows/large",
    body: { webhook_url: "http://127.0.0.1:9/x", params: { text: "x".repeat(2_000_000) } },
    expect: [413, "payload_too_large"],
  },
  "a task of 2 MB": {
    body: task({ payload: { text: "x".repeat(2_000_000) } }),
    expect: [413, "payload_too_large"],
  },
  "a batch of 13 MB": {
    body: { tasks: Array.from({ length: 13 }, () => task({ payload: { text: "x".repeat(1_000_000) } })) },
    expect: [413, "payload_too_large"],
  },
  "an unknown field": { body: task({ prio: 3 }), expect: [422, "validation_failed"], says: /priority/ },
  "an unknown field deep in a batch": {
    body: { tasks: [task({}), task({ idempotency_ke: "k" })] },
    expect: [422, "validation_failed"],
    says: /\/tasks\/1\/idempotency_ke.*did you mean \\"idempotency_key\\"/,
  },
  "a number as a text": {
    body: task({ priority: "80" }),
    expect: [422, "validation_failed"],
    says: /\/priority/,
  },
  "a fraction where a whole number is wanted": {
    body: task({ priority: 1.5 }),
    expect: [422, "validation_failed"],
  },
  "a priority above 100": { body: task({ priority: 101 }), expect: [422, "validation_failed"] },
  "null for a missing field": { body: task({ priority: null }), expect: [422, "validation_failed"] },
  "a payload that is no object": { body: task({ payload: [1] }), expect: [422, "validation_failed"] },
  "a date that is none": { body: task({ not_before: "tomorrow" }), expect: [422, "validation_failed"] },
  "an empty batch": { body: { tasks: [] }, expect: [422, "validation_failed"] },
  "a list instead of an object": { body: [task({})], expect: [422, "validation_failed"] },
  "an unknown workflow": {
    body: task({ workflow_type: "writr" }),
    expect: [422, "unknown_workflow"],
    says: /writer/,
  },
  "an unknown workflow at the end of a batch": {
    body: { tasks: [task({}), task({}), task({ workflow_type: "nobody" })] },
    expect: [422, "unknown_workflow"],
    says: /\/tasks\/2\/workflow_type/,
  },
  "a limit of 501": {
    method: "GET",
    path: "/tasks?limit=501",
    expect: [422, "validation_failed"],
    says: /limit/,
  },
  "a limit of 0": { method: "GET", path: "/tasks?limit=0", expect: [422, "validation_failed"] },
  "a limit in words": { method: "GET", path: "/executions?limit=many", expect: [422, "validation_failed"] },
  "an unknown parameter": { method: "GET", path: "/tasks?statsu=queued", expect: [422, "validation_failed"] },
  "an unknown status": { method: "GET", path: "/tasks?status=done", expect: [422, "validation_failed"] },
  "a cursor of one's own making": {
    method: "GET",
    path: "/tasks?cursor=abc",
    expect: [422, "validation_failed"],
  },
  "a NUL in the query": {
    method: "GET",
    path: "/tasks?workflow_type=a%00",
    expect: [422, "validation_failed"],
  },
  "a body for an action that takes none": {
    path: "/orchestrator/pause",
    body: { reason: "lunch" },
    expect: [422, "validation_failed"],
  },
  "a method that is not supported": { method: "DELETE", path: "/tasks", expect: [405, "method_not_allowed"] },
  "a policy with an unknown name": {
    method: "PUT",
    path: "/policy",
    body: { policy: { concurrency: { totl: 3 } } },
    expect: [422, "validation_failed"],
    says: /concurrency\/totl.*total/,
  },
  "a policy with a negative number": {
    method: "PUT",
    path: "/policy",
    body: { policy: { retry: { base_seconds: -1 } } },
    expect: [422, "validation_failed"],
    says: /retry\/base_seconds/,
  },
  "a workflow without an address": {
    method: "PUT",
    path: "/workflows/nowhere",
    body: { max_concurrent: 3 },
    expect: [422, "validation_failed"],
    says: /webhook_url/,
  },
  "a workflow with a weak secret": {
    method: "PUT",
    path: "/workflows/weak",
    body: { webhook_url: "http://127.0.0.1:9/x", signing_secret: "whsec_abc" },
    expect: [422, "validation_failed"],
  },
  "a workflow's name that cannot be": {
    method: "PUT",
    path: "/workflows/Not-A-Name",
    body: { webhook_url: "http://127.0.0.1:9/x" },
    expect: [422, "validation_failed"],
  },
  "a key of an unknown role": {
    path: "/api-keys",
    body: { name: "x", role: "root" },
    expect: [422, "validation_failed"],
    says: /role/,
  },
  "a key that has expired already": {
    path: "/api-keys",
    body: { name: "x", role: "viewer", expires_at: "2020-01-01T00:00:00Z" },
    expect: [422, "validation_failed"],
  },
};

test("what is malformed is refused with a hint, and nothing is half written", async (t) => {
  const house = await openTestHouse(t);
  await house.api("POST", "/orchestrator/pause");
  await house.quiet();
  const before = await rowCounts(house);
  for (const [name, { method = "POST", path = "/tasks", body, headers = {}, expect, says }] of Object.entries(
    cases,
  )) {
    await t.test(name, async () => {
      const answer = await send(`${house.url}/api/v1${path}`, { method, body, headers, key: ADMIN_KEY });
      assert.deepEqual([answer.status, answer.body.code], expect, answer.text.slice(0, 500));
      assert.match(answer.headers.get("content-type") ?? "", /^application\/problem\+json/);
      assert.ok(answer.body.hint.length > 5, "a hint");
      assert.equal(answer.body.status, answer.status);
      assert.doesNotMatch(answer.text, /node_modules|\/work\/|\.ts:\d|\\n {4}at /, "no stack trace, no path");
      if (says) assert.match(answer.text, says);
    });
  }
  await house.quiet();
  assert.deepEqual(await rowCounts(house), before);
});

test("what is at the edge of the allowed is taken", async (t) => {
  const house = await openTestHouse(t);
  await house.api("POST", "/orchestrator/pause");
  const taken = [
    wrap(deep(60)),
    wrap('"\\ud83d\\ude00 \\u0001 \u{1f600}"'),
    JSON.stringify(task({ payload: { text: "x".repeat(1_400_000) } })),
    JSON.stringify({
      tasks: Array.from({ length: 11 }, () => task({ payload: { text: "x".repeat(1_000_000) } })),
    }),
    JSON.stringify(task({ priority: 0, idempotency_key: "k".repeat(200) })),
  ];
  for (const body of taken) {
    const answer = await house.api("POST", "/tasks", body);
    assert.equal(answer.status, 202, answer.text.slice(0, 300));
  }
  assert.equal((await house.api("GET", "/tasks?limit=500")).status, 200);
  const emoji = await house.api("GET", "/tasks?limit=500");
  assert.equal(emoji.body.tasks.length, 15);
});

test("a cursor belongs to the list that gave it", async (t) => {
  const house = await openTestHouse(t);
  await house.enqueue({}, {});
  const { next_cursor } = (await house.api("GET", "/tasks?limit=1")).body;
  assert.equal((await house.api("GET", `/tasks?limit=1&cursor=${next_cursor}`)).status, 200);
  for (const list of ["executions", "cycles", "dead-letters", "workflows", "policy/history", "api-keys"]) {
    const answer = await house.api("GET", `/${list}?cursor=${next_cursor}`);
    assert.deepEqual([list, answer.status, answer.body.code], [list, 422, "validation_failed"]);
  }
});

test("errors of unknown paths outside the API are problems too", async (t) => {
  const house = await openTestHouse(t);
  const answer = await send(`${house.url}/nothing/here`, {});
  assert.deepEqual([answer.status, answer.body.code], [404, "not_found"]);
});
