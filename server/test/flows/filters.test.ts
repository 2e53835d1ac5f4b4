/** Owns the proof that lists, moments, weights and cursors are taken at their word or refused with the reason. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { openTestHouse, type TestHouse } from "#test/house.ts";

/** Every list with its filters, each with something that it refuses to take. */
const LISTS: Record<string, Record<string, string>> = {
  tasks: { status: "done", workflow_type: "x", content_type: "x", from: "x", to: "x" },
  executions: { status: "RUNNING", workflow_type: "x", parent_execution_id: "x", from: "x", to: "x" },
  cycles: { trigger: "tik" },
  "dead-letters": { workflow_type: "x", content_type: "x", fingerprint: "x", from: "x", to: "x" },
  "dead-letters/groups": { workflow_type: "x", content_type: "x", fingerprint: "x", from: "x", to: "x" },
  workflows: {},
  "policy/history": {},
  "api-keys": {},
};
const SQL = [
  "' or '1'='1",
  "1; drop table tasks; --",
  "x') union select key from api_keys --",
  "pg_sleep(9)",
  "%",
  "*",
];

async function refused(house: TestHouse, path: string, says: RegExp): Promise<void> {
  const answer = await house.api("GET", path);
  assert.deepEqual([path, answer.status, answer.body.code], [path, 422, "validation_failed"], answer.text);
  assert.match(answer.body.detail, says, path);
  assert.ok(answer.body.hint.length > 5, path);
  assert.ok(answer.body.errors[0].path.startsWith("query/"), path);
}

test("a filter that reads like SQL is a wrong value like any other", async (t) => {
  const house = await openTestHouse(t);
  await house.enqueue({});
  for (const [list, filters] of Object.entries(LISTS)) {
    for (const name of [...Object.keys(filters), "cursor", "limit"]) {
      for (const sql of SQL)
        await refused(house, `/${list}?${name}=${encodeURIComponent(sql)}`, new RegExp(`^query/${name}: `));
    }
  }
  assert.equal((await house.api("GET", "/tasks")).body.tasks.length, 1, "nothing has happened");
});

test("an unknown parameter is answered with the one that was meant", async (t) => {
  const house = await openTestHouse(t);
  for (const [list, filters] of Object.entries(LISTS)) {
    for (const name of [...Object.keys(filters), "cursor", "limit"])
      await refused(house, `/${list}?${name}s=x`, new RegExp(`did you mean "${name}"`));
  }
  await refused(house, "/queue?lane=x", /takes none/);
});

test("a limit is a whole number from 1 to 500, given once", async (t) => {
  const house = await openTestHouse(t);
  for (const list of Object.keys(LISTS)) {
    await refused(house, `/${list}?limit=0`, /0 is too small: at least 1/);
    await refused(house, `/${list}?limit=-1`, /-1 is too small/);
    await refused(house, `/${list}?limit=501`, /501 is too large: at most 500/);
    for (const limit of ["abc", "1e2", "%2010", "0x10", "1.5", "NaN", "9".repeat(16)])
      await refused(house, `/${list}?limit=${limit}`, /is no whole number from 1 to 500/);
    await refused(house, `/${list}?limit=1&limit=2`, /more than once/);
    assert.equal((await house.api("GET", `/${list}?limit=500`)).status, 200);
  }
});

test("a closed list of values names them, and the one that was meant", async (t) => {
  const house = await openTestHouse(t);
  await refused(house, "/tasks?status=runing", /did you mean "running"\? known: queued, scheduled/);
  await refused(house, "/executions?status=RUNNING", /"RUNNING" is none of them; .*known: IDLE/);
  await refused(house, "/cycles?trigger=tik", /did you mean "tick"/);
});

test("a cursor is good for the list and the filter that gave it, unchanged", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {}, auditor: {} } });
  await house.api("POST", "/orchestrator/pause");
  await house.enqueue({}, {}, { content_type: "news" });
  for (const total of [3, 4]) await house.api("PUT", "/policy", { policy: { concurrency: { total } } });
  for (const name of ["a", "b"]) await house.api("POST", "/api-keys", { name, role: "viewer" });
  const cursors = new Map<string, string>();
  for (const list of ["tasks", "workflows", "policy/history", "api-keys"]) {
    const { next_cursor } = (await house.api("GET", `/${list}?limit=1`)).body;
    assert.ok(next_cursor, `${list} has a second page`);
    cursors.set(list, next_cursor);
    const second = await house.api("GET", `/${list}?limit=2&cursor=${next_cursor}`);
    assert.equal(second.status, 200, "the size of a page may change");
  }
  for (const list of Object.keys(LISTS)) {
    for (const [from, cursor] of cursors) {
      if (from !== list)
        await refused(house, `/${list}?cursor=${cursor}`, /this list never gave this cursor/);
    }
    for (const made of ["2", "writer", "abc", btoa(`${list}:2`), "A".repeat(200)])
      await refused(house, `/${list}?cursor=${encodeURIComponent(made)}`, /this list never gave this cursor/);
  }
  const own = cursors.get("tasks")!;
  await refused(house, `/tasks?content_type=news&cursor=${own}`, /belongs to this list with another filter/);
  const decoded = Buffer.from(own, "base64url").toString();
  for (const place of ["' or 1=1", "00000000-0000-4000-8000-00000000000g", ""]) {
    const forged = Buffer.from(decoded.replace(/[^:]*$/, place)).toString("base64url");
    await refused(house, `/tasks?cursor=${forged}`, /this list never gave this cursor/);
  }
  await refused(house, `/tasks?cursor=${own}%20`, /this list never gave this cursor/);
  await refused(house, `/tasks?cursor=${"A".repeat(201)}`, /query\/cursor/);
});

