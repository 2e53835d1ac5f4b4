/** Owns the proof of who may do what: keys, roles, expiry, revocation. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Role } from "@master-orchestrator/contract";
import { openTestHouse, type TestHouse } from "#test/house.ts";

async function keyOf(house: TestHouse, role: Role, expires_at?: string) {
  const body = { name: `a ${role}`, role, ...(expires_at ? { expires_at } : {}) };
  const answer = await house.api("POST", "/api-keys", body);
  assert.equal(answer.status, 201);
  assert.match(answer.body.key, /^mo_[a-z0-9]+_[A-Za-z0-9_-]{43}$/);
  return answer.body as { key_id: string; key: string };
}

const none = crypto.randomUUID();
/** What each role opens; for those that it opens, the status of the plain answer. */
const matrix: [method: string, path: string, body: unknown, open: Partial<Record<Role, number>>][] = [
  ["GET", "/tasks", undefined, { viewer: 200, operator: 200, worker: 200, admin: 200 }],
  ["GET", `/tasks/${none}`, undefined, { viewer: 404, operator: 404, worker: 404, admin: 404 }],
  ["POST", "/tasks", { workflow_type: "writer" }, { operator: 202, worker: 202, admin: 202 }],
  ["PATCH", `/tasks/${none}`, { priority: 1 }, { operator: 404, admin: 404 }],
  ["POST", `/tasks/${none}/cancel`, undefined, { operator: 404, admin: 404 }],
  ["GET", "/queue", undefined, { viewer: 200, operator: 200, worker: 200, admin: 200 }],
  ["GET", "/executions", undefined, { viewer: 200, operator: 200, admin: 200 }],
  ["POST", `/executions/${none}/cancel`, undefined, { operator: 404, admin: 404 }],
  ["POST", `/executions/${none}/replay`, undefined, { operator: 404, admin: 404 }],
  ["GET", "/dead-letters", undefined, { viewer: 200, operator: 200, admin: 200 }],
  ["POST", "/dead-letters/redrive", { filter: {} }, { operator: 200, admin: 200 }],
  ["GET", "/orchestrator", undefined, { viewer: 200, operator: 200, admin: 200 }],
  ["POST", "/orchestrator/resume", undefined, { operator: 200, admin: 200 }],
  ["POST", "/orchestrator/tick", undefined, { operator: 200, admin: 200 }],
  ["GET", "/cycles", undefined, { viewer: 200, operator: 200, admin: 200 }],
  ["GET", "/policy", undefined, { viewer: 200, operator: 200, admin: 200 }],
  ["PUT", "/policy", { policy: {} }, { admin: 200 }],
  ["GET", "/workflows", undefined, { viewer: 200, operator: 200, admin: 200 }],
  ["PUT", "/workflows/x", { webhook_url: "http://127.0.0.1:9/" }, { admin: 200 }],
  ["POST", "/workflows/writer/resume", undefined, { operator: 200, admin: 200 }],
  ["GET", "/api-keys", undefined, { admin: 200 }],
  ["POST", "/api-keys", { name: "n", role: "viewer" }, { admin: 201 }],
  ["DELETE", "/api-keys/nobody", undefined, { admin: 404 }],
  ["POST", `/executions/${none}/claim`, { attempt: 1, claimant: "x" }, {}],
  ["POST", `/executions/${none}/heartbeat`, {}, {}],
];

test("each role opens its own calls and no other; nobody opens none", async (t) => {
  const house = await openTestHouse(t);
  for (const role of ["viewer", "operator", "worker", "admin"] as const) {
    const { key } = await keyOf(house, role);
    for (const [method, path, body, open] of matrix) {
      const answer = await house.api(method, path, body, key);
      assert.equal(answer.status, open[role] ?? 403, `${role} ${method} ${path}: ${answer.text}`);
      if (answer.status === 403) assert.ok(answer.body.hint);
    }
  }
  for (const [method, path, body] of matrix) {
    const answer = await house.api(method, path, body, null);
    assert.deepEqual([path, answer.status, answer.body.code], [path, 401, "unauthorized"]);
    assert.match(answer.headers.get("www-authenticate") ?? "", /^Bearer/);
  }
});

