/** What days promise: right sums by every dimension, late rows never missed whoever races whom, and work only when there is some. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { NOW } from "#test/builders.ts";
import { addConversions, addEvents, addRevenue } from "#test/readers.ts";
import { openStore, untilBlocked } from "#test/stored.ts";
import { contributions, houseDays, houseLatency, knownDays, memberDays, readerDays } from "./daily.ts";
import type { Database } from "./database.ts";
import { noteAnalysed, rollUpDay, staleDays, staleWork } from "./reader-days.ts";
import { rollUp } from "./roll-ups.ts";

const DAY = "2026-03-02";
const NEXT = "2026-03-03";
const of = (day: string) => ({
  from: day,
  to: new Date(Date.parse(day) + 86_400_000).toISOString().slice(0, 10),
});
const viewsOf = async (db: Database, day = DAY) => (await readerDays(db, of(day)))[0]?.views;

describe("rolling up a day of readers", () => {
  it("adds up by everything, channel, article, offer and kind, and counts a visitor once in each", async (t) => {
    const { db } = await openStore(t);
    const article = randomUUID();
    await db.query(
      `insert into content.articles (article_id, task_id, execution_id, slug, title, summary, html, markdown, language,
              content_type, keywords, generator, quality, words, sources, json_ld)
       values ($1, gen_random_uuid(), gen_random_uuid(), 'tea', 'Tea', '', '', '', 'en', 'x', '{}', 'x', '{}', 1, '[]', '{}')`,
      [article],
    );
    await addEvents(db, [
      { at: `${DAY}T00:00:00Z`, channel: "Organic", articleId: article, visitor: "a", engagedMs: 1500 },
      { at: `${DAY}T10:00:00Z`, channel: "Social", articleId: article, visitor: "a", engagedMs: 500 },
      { at: `${DAY}T23:59:59Z`, channel: "Organic", visitor: "b", kind: "page_view" },
      { at: `${DAY}T12:00:00Z`, channel: "Organic", visitor: "b", kind: "scroll" },
      { at: DAY, channel: "Email", count: 40, visitors: 30 },
      { at: `${NEXT}T00:00:00Z`, channel: "Organic", visitor: "c" },
    ]);
    await addConversions(db, [{ at: DAY, channel: "Organic", articleId: article, offer: "book", count: 3 }]);
    await addRevenue(db, [
      { at: DAY, channel: "Organic", offer: "book", amountMicros: 12_500_000 },
      { at: DAY, channel: "Organic", offer: "book", amountMicros: -2_500_000 },
    ]);
    assert.deepEqual(await staleDays(db, 10), [DAY, NEXT]);
    assert.equal(await rollUpDay(db, DAY), true);
    assert.deepEqual(await readerDays(db, of(DAY)), [
      { day: DAY, views: 43, visitors: 32, engaged_seconds: 2, conversions: 3, revenue_usd: 10 },
    ]);
    const channels = await memberDays(db, { ...of(DAY), dimension: "channel", metric: "views", members: 2 });
    assert.deepEqual(
      channels.map(({ member, views, visitors }) => [member, views, visitors]),
      [
        ["Email", 40, 30],
        ["Organic", 2, 2],
      ],
    );
    const by = (dimension: string, metric: string, within?: string) =>
      contributions(db, { dimension, metric, before: [], after: [DAY], limit: 9, within });
    assert.deepEqual(
      (await by("article", "views")).map(({ label, after }) => [label, after]),
      [
        ["", 41],
        ["Tea", 2],
      ],
    );
    assert.deepEqual(
      (await by("offer", "revenue_usd")).map(({ member, after }) => [member, after]),
      [["book", 10]],
    );
    assert.deepEqual(
      (await by("article", "views", "channel:Organic")).map(({ label, after }) => [label, after]),
      [
        ["", 1],
        ["Tea", 1],
      ],
    );
    assert.deepEqual(await staleDays(db, 10), [NEXT], "the other day waits");
    assert.deepEqual(await knownDays(db), { first: DAY, last: DAY });
  });

  it("again gives the same, and a day without rows stays unknown", async (t) => {
    const { db } = await openStore(t);
    await addEvents(db, [{ at: DAY, count: 5 }]);
    await rollUpDay(db, DAY);
    assert.equal(await rollUpDay(db, DAY), false, "nobody has marked it");
    assert.equal(await rollUpDay(db, DAY, { anyway: true }), true);
    assert.equal(await viewsOf(db), 5);
    assert.equal(await rollUpDay(db, NEXT, { anyway: true }), true);
    assert.deepEqual(await readerDays(db, of(NEXT)), []);
  });

  it("takes late rows into account", async (t) => {
    const { db } = await openStore(t);
    await addEvents(db, [{ at: DAY, count: 5 }]);
    await rollUpDay(db, DAY);
    await addEvents(db, [{ at: DAY, count: 2 }]);
    assert.deepEqual(await staleDays(db, 10), [DAY]);
    await rollUpDay(db, DAY);
    assert.equal(await viewsOf(db), 7);
  });

  it("waits for an import that is under way, and sees its rows", async (t) => {
    const { db } = await openStore(t);
    await addEvents(db, [{ at: DAY, count: 5 }]);
    let rolled: Promise<boolean> | undefined;
    await db.transaction(async (tx) => {
      await addEvents(tx, [{ at: DAY, count: 2 }]);
      rolled = rollUpDay(db, DAY);
      await untilBlocked(db);
    });
    assert.equal(await rolled, true);
    assert.equal(await viewsOf(db), 7);
    assert.deepEqual(await staleDays(db, 10), []);
  });

  it("leaves a mark for an import whose rows it could not see yet", async (t) => {
    const { db } = await openStore(t);
    await addEvents(db, [{ at: DAY, count: 5 }]);
    await db.transaction(async (tx) => {
      // Its rows are there, its mark comes at the end.
      await tx.query(
        `insert into content.page_events (event_key, at, page, kind, channel, events, source)
         values (decode(repeat('ab', 16), 'hex'), $1, '/', 'view', 'Direct', 2, 'test')`,
        [`${DAY}T12:00:00Z`],
      );
      assert.equal(await rollUpDay(db, DAY), true);
      await tx.query(
        "insert into content.stale_days (day) values ($1) on conflict (day) do update set marked_at = orchestrator_now()",
        [DAY],
      );
    });
    assert.equal(await viewsOf(db), 5);
    assert.deepEqual(await staleDays(db, 10), [DAY]);
    await rollUpDay(db, DAY);
    assert.equal(await viewsOf(db), 7);
  });

  it("by two at once is done by one, and an import that races both is never lost", async (t) => {
    const { db } = await openStore(t);
    await addEvents(db, [{ at: DAY, count: 1 }]);
    const both = await Promise.all([rollUpDay(db, DAY), rollUpDay(db, DAY)]);
    assert.deepEqual(both.toSorted(), [false, true]);
    let expected = 1;
    for (let round = 0; round < 8; round++) {
      await Promise.all([
        db.transaction((tx) => addEvents(tx, [{ at: DAY, count: 1 }])),
        rollUpDay(db, DAY),
        db.transaction((tx) => addEvents(tx, [{ at: DAY, count: 1 }])),
      ]);
      expected += 2;
    }
    for (const day of await staleDays(db, 10)) await rollUpDay(db, day);
    assert.equal(await viewsOf(db), expected);
  });
});

describe("the house's own days", () => {
  const today = new Date(NOW).toISOString().slice(0, 10);
  const ended = (status: string, seconds: number) => `
    insert into tasks (task_id, workflow_type, content_type, priority, status, payload, request_hash, created_by, due_at,
                       aged_from, started_at, completed_at)
    values (gen_random_uuid(), 'content_pipeline', 'x', 50, '${status}', '{}', '', 'test', orchestrator_now(),
            orchestrator_now() - ${seconds} * interval '1 second', orchestrator_now(), orchestrator_now())`;
  const countAll = async (db: Database) => {
    while (await rollUp(db));
  };

  it("are what was counted as it ended: tasks, times, cost, over lanes", async (t) => {
    const store = await openStore(t, { lawless: true });
    const { db } = store;
    await countAll(db);
    await store.pass(60_000);
    for (const seconds of [12, 20, 250]) await db.query(ended("completed", seconds));
    await db.query(ended("dead_lettered", 5));
    await store.pass(120_000);
    await countAll(db);
    const [day] = await houseDays(db, of(today));
    assert.deepEqual(
      [day?.workflowType, day?.tasksCompleted, day?.tasksFailed, day?.withinTwoMinutes, day?.articles],
      ["content_pipeline", 3, 1, 2, 0],
    );
    const { p50Seconds, p95Seconds } = await houseLatency(db, {
      ...of(today),
      workflowType: "content_pipeline",
    });
    assert.ok(p50Seconds! > 10 && p50Seconds! <= 30 && p95Seconds! > 120 && p95Seconds! <= 300);
    assert.deepEqual(await knownDays(db), { first: today, last: today });
  });

  it("are work for a schedule once they are over and counted, and none after they were looked at", async (t) => {
    const store = await openStore(t, { lawless: true });
    const { db } = store;
    const waits = () => db.transaction(async (tx) => (await staleWork(tx)).length);
    await countAll(db);
    assert.equal(await waits(), 0, "nothing has ever happened");
    await store.pass(60_000);
    await db.query(ended("completed", 10));
    await store.pass(120_000);
    await countAll(db);
    assert.equal(await waits(), 0, "the day is not over");
    await store.pass(86_400_000);
    assert.equal(await waits(), 0, "its last minutes are not counted");
    await countAll(db);
    assert.equal(await waits(), 1);
    await noteAnalysed(db);
    assert.equal(await waits(), 0);
    await addEvents(db, [{ at: DAY }]);
    assert.equal(await waits(), 1, "a day of readers has changed");
    await rollUpDay(db, DAY);
    assert.equal(await waits(), 0);
    await store.pass(7 * 86_400_000);
    await countAll(db);
    assert.equal(await waits(), 1, "a week is over, and wants its report");
  });
});
