/** Owns the proof of the intelligence engine in the house: imported days become findings and a report; nothing new is no run. */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { type TestContext, test } from "node:test";
import { ExecutiveReport, Insight, InsightList, ReportList, Workflow } from "@master-orchestrator/contract";
import { openTestHouse, type TestHouse } from "#test/house.ts";
import { addConversions, addEvents, addRevenue, type ReaderRow } from "#test/readers.ts";

const DAY_MS = 86_400_000;
const HOUR_MS = 3_600_000;
/** A Monday, shortly before a slot. */
const startMs = Date.UTC(2026, 2, 2, 5, 59, 30);
const WEEK = [1.2, 1.25, 1.2, 1.1, 1, 0.6, 0.65];
const dayBefore = (days: number) => new Date(Date.UTC(2026, 2, 2) - days * DAY_MS).toISOString().slice(0, 10);

/** Readers of `days` days up to yesterday: two channels, of which one lost half of its own two weeks ago. */
async function addReaders(house: TestHouse, days: number): Promise<void> {
  const events: ReaderRow[] = [];
  const conversions: ReaderRow[] = [];
  const revenue: ReaderRow[] = [];
  let state = 20_260_302;
  const noise = () => {
    state = (state * 1_103_515_245 + 12_345) % 2_147_483_648;
    return 0.97 + (0.06 * state) / 2_147_483_648;
  };
  for (let back = days; back >= 1; back--) {
    const at = dayBefore(back);
    const season = WEEK[(7 - (back % 7)) % 7] as number;
    const organic = Math.round(2000 * season * noise() * (back <= 14 ? 0.5 : 1));
    const email = Math.round(600 * season * noise());
    events.push({ at, channel: "Organic Search", count: organic, visitors: Math.round(organic * 0.7) });
    events.push({ at, channel: "Email", count: email, visitors: Math.round(email * 0.8) });
    conversions.push({ at, channel: "Email", offer: "course", count: Math.round(email / 40) });
    revenue.push({ at, channel: "Email", offer: "course", amountMicros: Math.round(email / 40) * 9_000_000 });
  }
  await addEvents(house.db, events);
  await addConversions(house.db, conversions);
  await addRevenue(house.db, revenue);
}

async function housed(t: TestContext): Promise<TestHouse> {
  return await openTestHouse(t, { startMs, workflows: {} });
}

async function run(house: TestHouse, payload: object) {
  const [taskId] = await house.enqueue({ workflow_type: "intelligence_engine", payload });
  return await ended(house, taskId as string);
}

async function ended(house: TestHouse, taskId: string) {
  return await house.until("the engine's task", async () => {
    const task = await house.task(taskId);
    return ["completed", "dead_lettered"].includes(task.status) ? task : null;
  });
}

async function stateOf(house: TestHouse) {
  const { body } = await house.api("GET", "/workflows/intelligence_engine");
  return Workflow.parse(body).schedule_state;
}