test("a wrong credential of any shape is 401, and says nothing about why", async (t) => {
  const house = await openTestHouse(t);
  const { key } = await keyOf(house, "admin");
  const wrong = [
    `${key}x`,
    key.slice(0, -1),
    `${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`,
    "mo_aaaaaaaaaaaaaaaa_aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
    `moe_${"0".repeat(32)}_1_${"a".repeat(43)}`,
    "x",
  ];
  for (const credential of wrong) {
    assert.equal((await house.api("GET", "/tasks", undefined, credential)).status, 401, credential);
  }
  const inQuery = await house.api("GET", `/tasks?key=${key}`, undefined, null);
  assert.equal(inQuery.status, 401, "keys are never taken from the query string");
});

test("a key ends at its expiry", async (t) => {
  const house = await openTestHouse(t);
  const expires = new Date(house.clock.nowMs() + 60_000).toISOString();
  const { key } = await keyOf(house, "viewer", expires);
  assert.equal((await house.api("GET", "/tasks", undefined, key)).status, 200);
  await house.leap(59_999);
  assert.equal((await house.api("GET", "/tasks", undefined, key)).status, 200);
  await house.leap(1);
  const answer = await house.api("GET", "/tasks", undefined, key);
  assert.deepEqual([answer.status, answer.body.code], [401, "unauthorized"]);
  assert.match(answer.body.detail, /expired/);
});

test("a revoked key is refused at once, and by every replica within seconds", async (t) => {
  const house = await openTestHouse(t);
  const other = await house.replica();
  const { key, key_id } = await keyOf(house, "operator");
  for (const each of [house, other])
    assert.equal((await each.api("GET", "/tasks", undefined, key)).status, 200);
  const revoked = await house.api("DELETE", `/api-keys/${key_id}`);
  assert.equal(revoked.status, 200);
  assert.ok(revoked.body.revoked_at);
  assert.equal((await house.api("GET", "/tasks", undefined, key)).status, 401);
  await house.advance(5_000);
  assert.equal((await other.api("GET", "/tasks", undefined, key)).status, 401);
});

test("keys are listed without their secrets, and stored as hashes", async (t) => {
  const house = await openTestHouse(t);
  const { key, key_id } = await keyOf(house, "worker");
  const listed = await house.api("GET", "/api-keys");
  assert.ok(listed.body.api_keys.some((each: { key_id: string }) => each.key_id === key_id));
  assert.ok(!listed.text.includes(key) && !listed.text.includes("hash"));
  const { rows } = await house.db.query("select k::text as row from api_keys k where key_id = $1", [key_id]);
  assert.ok(!rows[0]?.row.includes(key.split("_")[2]));
});

test("secrets of a workflow are set, kept and never shown", async (t) => {
  const house = await openTestHouse(t);
  const { url } = house.workflow("writer");
  const auth = { type: "bearer", token: "very-secret" };
  await house.api("PUT", "/workflows/writer", { webhook_url: url, auth });
  const shown = await house.api("GET", "/workflows/writer");
  assert.ok(!shown.text.includes("very-secret") && !shown.text.includes("whsec_"));
  const again = await house.api("PUT", "/workflows/writer", { ...shown.body.settings, max_concurrent: 2 });
  assert.equal(again.status, 200, again.text);
  await house.enqueue({});
  const run = house.workflow("writer").last();
  assert.equal(run.headers.authorization, "Bearer very-secret");
  assert.equal(run.signed, true);
});

test("who did it is on record", async (t) => {
  const house = await openTestHouse(t);
  const { key, key_id } = await keyOf(house, "operator");
  const [id] = await house.enqueue({ not_before: "2030-01-01T00:00:00Z" });
  await house.api("POST", `/tasks/${id}/cancel`, undefined, key);
  const { rows } = await house.db.query(
    "select actor from transitions where entity_id = $1 and to_state = 'cancelled'",
    [id],
  );
  assert.deepEqual(rows, [{ actor: `a operator (${key_id})` }]);
});
