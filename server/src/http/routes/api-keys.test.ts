/** API keys over the API: shown once, listed without secrets, revoked at once. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { findApiKey } from "#store/api-keys.ts";
import type { Queryable } from "#store/database.ts";
import { type Authenticator, createAuthenticator } from "../auth.ts";
import { problem, type TrialServer, trialServer } from "../trial-server.ts";
import { apiKeyRoutes } from "./api-keys.ts";

type Row = Record<string, unknown>;

/** The table of keys, as far as the statements of `store/api-keys.ts` go; real ones are tested with the store. */
function fakeTable(rows: Map<unknown, Row>): Queryable {
  return {
    // biome-ignore lint/suspicious/noExplicitAny: rows of any statement
    async query(text: string, values: any[] = []): Promise<any> {
      if (text.startsWith("insert")) {
        const [key_id, name, role, secret_hash, created_by, expires_at] = values;
        const row = {
          key_id,
          name,
          role,
          secret_hash,
          created_by,
          expires_at,
          created_at: 1_000,
          revoked_at: null,
        };
        rows.set(key_id, row);
        return { rows: [row] };
      }
      if (text.includes("offset"))
        return { rows: [...rows.values()].slice(values[0], values[0] + values[1]) };
      const row = rows.get(values[0]);
      if (row && text.startsWith("update")) row.revoked_at ??= 2_000;
      return { rows: row ? [row] : [] };
    },
  };
}

describe("the API of API keys", () => {
  const rows = new Map<unknown, Row>();
  const db = fakeTable(rows);
  const authenticator: Authenticator = createAuthenticator({
    findKey: (keyId) => findApiKey(db, keyId),
    verifyExecutionToken: () => null,
    nowMs: () => 10_000,
  });
  let server: TrialServer;
  before(async () => {
    const { invalidate } = authenticator;
    server = await trialServer(apiKeyRoutes({ db, invalidate, nowMs: () => 10_000 }));
  });
  after(() => server.close());

  const path = "/api/v1/api-keys";
  const make = (body: object) => server.call(path, { body: JSON.stringify(body) });
  const authenticate = (key: string) => authenticator.identify(key);

  it("makes a key that works, shows it once, and stores only its hash", async () => {
    const got = await make({ name: "n8n", role: "worker", expires_at: "2099-01-01T00:00:00Z" });
    assert.equal(got.status, 201, got.text);
    const { key, key_id } = got.body;
    assert.deepEqual(await authenticate(key), { kind: "key", keyId: key_id, name: "n8n", role: "worker" });
    assert.ok(!JSON.stringify([...rows.values()]).includes(key));
    const shown = await server.call(`${path}/${key_id}`);
    assert.equal(shown.body.expires_at, "2099-01-01T00:00:00.000Z");
    assert.ok(!shown.text.includes(key) && !shown.text.includes("hash"));
  });

  it("revokes at once, and once", async () => {
    const { key, key_id } = (await make({ name: "a", role: "viewer" })).body;
    await authenticate(key);
    const got = await server.call(`${path}/${key_id}`, { method: "DELETE" });
    assert.equal(got.body.revoked_at, "1970-01-01T00:00:02.000Z");
    await assert.rejects(authenticate(key), /revoked/);
    assert.deepEqual((await server.call(`${path}/${key_id}`, { method: "DELETE" })).body, got.body);
  });

  it("lists page by page", async () => {
    rows.clear();
    for (const name of ["a", "b", "c"]) await make({ name, role: "viewer" });
    const first = await server.call(`${path}?limit=2`);
    const second = await server.call(`${path}?limit=2&cursor=${first.body.next_cursor}`);
    const names = [first, second].flatMap((got) =>
      got.body.api_keys.map((one: { name: string }) => one.name),
    );
    assert.deepEqual(names, ["a", "b", "c"]);
    assert.equal(second.body.next_cursor, null);
    problem(await server.call(`${path}?limit=501`), 422, "validation_failed");
    problem(await server.call(`${path}?cursor=-1`), 422, "validation_failed");
  });

  it("refuses what makes no sense", async () => {
    problem(await make({ name: "a", role: "root" }), 422, "validation_failed");
    problem(
      await make({ name: "a", role: "viewer", expires_at: "1970-01-01T00:00:10Z" }),
      422,
      "validation_failed",
    );
    problem(await make({ name: "", role: "viewer" }), 422, "validation_failed");
    problem(await server.call(`${path}/nobody`), 404, "not_found");
    problem(await server.call(`${path}/nobody`, { method: "DELETE" }), 404, "not_found");
  });

  it("is for administrators", async () => {
    problem(await server.call(path, { key: server.workerKey }), 403, "forbidden");
    problem(await server.call(path, { key: null }), 401, "unauthorized");
  });
});
