/** Owns the proof of imports: rows go in once, corrections replace, days that changed are marked, articles are found. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ImportAnswer, MAX_ROWS_PER_IMPORT } from "@master-orchestrator/contract";
import { publishArticle } from "#store/content.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

async function put(house: TestHouse, kind: string, ...rows: object[]) {
  const answer = await house.api("POST", `/content/${kind}`, { source: "shop", [kind]: rows });
  assert.equal(answer.status, 200, answer.text);
  return ImportAnswer.parse(answer.body);
}

async function takeMarks(house: TestHouse): Promise<string[]> {
  const { rows } = await house.db.query("delete from content.stale_days returning day::text");
  return rows.map((row) => row.day).sort();
}

test("the same rows again change nothing; a correction replaces; each change marks its days", async (t) => {
  const house = await openTestHouse(t);
  const view = { at: "2026-11-01", page: "https://news.example/tea/?utm_source=x#top", events: 10 };
  assert.deepEqual(await put(house, "events", view), { added: 1, replaced: 0, unchanged: 0 });
  assert.deepEqual(await takeMarks(house), ["2026-11-01"]);
  assert.deepEqual(await put(house, "events", view, { ...view, page: "/tea" }), {
    added: 0,
    replaced: 0,
    unchanged: 2,
  });
  assert.deepEqual(await takeMarks(house), []);
  assert.deepEqual(await put(house, "events", { ...view, events: 12, visitors: 9, engaged_seconds: 3.5 }), {
    ...{ added: 0, replaced: 1, unchanged: 0 },
  });
  assert.deepEqual(await takeMarks(house), ["2026-11-01"]);
  const { rows } = await house.db.query(
    "select page, kind, channel, events, visitors, engaged_ms from content.page_events",
  );
  assert.deepEqual(rows, [
    { page: "/tea", kind: "view", channel: "unknown", events: 12, visitors: 9, engaged_ms: 3500 },
  ]);
});

test("a row with an id may move to another day: both days are marked", async (t) => {
  const house = await openTestHouse(t);
  const order = { id: "A-1", at: "2026-11-01T23:59:59Z", amount_usd: 12.345678, offer: "tea" };
  await put(house, "revenue", order, { id: "A-2", at: "2026-11-05", amount_usd: -3 });
  assert.deepEqual(await takeMarks(house), ["2026-11-01", "2026-11-05"]);
  await put(house, "revenue", { ...order, at: "2026-11-02T00:00:01Z" });
  assert.deepEqual(await takeMarks(house), ["2026-11-01", "2026-11-02"]);
  const { rows } = await house.db.query("select amount_micros from content.revenue order by amount_micros");
  assert.deepEqual(rows, [{ amount_micros: -3_000_000 }, { amount_micros: 12_345_678 }]);
});

test("a page that ends in an article's slug is that article's, wherever it was published", async (t) => {
  const house = await openTestHouse(t);
  const none = "00000000-0000-4000-8000-000000000000";
  const { articleId } = await publishArticle(house.db, {
    ...{ taskId: none, executionId: none, slug: "tea", title: "Tea", summary: "", html: "", markdown: "" },
    ...{ language: "en", author: null, contentType: "default", keywords: [], generator: "x", words: 1 },
    ...{ quality: { score: 1 }, sources: [], jsonLd: {}, entityIds: [], unresolved: [] },
  });
  const pages = ["/articles/tea", "https://blog.example/2026/tea/", "/tea.html", "/green-tea", "/(not set)"];
  await put(house, "conversions", ...pages.map((page, i) => ({ at: "2026-11-01", id: `c${i}`, page })));
  const { rows } = await house.db.query(
    "select page, article_id from content.conversions where article_id is not null order by page",
  );
  assert.deepEqual(
    rows.map((row) => [row.page, row.article_id]),
    ["/2026/tea", "/articles/tea", "/tea.html"].map((page) => [page, articleId]),
  );
});

test("two imports of the same rows at once are one", async (t) => {
  const house = await openTestHouse(t);
  const rows = Array.from({ length: 200 }, (_, i) => ({ at: `2026-11-${10 + (i % 9)}`, page: `/p${i}` }));
  const answers = await Promise.all([
    put(house, "events", ...rows),
    put(house, "events", ...rows.toReversed()),
  ]);
  assert.equal(answers[0]!.added + answers[1]!.added, 200);
  const { rows: counted } = await house.db.query("select count(*) as n from content.page_events");
  assert.deepEqual(counted, [{ n: 200 }]);
});

test("what would be lost or is nonsense is refused as a whole, with its place", async (t) => {
  const house = await openTestHouse(t);
  const refused = async (rows: object[], pattern: RegExp, source = "shop") => {
    const answer = await house.api("POST", "/content/events", { source, events: rows });
    assert.equal(answer.status, 422, answer.text);
    assert.match(answer.text, pattern);
  };
  const view = { at: "2026-11-01", page: "/tea" };
  await refused([view, { ...view, events: 2 }], /events\/1.*same row as \/events\/0/);
  await refused([view, { ...view, at: "2026-11-31" }], /\/events\/1\/at/);
  await refused([{ ...view, events: -1 }], /\/events\/0\/events/);
  await refused([{ ...view, veiws: 1 }], /veiws/);
  await refused([view], /\/source/, "Shop'; drop table");
  await refused(
    Array.from({ length: MAX_ROWS_PER_IMPORT + 1 }, () => view),
    /\/events/,
  );
  const { rows } = await house.db.query("select count(*) as n from content.page_events");
  assert.deepEqual(rows, [{ n: 0 }]);
});
