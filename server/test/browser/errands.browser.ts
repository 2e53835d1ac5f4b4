/** Owns the proof that an operator finds what is asked most often, in a real browser, from the first login on. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";
import { errandsOf, logIn, NO_BROWSER, openPage } from "./browser.ts";

const DAY_MS = 86_400_000;

/** Yesterday one task cost 42 cents; today one is dead, one runs, and one waits behind it. */
async function aDayLater(house: TestHouse) {
  await house.enqueue({ payload: { title: "Yesterday's" } });
  const paid = { duration_ms: 1_000, items_processed: 1, cost_usd: 0.42 };
  await house.workflow("writer").last().callback({ metrics: paid });
  await house.advance(120_000);
  await house.leap(DAY_MS);
  const [dead] = await house.enqueue({ payload: { title: "Poison" } });
  await house
    .workflow("writer")
    .last()
    .fail({ message: "the model refused topic 17", retry_recommended: false });
  await house.quiet();
  const [running, waiting] = await house.enqueue(
    { payload: { title: "Runs" } },
    { payload: { title: "Waits" } },
  );
  return { dead: dead as string, running: running as string, waiting: waiting as string };
}

/** Follows the navigation as a person does. */
async function visit(page: Page, name: string): Promise<void> {
  await page.getByRole("navigation", { name: "Pages" }).getByRole("link", { name, exact: true }).click();
  await page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
}

async function confirm(page: Page): Promise<void> {
  await page.getByRole("dialog").getByRole("button", { name: "Yes" }).click();
}