test("a slot rolls up what was imported, finds what changed, and writes the report of the week", async (t) => {
  const house = await housed(t);
  await addReaders(house, 84);
  const schedule = { every_seconds: 6 * 3600, source: "stale_days", per_slot: 1 };
  const settings = { schedule, params: { reports: ["week"] } };
  assert.equal((await house.api("PUT", "/workflows/intelligence_engine", settings)).status, 200);
  await house.advance(60_000);
  const count = async (table: string) =>
    (await house.db.query(`select count(*)::int as n from content.${table}`)).rows[0]!.n;
  await house.until("every day to be rolled up", async () => (await count("stale_days")) === 0);
  await house.until("the findings", () => count("insights"));
  await house.until("the report", () => count("reports"));
  const task = await house.until("the slot's task", async () => {
    const { body } = await house.api("GET", "/tasks?workflow_type=intelligence_engine&status=completed");
    return body.tasks[0];
  });
  const { result_data: result } = await house.task(task.task_id);
  assert.equal(result.rolled_up.days.length, 84, JSON.stringify(result));
  assert.deepEqual([result.rolled_up.failed, result.problems], [[], []]);

  const { insights } = InsightList.parse((await house.api("GET", "/content/insights?kind=change")).body);
  const [first] = insights;
  assert.match(first!.headline, /^Page views(?: of Organic Search)?: a new level since/);
  assert.ok(
    insights.some(
      ({ subject, numbers }) => subject === "channel:Organic Search" && Number(numbers.share) < -0.4,
    ),
  );
  assert.ok(insights.every(({ importance }, i) => i === 0 || importance <= insights[i - 1]!.importance));
  const { body: one } = await house.api("GET", `/content/insights/${first!.insight_id}`);
  assert.deepEqual(Insight.parse(one), first);
  const { body: page } = await house.api("GET", "/content/insights?limit=2");
  const { body: rest } = await house.api("GET", `/content/insights?limit=500&cursor=${page.next_cursor}`);
  const { body: all } = await house.api("GET", "/content/insights?limit=500");
  assert.deepEqual([...page.insights, ...rest.insights], all.insights, "pages are the list");

  const { reports } = ReportList.parse((await house.api("GET", "/content/reports")).body);
  assert.deepEqual(
    reports.map(({ kind, from, to }) => [kind, from, to]),
    [["week", "2026-02-23", "2026-03-02"]],
  );
  const week = reports.find(({ kind }) => kind === "week")!;
  for (const form of ["html", "markdown", "json"] as const) {
    const answer = await house.api("GET", `/content/reports/${week.report_id}?format=${form}`);
    assert.equal(answer.status, 200);
    const hash = createHash("sha256").update(answer.text).digest("hex");
    assert.equal(hash, week.sha256[form], `the hash of ${form} is that of what is served`);
  }
  const html = await house.api("GET", `/content/reports/${week.report_id}?format=html`);
  const style = /<style>([\s\S]*?)<\/style>/.exec(html.text)![1]!;
  const hash = createHash("sha256").update(style).digest("base64");
  assert.ok(html.headers.get("content-security-policy")!.includes(`style-src 'sha256-${hash}'`));
  const report = ExecutiveReport.parse((await house.api("GET", "/content/reports/latest")).body);
  assert.equal(report.told_by, "deterministic");

  await house.leap(6 * HOUR_MS);
  const { last_decision, cause } = (await stateOf(house)) ?? {};
  assert.deepEqual(
    [last_decision, cause],
    ["nothing_to_do", "no day has changed or is over since the last look"],
  );
});

test("an investigation names the channel that carries the difference, and returns its evidence", async (t) => {
  const house = await housed(t);
  await addReaders(house, 77);
  const rolled = await run(house, { rollup: { from: dayBefore(77), to: dayBefore(0) } });
  assert.equal(rolled.result_data.rolled_up.days.length, 77);
  const task = await run(house, {
    investigate: { metric: "views", from: dayBefore(7), to: dayBefore(0), question: "why?", alert_id: "a-1" },
  });
  const { finding, evidence } = task.result_data;
  assert.match(finding.headline, /most of it from the channel Organic Search$/);
  assert.equal(finding.confidence, "high", JSON.stringify(finding));
  assert.equal(finding.alert_id, "a-1");
  const [main] = evidence.parts;
  assert.equal(main.member, "Organic Search");
  assert.ok(main.share_of_change > 0.9 && main.share_of_change < 1.1, String(main.share_of_change));
  assert.ok(evidence.moments.some((moment: { kind: string }) => moment.kind === "change"));
  const { insights } = InsightList.parse(
    (await house.api("GET", "/content/insights?kind=investigation")).body,
  );
  assert.equal(insights[0]!.headline, finding.headline);
});

test("what cannot be is refused by name, and a house without any data says so instead of inventing", async (t) => {
  const house = await housed(t);
  const refused = async (payload: object, words: RegExp) => {
    const task = await run(house, payload);
    assert.equal(task.status, "dead_lettered");
    assert.match(task.errors.at(-1).message, words);
  };
  await refused(
    { report: { kind: "week" }, rollup: { from: "2026-01-01", to: "2026-01-02" } },
    /more than one thing/,
  );
  await refused({ investigate: { metric: "clicks", from: "2026-01-01", to: "2026-01-02" } }, /metric/);
  await refused(
    { investigate: { metric: "views", from: "2026-01-02", to: "2026-01-02" } },
    /later than from/,
  );
  await refused({ report: { kind: "day", day: "2026-03-02" } }, /no day that is over/);
  const task = await run(house, { report: { kind: "week" } });
  assert.equal(task.status, "completed");
  const { body } = await house.api("GET", "/content/reports/latest");
  assert.match(body.headline, /no data$/);
  assert.deepEqual(body.forecasts, []);
  assert.ok(body.limits.some((limit: string) => limit.startsWith("No readers' data was ever imported")));
  const nothing = await run(house, {
    investigate: { metric: "views", from: "2026-02-01", to: "2026-02-03" },
  });
  assert.equal(nothing.result_data.finding.confidence, "low");
  assert.match(nothing.result_data.finding.headline, /^Nothing can be said/);
});
