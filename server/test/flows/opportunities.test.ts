/** Owns the proof of opportunities: found, ranked with their uncertainty, settled by operators; and of runs that have nothing to do. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { OpportunityList, Workflow } from "@master-orchestrator/contract";
import { revenueLibrary } from "#store/revenue.ts";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";
import { anArticleAt, readersOf } from "#test/readership.ts";

const DAY = 86_400_000;
const MINUTE = 60_000;
/** A built-in workflow has the machine's own clock: what is signed for it has to be of today. */
const today = () => ({ startMs: Date.now() });

async function listed(house: TestHouse, query = "") {
  const answer = await house.api("GET", `/content/opportunities${query}`);
  assert.equal(answer.status, 200, answer.text);
  return OpportunityList.parse(answer.body);
}

async function run(house: TestHouse, payload: object = {}) {
  const [taskId] = await house.enqueue({ workflow_type: "revenue_optimizer", payload });
  const task = await house.until("the run's end", async () => {
    const task = await house.task(taskId as string);
    return ["completed", "dead_lettered", "retrying"].includes(task.status) ? task : null;
  });
  const { rows } = await house.db.query("select result from tasks where task_id = $1", [taskId]);
  return { task, result: rows[0]?.result };
}

/** Twelve guides alike but for one that converts badly, six of them with the worse offer; six news items that earn nothing much. */
async function aSite(house: TestHouse): Promise<{ weak: string }> {
  const fromMs = house.clock.nowMs() - 20 * DAY;
  let weak = "";
  for (let i = 0; i < 12; i++) {
    const articleId = await anArticleAt(house.db, `guide-${i}`);
    if (i === 5) weak = articleId;
    const offer = i < 6 ? "calendar" : "kettle";
    await readersOf(house.db, {
      ...{ articleId, page: `/articles/guide-${i}`, fromMs, hours: 400, views: 5000, offer },
      ...{ conversions: i === 5 ? 15 : 95 + i, payments: Array(i === 5 ? 6 : 40).fill(i < 6 ? 8 : 24) },
    });
  }
  for (let i = 0; i < 6; i++) {
    const articleId = await anArticleAt(house.db, `news-${i}`, "news");
    await readersOf(house.db, {
      ...{ articleId, page: `/articles/news-${i}`, fromMs, hours: 400, views: 5000, conversions: 90 },
      ...{ payments: Array(2 + (i % 3)).fill(5) },
    });
  }
  await house.db.query("update content.articles set published_at = orchestrator_now() - interval '60 days'");
  return { weak };
}

test("a run finds what lies idle, ranks it by dollars with an interval, and says what to do", async (t) => {
  const house = await openTestHouse(t, today());
  const { weak } = await aSite(house);
  const { result } = await run(house);
  assert.deepEqual(
    [result.skipped, result.funnel.views],
    [[{ part: "experiments", reason: "no experiment is running" }], 90_000],
  );
  const { opportunities } = await listed(house);
  const kinds = opportunities.map(({ kind, subject }) => [kind, subject]);
  assert.ok(
    kinds.some(([kind, subject]) => kind === "low_conversion" && subject === weak),
    JSON.stringify(kinds),
  );
  assert.ok(
    kinds.some(([kind, subject]) => kind === "better_offer" && subject === "how_to: calendar → kettle"),
  );
  assert.ok(kinds.some(([kind, subject]) => kind === "content_type" && subject === "how_to"));
  assert.equal(
    opportunities.filter(({ kind }) => kind === "low_conversion").length,
    1,
    "the others are mere chance",
  );
  const dollars = opportunities.map(({ expected_usd }) => expected_usd);
  assert.deepEqual(
    dollars,
    dollars.toSorted((a, b) => b - a),
  );
  for (const { low_usd, expected_usd, high_usd, chance } of opportunities) {
    assert.ok(low_usd < expected_usd && expected_usd < high_usd && chance >= 0.8);
  }
  const low = opportunities.find(({ kind }) => kind === "low_conversion")!;
  assert.equal((low.evidence as { conversions: number }).conversions, 15);
  assert.equal((low.action as { do: string }).do, "experiment");
});

