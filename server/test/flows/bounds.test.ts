/** Owns the proof that the bound and the shares that the API shows are true of the rows, and that tasks keep to them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Bound, Explanation, Queue, Task } from "@master-orchestrator/contract";
import { openTestHouse, type TestHouse } from "#test/house.ts";

const estimates = { seconds_per_task: 6 };
const alone = { batch: { max: 1 }, max_concurrent: 1, estimates };
const laneOf = async (house: TestHouse, name: string) => {
  const answer = await house.api("GET", "/queue");
  assert.equal(answer.status, 200, answer.text);
  const found = Queue.parse(answer.body).lanes.find((lane) => lane.lane === name);
  assert.ok(found, `${name} is in the queue`);
  return found;
};

test("a task in the queue says what can go before it, and for how long new ones can", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: alone } });
  await house.enqueue({}, {}, {});
  const [id] = await house.enqueue({ priority: 50 });
  const task = Task.parse(await house.task(id!));
  assert.equal(task.bound?.own_lane_seconds, 2 * 6, "one runs, two are ahead");
  assert.equal(task.bound?.work_seconds, 12);
  assert.equal(task.bound?.per_overtaking_task_seconds, 6);
  const untilMs = Date.parse(task.bound?.overtaken_until ?? "");
  // 500 points: 30 minutes at 1 a minute, the rest at 11.
  assert.equal(untilMs - house.clock.nowMs(), Math.round(((500 + 300) / 11) * 60_000));
  const urgent = await house.task((await house.enqueue({ priority: 100 }))[0]!);
  assert.equal(urgent.bound.overtaken_until, null, "nothing is more urgent");
  assert.equal((await house.task(id!)).bound.own_lane_seconds, 3 * 6, "what came and goes before it counts");
  const explained = Explanation.parse((await house.api("GET", `/tasks/${id}/explain`)).body);
  assert.deepEqual(explained.bound, (await house.task(id!)).bound);
});

test("an older task of a lower priority counts as soon as its age may bring it before", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: alone } });
  await house.api("POST", "/orchestrator/pause");
  await house.enqueue({ priority: 40 });
  const boundAt = async (priority: number) => {
    const [id] = await house.enqueue({ priority });
    const { rank, bound } = await house.task(id!);
    await house.api("POST", `/tasks/${id}/cancel`);
    await house.quiet();
    return [rank, bound.own_lane_seconds];
  };
  assert.deepEqual(await boundAt(50), [1, 0], "of the same moment it stays behind");
  await house.leap(9 * 60_000);
  assert.deepEqual(await boundAt(50), [1, 0], "nine minutes are worth 99 points when both are boosted");
  await house.leap(60_000);
  assert.deepEqual(await boundAt(50), [1, 6], "it is behind, and may come to be ahead");
});

test("the queue shows bounds for tasks to come, and shares among the lanes that wait", async (t) => {
  const policy = { concurrency: { total: 1 }, lanes: { "writer/news": { weight: 3 } } };
  const house = await openTestHouse(t, { policy, workflows: { writer: alone } });
  await house.enqueue(...Array.from({ length: 4 }, () => ({ content_type: "news" })));
  await house.enqueue(...Array.from({ length: 4 }, () => ({ content_type: "how_to", priority: 10 })));
  const news = await laneOf(house, "writer/news");
  const howTo = await laneOf(house, "writer/how_to");
  assert.deepEqual([news.weight, news.entitled_share], [3, 0.75]);
  assert.deepEqual([howTo.weight, howTo.entitled_share, howTo.received_share], [1, 0.25, null]);
  assert.deepEqual(
    howTo.bounds.map(({ priority, bound }) => [priority, bound.own_lane_seconds]),
    [
      [0, 24],
      [50, 0],
      [100, 0],
    ],
  );
  for (const { bound } of [...news.bounds, ...howTo.bounds]) {
    Bound.parse(bound);
    assert.ok((bound.starts_within_seconds ?? -1) >= bound.own_lane_seconds, JSON.stringify(bound));
  }
  const { same_workflow_seconds } = howTo.bounds[1]!.bound;
  assert.equal(same_workflow_seconds, 2 * 6 - 6, "two full batches of news, less the one that it has had");
  assert.equal(news.hold?.freed_by.event, "run_ends");
  assert.ok(news.hold?.expected_start, "the next of the lane has its time");
});

test("a lane without weight has no bound, and a paused workflow no time", async (t) => {
  const policy = { lanes: { "writer/filler": { weight: 0 } } };
  const house = await openTestHouse(t, { policy, workflows: { writer: alone } });
  await house.api("POST", "/workflows/writer/pause");
  const [filler, usual] = await house.enqueue({ content_type: "filler" }, {});
  assert.equal((await house.task(filler!)).bound, null);
  assert.deepEqual((await laneOf(house, "writer/filler")).bounds, []);
  const { bound, hold } = await house.task(usual!);
  assert.deepEqual([bound.work_seconds, bound.starts_within_seconds], [0, null]);
  assert.deepEqual([hold.expected_start, hold.freed_by.event], [null, "resume"]);
});

test("every task of a busy house starts within the bound that it was given", async (t) => {
  const policy = { concurrency: { total: 2 }, lanes: { "writer/news": { weight: 2 } } };
  const house = await openTestHouse(t, { policy, workflows: { writer: { ...alone, max_concurrent: 2 } } });
  const writer = house.workflow("writer");
  await house.enqueue({ content_type: "news" }, { content_type: "how_to" });
  const promised = new Map<string, { work: number; before: number; lane: string }>();
  const startedOf = () => writer.deliveries.flatMap((delivery) => delivery.taskIds);
  for (let i = 0; i < 24; i++) {
    const content_type = i % 3 === 0 ? "how_to" : "news";
    const [id] = await house.enqueue({ content_type, priority: i % 3 === 0 ? 10 : 100 });
    const { bound } = await house.task(id!);
    promised.set(id!, { work: bound.work_seconds, before: startedOf().length, lane: content_type });
  }
  const laneOfTask = new Map([...promised].map(([id, { lane }]) => [id, lane]));
  for (let i = 0; i < 26; i++) {
    await writer.deliveries[i]!.callback();
    await house.quiet();
  }
  const started = startedOf();
  assert.equal(started.length, 26);
  let closest = 0;
  for (const [id, { work, before, lane }] of promised) {
    const place = started.indexOf(id);
    const consumed = (place - before) * 6;
    // Urgent ones that came to its own lane later are not in the bound; here they never go before an older one.
    assert.ok(consumed <= work, `${id} of ${lane}: ${consumed} s of work before it, ${work} s promised`);
    closest = Math.max(closest, work > 0 ? consumed / work : 0);
  }
  t.diagnostic(`at most ${closest.toFixed(2)} of the bound were used`);
  assert.ok(closest > 0.3, "the bound says something");
  assert.equal(laneOfTask.size, 24);
});
