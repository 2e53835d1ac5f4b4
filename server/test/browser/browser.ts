/** Owns a real headless browser for tests of the dashboard: one for all of a file, a fresh profile for each page. */
import { after, type TestContext } from "node:test";
import type { Browser, Page } from "playwright-core";
import { executablePath, givenPath, launchChromium } from "./chromium.ts";

/** Real time that something on a page is waited for; only a test that fails waits that long. */
const PATIENCE_MS = Number(process.env.BROWSER_PATIENCE_MS ?? 60_000);
/** For the option `skip` of a test: why there is no browser, or false. */
export const NO_BROWSER: string | false =
  executablePath === undefined
    ? `there is no Chromium${givenPath === undefined ? "" : ` at ${givenPath}`}: install it, or set CHROMIUM_PATH`
    : false;

let running: Promise<Browser> | undefined;
after(async () => await (await running)?.close());

export interface Look {
  width?: number;
  height?: number;
  scheme?: "light" | "dark";
}

/** A page of a profile of its own, as on another machine. An exception in the page, or a blocked request, fails the test. */
export async function openPage(t: TestContext, look: Look = {}): Promise<Page> {
  running ??= launchChromium();
  const browser = await running;
  const context = await browser.newContext({
    viewport: { width: look.width ?? 1280, height: look.height ?? 900 },
    colorScheme: look.scheme ?? "light",
    reducedMotion: "reduce",
  });
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const failures: string[] = [];
  page.on("pageerror", (error) => failures.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (/Content Security Policy|React|Warning:/.test(message.text())) failures.push(message.text());
  });
  t.after(async () => {
    await context.close();
    if (failures.length > 0) throw new Error(`the page had errors:\n${failures.join("\n")}`);
  });
  return page;
}

/** Opens an address of the dashboard, and logs in where it asks for a key. */
export async function logIn(page: Page, url: string, key: string, path = "/"): Promise<void> {
  await page.goto(`${url}/dashboard${path}`);
  await page.getByLabel("API key").fill(key);
  await page.getByRole("button", { name: "Log in" }).click();
  await page.getByRole("navigation", { name: "Pages" }).waitFor({ state: "attached" });
}

/** One errand of a person at a page; where it fails, the error says what the page showed instead. */
export function errandsOf(
  t: TestContext,
  page: Page,
): (name: string, errand: () => Promise<void>) => Promise<void> {
  return (name, errand) =>
    t.test(name, async () => {
      try {
        await errand();
      } catch (error) {
        const shown = await page
          .locator("body")
          .innerText()
          .catch(() => "nothing: it is closed");
        throw new Error(`${(error as Error).message}\n\nthe page showed:\n${shown.slice(0, 4_000)}`, {
          cause: error,
        });
      }
    });
}
