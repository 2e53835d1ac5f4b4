/** Owns the proof that nothing is lost at the dashboard: a session that ends, two who edit one policy, a server that goes and comes. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Page } from "playwright-core";
import { ADMIN_KEY, openTestHouse } from "#test/house.ts";
import { logIn, NO_BROWSER, openPage } from "./browser.ts";
import { aDoor } from "./door.ts";

/** Writes a draft of the policy into the editor. */
async function draft(page: Page, from: string, to: string): Promise<void> {
  const editor = page.getByRole("textbox", { name: "Policy" });
  await editor.fill((await editor.inputValue()).replace(from, to));
}

const policyOf = (page: Page) => page.getByRole("textbox", { name: "Policy" }).inputValue();

test("a session that is over asks for the key again, over what is there; nothing written is lost", {
  skip: NO_BROWSER,
}, async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  const page = await openPage(t);
  await logIn(page, house.url, ADMIN_KEY, "/policy");
  await draft(page, '"daily_usd": 500', '"daily_usd": 333');
  await house.leap(12 * 3_600_000);
  const dialog = page.getByRole("dialog", { name: "The session is over" });
  await dialog.waitFor();
  await dialog.getByRole("textbox", { name: "API key" }).fill("a wrong key");
  await dialog.getByRole("button", { name: "Log in" }).click();
  await dialog.getByRole("alert").waitFor();
  await dialog.getByRole("textbox", { name: "API key" }).fill(ADMIN_KEY);
  await dialog.getByRole("button", { name: "Log in" }).click();
  await dialog.waitFor({ state: "detached" });
  assert.match(page.url(), /\/dashboard\/policy$/);
  assert.match(await policyOf(page), /"daily_usd": 333/);
  await page.getByRole("button", { name: "Save 1 change" }).click();
  await page.getByText("The policy is changed.").waitFor();
  assert.equal((await house.api("GET", "/policy")).body.policy.budget.daily_usd, 333);
});

test("two who edit one policy: the second is told, loses nothing, and makes the change upon the first one's", {
  skip: NO_BROWSER,
}, async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  const [first, second] = [await openPage(t), await openPage(t)];
  for (const page of [first, second]) await logIn(page, house.url, ADMIN_KEY, "/policy");
  await draft(second, '"daily_usd": 500', '"daily_usd": 250');
  await draft(first, '"high_load": 3', '"high_load": 2');
  await first.getByRole("button", { name: "Save 1 change" }).click();
  await first.getByText("The policy is changed.").waitFor();
  await second.getByRole("button", { name: "Save 1 change" }).click();
  const conflict = second
    .getByRole("alert")
    .filter({ hasText: "Somebody else has changed the policy meanwhile" });
  await conflict.getByText("They do not touch what was changed.").waitFor();
  assert.match(await policyOf(second), /"daily_usd": 250/, "the draft is still there");
  const { policy } = (await house.api("GET", "/policy")).body;
  assert.deepEqual(
    [policy.budget.daily_usd, policy.concurrency.high_load],
    [500, 2],
    "nothing was overwritten",
  );
  await conflict.getByRole("button", { name: /^Make my changes upon version/ }).click();
  await conflict.waitFor({ state: "detached" });
  await second.getByRole("button", { name: "Save 1 change" }).click();
  await second.getByText("The policy is changed.").waitFor();
  const { policy: both } = (await house.api("GET", "/policy")).body;
  assert.deepEqual([both.budget.daily_usd, both.concurrency.high_load], [250, 2]);
});

test("a server that stops is missed in words, with the time of what is shown; once it is back the page heals by itself", {
  skip: NO_BROWSER,
}, async (t) => {
  const house = await openTestHouse(t, { workflows: {} });
  const door = await aDoor(t, house.url);
  const page = await openPage(t);
  await logIn(page, door.url, ADMIN_KEY);
  const verdict = page.getByRole("region", { name: "Verdict" });
  await verdict.getByText(/^healthy/).waitFor();
  door.shut();
  await house.stop();
  const lost = page.getByRole("alert").filter({ hasText: "The connection to the orchestrator is lost" });
  await lost.getByText(/What is shown is as of \d{4}-/).waitFor();
  assert.ok(await verdict.isVisible(), "what was there stays");
  const again = await house.replica();
  await again.api("POST", "/orchestrator/pause");
  door.open(again.url);
  await lost.waitFor({ state: "detached" });
  await verdict.getByText(/^attention \(1 cause\)/).waitFor();
  await page.getByRole("button", { name: "Resume" }).waitFor();
});

test("a change of the policy is tried on the past before it is saved", { skip: NO_BROWSER }, async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { min: 1, max: 1 } } } });
  await house.enqueue({}, {}, {});
  await house.advance(60_000);
  for (const run of house.workflow("writer").deliveries) await run.callback();
  await house.quiet();
  const page = await openPage(t);
  await logIn(page, house.url, ADMIN_KEY, "/policy");
  await draft(page, '"total": 10', '"total": 1');
  await page.getByRole("button", { name: "What would have changed?" }).click();
  const compared = page.getByRole("table", { name: "What would have changed" });
  const slots = compared.getByRole("row").filter({ hasText: "Slots at once" });
  await slots.getByRole("cell", { name: "3 of 10" }).waitFor();
  await slots.getByRole("cell", { name: "1 of 1" }).waitFor();
});

test("a breaker that is open is seen at the workflow, with its cause, its next probe and how it ends", {
  skip: NO_BROWSER,
}, async (t) => {
  const house = await openTestHouse(t, {
    policy: {
      retry: { max_attempts: 1, base_seconds: 900, max_seconds: 900, dead_letter_after: 100, jitter: 0 },
      recovery: { breaker: { min_attempts: 4 } },
    },
    workflows: { writer: { batch: { max: 1 }, max_concurrent: 2 } },
  });
  house.workflow("writer").always({ status: 404 });
  await house.enqueue({}, {}, {}, {}, {}, {}, {}, {});
  const page = await openPage(t);
  await logIn(page, house.url, ADMIN_KEY, "/workflows");
  const writer = page.getByRole("button", { name: /^writer/ });
  await writer.getByText("breaker open").waitFor();
  await writer.click();
  const [breaker] = (await house.api("GET", "/recoveries?open=true")).body.recoveries;
  await page.getByText(breaker.cause).waitFor();
  await page.getByText(`ends when: ${breaker.exit_rule}`).waitFor();
  await page.getByRole("table", { name: "Targets of writer" }).getByRole("row").nth(1).waitFor();
});
