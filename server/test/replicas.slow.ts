/** Owns the proof that three processes on one PostgreSQL survive kills and hangs in any order, each task done exactly once. */
import assert from "node:assert/strict";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { DispatchMessage } from "@master-orchestrator/contract";
import { type Chance, chance } from "./chance.ts";
import { freshDatabase } from "./database.ts";
import { type Answer, type Sent, send } from "./http.ts";
import { anInstallation, type Installation, type Service } from "./installation.ts";

const REPLICAS = 3;
const DISTURBANCES = 7;
/** Tasks that are enqueued while one disturbance lasts, and again after it. */
const TASKS_AT_ONCE = 12;
const ALL_DONE_WITHIN_MS = 30_000;
const STOPS_WITHIN_MS = 20_000;
/** A replica that hangs takes connections and answers nothing. */
const ANSWERS_WITHIN_MS = 2_000;
const TRIES = 30;
const KEY = "the-admin-key-of-the-replicas";
/** What a load balancer would be called: the sub-workflow finds a living replica behind it by itself. */
const FRONT = "http://127.0.0.1:1";

type Kind = "kill" | "hang" | "stop";

interface Seat {
  at: Installation;
  service: Service;
  /** Whether those outside turn to it. */
  inUse: boolean;
}

/** What the sub-workflow has seen, by task. */
interface Journal {
  grants: Map<string, Set<string>>;
  results: Map<string, number>;
  faults: string[];
}

interface Site {
  seats: Seat[];
  random: Chance;
  journal: Journal;
  /** Calls whichever replica is in use, another one after each failure to answer. */
  call(path: string, sent: Sent): Promise<Answer>;
}

function seedOfThisRun(): number {
  return Number(process.env.REPLICAS_SEED ?? Math.floor(Math.random() * 1_000_000));
}

async function openSite(t: TestContext, seed: number): Promise<Site> {
  const random = chance(seed);
  const journal: Journal = { grants: new Map(), results: new Map(), faults: [] };
  const seats: Seat[] = [];
  let turn = 0;
  const call: Site["call"] = async (path, sent) => {
    for (let tries = 1; ; tries++) {
      const live = seats.filter((seat) => seat.inUse);
      const seat = live[turn++ % live.length] as Seat;
      try {
        const answer = await send(seat.at.url + path, { withinMs: ANSWERS_WITHIN_MS, ...sent });
        if (answer.status < 500 || tries === TRIES) return answer;
      } catch (error) {
        if (tries === TRIES) throw error;
      }
      await pause(100);
    }
  };
  const site = { seats, random, journal, call };
  const database = await freshDatabase();
  t.after(async () => {
    for (const { service } of seats) service.signal("SIGKILL");
    await Promise.all(seats.map(({ service }) => service.ended));
    await webhook.close();
    await database.close();
  });
  const webhook = await openSubWorkflow(site);
  const settings = {
    DATABASE_URL: database.url,
    PUBLIC_URL: FRONT,
    ORCHESTRATOR_ADMIN_KEY: KEY,
    OUTBOUND_ALLOW: "127.0.0.1",
    TICK_INTERVAL: "1s",
  };
  const installations = await Promise.all(
    Array.from({ length: REPLICAS }, () => anInstallation(t, settings)),
  );
  const start = async (at: Installation) => ({ at, service: await at.start(), inUse: true });
  seats.push(...(await Promise.all(installations.map(start))));
  const workflow = { webhook_url: webhook.url, batch: { min: 1, max: 3 }, max_concurrent: 20 };
  const registered = await call("/api/v1/workflows/writer", { method: "PUT", body: workflow, key: KEY });
  assert.equal(registered.status, 200, registered.text);
  await call("/api/v1/policy", { method: "PUT", body: { policy: { concurrency: { total: 20 } } }, key: KEY });
  return site;
}

