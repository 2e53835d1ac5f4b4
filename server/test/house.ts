/** Owns a whole house for a test: real database, real HTTP, time that the test moves; and what it may not leave behind. */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { Policy, type WorkflowSettings } from "@master-orchestrator/contract";
import type { z } from "zod";
import { loadConfig } from "#config.ts";
import type { HouseOptions } from "#foundation.ts";
import { type House, openHouse } from "#house.ts";
import type { Log } from "#log.ts";
import type { Database } from "#store/database.ts";
import { insertPolicyVersion } from "#store/policies.ts";
import { nextActivity, quiet } from "./activity.ts";
import { freshDatabase, type TestDatabase } from "./database.ts";
import { type FakeClock, fakeClock, START_MS } from "./fake-clock.ts";
import { type FakeSubWorkflow, fakeSubWorkflow, SIGNING_SECRET } from "./fake-sub-workflow.ts";
import { type Answer, send } from "./http.ts";

export const ADMIN_KEY = "the-admin-key-of-the-tests";
/** Real time within which something awaited has to come. Only a test that fails waits that long: a busy machine may take its time. */
const UNTIL_MS = 30_000;

export interface TestHouseOptions {
  /** Differs from the default policy in this. */
  policy?: z.input<typeof Policy>;
  /** Sub-workflows to register by their types, each with a fake one behind it. */
  workflows?: Record<string, z.input<typeof WorkflowSettings>>;
  env?: Record<string, string>;
  lookup?: HouseOptions["lookup"];
  /** What stands for `plan`. */
  decide?: HouseOptions["decide"];
  /** What stands for the process's own memory. */
  rssMb?: () => number;
  onRunaway?: () => void;
  /** Errors in the log that the test is about. */
  expectedErrors?: RegExp;
  /** When the test's time begins, in epoch milliseconds. */
  startMs?: number;
  /** Puts something between the houses and their database; it is stopped after them. */
  between?(databaseUrl: string): Promise<Between>;
}

export interface Between {
  /** Under which the houses reach their database. */
  url: string;
  stop(): Promise<void>;
}

export interface LogEntry {
  level: keyof Log;
  message: string;
  details?: object | undefined;
}

export interface TestHouse {
  url: string;
  db: Database;
  clock: FakeClock;
  logged: LogEntry[];
  /** Calls the API under `/api/v1`, or any other path of the house, with the admin key unless told. */
  api(method: string, path: string, body?: unknown, key?: string | null): Promise<Answer>;
  /** Enqueues, lets the house settle, and returns the tasks' ids; `writer` is the default workflow. */
  enqueue(...tasks: Record<string, unknown>[]): Promise<string[]>;
  // biome-ignore lint/suspicious/noExplicitAny: tests look into answers as they please
  task(taskId: string): Promise<any>;
  // biome-ignore lint/suspicious/noExplicitAny: as above
  execution(executionId: string): Promise<any>;
  workflow(type: string): FakeSubWorkflow;
  advance(ms: number): Promise<void>;
  leap(ms: number): Promise<void>;
  /** Resolves when nothing more is going on at this moment of the test's time. */
  quiet(): Promise<void>;
  /** Waits for a truthy value, looking again after everything that happens; says at last what it saw. */
  until<T>(what: string, look: () => T | Promise<T>): Promise<T>;
  /** One more replica on the same database and clock. */
  replica(): Promise<TestHouse>;
  /** As a process that is killed: nothing that was begun is recorded any more. */
  kill(): Promise<void>;
  stop(): Promise<void>;
}

/** What the replicas of one test share. */
interface Site {
  t: TestContext;
  options: TestHouseOptions;
  database: TestDatabase;
  between: Between;
  clock: FakeClock;
  fakes: Map<string, FakeSubWorkflow>;
  dataDir: string;
  houses: TestHouse[];
}

/** Opens a house for one test; when the test ends it is closed, and its leavings are the test's failure. */
export async function openTestHouse(t: TestContext, options: TestHouseOptions = {}): Promise<TestHouse> {
  const database = await freshDatabase();
  const startMs = options.startMs ?? START_MS;
  await database.setNow(startMs);
  const clock = fakeClock(database.setNow, startMs);
  const dataDir = await mkdtemp(join(tmpdir(), "orchestrator-house-"));
  const between = (await options.between?.(database.url)) ?? { url: database.url, stop: async () => {} };
  const site: Site = { t, options, database, between, clock, fakes: new Map(), dataDir, houses: [] };
  t.after(() => clear(site));
  if (options.policy) {
    const policy = Policy.parse(options.policy);
    await insertPolicyVersion(database.db, 1, { policy, comment: null, changedBy: "the test" });
  }
  const house = await open(site);
  for (const [type, settings] of Object.entries(options.workflows ?? { writer: {} })) {
    await register(house, site, type, settings);
  }
  await quiet();
  return house;
}

