/** Measures how long pages of the dashboard take to open in a real browser: from the click until nothing on them is loading. */
import type { Page } from "playwright-core";
import { launchChromium } from "../server/test/browser/chromium.ts";
import { percentile } from "./cluster.ts";

export interface Opening {
  p50: number;
  p95: number;
}

/** Each time by somebody who has just come, and has not seen the page. */
const ROUNDS = Number(process.env.BROWSER_ROUNDS ?? 7);
const OPENS_WITHIN_MS = 30_000;
/** Pages' scripts are fetched a moment after the first page is shown. */
const SETTLED_MS = 1_500;

/** By the name in the navigation; the first is the one that a person comes to, with the whole document. */
export async function openings(url: string, key: string): Promise<Map<string, Opening>> {
  const browser = await launchChromium();
  try {
    const page = await (await browser.newContext({ viewport: { width: 1280, height: 900 } })).newPage();
    page.setDefaultTimeout(OPENS_WITHIN_MS);
    await page.goto(`${url}/dashboard/`);
    await page.getByLabel("API key").fill(key);
    await page.getByRole("button", { name: "Log in" }).click();
    const links = page.getByRole("navigation", { name: "Pages" }).getByRole("link");
    await links.first().waitFor({ state: "attached" });
    const names = await links.allInnerTexts();
    const times = new Map<string, number[]>();
    const keep = (name: string, ms: number) => times.set(name, [...(times.get(name) ?? []), ms]);
    for (let round = 0; round < ROUNDS; round++) {
      for (const name of names.slice(1)) {
        keep(names[0] as string, await arrival(page, `${url}/dashboard/`, names[0] as string));
        await new Promise((resolve) => setTimeout(resolve, SETTLED_MS));
        keep(name, await opened(page, name));
      }
    }
    return new Map(
      [...times].map(([name, all]) => {
        const sorted = all.sort((a, b) => a - b);
        return [name, { p50: percentile(sorted, 50), p95: percentile(sorted, 95) }];
      }),
    );
  } finally {
    await browser.close();
  }
}

/**
 * In the page, by its own clock: from `began` to the first of several frames in a row in which the page of that name stands
 * there and nothing on it is loading.
 */
const OPEN = `async (name, began) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(resolve));
  const here = () => document.querySelector("nav[aria-label=Pages] a[aria-current=page]")?.innerText === name;
  const whole = () => here() && document.querySelector("main h1, main h2") && !document.querySelector("main [aria-label=loading]");
  for (;;) {
    while (!whole()) await frame();
    const at = performance.now();
    let frames = 0;
    while (whole() && frames < 6) { await frame(); frames++; }
    if (frames === 6) return at - began;
  }
}`;

/** With the whole document, since the navigation began; the browser has its scripts. */
async function arrival(page: Page, url: string, name: string): Promise<number> {
  await page.goto(url, { waitUntil: "commit" });
  return await page.evaluate<number>(`(${OPEN})(${JSON.stringify(name)}, 0)`);
}

function opened(page: Page, name: string): Promise<number> {
  return page.evaluate<number>(`(() => {
    const links = [...document.querySelectorAll("nav[aria-label=Pages] a")];
    const began = performance.now();
    links.find((each) => each.innerText === ${JSON.stringify(name)}).click();
    return (${OPEN})(${JSON.stringify(name)}, began);
  })()`);
}