/** A sub-workflow that keeps the protocol: each delivery is a run of its own, and only one whose claim is granted works. */
async function openSubWorkflow(site: Site): Promise<{ url: string; close(): Promise<void> }> {
  let runs = 0;
  const working = new Set<Promise<void>>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    try {
      for await (const chunk of request) chunks.push(chunk);
    } catch {
      return; // The replica died in the middle of its sentence.
    }
    const message = DispatchMessage.parse(JSON.parse(Buffer.concat(chunks).toString()));
    response.writeHead(202, { "content-type": "application/json" }).end('{"accepted":true}');
    const run = work(site, message, `run ${++runs}`)
      .catch((error: unknown) => void site.journal.faults.push(String(error)))
      .finally(() => working.delete(run));
    working.add(run);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/`,
    async close() {
      server.close();
      server.closeAllConnections();
      await Promise.all(working);
    },
  };
}

async function work(
  { call, random, journal }: Site,
  message: DispatchMessage,
  claimant: string,
): Promise<void> {
  const { attempt, callback_url: url, input_data: input } = message;
  const key = message.authentication.token;
  const path = new URL(url).pathname;
  const body = { attempt, claimant };
  const claim = await call(path.replace(/callback$/, "claim"), { method: "POST", body, key });
  if (claim.status === 409) return;
  assert.equal(claim.status, 200, claim.text);
  const ids = input.tasks.map((task) => task.task_id);
  for (const id of ids) journal.grants.set(id, (journal.grants.get(id) ?? new Set()).add(claimant));
  await pause(random.int(0, 400));
  const done = await call(path, { method: "POST", body: { attempt, status: "completed" }, key });
  assert.equal(done.status, 200, done.text);
  for (const id of ids) journal.results.set(id, (journal.results.get(id) ?? 0) + 1);
}

async function enqueue({ call }: Site, from: number): Promise<void> {
  await Promise.all(
    Array.from({ length: TASKS_AT_ONCE }, async (_, n) => {
      const body = { workflow_type: "writer", idempotency_key: `task ${from + n}`, priority: (n * 7) % 100 };
      const answer = await call("/api/v1/tasks", { method: "POST", body, key: KEY });
      assert.equal(answer.status, 202, answer.text);
    }),
  );
}

/** Breaks one replica, lets the others work, and has it back. */
async function disturb(site: Site, kind: Kind, seat: Seat, meanwhile: () => Promise<void>): Promise<void> {
  seat.inUse = false;
  if (kind === "hang") {
    seat.service.signal("SIGSTOP");
    await Promise.all([meanwhile(), pause(site.random.int(500, 3_500))]);
    seat.service.signal("SIGCONT");
  } else {
    seat.service.signal(kind === "kill" ? "SIGKILL" : "SIGTERM");
    await meanwhile();
    const tooLong = pause(STOPS_WITHIN_MS, undefined, { ref: false });
    const ended = await Promise.race([seat.service.ended, tooLong]);
    assert.ok(ended, "it stops in time");
    if (kind === "stop") assert.equal(ended.code, 0, ended.stderr + ended.stdout);
    seat.service = await seat.at.start();
  }
  seat.inUse = true;
}

async function assertSound(site: Site, after: string): Promise<void> {
  const { at } = site.seats.find((seat) => seat.inUse) as Seat;
  const { code, stdout, stderr } = await at.cli("doctor", "--invariants");
  assert.equal(code, 0, `after ${after}: ${stdout}${stderr}`);
  assert.match(stdout, /\d+ invariants checked, 0 violated\s*$/);
}

async function allCompleted({ call }: Site, count: number): Promise<string[]> {
  const giveUpAt = performance.now() + ALL_DONE_WITHIN_MS;
  for (;;) {
    const { body } = await call("/api/v1/tasks?limit=500", { key: KEY });
    const open = body.tasks.filter((task: { status: string }) => task.status !== "completed");
    if (open.length === 0) {
      assert.equal(body.tasks.length, count);
      return body.tasks.map((task: { task_id: string }) => task.task_id);
    }
    assert.ok(performance.now() < giveUpAt, `still open: ${JSON.stringify(open.slice(0, 3))}`);
    await pause(200);
  }
}

test("three replicas are killed, stopped and hung in any order: every task is completed exactly once", async (t) => {
  const seed = seedOfThisRun();
  t.diagnostic(`REPLICAS_SEED=${seed} repeats this run`);
  const site = await openSite(t, seed);
  const { random, seats, journal } = site;
  // Each kind at least twice, in an order of the seed's.
  const kinds: Kind[] = ["kill", "hang", "stop"];
  const order = Array.from({ length: DISTURBANCES }, (_, n) => kinds[n % 3] as Kind)
    .map((kind) => ({ kind, rank: random.fraction() }))
    .sort((a, b) => a.rank - b.rank);
  let enqueued = 0;
  const more = async () => {
    enqueued += TASKS_AT_ONCE;
    await enqueue(site, enqueued - TASKS_AT_ONCE);
  };
  for (const { kind } of order) {
    await more();
    await pause(random.int(0, 300));
    const seat = random.oneOf(seats);
    const what = `${kind} of replica ${seats.indexOf(seat) + 1}`;
    await disturb(site, kind, seat, more);
    await assertSound(site, what);
  }
  const ids = await allCompleted(site, enqueued);
  await assertSound(site, "all");
  assert.deepEqual(journal.faults, []);
  for (const id of ids) {
    assert.equal(
      journal.grants.get(id)?.size,
      1,
      `${id} was begun by ${[...(journal.grants.get(id) ?? [])]}`,
    );
    assert.equal(journal.results.get(id), 1, `${id} has one result`);
  }
});
