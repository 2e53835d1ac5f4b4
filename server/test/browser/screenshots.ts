/** Makes the pictures of docs/screenshots from a house with some life in it: `npm run screenshots`. Proves nothing. */
import { mkdirSync } from "node:fs";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Page } from "playwright-core";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";
import { logIn, NO_BROWSER, openPage } from "./browser.ts";

const FOLDER = fileURLToPath(new URL("../../../docs/screenshots", import.meta.url));
const MINUTE = 60_000;
const SETTINGS = { max_concurrent: 2, batch: { min: 1, max: 1 } };
const WORKFLOWS = { content_pipeline: SETTINGS, page_audit: SETTINGS };

/** Half an hour of work in four lanes, which costs something and sometimes fails. */
async function halfAnHourOfWork(house: TestHouse): Promise<void> {
  const lanes = ["explainer", "how_to", "news"];
  for (let minute = 0; minute < 30; minute++) {
    const tasks = lanes.slice(0, 1 + (minute % 3)).map((content_type) => ({
      ...{ workflow_type: "content_pipeline", content_type, priority: 30 + (minute % 5) * 10 },
      payload: { title: `A topic of minute ${minute}` },
    }));
    await house.enqueue(
      ...tasks,
      ...(minute % 2 ? [{ workflow_type: "page_audit", content_type: "daily" }] : []),
    );
    await house.advance(MINUTE);
    for (const type of Object.keys(WORKFLOWS)) {
      for (const run of house.workflow(type).deliveries.slice(-3)) {
        if (minute % 11 === 10)
          await run.fail({ message: "the model refused the topic", retry_recommended: false });
        else
          await run.callback({
            metrics: { duration_ms: 1, items_processed: 1, cost_usd: 0.04 + 0.01 * (minute % 4) },
          });
      }
    }
    await house.quiet();
  }
  const waiting = Array.from({ length: 24 }, (_, i) => ({
    ...{ workflow_type: "content_pipeline", content_type: lanes[i % 3], priority: 40 + (i % 3) * 20 },
    payload: { title: `Waiting ${i}` },
  }));
  await house.enqueue(...waiting);
  await house.advance(MINUTE);
}

async function picture(page: Page, name: string): Promise<void> {
  await page.getByLabel("loading").first().waitFor({ state: "detached" });
  await page.screenshot({ path: `${FOLDER}/${name}.png`, animations: "disabled" });
}

test("the pictures", { skip: NO_BROWSER }, async (t) => {
  mkdirSync(FOLDER, { recursive: true });
  const house = await openTestHouse(t, {
    startMs: Date.UTC(2026, 2, 3, 13, 29),
    policy: { lanes: { "content_pipeline/news": { weight: 3 } } },
    workflows: WORKFLOWS,
  });
  await halfAnHourOfWork(house);
  const size = { width: 1180, height: 900 };
  const light = await openPage(t, size);
  // The pages take the house's time for the present; so each run of this makes the same pictures.
  await light.clock.setFixedTime(house.clock.nowMs());
  await logIn(light, house.url, ADMIN_KEY);
  await light.getByRole("region", { name: "The last hour" }).waitFor();
  await picture(light, "overview");
  await light.goto(`${house.url}/dashboard/queue`);
  await light.getByRole("region", { name: "Entitled and received" }).waitFor();
  await picture(light, "queue");
  const { tasks } = (await house.api("GET", "/tasks?status=queued")).body;
  await light.goto(`${house.url}/dashboard/queue/${tasks[0].task_id}`);
  await light.getByRole("region", { name: "Why, and when" }).waitFor();
  await picture(light, "why");
  const dark = await openPage(t, { ...size, scheme: "dark" });
  await dark.clock.setFixedTime(house.clock.nowMs());
  await logIn(dark, house.url, ADMIN_KEY, "/policy");
  const editor = dark.getByRole("textbox", { name: "Policy" });
  await editor.fill((await editor.inputValue()).replace('"total": 10', '"total": 1'));
  await dark.getByRole("button", { name: "What would have changed?" }).click();
  await dark.getByRole("table", { name: "What would have changed" }).scrollIntoViewIfNeeded();
  await picture(dark, "policy");
});
