/** Owns the proof that every page can be used by anybody: accessible, in dark and light, on a phone, by keyboard alone. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { type TestContext, test } from "node:test";
import type { Page } from "playwright-core";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";
import { logIn, NO_BROWSER, openPage } from "./browser.ts";

const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** Something of everything: what waits, runs, was done, and is dead. */
async function lively(t: TestContext): Promise<TestHouse> {
  const house = await openTestHouse(t, {
    workflows: { writer: { max_concurrent: 1, batch: { min: 1, max: 1 } } },
  });
  await house.enqueue({});
  await house
    .workflow("writer")
    .last()
    .callback({ metrics: { duration_ms: 1, items_processed: 1, cost_usd: 0.42 } });
  await house.quiet();
  await house.enqueue({ content_type: "news" });
  await house.workflow("writer").last().fail({ message: "no source", retry_recommended: false });
  await house.advance(120_000);
  await house.enqueue({}, {}, { content_type: "news" });
  return house;
}

/** The pages of the navigation, and one of each kind behind them. */
async function everyPage(house: TestHouse, page: Page): Promise<string[]> {
  const links = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
  await links.first().waitFor();
  const paths = await Promise.all((await links.all()).map((link) => link.getAttribute("href")));
  const { tasks } = (await house.api("GET", "/tasks?status=queued")).body;
  const { executions } = (await house.api("GET", "/executions?status=FAILED")).body;
  const { cycles } = (await house.api("GET", "/cycles")).body;
  return [
    ...(paths as string[]),
    `/dashboard/queue/${tasks[0].task_id}`,
    `/dashboard/executions/${executions[0].execution_id}`,
    `/dashboard/decisions/${cycles[0].cycle_id}`,
  ];
}

async function shown(page: Page, url: string): Promise<void> {
  await page.goto(url);
  await page.getByRole("main").getByRole("heading", { level: 1 }).waitFor();
  await page.getByLabel("loading").first().waitFor({ state: "detached" });
}

/** The innermost elements that reach beyond the window without a box of their own that scrolls. */
const TOO_WIDE = `[...document.querySelectorAll("main *, header *")].filter((one) => {
  if (one.getBoundingClientRect().right <= innerWidth || one.children.length > 3) return false;
  for (let up = one.parentElement; up; up = up.parentElement) if (getComputedStyle(up).overflowX !== "visible") return false;
  return true;
}).slice(0, 4).map((one) => one.outerHTML.slice(0, 160)).join(" | ")`;

interface Finding {
  id: string;
  nodes: { html: string; failureSummary: string }[];
}

async function findings(page: Page): Promise<string[]> {
  await page.evaluate(AXE);
  const found = (await page.evaluate(
    "axe.run(document, { runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'] }).then(({ violations }) => violations)",
  )) as Finding[];
  return found.flatMap(({ id, nodes }) =>
    nodes.map(({ html, failureSummary }) => `${id}: ${html.slice(0, 200)} (${failureSummary.slice(0, 200)})`),
  );
}

/** What axe-core says of the page as it is, in light and in dark. */
async function inBothSchemes(page: Page, name: string): Promise<string[]> {
  const wrong: string[] = [];
  for (const colorScheme of ["light", "dark"] as const) {
    await page.emulateMedia({ colorScheme });
    await page.locator(`html[data-mantine-color-scheme=${colorScheme}]`).waitFor({ state: "attached" });
    wrong.push(...(await findings(page)).map((finding) => `${name} in ${colorScheme}: ${finding}`));
  }
  return wrong;
}

test("every page is accessible by axe-core in light and dark, and fits a phone", {
  skip: NO_BROWSER,
}, async (t) => {
  const house = await lively(t);
  const page = await openPage(t);
  await page.goto(`${house.url}/dashboard/`);
  await page.getByLabel("API key").waitFor();
  const wrong = await inBothSchemes(page, "the login");
  await logIn(page, house.url, ADMIN_KEY);
  const paths = await everyPage(house, page);
  assert.ok(paths.length >= 16, paths.join(", "));
  for (const path of paths) {
    await page.setViewportSize({ width: 1280, height: 900 });
    await shown(page, house.url + path);
    wrong.push(...(await inBothSchemes(page, path)));
    await page.setViewportSize({ width: 375, height: 700 });
    const width = await page.evaluate("document.scrollingElement.scrollWidth");
    if (width !== 375) wrong.push(`${path} is ${width} wide on a phone: ${await page.evaluate(TOO_WIDE)}`);
  }
  assert.deepEqual(wrong, []);
});

test("by keyboard alone: two keys to each page, the palette to anything, tab to whatever can be done", {
  skip: NO_BROWSER,
}, async (t) => {
  const house = await lively(t);
  const page = await openPage(t);
  await logIn(page, house.url, ADMIN_KEY);
  const heading = (name: string) => page.getByRole("heading", { level: 1, name, exact: true }).waitFor();
  await heading("Overview");
  await page.keyboard.press("g");
  await page.keyboard.press("q");
  await heading("Queue");
  await page.keyboard.press("Control+k");
  await page.getByRole("textbox", { name: "Go to" }).fill("poli");
  await page.keyboard.press("Enter");
  await heading("Policy");
  const { tasks } = (await house.api("GET", "/tasks?status=queued")).body;
  await page.keyboard.press("Control+k");
  await page.getByRole("textbox", { name: "Go to" }).fill(tasks[0].task_id);
  await page.getByText(`Open ${tasks[0].task_id}`).waitFor();
  await page.keyboard.press("Enter");
  await heading(`Task ${tasks[0].task_id.slice(-12)}`);
  const reached = new Set<string>();
  for (let i = 0; i < 60 && !reached.has("Cancel"); i++) {
    await page.keyboard.press("Tab");
    reached.add(
      (await page.evaluate(
        "document.activeElement.textContent || document.activeElement.ariaLabel",
      )) as string,
    );
  }
  assert.ok(reached.has("Cancel"), [...reached].join(", "));
  await page.keyboard.press("Enter");
  const dialog = page.getByRole("dialog");
  await dialog.waitFor();
  await page.keyboard.press("Escape");
  await dialog.waitFor({ state: "detached" });
  assert.equal((await house.task(tasks[0].task_id)).status, "queued");
});
