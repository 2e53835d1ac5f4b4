/** Owns the proof of funnels: what is counted for whom, by which touch, with which interval, and what is not made up. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { FunnelAnswer } from "@master-orchestrator/contract";
import { openTestHouse, type TestHouse } from "#test/house.ts";
import { anArticleAt, readersOf } from "#test/readership.ts";

const DAY = 86_400_000;

async function funnel(house: TestHouse, query = ""): Promise<FunnelAnswer> {
  const answer = await house.api("GET", `/content/funnel${query}`);
  assert.equal(answer.status, 200, answer.text);
  return FunnelAnswer.parse(answer.body);
}

async function bring(house: TestHouse, kind: string, ...rows: object[]): Promise<void> {
  const answer = await house.api("POST", `/content/${kind}`, { source: "test", [kind]: rows });
  assert.equal(answer.status, 200, answer.text);
}

test("stages, drop-offs and revenue per thousand views, in all and by article, channel, type and offer", async (t) => {
  const house = await openTestHouse(t);
  const fromMs = house.clock.nowMs() - 3 * DAY;
  const tea = await anArticleAt(house.db, "tea");
  const milk = await anArticleAt(house.db, "milk", "news");
  const shop = { fromMs, offer: "Kettle", payments: Array(10).fill(20) };
  const numbers = { views: 2000, engaged: 1200, clicks: 300, conversions: 60 };
  await readersOf(house.db, { articleId: tea, page: "/articles/tea", ...numbers, ...shop });
  await readersOf(house.db, {
    ...{ articleId: milk, page: "/articles/milk", channel: "Search", fromMs, views: 1000, conversions: 2 },
  });
  await readersOf(house.db, { page: "/about", channel: "Search", fromMs, views: 50 });

  const { total, groups } = await funnel(house);
  assert.deepEqual(
    [total.views, total.engaged, total.clicks, total.conversions, total.payments, total.revenue_usd],
    [3050, 1200, 300, 62, 10, 200],
  );
  assert.equal(total.largest_drop, "views to engaged");
  assert.ok(Math.abs(total.rpm_usd! - 65.57) < 0.01 && total.rpm_low_usd! < 40 && total.rpm_high_usd! > 100);
  assert.deepEqual(
    groups.map(({ key, title, views, enough_data }) => [key, title, views, enough_data]),
    [
      [tea, "On tea", 2000, true],
      [milk, "On milk", 1000, false],
      ["/about", null, 50, false],
    ],
  );
  const [clicks] = groups[0]!.stages.filter(({ from, to }) => from === "clicks" && to === "conversions");
  assert.equal(clicks!.rate, 0.2);
  assert.ok(clicks!.low! > 0.15 && clicks!.high! < 0.25);
  assert.equal(groups[1]!.missing, "not enough data: 2 conversions, fewer than 5");

  const keys = async (by: string) =>
    (await funnel(house, `?by=${by}`)).groups.map((one) => [one.key, one.views]);
  assert.deepEqual(await keys("channel"), [
    ["Email", 2000],
    ["Search", 1050],
  ]);
  assert.deepEqual(await keys("content_type"), [
    ["how_to", 2000],
    ["news", 1000],
    ["(other pages)", 50],
  ]);
  assert.deepEqual(await keys("offer"), [
    ["Kettle", 2000],
    ["(no offer)", 0],
  ]);

  const first = await funnel(house, "?limit=2");
  const second = await funnel(house, `?limit=2&cursor=${first.next_cursor}`);
  assert.deepEqual([first.groups.length, second.groups.map((one) => one.key)], [2, ["/about"]]);
  assert.equal(second.next_cursor, null);
});

test("a known visitor's conversion is the first or last view's; an unknown one's is its own page's", async (t) => {
  const house = await openTestHouse(t);
  const at = (days: number) => new Date(house.clock.nowMs() - days * DAY).toISOString();
  const view = (page: string, channel: string, days: number) => ({
    page,
    channel,
    at: at(days),
    visitor: "v1",
  });
  await bring(
    house,
    "events",
    view("/old", "Social", 60),
    view("/first", "Search", 9),
    view("/last", "Email", 5),
    view("/after", "Direct", 2),
  );
  await bring(house, "conversions", { at: at(4), page: "/cart", channel: "Direct", visitor: "v1" });
  await bring(house, "conversions", { at: at(3), page: "/cart", channel: "Direct" });
  await bring(house, "revenue", {
    at: at(4),
    page: "/cart",
    channel: "Direct",
    visitor: "v1",
    amount_usd: 30,
  });
  const won = async (attribution: string) => {
    const { groups, total } = await funnel(house, `?by=channel&attribution=${attribution}`);
    const each = groups.map(({ key, conversions, revenue_usd }) => `${key} ${conversions} ${revenue_usd}`);
    return [total.attributed, ...each.filter((one) => !one.endsWith(" 0 0")).toSorted()];
  };
  assert.deepEqual(await won("page"), [0, "Direct 2 30"]);
  assert.deepEqual(await won("first_touch"), [2, "Direct 1 0", "Search 1 30"]);
  assert.deepEqual(await won("last_touch"), [2, "Direct 1 0", "Email 1 30"]);
});

test("a window without data, more clicks than readers, refunds: said, and no rate is made up", async (t) => {
  const house = await openTestHouse(t);
  const empty = await funnel(house);
  assert.deepEqual(
    [empty.groups, empty.total.rpm_usd, empty.total.missing],
    [[], null, "not enough data: no views"],
  );
  const fromMs = house.clock.nowMs() - DAY;
  await readersOf(house.db, {
    page: "/odd",
    fromMs,
    views: 100,
    clicks: 150,
    conversions: 10,
    payments: [10, -30],
  });
  const { total } = await funnel(house);
  const [odd] = total.stages;
  assert.equal(odd!.rate, null);
  assert.match(odd!.note!, /more clicks than views/);
  assert.equal(total.revenue_usd, -20);
  assert.ok(total.rpm_low_usd! < -200 && total.rpm_high_usd! > -200);
  for (const query of ["?from=2026-01-02T00:00:00Z&to=2026-01-01T00:00:00Z", "?by=colour", "?limit=501"]) {
    assert.equal((await house.api("GET", `/content/funnel${query}`)).status, 422, query);
  }
});
