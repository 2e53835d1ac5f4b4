/** Who is calling, and what that opens. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { Problem, ROLES } from "@master-orchestrator/contract";
import type { StoredKey } from "#store/api-keys.ts";
import { allows, createAuthenticator, mintApiKey, requireAccess } from "./auth.ts";
import type { Access, Caller } from "./route.ts";

const ADMIN_KEY = "an-admin-key-of-the-environment-ü";
const bearer = (credential: string) => ({
  get: (name: string) => (name === "authorization" ? `Bearer ${credential}` : null),
});

function setUp() {
  const rows = new Map<string, StoredKey>();
  const state = { nowMs: 1_000_000, queries: 0 };
  const authenticator = createAuthenticator({
    adminKey: ADMIN_KEY,
    findKey: async (keyId) => {
      state.queries++;
      return rows.get(keyId) ?? null;
    },
    verifyExecutionToken: (token) => (token === "moe_good" ? { executionId: "e1", attempt: 2 } : null),
    nowMs: () => state.nowMs,
  });
  const add = (more: Partial<StoredKey> = {}) => {
    const { keyId, key, secretHash } = mintApiKey();
    const row: StoredKey = {
      keyId,
      name: "n8n",
      role: "worker",
      secretHash,
      createdAtMs: 0,
      createdBy: "test",
      expiresAtMs: null,
      revokedAtMs: null,
      ...more,
    };
    rows.set(keyId, row);
    return { key, row };
  };
  return { ...authenticator, state, rows, add };
}

const refused = (work: Promise<unknown>, words: RegExp) =>
  assert.rejects(work, (e) => e instanceof Problem && e.code === "unauthorized" && words.test(e.message));

describe("a new key", () => {
  it("has the documented form, and differs each time", () => {
    const keys = Array.from({ length: 50 }, mintApiKey);
    for (const { keyId, key, secretHash } of keys) {
      assert.match(key, /^mo_[a-z0-9]{12,}_[A-Za-z0-9_-]{43}$/);
      assert.ok(key.startsWith(`mo_${keyId}_`));
      assert.equal(secretHash.length, 32);
    }
    assert.equal(new Set(keys.map((one) => one.key)).size, 50);
  });
});

describe("a caller", () => {
  it("without a header is anonymous", async () => {
    assert.deepEqual(await setUp().authenticate({ get: () => null }), { kind: "anonymous" });
  });
  it("with an API key is that key, underscores in the secret or not", async () => {
    const { authenticate, add } = setUp();
    for (let i = 0; i < 30; i++) {
      const { key, row } = add();
      const caller = await authenticate(bearer(key));
      assert.deepEqual(caller, { kind: "key", keyId: row.keyId, name: "n8n", role: "worker" });
    }
  });
  it("with the environment's key is an administrator; the scheme's case does not matter", async () => {
    const { authenticate } = setUp();
    // A header carries bytes, given to us one character for each.
    const sent = Buffer.from(ADMIN_KEY, "utf8").toString("latin1");
    const caller = await authenticate({ get: () => `bearer  ${sent}` });
    assert.equal(caller.kind === "key" && caller.role, "admin");
  });
  it("with an execution token is that attempt", async () => {
    assert.deepEqual(await setUp().authenticate(bearer("moe_good")), {
      kind: "execution",
      executionId: "e1",
      attempt: 2,
    });
  });
  it("with anything else is refused, and told why", async () => {
    const { authenticate, add, state } = setUp();
    await refused(authenticate({ get: () => "Basic YTpi" }), /not a bearer/);
    await refused(authenticate({ get: () => "Bearer " }), /not a bearer/);
    await refused(authenticate(bearer("nonsense")), /neither/);
    await refused(authenticate(bearer("moe_bad")), /execution token/);
    await refused(authenticate(bearer(mintApiKey().key)), /not known/);
    await refused(authenticate(bearer(`${ADMIN_KEY}x`)), /neither/);
    const { key, row } = add();
    await refused(authenticate(bearer(`${key.slice(0, -1)}${key.endsWith("A") ? "B" : "A"}`)), /not known/);
    await refused(authenticate(bearer(add({ revokedAtMs: 1 }).key)), /revoked/);
    await refused(authenticate(bearer(add({ expiresAtMs: state.nowMs }).key)), /expired at 1970-/);
    await refused(authenticate(bearer(add({ secretHash: row.secretHash.slice(1) }).key)), /not known/);
  });
});

describe("a key that was looked up", () => {
  it("is remembered for seconds only", async () => {
    const { authenticate, add, state } = setUp();
    const { key } = add();
    await authenticate(bearer(key));
    await authenticate(bearer(key));
    assert.equal(state.queries, 1);
    state.nowMs += 5_000;
    await authenticate(bearer(key));
    assert.equal(state.queries, 2);
  });
  it("expires while it is remembered", async () => {
    const { authenticate, add, state } = setUp();
    const { key } = add({ expiresAtMs: state.nowMs + 10 });
    await authenticate(bearer(key));
    state.nowMs += 10;
    await refused(authenticate(bearer(key)), /expired/);
  });
  it("is forgotten when it is revoked, even while it is being read", async () => {
    const { authenticate, add, rows, invalidate } = setUp();
    const { key, row } = add();
    const reading = authenticate(bearer(key));
    rows.set(row.keyId, { ...row, revokedAtMs: 1 });
    invalidate(row.keyId);
    await reading;
    await refused(authenticate(bearer(key)), /revoked/);
  });
  it("does not push memory up: a thousand others push it out", async () => {
    const { authenticate, add, state } = setUp();
    const { key } = add();
    await authenticate(bearer(key));
    for (let i = 0; i < 1000; i++) await authenticate(bearer(mintApiKey().key)).catch(() => {});
    const before = state.queries;
    await authenticate(bearer(key));
    assert.equal(state.queries, before + 1);
  });
});

describe("access", () => {
  const callers: Record<string, Caller> = {
    anonymous: { kind: "anonymous" },
    execution: { kind: "execution", executionId: "e", attempt: 1 },
    ...Object.fromEntries(ROLES.map((role) => [role, { kind: "key", keyId: "k", name: "n", role }])),
  };
  const table: Record<Access, string[]> = {
    public: Object.keys(callers),
    viewer: ["viewer", "operator", "admin"],
    worker: ["worker", "operator", "admin"],
    operator: ["operator", "admin"],
    admin: ["admin"],
    execution: ["execution"],
  };
  for (const [access, open] of Object.entries(table) as [Access, string[]][]) {
    for (const [name, caller] of Object.entries(callers)) {
      const may = open.includes(name);
      it(`${access} is ${may ? "open" : "closed"} to ${name}`, () => {
        assert.equal(allows(access, caller), may);
        const code = name === "anonymous" ? "unauthorized" : "forbidden";
        if (may) requireAccess(access, caller);
        else
          assert.throws(
            () => requireAccess(access, caller),
            (e) => e instanceof Problem && e.code === code,
          );
      });
    }
  }
  it("of several, any is enough", () => assert.ok(allows(["viewer", "worker"], callers.worker!)));
});
