/** Changing the policy: merging, refusing, versions, rollback, and two at once. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { defaultPolicy, mergePolicy, Problem } from "@master-orchestrator/contract";
import type { Queryable } from "#store/database.ts";
import { problem, type TrialServer, trialServer } from "../trial-server.ts";
import { policyRoutes } from "./policy.ts";

describe("a partial document", () => {
  const base = defaultPolicy();
  const wrong = (patch: Record<string, unknown>, path: string) =>
    assert.throws(
      () => mergePolicy(base, patch, "/policy"),
      (error) => {
        assert.ok(error instanceof Problem && error.code === "validation_failed");
        const errors = error.details.errors as { path: string }[];
        assert.ok(
          errors.some((one) => one.path === path),
          JSON.stringify(errors),
        );
        return true;
      },
    );

  it("changes what it names and nothing else", () => {
    const merged = mergePolicy(base, { budget: { daily_usd: 100 } });
    assert.deepEqual(merged, { ...base, budget: { ...base.budget, daily_usd: 100 } });
    assert.deepEqual(mergePolicy(base, {}), base);
    assert.equal(base.budget.daily_usd, 500, "what was before is not touched");
  });
  it("adds entries, and null takes them away", () => {
    const two = mergePolicy(base, { lanes: { "a/b": { weight: 2 }, "a/c": {} } });
    assert.deepEqual(two.lanes, { "a/b": { weight: 2 }, "a/c": { weight: 1 } });
    assert.deepEqual(mergePolicy(two, { lanes: { "a/b": null } }).lanes, { "a/c": { weight: 1 } });
    const price = { input_usd_per_million: 1, output_usd_per_million: 2, cached_input_usd_per_million: 0.5 };
    const priced = mergePolicy(base, { prices: { m: price } });
    const { cached_input_usd_per_million: _, ...rest } = price;
    assert.deepEqual(
      mergePolicy(priced, { prices: { m: { cached_input_usd_per_million: null } } }).prices.m,
      rest,
    );
    assert.deepEqual(mergePolicy(base, { providers: { gemini: null } }).providers, {
      openai: { requests_per_minute: 50 },
    });
  });
  it("null is not a missing value elsewhere", () => {
    wrong({ budget: null }, "/policy/budget");
    wrong({ budget: { daily_usd: null } }, "/policy/budget/daily_usd");
    wrong({ lanes: null }, "/policy/lanes");
  });
  it("is refused by the wrong field's name", () => {
    wrong({ budget: { daily_usd: "100" } }, "/policy/budget/daily_usd");
    wrong({ budget: { dayly_usd: 1 } }, "/policy/budget/dayly_usd");
    wrong({ concurency: {} }, "/policy/concurency");
    wrong({ retry: { max_attempts: 2.5 } }, "/policy/retry/max_attempts");
    wrong({ lanes: { Nonsense: { weight: 1 } } }, "/policy/lanes/Nonsense");
    wrong({ budget: [1] }, "/policy/budget");
  });
  it("cannot reach into prototypes", () => {
    const patch = JSON.parse('{"prices": {"__proto__": {"polluted": 1}}, "__proto__": {"polluted": 1}}');
    try {
      mergePolicy(base, patch, "/policy");
    } catch (error) {
      assert.ok(error instanceof Problem);
    }
    assert.equal(({} as { polluted?: number }).polluted, undefined);
  });
});

/** The table of versions, as far as the statements of `store/policies.ts` go; real ones are tested with the store. */
function versionTable() {
  const rows: Record<string, unknown>[] = [];
  let beforeInsert: (() => void) | null = null;
  const db: Queryable = {
    // biome-ignore lint/suspicious/noExplicitAny: rows of any statement
    async query(text: string, values: any[] = []): Promise<any> {
      const newestFirst = [...rows].reverse();
      if (text.startsWith("insert")) {
        beforeInsert?.();
        const [version, policy, comment, changed_by] = values;
        if (rows.some((row) => row.version === version)) return { rows: [], rowCount: 0 };
        rows.push({ version, policy, comment, changed_by, changed_at: 1_000 });
        return { rows: [rows.at(-1)], rowCount: 1 };
      }
      if (text.includes("where version = $1"))
        return { rows: rows.filter((row) => row.version === values[0]) };
      if (text.includes("limit $2")) {
        const below = newestFirst.filter((row) => values[0] === null || Number(row.version) < values[0]);
        return { rows: below.slice(0, values[1]) };
      }
      return { rows: newestFirst.slice(0, 1) };
    },
  };
  const race = (once: () => void) => {
    beforeInsert = () => {
      beforeInsert = null;
      once();
    };
  };
  return { db, rows, race };
}

