/** Owns the proof of who did what: each change once, by whom, before and after, without secrets, and for good. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { AuditLog } from "@master-orchestrator/contract";
import { command } from "#cli/stub-api.ts";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";
import { send } from "#test/http.ts";

const DAY_MS = 86_400_000;

async function entriesOf(house: TestHouse, query = "") {
  const answer = await house.api("GET", `/audit${query}`);
  assert.equal(answer.status, 200, answer.text);
  return AuditLog.parse(answer.body).entries;
}

test("each change is written down with who, what, before and after; what was refused as well", async (t) => {
  const house = await openTestHouse(t, {
    workflows: { writer: { max_concurrent: 1, batch: { min: 1, max: 1 } } },
  });
  const { key, key_id: keyId } = (await house.api("POST", "/api-keys", { name: "Ada", role: "operator" }))
    .body;
  const [, waiting] = await house.enqueue({}, {});
  const asAda = (method: string, path: string, body?: unknown) => house.api(method, path, body, key);
  await asAda("PATCH", `/tasks/${waiting}`, { priority: 90 });
  await asAda("POST", "/orchestrator/pause");
  await asAda("PUT", "/policy", { policy: { budget: { daily_usd: 1 } } });
  await house.api("PUT", "/policy", { policy: { budget: { daily_usd: 400 } }, comment: "less" });
  await asAda("PATCH", `/tasks/${waiting}`, { priority: 1_000 });
  await asAda("GET", "/queue");
  const told = (await entriesOf(house)).map((one) => [
    one.actor,
    one.action,
    one.target,
    one.status,
    one.before,
    one.after,
  ]);
  const ada = `Ada (${keyId})`;
  const admin = "the admin key (admin)";
  const version = told[0]?.[2];
  assert.deepEqual(told.slice(0, 5), [
    [
      admin,
      "PUT /api/v1/policy",
      version,
      200,
      { budget: { daily_usd: 500 } },
      { budget: { daily_usd: 400 } },
    ],
    [ada, "PUT /api/v1/policy", null, 403, null, null],
    [ada, "POST /api/v1/orchestrator/pause", "orchestrator", 200, { paused: false }, { paused: true }],
    [ada, "PATCH /api/v1/tasks/:task_id", waiting, 200, { priority: 50 }, { priority: 90 }],
    [admin, "POST /api/v1/api-keys", keyId, 201, null, { key_id: keyId, name: "Ada", role: "operator" }],
  ]);
  assert.equal((await entriesOf(house, `?key_id=${keyId}`)).length, 3);
  assert.equal((await entriesOf(house, `?target=${waiting}`)).length, 1);
  assert.deepEqual(
    (await entriesOf(house, "?text=DAILY_usd")).map(({ status }) => status),
    [200],
  );
  const listed = await command(t, house.url, ["audit", "--text", "pause"], {
    env: { ORCHESTRATOR_API_KEY: ADMIN_KEY },
  });
  assert.match(listed.stdout, /Ada \(.+POST \/orchestrator\/pause.+"paused":false/);
  assert.equal((await house.api("GET", "/audit", undefined, key)).status, 200);
});

test("log-ins are written down; no key, token or secret of a webhook's address is", async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  const { key } = (await house.api("POST", "/api-keys", { name: "Ada", role: "viewer" })).body;
  await house.api("POST", "/session", { key }, null);
  const secret = "s3cr3t-of-the-test";
  const put = await house.api("PUT", "/workflows/writer", {
    webhook_url: `http://127.0.0.1:9/hook/${secret}?sig=${secret}`,
    signing_secret: `whsec_${Buffer.from(secret.padEnd(32, "x")).toString("base64")}`,
    auth: { type: "header", name: "X-Api-Key", value: secret },
  });
  assert.equal(put.status, 200, put.text);
  const entries = await entriesOf(house);
  assert.deepEqual(
    entries.map(({ action }) => action),
    ["PUT /api/v1/workflows/:workflow_type", "POST /api/v1/session", "POST /api/v1/api-keys"],
  );
  assert.match(entries[1]!.actor, /^Ada /);
  const kept = JSON.stringify((await house.db.query("select * from audit")).rows);
  assert.ok(!kept.includes(secret) && !kept.includes(key.slice(-20)), kept);
  await assert.rejects(house.db.query("update audit set actor = 'nobody'"), /append-only/);
});

test("programs fill no log: only what a person sends by hand; and what is beyond the limit goes", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {} } });
  const before = (await entriesOf(house)).length;
  await house.enqueue({});
  assert.equal((await entriesOf(house)).length, before, "its sender stands in the task's own row");
  const byHand = await send(`${house.url}/api/v1/tasks`, {
    ...{ method: "POST", key: ADMIN_KEY, body: { workflow_type: "writer", payload: {} } },
    headers: { "x-orchestrator-client": "dashboard", "x-request-id": "errand-7" },
  });
  assert.equal(byHand.headers.get("x-request-id"), "errand-7");
  assert.equal((await entriesOf(house))[0]?.request_id, "errand-7");
  await house.leap(31 * DAY_MS);
  await house.api("POST", "/orchestrator/pause");
  await house.api("POST", "/orchestrator/resume");
  assert.deepEqual(
    (await entriesOf(house)).map(({ action }) => action),
    ["POST /api/v1/orchestrator/resume", "POST /api/v1/orchestrator/pause"],
  );
});
