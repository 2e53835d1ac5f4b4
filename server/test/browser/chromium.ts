/** Owns where a headless Chromium is on this machine, and how it is started. Opens no page. */
import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { type Browser, chromium } from "playwright-core";

const PLACES = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
const STARTS_WITHIN_MS = 60_000;
/** A browser under test talks to nobody but the page's server. */
const QUIETLY = [
  ...["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu", "--disable-background-networking"],
  ...["--disable-component-update", "--disable-sync", "--no-first-run", "--disable-quic"],
];

/** Where somebody says that it is. */
export const givenPath = process.env.CHROMIUM_PATH;
/** Undefined: there is none. */
export const executablePath = (givenPath === undefined ? PLACES : [givenPath]).find(isBrowser);

/** A file of that name may be a stand-in that only says what to install. */
function isBrowser(path: string): boolean {
  return existsSync(path) && spawnSync(path, ["--version"], { timeout: STARTS_WITHIN_MS }).status === 0;
}

export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: executablePath as string,
    args: QUIETLY,
    timeout: STARTS_WITHIN_MS,
  });
}
