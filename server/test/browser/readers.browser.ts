/** Owns the proof that what readers did is seen as it was found: the forecast with its bands and its error, changes marked. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { ADMIN_KEY, openTestHouse } from "#test/house.ts";
import { addEvents, type ReaderRow } from "#test/readers.ts";
import { logIn, NO_BROWSER, openPage } from "./browser.ts";

const EVENTS = readFileSync(new URL("../../../examples/events.csv", import.meta.url), "utf8");

test("the readers' page shows the newest report's forecast as a chart, with its back-test's words", {
  skip: NO_BROWSER,
}, async (t) => {
  const house = await openTestHouse(t, { startMs: Date.UTC(2026, 10, 26, 9, 0, 30), workflows: {} });
  const [, ...lines] = EVENTS.trim().split("\n");
  const rows = lines.map((line): ReaderRow => {
    const [at = "", page = "", channel = "", views, visitors] = line.split(",");
    return { at, page, channel, count: Number(views), visitors: Number(visitors) };
  });
  await addEvents(house.db, rows);
  const [task] = await house.enqueue({
    workflow_type: "intelligence_engine",
    payload: { report: { kind: "week", day: "2026-11-18" } },
  });
  await house.until("the report", async () => (await house.task(task!)).status === "completed");
  const page = await openPage(t);
  await logIn(page, house.url, ADMIN_KEY, "/readers");
  const { reports } = (await house.api("GET", "/content/reports")).body;
  const [forecast] = (await house.api("GET", `/content/reports/${reports[0].report_id}`)).body.forecasts;
  const chart = page.getByRole("img", { name: forecast.told });
  await chart.waitFor();
  assert.ok((await chart.locator("path.recharts-curve").count()) >= 4, "two bands and two lines");
});
