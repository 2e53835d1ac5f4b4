/** What an operator sets: policies, workflows, API keys, and the pause switch. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it } from "node:test";
import { aPolicy, MINUTE, NOW, SECOND } from "#test/builders.ts";
import { openStore } from "#test/stored.ts";
import { findApiKey, hasAdminKey, insertApiKey, listApiKeys, revokeApiKey } from "./api-keys.ts";
import {
  ensureOrchestrator,
  forgetReplica,
  orchestratorView,
  seeReplica,
  setPaused,
} from "./orchestrator.ts";
import { currentPolicy, findPolicyVersion, insertPolicyVersion, listPolicyVersions } from "./policies.ts";
import { transitionsOf } from "./transitions.ts";
import {
  findWorkflow,
  listWorkflows,
  putWorkflow,
  type StoredSettings,
  seedBuiltIn,
  setWorkflowPaused,
} from "./workflows.ts";

const settings = (over: object = {}) => ({ webhook_url: "https://n8n.example/a", ...over }) as StoredSettings;

describe("policies", () => {
  const change = { policy: aPolicy({ retry: { max_attempts: 2 } }), comment: "calmer", changedBy: "ada" };

  it("are versions that follow each other; the newest is in force", async (t) => {
    const { db } = await openStore(t);
    await db.query("delete from policy_versions");
    assert.equal(await currentPolicy(db), null);
    const first = await insertPolicyVersion(db, 1, { ...change, comment: null });
    const second = await insertPolicyVersion(db, 2, change);
    assert.deepEqual(second, { version: 2, ...change, changedAtMs: NOW });
    assert.deepEqual(await currentPolicy(db), second);
    assert.deepEqual(await findPolicyVersion(db, 1), first);
    assert.equal(await findPolicyVersion(db, 3), null);
    assert.deepEqual(
      (await listPolicyVersions(db, null, 10)).map((one) => one.version),
      [2, 1],
    );
    assert.deepEqual(
      (await listPolicyVersions(db, 2, 10)).map((one) => one.version),
      [1],
    );
  });

  it("are made upon the version that was read: of two changes at once one has to look again", async (t) => {
    const { db } = await openStore(t);
    const both = await Promise.all([insertPolicyVersion(db, 2, change), insertPolicyVersion(db, 2, change)]);
    assert.equal(both.filter((stored) => stored === null).length, 1);
    assert.equal((await listPolicyVersions(db, null, 10)).length, 2);
  });

  it("of an older release are filled up with the defaults of this one", async (t) => {
    const { db } = await openStore(t);
    await db.query(
      `insert into policy_versions (version, policy, changed_by) values (2, '{"retry": {"max_attempts": 1}}', 'old')`,
    );
    assert.deepEqual((await currentPolicy(db))!.policy, aPolicy({ retry: { max_attempts: 1 } }));
  });
});

describe("workflows", () => {
  const plain = { auth: null, signingSecret: null, paused: false, pausedBy: null, updatedBy: "ada" };

  it("are stored and replaced whole, with their secrets apart", async (t) => {
    const store = await openStore(t, { workflows: {} });
    const auth = { type: "header", name: "X-Api-Key", value: "s" } as const;
    const put = { workflowType: "w1", settings: settings(), ...plain, auth, signingSecret: "whsec_x" };
    assert.deepEqual(await putWorkflow(store.db, put), { ...put, builtIn: false, updatedAtMs: NOW });
    await store.pass(MINUTE);
    const again = {
      workflowType: "w1",
      settings: settings({ max_concurrent: 9 }),
      ...plain,
      updatedBy: "bob",
    };
    await putWorkflow(store.db, again);
    assert.deepEqual(await findWorkflow(store.db, "w1"), {
      ...again,
      builtIn: false,
      updatedAtMs: NOW + MINUTE,
    });
    assert.equal(await findWorkflow(store.db, "w2"), null);
  });

  it("that are built in are seeded once; what an operator has set is left alone", async (t) => {
    const { db } = await openStore(t, { workflows: {} });
    await seedBuiltIn(db, "w1", settings({ max_concurrent: 2 }));
    const own = { workflowType: "w1", settings: settings({ max_concurrent: 7 }), ...plain };
    assert.equal((await putWorkflow(db, own)).builtIn, true);
    await seedBuiltIn(db, "w1", settings({ max_concurrent: 3 }));
    const kept = (await findWorkflow(db, "w1"))!;
    assert.deepEqual([kept.builtIn, kept.settings.max_concurrent, kept.updatedBy], [true, 7, "ada"]);
  });

  it("that an operator registered before they were built in keep their settings, and become built in", async (t) => {
    const { db } = await openStore(t, { workflows: {} });
    await putWorkflow(db, { workflowType: "w1", settings: settings({ max_concurrent: 7 }), ...plain });
    await seedBuiltIn(db, "w1", settings());
    const seeded = (await findWorkflow(db, "w1"))!;
    assert.deepEqual([seeded.builtIn, seeded.settings.max_concurrent], [true, 7]);
  });

  it("are paused once, whoever says so again", async (t) => {
    const store = await openStore(t, { workflows: { w1: {} } });
    await store.pass(SECOND);
    assert.equal((await setWorkflowPaused(store.db, "w1", true, "ada"))!.updatedBy, "ada");
    await store.pass(SECOND);
    const again = (await setWorkflowPaused(store.db, "w1", true, "bob"))!;
    assert.deepEqual([again.paused, again.updatedBy, again.updatedAtMs], [true, "ada", NOW + SECOND]);
    assert.equal((await setWorkflowPaused(store.db, "w1", false, "cy"))!.paused, false);
    assert.equal(await setWorkflowPaused(store.db, "nobody", true, "ada"), null);
  });

  it("are listed by name, page by page", async (t) => {
    const { db } = await openStore(t, { workflows: { b: {}, a: {}, c: {} } });
    const names = async (after: string | null, limit: number) =>
      (await listWorkflows(db, after, limit)).map((workflow) => workflow.workflowType);
    assert.deepEqual(await names(null, 2), ["a", "b"]);
    assert.deepEqual(await names("b", 2), ["c"]);
  });
});

describe("API keys", () => {
  const key = (keyId: string, over: object = {}) => ({
    keyId,
    name: "ci",
    role: "worker" as const,
    secretHash: Buffer.alloc(32, 7),
    createdBy: "ada",
    expiresAtMs: null,
    ...over,
  });

  it("are found with all that is known of them, revoked and expired ones too", async (t) => {
    const store = await openStore(t);
    const stored = await insertApiKey(store.db, key("k1", { expiresAtMs: NOW + MINUTE }));
    assert.deepEqual(stored, {
      ...key("k1", { expiresAtMs: NOW + MINUTE }),
      createdAtMs: NOW,
      revokedAtMs: null,
    });
    assert.deepEqual(await findApiKey(store.db, "k1"), stored);
    assert.equal(await findApiKey(store.db, "k2"), null);
    await assert.rejects(() => insertApiKey(store.db, key("k1")), { code: "23505" });
  });

  it("are revoked once, and stay in the list", async (t) => {
    const store = await openStore(t);
    for (const keyId of ["k1", "k2", "k3"]) {
      await insertApiKey(store.db, key(keyId));
      await store.pass(SECOND);
    }
    assert.equal((await revokeApiKey(store.db, "k2"))!.revokedAtMs, NOW + 3 * SECOND);
    await store.pass(SECOND);
    assert.equal((await revokeApiKey(store.db, "k2"))!.revokedAtMs, NOW + 3 * SECOND);
    assert.equal(await revokeApiKey(store.db, "k9"), null);
    assert.deepEqual(
      (await listApiKeys(store.db, 1, 5)).map((one) => one.keyId),
      ["k2", "k3"],
    );
  });

  it("of an admin count only while they open anything", async (t) => {
    const store = await openStore(t);
    await insertApiKey(store.db, key("worker"));
    assert.equal(await hasAdminKey(store.db), false);
    await insertApiKey(store.db, key("short", { role: "admin", expiresAtMs: NOW + SECOND }));
    assert.equal(await hasAdminKey(store.db), true);
    await store.pass(SECOND);
    assert.equal(await hasAdminKey(store.db), false);
    await insertApiKey(store.db, key("long", { role: "admin" }));
    assert.equal(await hasAdminKey(store.db), true);
    await revokeApiKey(store.db, "long");
    assert.equal(await hasAdminKey(store.db), false);
  });
});

describe("the orchestrator's row", () => {
  it("is made once, with one secret for all replicas", async (t) => {
    const { db } = await openStore(t);
    await db.query("delete from orchestrator");
    const starts = await Promise.all([
      ensureOrchestrator(db),
      ensureOrchestrator(db),
      ensureOrchestrator(db),
    ]);
    assert.equal(starts.filter((start) => start.firstStart).length, 1);
    const secrets = await Promise.all([1, 2].map(async () => (await ensureOrchestrator(db)).tokenSecret));
    assert.equal(secrets[0]!.length, 32);
    assert.deepEqual(secrets[0], secrets[1]);
  });

  it("is paused and resumed with a trace of who did it; saying so again leaves none", async (t) => {
    const { db } = await openStore(t);
    const pause = (paused: boolean, actor: string) => db.transaction((tx) => setPaused(tx, paused, actor));
    await pause(false, "nobody");
    await pause(true, "ada");
    await pause(true, "bob");
    const paused = await orchestratorView(db);
    assert.deepEqual([paused.paused, paused.pausedBy], [true, "ada"]);
    await pause(false, "cy");
    assert.equal((await orchestratorView(db)).pausedBy, null);
    const log = (await transitionsOf(db, "orchestrator")).map((one) => [one.from, one.to, one.actor]);
    assert.deepEqual(log, [
      ["resumed", "paused", "ada"],
      ["paused", "resumed", "cy"],
    ]);
  });

  it("shows replicas that were seen lately, what runs and what waits", async (t) => {
    const store = await openStore(t, {
      workflows: { content_pipeline: { max_concurrent: 1, batch: { min: 1, max: 1 } } },
    });
    await seeReplica(store.db, "old");
    await store.pass(10 * SECOND);
    await seeReplica(store.db, "new");
    await store.enqueue({}, {}, {});
    await store.cycle();
    const view = await orchestratorView(store.db);
    assert.deepEqual(
      view.replicas.map((one) => one.replicaId),
      ["old", "new"],
    );
    assert.deepEqual([view.running, view.recovering, view.waiting, view.lastTick], [1, 0, 2, null]);
    await store.pass(10 * SECOND);
    assert.deepEqual(
      (await orchestratorView(store.db)).replicas.map((one) => one.replicaId),
      ["new"],
    );
    await forgetReplica(store.db, "new");
    assert.deepEqual((await orchestratorView(store.db)).replicas, []);
    await forgetReplica(store.db, randomUUID());
  });
});