test("an operator's word stays; what is found no more expires, and comes back when it does", async (t) => {
  const house = await openTestHouse(t, today());
  await aSite(house);
  await run(house, { analysis: "opportunities" });
  const [first, second, ...rest] = (await listed(house)).opportunities;
  const settle = (id: string, verb: string, body: object = {}) =>
    house.api("POST", `/content/opportunities/${id}/${verb}`, body);
  assert.equal(
    (await settle(first!.opportunity_id, "accept", { note: "for the spring" })).body.note,
    "for the spring",
  );
  assert.equal((await settle(first!.opportunity_id, "accept")).status, 200);
  assert.equal((await settle(first!.opportunity_id, "dismiss")).status, 409);
  assert.equal((await settle(second!.opportunity_id, "dismiss", { note: "seasonal" })).status, 200);
  await run(house, { analysis: "opportunities" });
  assert.deepEqual(
    (await listed(house)).opportunities.map((one) => one.subject),
    rest.map((one) => one.subject),
  );
  const page = await listed(house, "?status=any&limit=1");
  const next = await listed(house, `?status=any&limit=500&cursor=${page.next_cursor}`);
  assert.equal(page.opportunities.length + next.opportunities.length, 2 + rest.length);

  // A window in which nobody read anything: nothing is found, and nothing is lost.
  const long = { from: "2020-01-01T00:00:00Z", to: "2020-02-01T00:00:00Z" };
  const empty = await run(house, { analysis: "opportunities", ...long });
  assert.deepEqual(empty.result.skipped, [
    { part: "opportunities", reason: "no events, conversions or revenue in the window" },
  ]);
  assert.equal((await listed(house)).opportunities.length, rest.length);
  await house.db.query("delete from content.revenue");
  await run(house, { analysis: "opportunities" });
  assert.equal((await listed(house, "?status=expired")).opportunities.length, rest.length);
});

test("a window that is empty or too long is refused for good, the rest of its batch is done", async (t) => {
  const house = await openTestHouse(t, today());
  const bad = [
    { from: "2026-01-02T00:00:00Z", to: "2026-01-01T00:00:00Z" },
    { from: "2020-01-01T00:00:00Z", to: "2026-01-01T00:00:00Z" },
    { analysis: "horoscope" },
  ];
  const ids = await house.enqueue(
    ...[{}, ...bad].map((payload) => ({ workflow_type: "revenue_optimizer", payload })),
  );
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers as they please
  const ended: any[] | null = await house.until("the end of all", async () => {
    const tasks = await Promise.all(ids.map((id) => house.task(id)));
    return tasks.every(({ status }) => ["completed", "dead_lettered"].includes(status)) ? tasks : null;
  });
  assert.ok(ended);
  assert.deepEqual(
    ended.map(({ status }) => status),
    ["completed", "dead_lettered", "dead_lettered", "dead_lettered"],
  );
  assert.match(ended[1].errors[0].message, /the window is empty/);
  assert.match(ended[2].errors[0].message, /longer than 400 days/);
});

test("a slot of the schedule is a run only where there are new events, or an experiment runs", async (t) => {
  const startMs = Date.UTC(2026, 2, 2, 9, 0, 30);
  const schedule = { every_seconds: 60, source: "events" as const, per_slot: 1 };
  const house = await openTestHouse(t, { startMs, workflows: { writer: { schedule } } });
  await house.api("PUT", "/workflows/revenue_optimizer", { schedule: null });
  house.workflow("writer").always(completeAtOnce);
  const decided = async () => {
    const { schedule_state } = Workflow.parse((await house.api("GET", "/workflows/writer")).body);
    return [schedule_state?.last_decision, schedule_state?.cause];
  };
  const nothing = ["nothing_to_do", "no new events since the last run, and no experiment runs"];
  const work = ["run", "its slot has begun: 1 of the looks at new events and running experiments"];
  await house.advance(MINUTE);
  assert.deepEqual(await decided(), nothing);

  await house.api("POST", "/content/events", {
    source: "t",
    events: [{ at: "2026-03-01", page: "/a", events: 5 }],
  });
  await house.advance(MINUTE);
  assert.deepEqual(await decided(), work);
  const { rows } = await house.db.query("select idempotency_key, payload from tasks");
  assert.deepEqual(rows, [
    {
      idempotency_key: "events:writer:2026-03-02T09:02:00.000Z",
      payload: { scheduled_for: "2026-03-02T09:02:00.000Z" },
    },
  ]);

  await house.advance(2 * MINUTE);
  const library = revenueLibrary(house.db);
  const window = { fromMs: startMs - DAY, toMs: house.clock.nowMs() };
  const { seenThroughMs } = await library.coverage(window);
  const taskId = "00000000-0000-4000-8000-000000000001";
  await library.finishRun({ taskId, window, seenThroughMs, summary: { analysis: "all" } });
  await house.advance(MINUTE);
  assert.deepEqual(await decided(), nothing);

  await house.api("POST", "/content/experiments", {
    ...{ key: "e", hypothesis: "Something will change", surface: "offer", scope: { all: true } },
    variants: [{ key: "a" }, { key: "b" }],
  });
  await house.advance(MINUTE);
  assert.deepEqual(await decided(), work);
});