/** Closes everything in an order in which nothing waits for what is gone, then judges what is left. */
async function clear(site: Site): Promise<void> {
  // Requests that hang would be awaited by a house that stops.
  await Promise.all([...site.fakes.values()].map((fake) => fake.close()));
  await Promise.all(site.houses.map((house) => house.stop()));
  await rm(site.dataDir, { recursive: true, force: true });
  await site.between.stop();
  await site.database.close();
  const { clock, houses, options } = site;
  if (clock.pending() > 0) throw new Error(`${clock.pending()} timers were left behind`);
  const unexpected = houses
    .flatMap((house) => house.logged)
    .filter(
      (entry) => entry.level === "error" && !options.expectedErrors?.test(JSON.stringify(plain(entry))),
    );
  const [first] = unexpected;
  if (first) throw new Error(`the house logged an error: ${JSON.stringify(plain(first), null, 2)}`);
}

function plain({ message, details }: LogEntry) {
  const { error, ...rest } = (details ?? {}) as { error?: unknown };
  return { message, error: error instanceof Error ? error.stack : error, ...rest };
}

async function open(site: Site): Promise<TestHouse> {
  const { options, between, clock, dataDir } = site;
  const logged: LogEntry[] = [];
  let dead = false;
  const write = (level: keyof Log) => (message: string, details?: object) => {
    if (!dead) logged.push({ level, message, details });
  };
  const log: Log = {
    debug: write("debug"),
    info: write("info"),
    warn: write("warn"),
    error: write("error"),
  };
  const config = loadConfig({
    PORT: "0",
    DATA_DIR: dataDir,
    ORCHESTRATOR_ADMIN_KEY: ADMIN_KEY,
    OUTBOUND_ALLOW: "127.0.0.1",
    ...options.env,
  });
  const own = clock.forHouse();
  const house = await openHouse({
    ...{ config, log, clock: own, databaseUrl: between.url },
    ...(options.decide ? { decide: options.decide } : {}),
    ...(options.lookup ? { lookup: options.lookup } : {}),
    ...(options.rssMb ? { rssMb: options.rssMb } : {}),
    ...(options.onRunaway ? { onRunaway: options.onRunaway } : {}),
  });
  const opened = testHouse(site, house, logged, async () => {
    await quiet();
    dead = true;
    // Without its database it can do nothing that anybody would see; then what it waits for is over at once.
    await house.db.close();
    own.expire();
    await house.stop().catch(() => {});
  });
  site.houses.push(opened);
  return opened;
}

function testHouse(site: Site, house: House, logged: LogEntry[], kill: () => Promise<void>): TestHouse {
  const { clock, database } = site;
  let ended: Promise<void> | undefined;
  const api: TestHouse["api"] = (method, path, body, key = ADMIN_KEY) =>
    send(house.url + (path.startsWith("/api/") ? path : `/api/v1${path}`), { method, body, key });
  const read = async (path: string) => {
    const answer = await api("GET", path);
    if (answer.status !== 200) throw new Error(`GET ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  };
  return {
    url: house.url,
    db: database.db,
    clock,
    logged,
    api,
    async enqueue(...tasks) {
      const body = { tasks: tasks.map((task) => ({ workflow_type: "writer", ...task })) };
      const answer = await api("POST", "/tasks", body);
      if (answer.status !== 202) throw new Error(`POST /tasks: ${answer.status} ${answer.text}`);
      await quiet();
      return answer.body.tasks.map((task: { task_id: string }) => task.task_id);
    },
    task: (taskId) => read(`/tasks/${taskId}`),
    execution: (executionId) => read(`/executions/${executionId}`),
    workflow(type) {
      const fake = site.fakes.get(type);
      if (!fake) throw new Error(`the test registered no workflow ${type}`);
      return fake;
    },
    advance: clock.advance,
    leap: clock.leap,
    quiet,
    until,
    replica: () => open(site),
    kill() {
      ended ??= kill();
      return ended;
    },
    stop() {
      ended ??= house.stop();
      return ended;
    },
  };
}

async function register(
  house: TestHouse,
  site: Site,
  type: string,
  settings: z.input<typeof WorkflowSettings>,
): Promise<void> {
  const fake = await fakeSubWorkflow(site.clock.nowMs);
  site.fakes.set(type, fake);
  const defaults = { webhook_url: fake.url, signing_secret: SIGNING_SECRET };
  const answer = await house.api("PUT", `/workflows/${type}`, { ...defaults, ...settings });
  if (answer.status !== 200) throw new Error(`${type} was not registered: ${answer.text}`);
}

async function until<T>(what: string, look: () => T | Promise<T>): Promise<T> {
  const giveUpAt = performance.now() + UNTIL_MS;
  for (;;) {
    const seen = await look();
    if (seen) return seen;
    const restMs = giveUpAt - performance.now();
    if (restMs <= 0)
      throw new Error(`${what} did not come within ${UNTIL_MS} ms; last seen: ${String(seen)}`);
    await nextActivity(Math.min(restMs, 100));
  }
}