test("the operator's ten most frequent errands, from the first login on", { skip: NO_BROWSER }, async (t) => {
  const house = await openTestHouse(t, {
    workflows: { writer: { max_concurrent: 1, batch: { min: 1, max: 1 } } },
  });
  const { dead, waiting, running } = await aDayLater(house);
  const page = await openPage(t);
  await logIn(page, house.url, ADMIN_KEY);
  const main = page.getByRole("main");
  const errand = errandsOf(t, page);
  const told = (text: string | RegExp) => page.getByRole("alert").filter({ hasText: text }).first().waitFor();

  await errand("is all well?", async () => {
    const verdict = main.getByRole("region", { name: "Verdict" });
    await verdict.getByText(/^attention \(1 cause\): 1 running, 1 waiting/).waitFor();
    await verdict.getByRole("link", { name: /dead letter/ }).waitFor();
  });

  await errand("what did yesterday cost?", async () => {
    await main.getByRole("link", { name: "$0.42", exact: true }).click();
    await main.getByText("2026-03-02 cost $0.42.").waitFor();
    await main.getByRole("table", { name: "Spending" }).getByRole("cell", { name: "writer" }).waitFor();
  });

  await errand("why is this task waiting, and when will it start?", async () => {
    await visit(page, "Queue");
    await main
      .getByRole("table", { name: "Tasks" })
      .getByRole("link", { name: waiting.slice(-12) })
      .click();
    const why = main.getByRole("region", { name: "Why, and when" });
    await why
      .getByText(/writer runs at its limit of 1 at once/)
      .first()
      .waitFor();
    await why.getByText(/Expected to start/).waitFor();
    const executionId = (await house.task(running)).execution_id as string;
    await why.getByRole("link", { name: executionId.slice(-12) }).waitFor();
  });

  await errand("change a priority", async () => {
    await main.getByRole("textbox", { name: "Priority" }).fill("90");
    await main.getByRole("button", { name: "Set" }).click();
    await told("The priority is changed.");
    assert.equal((await house.task(waiting)).priority, 90);
  });

  await errand("cancel a task", async () => {
    await main.getByRole("button", { name: "Cancel" }).click();
    await confirm(page);
    await told("The task is cancelled.");
    assert.equal((await house.task(waiting)).status, "cancelled");
    await main.getByText("cancelled", { exact: true }).first().waitFor();
  });

  await errand("what failed, and why?", async () => {
    await visit(page, "Executions");
    await main.getByRole("combobox", { name: "State" }).click();
    await page.getByRole("option", { name: "failed" }).click();
    const executionId = (await house.task(dead)).execution_ids[0] as string;
    await main.getByRole("link", { name: executionId.slice(-12) }).click();
    await main.getByRole("region", { name: "Error" }).getByText("the model refused topic 17").waitFor();
  });

  await errand("replay what failed", async () => {
    await main.getByRole("button", { name: "Replay" }).click();
    await confirm(page);
    await told("Its tasks are in the queue again.");
    const { tasks } = (await house.api("GET", "/tasks?status=queued")).body;
    assert.equal(tasks.length, 1);
  });

  await errand("redrive dead letters: first to see which, then in earnest", async () => {
    await visit(page, "Dead letters");
    const row = main.getByRole("row").filter({ hasText: "the model refused topic 17" });
    await row.getByRole("button", { name: "Dry run" }).click();
    await told("1 would be sent back, 0 would stay.");
    assert.equal((await house.task(dead)).status, "dead_lettered");
    await row.getByRole("button", { name: "Redrive" }).click();
    await confirm(page);
    await told("1 are in the queue again, 0 are left.");
    assert.equal((await house.task(dead)).status, "queued");
    await main.getByText("There are none.").waitFor();
  });

  await errand("how do I stop it?", async () => {
    await visit(page, "Overview");
    await main.getByRole("button", { name: "Pause" }).click();
    await confirm(page);
    await main.getByRole("button", { name: "Resume" }).waitFor();
    assert.equal((await house.api("GET", "/orchestrator")).body.paused, true);
    await main.getByRole("button", { name: "Resume" }).click();
    await main.getByRole("button", { name: "Pause" }).waitFor();
  });

  await errand("edit the policy, and put back what was", async () => {
    await visit(page, "Policy");
    const editor = main.getByRole("textbox", { name: "Policy" });
    const before = (await house.api("GET", "/policy")).body;
    await editor.fill((await editor.inputValue()).replace('"daily_usd": 500', '"daily_usd": 400'));
    const row = main.getByRole("table", { name: "What would change" }).getByRole("row").nth(1);
    assert.deepEqual(await row.getByRole("cell").allTextContents(), ["budget.daily_usd", "500", "400"]);
    await main.getByRole("textbox", { name: "Why" }).fill("a quiet month");
    await main.getByRole("button", { name: "Save 1 change" }).click();
    await told("The policy is changed.");
    const changed = (await house.api("GET", "/policy")).body;
    assert.deepEqual([changed.policy.budget.daily_usd, changed.comment], [400, "a quiet month"]);
    const old = main.getByRole("table", { name: "Versions" }).getByRole("row");
    await old
      .filter({ has: page.getByRole("cell", { name: String(before.version), exact: true }) })
      .getByRole("button", { name: "Roll back to it" })
      .click();
    await confirm(page);
    await told("The earlier policy is in force again, as a new version.");
    assert.equal((await house.api("GET", "/policy")).body.policy.budget.daily_usd, 500);
  });
});

test("an empty installation greets, and one click makes the first articles", {
  skip: NO_BROWSER,
}, async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  const page = await openPage(t);
  await logIn(page, house.url, ADMIN_KEY);
  await page
    .getByRole("region", { name: "Welcome" })
    .getByRole("button", { name: "Load the examples" })
    .click();
  await page.getByText("3 topics are in the queue").waitFor();
  await house.until("an article is published", async () => {
    const { articles } = (await (
      await fetch(`${house.url}/articles`, { headers: { accept: "application/json" } })
    ).json()) as {
      articles: unknown[];
    };
    return articles.length === 3;
  });
  await page.getByRole("region", { name: "Welcome" }).waitFor({ state: "detached" });
  await page
    .getByRole("main")
    .getByText(/on pace for/)
    .first()
    .waitFor();
});
