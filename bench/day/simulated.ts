/** The whole service in this process, in time that this file moves: real HTTP, real database, waits that cost nothing. */
import { subscribe } from "node:diagnostics_channel";
import type { IncomingMessage, ServerResponse } from "node:http";
import pg from "pg";
import { loadConfig } from "../../server/src/config.ts";
import { openHouse } from "../../server/src/house.ts";
import { hang, quiet } from "../../server/test/activity.ts";
import { type FakeClock, fakeClock } from "../../server/test/fake-clock.ts";
import type { Site } from "./site.ts";

/** A UTC midnight: the day's budget begins anew with the day. */
export const SIMULATED_START_MS = Date.UTC(2026, 2, 2);
/** While nothing is to be done, time passes in steps: what polls in vain does so once a step. */
const IDLE_STEP_MS = 60_000;
/** … and while something is, this often it is looked whether it still is. */
const BUSY_STEP_MS = 5_000;
const KEY = "bench-admin-key-0123456789abcdef";

/** The clock, with a database whose time it moves. */
export async function simulatedClock(
  databaseUrl: string,
): Promise<{ clock: FakeClock; end(): Promise<void> }> {
  const client = new pg.Client({ connectionString: databaseUrl });
  await client.connect();
  await client.query("create table bench_clock (now timestamptz not null)");
  await client.query("insert into bench_clock values ($1)", [new Date(SIMULATED_START_MS)]);
  const move = async (ms: number) => {
    await client.query("update bench_clock set now = $1", [new Date(ms)]);
  };
  return { clock: fakeClock(move, SIMULATED_START_MS), end: () => client.end() };
}

/** Opens the service on that clock. `providers`: settings of its environment. */
export async function simulatedSite(at: {
  databaseUrl: string;
  dataDir: string;
  clock: FakeClock;
  providers: Record<string, string>;
}): Promise<Site> {
  const { databaseUrl, dataDir, clock } = at;
  watchCallsThatWait();
  const config = loadConfig({
    ...{ PORT: "0", DATA_DIR: dataDir, ORCHESTRATOR_ADMIN_KEY: KEY, OUTBOUND_ALLOW: "127.0.0.1" },
    ...at.providers,
  });
  const errors: string[] = [];
  const log = {
    debug() {},
    info() {},
    warn() {},
    error(message: string, details?: object) {
      const { error } = (details ?? {}) as { error?: Error };
      errors.push(`${message}${error ? `: ${error.message}` : ""}`);
    },
  };
  const house = await openHouse({ config, log, clock: clock.forHouse(), databaseUrl });
  await quiet();
  return {
    url: house.url,
    key: KEY,
    errors,
    async passUntil(atMs, idle) {
      for (let left = atMs - clock.nowMs(); left > 0; left = atMs - clock.nowMs()) {
        if (await idle()) await clock.leap(Math.min(left, IDLE_STEP_MS));
        else await clock.advance(Math.min(left, BUSY_STEP_MS));
      }
    },
    async stop() {
      await house.stop();
    },
  };
}

/**
 * A call to a model waits for time to pass, in the gateway for a permit or at the provider: time may move as soon as it
 * has arrived, and has to stand still again while its answer travels. Everything else is awaited.
 */
function watchCallsThatWait(): void {
  subscribe("http.server.request.start", (event) => {
    const { request, response } = event as { request: IncomingMessage; response: ServerResponse };
    const { method, url = "", headers } = request;
    const waits = /^\/ai\/|^\/v1beta\/|^\/v1\//.test(url);
    if (!waits) return;
    let over = () => {};
    request.once("end", () => {
      if (!response.writableEnded && !response.destroyed)
        over = hang(`${method} http://${headers.host}${url}`);
    });
    for (const end of ["finish", "close"]) response.once(end, () => over());
  });
}
