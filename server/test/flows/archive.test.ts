/** Owns the proof that the house looks after its history by itself, and what the API and the terminal show of it. */
import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { run } from "#cli/program.ts";
import type { Terminal } from "#cli/terminal.ts";
import { DAY_MS } from "#core/utc-day.ts";
import { checkInvariants } from "#store/invariants.ts";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";

/** Where the house begins (2 March), and when that day is old enough. */
const DAY = "2026-03-02";
const ARCHIVED_AFTER_MS = 31 * DAY_MS;

/** Lets the first day grow old enough, and waits until it lies in files. */
async function growOld(house: TestHouse): Promise<void> {
  await house.leap(ARCHIVED_AFTER_MS);
  await house.until("the day is archived", async () => {
    // The first run of the house may have begun before the leap: the next one is due then, once time moves on.
    await house.advance(1_000);
    return (await archives(house)).length > 0;
  });
  await house.quiet();
}

/** A house in which some tasks were completed, and 31 days have gone by since. */
async function oldHouse(t: TestContext, tasks = 3): Promise<{ house: TestHouse; ids: string[] }> {
  const house = await openTestHouse(t, { env: { TICK_INTERVAL: "1h" } });
  house.workflow("writer").always(completeAtOnce);
  const ids = await house.enqueue(
    ...Array.from({ length: tasks }, (_, i) => ({ idempotency_key: `topic-${i}` })),
  );
  await house.until("the tasks are done", async () => (await house.task(ids.at(-1)!)).status === "completed");
  await growOld(house);
  return { house, ids };
}

const archives = async (house: TestHouse) => (await house.api("GET", "/archives")).body.archives;

async function terminal(t: TestContext, house: TestHouse) {
  const dataDir = await mkdtemp(join(tmpdir(), "orchestrator-cli-"));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  await writeFile(join(dataDir, "admin-key"), ADMIN_KEY);
  return async (...args: string[]) => {
    const text = { stdout: "", stderr: "" };
    const sink = (name: keyof typeof text) =>
      new Writable({
        write(chunk, _encoding, done) {
          text[name] += String(chunk);
          done();
        },
      });
    const env = { ORCHESTRATOR_URL: house.url, ORCHESTRATOR_API_KEY: ADMIN_KEY, DATA_DIR: dataDir };
    const code = await run(args, {
      ...{
        env,
        stdout: sink("stdout"),
        stderr: sink("stderr"),
        now: () => Date.parse("2026-04-02T09:00:00Z"),
      },
      interrupt: new AbortController().signal,
    } as unknown as Terminal);
    return { code, ...text };
  };
}

test("after 30 days the house archives by itself, and stays lawful", async (t) => {
  const { house, ids } = await oldHouse(t);
  const [archive] = (await archives(house)).filter(({ day }: { day: string }) => day === DAY);
  assert.deepEqual([archive.state, archive.available], ["archived", true]);
  const tasks = archive.files.find(({ name }: { name: string }) => name === "tasks");
  assert.equal(tasks.rows, ids.length);
  assert.match(tasks.sha256, /^[0-9a-f]{64}$/);
  for (const id of ids) assert.equal((await house.api("GET", `/tasks/${id}`)).status, 404);
  const violated = (await checkInvariants(house.db)).filter(({ rows }) => rows.length > 0);
  assert.deepEqual(violated, []);
  assert.ok(house.logged.some(({ message }) => message === "History was archived"));
});

test("what a key of an archived task means: a new task", async (t) => {
  const { house, ids } = await oldHouse(t, 1);
  const again = await house.enqueue({ idempotency_key: "topic-0" });
  assert.notDeepEqual(again, ids);
});

test("the token of an archived attempt is not known any more", async (t) => {
  const house = await openTestHouse(t, { env: { TICK_INTERVAL: "1h" } });
  house.workflow("writer").always(completeAtOnce);
  await house.enqueue({});
  const { message } = house.workflow("writer").last();
  const callback = { execution_id: message.execution_id, attempt: 1, status: "completed" };
  const report = () =>
    house.api("POST", `/executions/${message.execution_id}/callback`, callback, message.authentication.token);
  await house.until(
    "it is done",
    async () => (await house.execution(message.execution_id)).status === "COMPLETED",
  );
  assert.equal((await report()).status, 409, "over, and still known");
  await growOld(house);
  assert.equal((await report()).status, 404);
});

