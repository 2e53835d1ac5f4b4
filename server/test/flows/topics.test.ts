/** Owns the proof of topics: they wait for a slot, become tasks once, and without any there is no run. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { TopicList, TopicsAnswer, Workflow } from "@master-orchestrator/contract";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const MINUTE = 60_000;
const startMs = Date.UTC(2026, 2, 2, 9, 0, 30);
const fromTopics = { schedule: { every_seconds: 60, source: "topics" as const, per_slot: 2 } };

const topic = (title: string, over: object = {}) => ({ payload: { title, brief: title }, ...over });

/** The built-in pipeline leaves the topics to the test's own writer. */
async function housed(t: Parameters<typeof openTestHouse>[0]): Promise<TestHouse> {
  const house = await openTestHouse(t, { startMs, workflows: { writer: fromTopics } });
  const put = await house.api("PUT", "/workflows/content_pipeline", { schedule: null });
  assert.equal(put.status, 200, put.text);
  house.workflow("writer").always(completeAtOnce);
  return house;
}

async function add(house: TestHouse, ...topics: object[]): Promise<string[]> {
  const answer = await house.api("POST", "/topics", { topics });
  assert.equal(answer.status, 201, answer.text);
  return TopicsAnswer.parse(answer.body).topics.map(({ topic_id }) => topic_id);
}

async function listed(house: TestHouse, query = "") {
  const { body } = await house.api("GET", `/topics${query}`);
  return TopicList.parse(body);
}

async function stateOf(house: TestHouse) {
  const { body } = await house.api("GET", "/workflows/writer");
  return Workflow.parse(body).schedule_state;
}

test("a slot makes tasks of the topics that wait, the first ones first, each once; none is no run", async (t) => {
  const house = await housed(t);
  await house.advance(30_000);
  const { last_decision, cause } = (await stateOf(house)) ?? {};
  assert.deepEqual([last_decision, cause], ["nothing_to_do", "no topics wait"]);
  const ids = await add(
    house,
    topic("low", { priority: 10 }),
    topic("plain"),
    topic("news", { priority: 90, content_type: "news" }),
  );
  assert.equal((await listed(house)).waiting, 3);
  await house.advance(MINUTE);
  assert.deepEqual(
    [(await stateOf(house))?.last_decision, (await stateOf(house))?.cause],
    ["run", "its slot has begun: 2 of the topics that wait"],
  );
  const taken = await listed(house, "?status=taken");
  assert.deepEqual(
    taken.topics.map(({ topic_id, payload }) => [topic_id, payload.title]),
    [
      [ids[2], "news"],
      [ids[1], "plain"],
    ],
  );
  const task = await house.task(taken.topics[0]?.task_id as string);
  assert.deepEqual(
    [task.status, task.workflow_type, task.content_type, task.priority, task.payload, task.idempotency_key],
    ["completed", "writer", "news", 90, { title: "news", brief: "news" }, `topics:${ids[2]}`],
  );
  await house.advance(2 * MINUTE);
  const { rows } = await house.db.query("select idempotency_key from tasks order by task_id");
  assert.deepEqual(
    rows.map((row) => row.idempotency_key),
    [ids[2], ids[1], ids[0]].map((id) => `topics:${id}`),
  );
  assert.equal((await stateOf(house))?.last_decision, "nothing_to_do");
});

test("what has not ended takes room of the next slot, and one that hangs does not stop the others", async (t) => {
  const house = await housed(t);
  house.workflow("writer").always({ status: 202, body: { accepted: true } });
  await add(house, ...["a", "b", "c", "d"].map((title) => topic(title)));
  await house.advance(MINUTE);
  assert.equal((await listed(house)).waiting, 2);
  await house.advance(MINUTE);
  assert.equal((await stateOf(house))?.last_decision, "previous_run_not_over");
  await house.workflow("writer").last().callback();
  await house.quiet();
  await house.advance(MINUTE);
  assert.equal((await stateOf(house))?.last_decision, "run");
  assert.ok((await listed(house)).waiting < 2);
});

test("the same key is the same topic; with another one it is refused, and nothing is added", async (t) => {
  const house = await housed(t);
  const [first] = await add(house, topic("tea", { key: "k" }));
  const again = await house.api("POST", "/topics", { topics: [topic("tea", { key: "k" }), topic("milk")] });
  assert.deepEqual(
    again.body.topics.map((one: { topic_id: string; duplicate: boolean }) => [
      one.topic_id === first,
      one.duplicate,
    ]),
    [
      [true, true],
      [false, false],
    ],
  );
  const other = await house.api("POST", "/topics", {
    topics: [topic("new"), topic("coffee", { key: "k" })],
  });
  assert.deepEqual([other.status, other.body.code], [409, "idempotency_conflict"]);
  assert.equal(other.body.errors[0].path, "/topics/1/key");
  assert.equal((await listed(house)).waiting, 2);
});

test("a topic that waits can be removed, one that was taken cannot; lists are paged", async (t) => {
  const house = await housed(t);
  const ids = await add(house, topic("a"), topic("b"), topic("c"));
  const page = await listed(house, "?limit=2");
  assert.deepEqual(
    page.topics.map(({ topic_id }) => topic_id),
    [ids[2], ids[1]],
  );
  const rest = await listed(house, `?limit=2&cursor=${page.next_cursor}`);
  assert.deepEqual(
    rest.topics.map(({ topic_id }) => topic_id),
    [ids[0]],
  );
  assert.equal((await house.api("DELETE", `/topics/${ids[2]}`)).status, 200);
  assert.equal((await house.api("DELETE", `/topics/${ids[2]}`)).status, 404);
  await house.advance(MINUTE);
  const gone = await house.api("DELETE", `/topics/${ids[0]}`);
  assert.deepEqual([gone.status, gone.body.code], [409, "conflict"]);
  assert.equal((await house.api("GET", "/topics?cursor=x")).status, 422);
  assert.equal((await house.api("POST", "/topics", { topics: [] })).status, 422);
  assert.equal(
    (await house.api("POST", "/topics", { topics: [topic("x", { not_before: "now" })] })).status,
    422,
  );
});

test("a new installation's pipeline takes topics every quarter of an hour", async (t) => {
  const house = await openTestHouse(t, { startMs });
  const pipeline = async () => (await house.api("GET", "/workflows/content_pipeline")).body;
  assert.deepEqual((await pipeline()).settings.schedule, {
    ...{ every_seconds: 900, source: "topics", per_slot: 10 },
  });
  // What the pipeline makes of them is its own tests' affair, and not of this test's time.
  await house.api("POST", "/workflows/content_pipeline/pause");
  await house.leap(15 * MINUTE);
  assert.equal((await pipeline()).schedule_state.last_decision, "paused");
  await add(house, topic("How tea is made"));
  await house.api("POST", "/workflows/content_pipeline/resume");
  await house.api("POST", "/orchestrator/pause");
  await house.leap(15 * MINUTE);
  assert.equal((await pipeline()).schedule_state.last_decision, "paused");
  assert.equal((await listed(house)).waiting, 1, "what waits is not lost");
});
