/** Owns the proof of sessions: a cookie stands for a key, changes nothing for other sites, and ends with its key. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";
import { send } from "#test/http.ts";

const CLIENT = { "x-orchestrator-client": "dashboard" };

async function logIn(house: TestHouse, key: string) {
  const answer = await house.api("POST", "/session", { key }, null);
  assert.equal(answer.status, 200, answer.text);
  const cookie = answer.headers.get("set-cookie") ?? "";
  return { answer, cookie, session: { cookie: cookie.split(";")[0]! } };
}

async function keyOf(house: TestHouse, role: string) {
  const { body } = await house.api("POST", "/api-keys", { name: "Ada", role });
  return body as { key_id: string; key: string };
}

const at = (house: TestHouse, path: string) => `${house.url}/api/v1${path}`;

test("who logs in with a key gets a cookie that scripts cannot read, and may what the key may", async (t) => {
  const house = await openTestHouse(t);
  const { key } = await keyOf(house, "viewer");
  const { answer, cookie, session } = await logIn(house, key);
  assert.match(cookie, /; HttpOnly; SameSite=Strict$/);
  assert.ok(!cookie.includes(key.slice(-20)), "the key itself is not in it");
  assert.deepEqual([answer.body.name, answer.body.role], ["Ada", "viewer"]);
  assert.equal((await send(at(house, "/session"), { headers: session })).body.role, "viewer");
  const paused = await send(at(house, "/orchestrator/pause"), {
    method: "POST",
    headers: { ...session, ...CLIENT },
  });
  assert.equal(paused.status, 403);
});

test("another site that makes a browser send a form changes nothing", async (t) => {
  const house = await openTestHouse(t);
  const { session } = await logIn(house, ADMIN_KEY);
  const forged = await send(at(house, "/orchestrator/pause"), { method: "POST", headers: session });
  assert.equal(forged.status, 403);
  assert.match(forged.text, /x-orchestrator-client/);
  const own = await send(at(house, "/orchestrator/pause"), {
    method: "POST",
    headers: { ...session, ...CLIENT },
  });
  assert.equal(own.status, 200, own.text);
});

test("a session ends after its time, with its key, and when it is closed", async (t) => {
  const house = await openTestHouse(t);
  const { key_id: keyId, key } = await keyOf(house, "operator");
  const revoked = await logIn(house, key);
  assert.equal((await house.api("DELETE", `/api-keys/${keyId}`)).status, 200);
  assert.equal((await send(at(house, "/session"), { headers: revoked.session })).status, 401);
  const { session } = await logIn(house, ADMIN_KEY);
  const closed = await send(at(house, "/session"), { method: "DELETE", headers: { ...session, ...CLIENT } });
  assert.equal(closed.status, 204);
  assert.match(closed.headers.get("set-cookie") ?? "", /^mo_session=; Max-Age=0/);
  assert.equal((await send(at(house, "/session"), { headers: session })).status, 200);
  await house.leap(12 * 3_600_000);
  assert.equal((await send(at(house, "/session"), { headers: session })).status, 401);
});

test("a cookie that was made up, altered, or is another key's is refused; so is a wrong key", async (t) => {
  const house = await openTestHouse(t);
  const { session } = await logIn(house, ADMIN_KEY);
  const [keyId, expires, mac] = session.cookie.slice("mo_session=".length).split(".") as [
    string,
    string,
    string,
  ];
  const { key_id: other } = await keyOf(house, "viewer");
  for (const value of [
    `${keyId}.${Number(expires) + 1}.${mac}`,
    `${other}.${expires}.${mac}`,
    `${keyId}.${expires}.${mac.slice(0, -2)}`,
    `${keyId}.${expires}`,
    "x",
    "admin.9e99.x",
  ]) {
    const answer = await send(at(house, "/session"), { headers: { cookie: `mo_session=${value}` } });
    assert.equal(answer.status, 401, value);
  }
  assert.equal((await house.api("POST", "/session", { key: "mo_nobody" }, null)).status, 401);
});