test("two replicas archive a day once", async (t) => {
  const house = await openTestHouse(t, { env: { TICK_INTERVAL: "1h" } });
  await house.replica();
  house.workflow("writer").always(completeAtOnce);
  const [id] = await house.enqueue({});
  await house.until("it is done", async () => (await house.task(id!)).status === "completed");
  await growOld(house);
  const days = (await archives(house)).map(({ day }: { day: string }) => day);
  assert.deepEqual(days, [...new Set(days)]);
});

test("the terminal lists, finds, verifies, restores and archives again", async (t) => {
  const { house, ids } = await oldHouse(t);
  const cli = await terminal(t, house);
  const listed = await cli("archive", "list");
  assert.equal(listed.code, 0, listed.stderr);
  assert.match(listed.stdout, new RegExp(`^${DAY} +[0-9a-f-]{36} +archived +3 `, "m"));
  const found = await cli("archive", "query", "--id", ids[0]!, "--json");
  const rows = found.stdout
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
  assert.deepEqual(
    rows.map(({ day, row }) => [day, row.task_id, row.status]),
    [[DAY, ids[0], "completed"]],
  );
  assert.match((await cli("archive", "query", "--status", "cancelled")).stderr, /no such rows/);
  assert.match((await cli("archive", "verify")).stdout, /\d+ archives? verified, 0 damaged$/m);
  const restored = await cli("archive", "restore", DAY, "--keep", "3");
  assert.match(restored.stdout, /rows are back, kept until 2026-04-05/);
  assert.equal((await house.task(ids[0]!)).status, "completed");
  assert.match((await cli("archive", "run")).stdout, /nothing is old enough/, "it is kept");
  assert.match((await cli("archive", "run", "--day", DAY)).stdout, new RegExp(`^${DAY}: \\d+ rows`, "m"));
  assert.equal((await house.api("GET", `/tasks/${ids[0]}`)).status, 404);
});

test("what makes no sense is refused with the reason", async (t) => {
  const house = await openTestHouse(t);
  const cli = await terminal(t, house);
  for (const line of [
    ["query", "--day", "yesterday"],
    ["restore", "2026-13-01"],
    ["query", "--type", "topics"],
  ]) {
    assert.equal((await cli("archive", ...line)).code, 2, line.join(" "));
  }
  const cases: [method: string, path: string, body: unknown, status: number][] = [
    ["GET", "/archives?cursor=tasks", undefined, 422],
    ["GET", "/archives/rows?cursor=YXJjaGl2ZXM6eA", undefined, 422],
    ["GET", "/archives/rows?type=secrets", undefined, 422],
    ["POST", "/archives/run", { day: "2026-03-01" }, 422],
    ["POST", "/archives/run", { days: 1 }, 422],
    ["POST", "/archives/0190a8e8-0000-7000-8000-000000000000/restore", {}, 404],
    ["POST", "/archives/0190a8e8-0000-7000-8000-000000000000/verify", {}, 404],
  ];
  for (const [method, path, body, status] of cases) {
    const answer = await house.api(method, path, body);
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    assert.ok(answer.body.hint);
  }
  assert.equal((await cli("archive", "restore", "2026-03-01")).code, 1, "there is nothing of that day");
});

test("a disk that cannot be written is logged once a try, with what to do; nothing is deleted", async (t) => {
  const dataDir = await mkdtemp(join(tmpdir(), "orchestrator-full-"));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const env = { TICK_INTERVAL: "1h", DATA_DIR: dataDir };
  const house = await openTestHouse(t, { env, expectedErrors: /could not be archived/ });
  house.workflow("writer").always(completeAtOnce);
  const [id] = await house.enqueue({});
  await house.until("it is done", async () => (await house.task(id!)).status === "completed");
  // Where the day's folder would be there is a file.
  await writeFile(join(dataDir, "archive", DAY), "");
  await house.leap(ARCHIVED_AFTER_MS);
  const errors = () => house.logged.filter(({ level }) => level === "error");
  await house.until("it is logged", async () => {
    await house.advance(1_000);
    return errors().length > 0;
  });
  await house.quiet();
  assert.equal(errors().length, 1);
  assert.match(JSON.stringify(errors()[0]), /DATA_DIR\/archive/);
  assert.equal((await house.task(id!)).status, "completed");
});
