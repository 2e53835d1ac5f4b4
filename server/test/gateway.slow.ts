/** Owns the proof that processes which are killed, and a clock that is set, let no call through that the provider's own log would not. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { type Chance, chance } from "./chance.ts";
import { freshDatabase, type TestDatabase } from "./database.ts";
import { send } from "./http.ts";
import { anInstallation, type Installation, type Service } from "./installation.ts";
import { mostUsed, watchLedger } from "./ledger-watch.ts";
import { mostIn, type StubProvider, stubProvider } from "./stub-provider.ts";

const REPLICAS = 3;
const CLIENTS = 32;
const LIMIT = 30;
const MINUTE_MS = 60_000;
/** How long replicas are killed and the clock is set; until what the last of them took along is free again; and then in peace. */
const DISTURBED_MS = 35_000;
const RECOVERED_MS = 66_000;
const STEADY_MS = 100_000;
const KEY = "the-admin-key-of-the-gateways";
/** So little that it is reached; Gemini has no other limit here. */
const CAP_MICROS = 3_000;
const BUYERS = 4;

interface Seat {
  at: Installation;
  service: Service;
}

interface Site {
  seats: Seat[];
  database: TestDatabase;
  provider: StubProvider;
  stopped: boolean;
}

async function openSite(t: TestContext): Promise<Site> {
  const provider = await stubProvider(t);
  provider.uses({ input: 10, output: 20 });
  const database = await freshDatabase();
  const site: Site = { seats: [], database, provider, stopped: false };
  t.after(async () => {
    site.stopped = true;
    for (const { service } of site.seats) service.signal("SIGKILL");
    await Promise.all(site.seats.map(({ service }) => service.ended));
    await database.close();
  });
  // The clock that every replica sees, and that this test sets.
  await database.db.query(
    `create table clock_step (step interval not null);
     insert into clock_step values ('0');
     create or replace function orchestrator_now() returns timestamptz language sql volatile
       as 'select clock_timestamp() + step from clock_step'`,
  );
  await watchLedger(database.db, "gemini");
  for (let n = 0; n < REPLICAS; n++) {
    const at = await anInstallation(t, {
      DATABASE_URL: database.url,
      ORCHESTRATOR_ADMIN_KEY: KEY,
      ...provider.env,
    });
    site.seats.push({ at, service: await at.start() });
  }
  const policy = {
    providers: { openai: { requests_per_minute: LIMIT }, gemini: {} },
    budget: { daily_usd: 500, caps: { providers: { gemini: CAP_MICROS / 1e6 } } },
  };
  const put = await send(`${site.seats[0]!.at.url}/api/v1/policy`, {
    method: "PUT",
    key: KEY,
    body: { policy },
  });
  assert.equal(put.status, 200, put.text);
  return site;
}

const OPENAI = {
  path: "/ai/openai/v1/chat/completions",
  body: { model: "gpt-4o-mini", max_tokens: 20, messages: [{ role: "user", content: "hi" }] },
};
const GEMINI = {
  path: "/ai/gemini/v1beta/models/gemini-2.5-flash:generateContent",
  body: { contents: [{ parts: [{ text: "hi" }] }], generationConfig: { maxOutputTokens: 20 } },
};

/** Calls whichever replica there is, again and again. */
async function client(site: Site, random: Chance, { path, body }: typeof OPENAI | typeof GEMINI) {
  while (!site.stopped) {
    const { at } = random.oneOf(site.seats);
    const headers = { "x-goog-api-key": KEY };
    const sent = { method: "POST", key: KEY, headers, body, withinMs: 45_000 };
    const answer = await send(at.url + path, sent).catch(() => null);
    if (answer?.status !== 200) await pause(300);
  }
}

/** Kills one replica after the other, each is started again, and sets the clock forward and back. */
async function disturb(site: Site, random: Chance): Promise<void> {
  const until = performance.now() + DISTURBED_MS;
  const steps = ["2 hours", "-3 hours", "65 seconds", "0"];
  while (performance.now() < until) {
    await pause(random.int(2_000, 6_000));
    const seat = random.oneOf(site.seats);
    seat.service.signal("SIGKILL");
    await seat.service.ended;
    const step = steps.shift();
    if (step !== undefined) await site.database.db.query("update clock_step set step = $1::interval", [step]);
    seat.service = await seat.at.start();
  }
}

/** How long as many calls as a minute allows took, on average, against that minute: counting them would be off by one in thirty. */
function shareUsed(atMs: readonly number[]): number {
  const spans = atMs.slice(LIMIT).map((end, i) => end - (atMs[i] as number));
  assert.ok(spans.length > LIMIT / 3, `${atMs.length} calls in peace`);
  return MINUTE_MS / (spans.reduce((sum, span) => sum + span, 0) / spans.length);
}

test("three processes, 32 clients, kills and clock steps: within the limit in any minute of the provider's log, within the cap at any prefix of the ledger, and over 90 % used in peace", async (t) => {
  const seed = Number(process.env.GATEWAY_SEED ?? Math.floor(Math.random() * 1_000_000));
  t.diagnostic(`GATEWAY_SEED=${seed}`);
  const random = chance(seed);
  const site = await openSite(t);
  const { provider, database } = site;
  const clients = [
    ...Array.from({ length: CLIENTS }, () => client(site, random, OPENAI)),
    ...Array.from({ length: BUYERS }, () => client(site, random, GEMINI)),
  ];
  await disturb(site, random);
  await pause(RECOVERED_MS);
  const fromMs = Date.now();
  await pause(STEADY_MS);
  const toMs = Date.now();
  site.stopped = true;
  const arrivals = provider.arrivals.filter(({ path }) => path.startsWith("/v1/"));
  const most = mostIn(arrivals, MINUTE_MS);
  assert.ok(most <= LIMIT, `${most} calls in some minute`);
  const used = shareUsed(arrivals.map(({ atMs }) => atMs).filter((atMs) => atMs >= fromMs && atMs < toMs));
  t.diagnostic(`${arrivals.length} calls, ${most} in some minute; in peace ${(used * 100).toFixed(1)} %`);
  assert.ok(used > 0.9, `${(used * 100).toFixed(1)} % of the permits were used`);
  const { rows } = await database.db.query(
    "select count(*) filter (where state <> 'released')::int as entries from ledger",
  );
  assert.ok(rows[0]?.entries >= provider.arrivals.length, "each call that arrived has an entry");
  const { prefixes, micros } = await mostUsed(database.db);
  assert.ok(micros <= CAP_MICROS, `${micros} micro-dollars at some of ${prefixes} prefixes of a day`);
  assert.ok(micros > 0.8 * CAP_MICROS, `the cap was never near: ${micros}`);
  for (const { service } of site.seats) service.signal("SIGKILL");
  await Promise.all(clients);
});