describe("the API of the policy", () => {
  let table = versionTable();
  let changes = 0;
  let server: TrialServer;
  before(async () => {
    const db: Queryable = { query: (text, values) => table.db.query(text, values) };
    server = await trialServer(
      policyRoutes({
        db,
        changed: () => void changes++,
        preview: () => Promise.reject(new Error("not here")),
      }),
    );
  });
  beforeEach(() => {
    table = versionTable();
    changes = 0;
  });
  after(() => server.close());

  const put = (policy: object, headers: Record<string, string> = {}) =>
    server.call("/api/v1/policy", { method: "PUT", body: JSON.stringify({ policy, comment: "c" }), headers });

  it("starts with the default as version 0, and counts up from there", async () => {
    assert.equal((await server.call("/api/v1/policy")).body.version, 0);
    const got = await put({ concurrency: { total: 4 } });
    assert.equal(got.status, 200, got.text);
    assert.equal(got.body.version, 1);
    assert.equal(got.body.changed_by, "the admin key (admin)");
    assert.equal(got.headers.get("etag"), '"1"');
    assert.equal((await server.call("/api/v1/policy")).body.policy.concurrency.total, 4);
    assert.equal(changes, 1);
  });

  it("stores nothing that is wrong", async () => {
    problem(await put({ concurrency: { total: "4" } }), 422, "validation_failed");
    assert.equal(table.rows.length, 0);
    assert.equal(changes, 0);
  });

  it("loses no change when two come at once", async () => {
    table.race(() =>
      table.rows.push({
        version: 1,
        policy: JSON.stringify({ memory: { max_rss_mb: 7 } }),
        comment: null,
        changed_by: "x",
        changed_at: 0,
      }),
    );
    const got = await put({ concurrency: { total: 4 } });
    assert.equal(got.body.version, 2);
    assert.equal(got.body.policy.memory.max_rss_mb, 7);
    assert.equal(got.body.policy.concurrency.total, 4);
  });

  it("refuses a change upon a version that is no longer in force, if asked to", async () => {
    await put({});
    assert.equal((await put({}, { "if-match": '"1"' })).body.version, 2);
    problem(await put({}, { "if-match": '"1"' }), 409, "conflict");
    problem(await put({}, { "if-match": "abc" }), 422, "validation_failed");
  });

  it("lists versions from the newest on, page by page", async () => {
    for (let total = 1; total <= 3; total++) await put({ concurrency: { total } });
    const first = await server.call("/api/v1/policy/history?limit=2");
    assert.deepEqual(
      first.body.versions.map((one: { version: number }) => one.version),
      [3, 2],
    );
    const second = await server.call(`/api/v1/policy/history?limit=2&cursor=${first.body.next_cursor}`);
    assert.deepEqual(
      second.body.versions.map((one: { version: number }) => one.version),
      [1],
    );
    assert.equal(second.body.next_cursor, null);
    problem(await server.call("/api/v1/policy/history?cursor=x"), 422, "validation_failed");
  });

  it("rolls back by storing the earlier policy as a new version", async () => {
    await put({ concurrency: { total: 1 } });
    await put({ concurrency: { total: 2 } });
    const got = await server.call("/api/v1/policy/rollback", { body: '{"version":1}' });
    assert.equal(got.body.version, 3);
    assert.equal(got.body.policy.concurrency.total, 1);
    assert.equal(got.body.comment, "rollback to version 1");
    problem(await server.call("/api/v1/policy/rollback", { body: '{"version":9}' }), 404, "not_found");
  });

  it("is changed by administrators only", async () => {
    problem(
      await server.call("/api/v1/policy", { method: "PUT", body: "{}", key: server.workerKey }),
      403,
      "forbidden",
    );
  });
});