test("a range of time has to hold a moment", async (t) => {
  const house = await openTestHouse(t);
  for (const list of ["tasks", "executions", "dead-letters", "dead-letters/groups"]) {
    const range = "from=2026-12-02T00:00:00Z&to=2026-12-01T00:00:00Z";
    await refused(house, `/${list}?${range}`, /query\/to: must be later than from/);
    await refused(house, `/${list}?from=2026-12-01`, /must be a time such as 2026-12-01T09:00:00Z/);
    await refused(house, `/${list}?to=2026-13-01T00:00:00Z`, /must be a time such as/);
  }
  const filter = { from: "2026-12-02T00:00:00Z", to: "2026-12-02T00:00:00Z" };
  const redrive = await house.api("POST", "/dead-letters/redrive", { filter });
  assert.deepEqual([redrive.status, redrive.body.errors[0].path], [422, "/filter/to"]);
});

test("a task is explained from its enqueuing until now, never for the future", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({});
  const at = (ms: number) => new Date(house.clock.nowMs() + ms).toISOString();
  await house.advance(10_000);
  await refused(house, `/tasks/${id}/explain?at=${at(1)}`, /is in the future/);
  await refused(house, `/tasks/${id}/explain?at=2099-01-01T00:00:00Z`, /is in the future/);
  await refused(house, `/tasks/${id}/explain?at=${at(-60_000)}`, /is before the task was enqueued/);
  await refused(house, `/tasks/${id}/explain?at=yesterday`, /must be a time such as/);
  await refused(house, `/tasks/${id}/explain?att=${at(0)}`, /did you mean "at"/);
  for (const ms of [0, -10_000])
    assert.equal((await house.api("GET", `/tasks/${id}/explain?at=${at(ms)}`)).status, 200);
});

test("a policy's weights are numbers from 0 on, for lanes that can be", async (t) => {
  const house = await openTestHouse(t);
  const put = async (lanes: unknown) => {
    const body = `{"policy": {"lanes": ${typeof lanes === "string" ? lanes : JSON.stringify(lanes)}}}`;
    const answer = await house.api("PUT", "/policy", body);
    return `${answer.status} ${answer.body.detail ?? ""}`;
  };
  const before = (await house.api("GET", "/policy")).body;
  for (const [lanes, says] of [
    [
      { "writer/news": { weight: -1 } },
      /^422 \/policy\/lanes\/writer\/news\/weight: -1 is too small: at least 0/,
    ],
    [{ "writer/news": { weight: 1e10 } }, /weight: 10000000000 is too large/],
    [{ "writer/news": { weight: "2" } }, /expected number, received string/],
    ['{"writer/news": {"weight": NaN}}', /^400 .*not JSON/],
    [
      '{"writer/news": {"weight": 1e999}}',
      /^400 the number at \/policy\/lanes\/writer\/news\/weight is too large/,
    ],
    [{ "writer/news": { wieght: 2 } }, /did you mean "weight"/],
    [{ news: { weight: 2 } }, /must be workflow_type\/content_type/],
    [{ "writr/news": { weight: 2 } }, /no workflow is registered as "writr"; did you mean "writer"/],
    [[], /lanes/],
  ] as const) {
    assert.match(await put(lanes), says, JSON.stringify(lanes));
  }
  assert.deepEqual((await house.api("GET", "/policy")).body, before, "nothing of it was stored");
  assert.match(await put({ "writer/news": { weight: 0 } }), /^200/);
  assert.match(
    await put({ "writer/news": null, "gone/news": null }),
    /^200/,
    "what is not there may be taken away",
  );
});

test("a weight of a workflow, its estimates and the circle of its next actions are judged", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: {}, auditor: {} } });
  const webhook_url = "http://127.0.0.1:9/x";
  const put = async (type: string, settings: object) => {
    const answer = await house.api("PUT", `/workflows/${type}`, { webhook_url, ...settings });
    return `${answer.status} ${answer.body.detail ?? ""}`;
  };
  const next = (workflow_type: string) => ({ next: [{ workflow_type, on: "completed" }] });
  assert.match(await put("writer", { weight: -1 }), /^422 \/weight: -1 is too small/);
  assert.match(await put("writer", { weight: 1001 }), /^422 \/weight: 1001 is too large/);
  assert.match(await put("writer", { estimates: { seconds_per_task: -1 } }), /^422 .*too small/);
  assert.match(
    await put("writer", next("writer")),
    /^422 \/next\/0\/workflow_type: closes a circle.*writer → writer/,
  );
  assert.match(await put("writer", next("auditor")), /^200/);
  assert.match(await put("auditor", next("writer")), /closes a circle.*auditor → writer → auditor/);
  assert.match(
    await put("auditor", next("auditr")),
    /no workflow is registered as "auditr"; did you mean "auditor"/,
  );
});
