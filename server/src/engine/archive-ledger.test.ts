/** The ledger's entries move into files, and what a day has come to stays, to the micro-dollar, in every breakdown. */
import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { it } from "node:test";
import { LEDGER_GROUPS } from "@master-orchestrator/contract";
import { DAY_MS } from "#core/utc-day.ts";
import { recordUsage } from "#store/ledger.ts";
import { findEntry, listLedger, reconcile } from "#store/ledger-views.ts";
import { takeTurn } from "#store/permits.ts";
import { assertSame, historyInDatabase, wholeHistory } from "#test/archived.ts";
import { anAsk } from "#test/builders.ts";
import { openStore, type TestStore } from "#test/stored.ts";
import { archiveDue } from "./archive.ts";
import { queryArchives } from "./archive-query.ts";
import { restoreArchive } from "./archive-restore.ts";

const MODELS = ["gpt-4o-mini", "gpt-6-luna", "gemini-3.5-flash"];

/** Calls of several providers, models, workflows and callers; and one that is still open. */
async function spend(store: TestStore): Promise<{ entryId: string; held: string }> {
  const { executionId } = await store.dispatched();
  let entryId = "";
  for (let n = 0; n < 12; n++) {
    const report = await recordUsage(store.db, {
      reportKey: null,
      provider: n % 3 === 2 ? "gemini" : "openai",
      models: [MODELS[n % 3] as string],
      executionId: n % 4 === 0 ? executionId : null,
      attempt: n % 4 === 0 ? 1 : null,
      workflowType: ["seo_monitor", "revenue_optimizer", null][n % 3] as string | null,
      run: null,
      actor: `worker ${n % 2}`,
      costMicros: 1_000 * n + 7,
      inputTokens: 10 * n,
      cachedInputTokens: 0,
      outputTokens: n,
      priceVersion: null,
    });
    entryId = report.entryId;
  }
  const ask = anAsk({ reservedMicros: 5_000 });
  const context = { policyVersion: 1, believable: null, graceMs: 0 };
  const { verdicts } = await takeTurn(store.db, { settlements: [], asks: [ask] }, context);
  assert.equal(verdicts?.[0]?.verdict, "granted");
  return { entryId, held: ask.entryId };
}

const sumsOf = async (store: TestStore, day: string) =>
  Object.fromEntries(
    await Promise.all(LEDGER_GROUPS.map(async (by) => [by, await reconcile(store.db, day, by)])),
  );

it("archives what is settled, keeps the day's sums, and puts entries back as they were", async (t) => {
  const store = await openStore(t);
  const dataDir = await mkdtemp(join(tmpdir(), "orchestrator-archive-"));
  t.after(() => rm(dataDir, { recursive: true, force: true }));
  const context = { db: store.db, dataDir };
  const { entryId, held } = await spend(store);
  const day = new Date(store.nowMs).toISOString().slice(0, 10);
  const [sums, history] = [await sumsOf(store, day), await historyInDatabase(store.db)];
  assert.equal(sums.provider.agrees, true);
  assert.equal(sums.provider.total.settled, 12 * 7 + 1_000 * 66);
  await store.pass(31 * DAY_MS);

  const { archives } = await archiveDue(context);
  const entries = () => listLedger(store.db, { ...ALL, day });
  // The run is still at work: what its calls cost may yet be taken off what it reports.
  assert.deepEqual(
    (await entries()).map((row) => row.execution_id !== null || row.entry_id === held),
    [true, true, true, true],
  );
  assert.equal(await findEntry(store.db, entryId), null);
  const { execution: _, ...kept } = await sumsOf(store, day);
  const { execution: __, ...before } = sums;
  assert.deepEqual(kept, before);
  assertSame(await wholeHistory(store.db, dataDir), history);
  const found = await queryArchives(context, { type: "ledger", id: entryId }, { limit: 5, after: null });
  assert.deepEqual(
    found.rows.map(({ row }) => [row.entry_id, row.cost_micros]),
    [[entryId, 11_007]],
  );

  const archive = archives.find(({ files }) => files.some(({ name }) => name === "ledger"))!;
  await restoreArchive(context, archive.archiveId, 7);
  assert.deepEqual(await sumsOf(store, day), sums, "what was restored counts once");
  assert.equal((await entries()).length, 13);
  await archiveDue(context, { day });
  const { execution: ___, ...again } = await sumsOf(store, day);
  assert.deepEqual(again, before);
});

const ALL = {
  ...{ state: undefined, provider: undefined, executionId: undefined, taskId: undefined },
  ...{ fallback: false, before: undefined, limit: 100 },
};
