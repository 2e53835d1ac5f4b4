/** Owns the proof of how dead letters are seen and sent back: alone, by the kind of their error, and many at once. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { DeadLetterGroupList, DeadLetterList } from "@master-orchestrator/contract";
import { openTestHouse, type TestHouse } from "#test/house.ts";

async function die(house: TestHouse, message: string, task: Record<string, unknown> = {}): Promise<string> {
  const [id] = await house.enqueue(task);
  const type = (task.workflow_type as string | undefined) ?? "writer";
  await house.workflow(type).last().fail({ message, retry_recommended: false });
  await house.quiet();
  return id!;
}

const groupsOf = async (house: TestHouse, query = "") => {
  const answer = await house.api("GET", `/dead-letters/groups${query}`);
  assert.equal(answer.status, 200, answer.text);
  return DeadLetterGroupList.parse(answer.body);
};

test("dead letters are grouped by the kind of their last error, the largest group first", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {}, auditor: {} } });
  const first = await die(house, "no source for topic 17");
  const firstSeen = new Date(house.clock.nowMs()).toISOString();
  await house.advance(1_000);
  const second = await die(house, "no source for topic 4711", { workflow_type: "auditor" });
  await die(house, "HTTP 401: who are you?");
  const { groups } = await groupsOf(house);
  assert.deepEqual(
    groups.map(({ count, message }) => [count, message]),
    [
      [2, "no source for topic 4711"],
      [1, "HTTP 401: who are you?"],
    ],
  );
  const [group] = groups;
  assert.deepEqual(
    [group!.first_seen, group!.last_seen, group!.workflow_types, group!.task_id, group!.code],
    [firstSeen, new Date(house.clock.nowMs()).toISOString(), ["auditor", "writer"], second, "failed"],
  );
  const task = await house.task(first);
  assert.equal(task.errors[0].fingerprint, group!.fingerprint, "each error has its fingerprint");
});

test("a fingerprint filters the list, the groups and the redrive, and dry runs only say which", async (t) => {
  const house = await openTestHouse(t);
  const ids = [await die(house, "no source for topic 1"), await die(house, "no source for topic 2")];
  const other = await die(house, "out of paper");
  const fingerprint = (await groupsOf(house)).groups[0]!.fingerprint;
  const listed = (await house.api("GET", `/dead-letters?fingerprint=${fingerprint}`)).body;
  DeadLetterList.parse(listed);
  assert.deepEqual(
    listed.dead_letters.map((letter: { task_id: string; fingerprint: string }) => [
      letter.task_id,
      letter.fingerprint,
    ]),
    [...ids].reverse().map((id) => [id, fingerprint]),
  );
  assert.equal((await groupsOf(house, `?fingerprint=${fingerprint}`)).groups.length, 1);
  const redrive = (dry_run: boolean) =>
    house.api("POST", "/dead-letters/redrive", { filter: { fingerprint }, dry_run });
  assert.deepEqual((await redrive(true)).body.task_ids, ids);
  assert.equal((await groupsOf(house)).groups.length, 2, "a dry run changes nothing");
  assert.deepEqual((await redrive(false)).body.task_ids, ids);
  await house.quiet();
  assert.deepEqual(
    (await groupsOf(house)).groups.map((group) => group.task_id),
    [other],
  );
  assert.equal((await redrive(false)).body.count, 0, "what is sent back is not sent back again");
});

test("groups come in pages, and a cursor is good for its own filter alone", async (t) => {
  const house = await openTestHouse(t);
  for (const message of ["no paper", "no ink", "no ink", "no light"]) await die(house, message);
  const seen: string[] = [];
  let cursor: string | null = null;
  do {
    const page = await groupsOf(house, `?limit=1${cursor === null ? "" : `&cursor=${cursor}`}`);
    seen.push(...page.groups.map((group) => group.message));
    cursor = page.next_cursor;
  } while (cursor !== null);
  assert.deepEqual([seen[0], seen.toSorted()], ["no ink", ["no ink", "no light", "no paper"]]);
  const { next_cursor } = await groupsOf(house, "?limit=1");
  const elsewhere = await house.api("GET", `/dead-letters/groups?workflow_type=writer&cursor=${next_cursor}`);
  assert.equal(elsewhere.status, 422);
  assert.match(elsewhere.body.detail, /another filter/);
});

test("what was sent back counts its age anew: it does not go before everything of today", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { max: 1 }, max_concurrent: 1 } } });
  const dead = await die(house, "no");
  await house.leap(86_400_000);
  await house.api("POST", "/orchestrator/pause");
  const [urgent] = await house.enqueue({ priority: 90 });
  await house.api("POST", "/dead-letters/redrive", { task_ids: [dead] });
  await house.quiet();
  assert.deepEqual([(await house.task(urgent!)).rank, (await house.task(dead)).rank], [1, 2]);
});

test("ten thousand are sent back at once, and what is more is said", async (t) => {
  const house = await openTestHouse(t);
  await house.api("POST", "/orchestrator/pause");
  const many = Array.from({ length: 10_001 }, () => ({ workflow_type: "writer" }));
  for (const tasks of [many.slice(0, 5_000), many.slice(5_000, 10_000), many.slice(10_000)])
    assert.equal((await house.api("POST", "/tasks", { tasks })).status, 202);
  await house.quiet();
  await house.db.query(
    "update tasks set status = 'dead_lettered', failures = 5, completed_at = orchestrator_now()",
  );
  const filter = { workflow_type: "writer", fingerprint: "unknown" };
  const dry = await house.api("POST", "/dead-letters/redrive", { filter, dry_run: true });
  assert.deepEqual([dry.body.count, dry.body.left], [10_000, 1]);
  const began = performance.now();
  const { body } = await house.api("POST", "/dead-letters/redrive", { filter });
  await house.quiet();
  const tookMs = performance.now() - began;
  t.diagnostic(`10,000 dead letters were sent back in ${Math.round(tookMs)} ms`);
  assert.deepEqual([body.count, body.left], [10_000, 1]);
  const { rows } = await house.db.query("select count(*)::int as queued from tasks where status = 'queued'");
  assert.equal(rows[0]?.queued, 10_000);
  const left = await house.api("POST", "/dead-letters/redrive", { filter });
  assert.deepEqual([left.body.count, left.body.left], [1, 0]);
});
