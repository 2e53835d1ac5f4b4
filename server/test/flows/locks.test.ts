/** Owns the proof of locks: one holder at a time, rising fences, first come first served, nothing held for ever. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Lease, LockList } from "@master-orchestrator/contract";
import { hang } from "#test/activity.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const NONE = "00000000-0000-4000-8000-000000000000";

const acquire = (house: TestHouse, holder: string, body: object = {}) =>
  house.api("POST", "/locks/platform/acquire", { holder, ...body });

/** Asks on `house` and stands in line as the `n`th; the test goes on meanwhile. */
async function standInLine(house: TestHouse, n: number, holder: string, waitSeconds = 60) {
  const answered = hang(`POST ${house.url}/api/v1/locks/platform/acquire`);
  const answer = acquire(house, holder, { wait_seconds: waitSeconds }).finally(answered);
  await house.until(`${holder} stands in line`, async () => (await lockOf(house))?.waiting === n);
  return { answer };
}

async function hold(house: TestHouse, holder: string, body: object = {}) {
  const answer = await acquire(house, holder, body);
  assert.equal(answer.status, 200, answer.text);
  return Lease.parse(answer.body);
}

const release = (house: TestHouse, leaseId: string) =>
  house.api("POST", "/locks/platform/release", { lease_id: leaseId });

async function lockOf(house: TestHouse) {
  const { body } = await house.api("GET", "/locks");
  return LockList.parse(body).locks[0];
}

test("a lock has one holder; others learn who, and when to ask again; the same holder too", async (t) => {
  const house = await openTestHouse(t);
  const lease = await hold(house, "n8n run 1", { ttl_seconds: 90 });
  for (const holder of ["n8n run 2", "n8n run 1"]) {
    const refused = await acquire(house, holder);
    const { code, holder: by } = refused.body as { code: string; holder: string };
    assert.deepEqual([refused.status, code, by], [409, "locked", "n8n run 1"]);
    assert.equal(refused.headers.get("retry-after"), "90");
  }
  assert.equal((await release(house, lease.lease_id)).status, 200);
  const next = await hold(house, "n8n run 2");
  assert.ok(next.fence > lease.fence);
  const lock = await lockOf(house);
  assert.deepEqual([lock?.holder, lock?.grants, lock?.refusals, lock?.expirations], ["n8n run 2", 2, 2, 0]);
});

test("a lease ends by itself; its holder is told so at its next word, and changes nothing", async (t) => {
  const house = await openTestHouse(t);
  const lost = await hold(house, "crashed", { ttl_seconds: 60 });
  await house.advance(30_000);
  const renewed = await house.api("POST", "/locks/platform/renew", { lease_id: lost.lease_id });
  assert.equal(Lease.parse(renewed.body).fence, lost.fence);
  await house.advance(59_000);
  assert.equal((await acquire(house, "other")).status, 409);
  await house.advance(1_000);
  const lease = await hold(house, "other");
  assert.ok(lease.fence > lost.fence);
  for (const action of ["renew", "release"]) {
    const answer = await house.api("POST", `/locks/platform/${action}`, { lease_id: lost.lease_id });
    assert.deepEqual([answer.status, (answer.body as { code: string }).code], [409, "lease_lost"]);
  }
  const lock = await lockOf(house);
  assert.deepEqual([lock?.holder, lock?.expirations], ["other", 1]);
});

test("a released lease cannot be released again, and one that never was is lost too", async (t) => {
  const house = await openTestHouse(t);
  const lease = await hold(house, "a");
  assert.equal((await release(house, lease.lease_id)).status, 200);
  assert.equal((await release(house, lease.lease_id)).status, 409);
  assert.equal((await release(house, NONE)).status, 409);
});

test("of many who ask at once, on two replicas, exactly one gets it", async (t) => {
  const house = await openTestHouse(t);
  const other = await house.replica();
  const answers = await Promise.all(
    Array.from({ length: 24 }, (_, i) => acquire(i % 2 === 0 ? house : other, `run ${i}`)),
  );
  assert.equal(answers.filter(({ status }) => status === 200).length, 1);
  assert.equal(answers.filter(({ status }) => status === 409).length, 23);
});

test("who waits gets it in turn, and who asks without waiting does not push in", async (t) => {
  const house = await openTestHouse(t);
  const first = await hold(house, "first");
  const second = await standInLine(house, 1, "second");
  const third = await standInLine(house, 2, "third");
  await release(house, first.lease_id);
  const lease = Lease.parse((await second.answer).body);
  assert.equal((await acquire(house, "pushing")).status, 409);
  await release(house, lease.lease_id);
  assert.equal(Lease.parse((await third.answer).body).fence > lease.fence, true);
  assert.equal((await lockOf(house))?.waiting, 0);
});

test("a wait that is over is a refusal, and leaves nobody in line", async (t) => {
  const house = await openTestHouse(t);
  await hold(house, "first", { ttl_seconds: 300 });
  const waiting = await standInLine(house, 1, "second", 5);
  await house.advance(5_000);
  assert.equal((await waiting.answer).status, 409);
  assert.equal((await lockOf(house))?.waiting, 0);
});

test("who waited on a replica that was killed holds nobody up for long", async (t) => {
  const house = await openTestHouse(t);
  const other = await house.replica();
  const first = await hold(house, "first");
  const lost = await standInLine(other, 1, "lost");
  await other.kill();
  await lost.answer.catch(() => null);
  await house.db.query(
    `insert into lock_waiters (name, holder, looks_again_before)
     values ('platform', 'lost', orchestrator_now() + interval '5 s')`,
  );
  await house.advance(5_000);
  await release(house, first.lease_id);
  await hold(house, "next");
});

test("an operator breaks a lock; its holder learns of it, and a worker may not", async (t) => {
  const house = await openTestHouse(t);
  const lease = await hold(house, "stuck");
  const key = await house.api("POST", "/api-keys", { name: "n8n", role: "worker" });
  const worker = (key.body as { key: string }).key;
  assert.equal((await house.api("POST", "/locks/platform/break", {}, worker)).status, 403);
  const broken = await house.api("POST", "/locks/platform/break");
  assert.deepEqual([broken.status, (broken.body as { held: boolean }).held], [200, false]);
  assert.equal((await release(house, lease.lease_id)).status, 409);
  assert.equal((await house.api("POST", "/locks/nobodys/break")).status, 404);
});

test("bad names, times and members are refused with their place", async (t) => {
  const house = await openTestHouse(t);
  for (const [path, body, pattern] of [
    ["/locks/a/acquire", { holder: "x", ttl_seconds: 0 }, /ttl_seconds/],
    ["/locks/a/acquire", { holder: "x", wait_seconds: 301 }, /wait_seconds/],
    ["/locks/a/acquire", { holdr: "x" }, /did you mean/],
    ["/locks/a/release", { lease_id: "17" }, /lease_id/],
  ] as const) {
    const answer = await house.api("POST", path, body);
    assert.equal(answer.status, 422, answer.text);
    assert.match(answer.text, pattern);
  }
  const misnamed = await house.api("POST", "/locks/a%20b/acquire", { holder: "x" });
  assert.equal(misnamed.status, 404);
  assert.match(misnamed.text, /name: must be letters, digits and/);
});
