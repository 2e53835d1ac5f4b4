/** The invariants of limits and money find what violates them. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { v7 as uuidv7 } from "uuid";
import { NOW, SECOND } from "#test/builders.ts";
import { openStore } from "#test/stored.ts";
import { insertCycle } from "./cycles.ts";
import { checkInvariants } from "./invariants.ts";

test("a costly start at the budget's ceiling, sums that differ, and a limit that was passed are found", async (t) => {
  const policy = { providers: { gemini: { requests_per_minute: 3 } } };
  const { db } = await openStore(t, { policy, lawless: true });
  const violated = async () =>
    (await checkInvariants(db))
      .filter(({ rows }) => rows.length > 0)
      .map(({ sentence, rows }) => `${sentence.split(" ").slice(0, 4).join(" ")}: ${rows.length}`);
  const cycle = (usedUsd: number, costUsd: number) =>
    insertCycle(db, {
      ...{
        cycleId: uuidv7(),
        trigger: "wake",
        boundaryMs: null,
        driftMs: null,
        startedAtMs: NOW,
        durationMs: 1,
      },
      ...{ policyVersion: 1, dispatched: 1, held: 0, reasons: [], replicaId: "r" },
      snapshot: { supplies: { money: [{ scope: "all", cap_usd: 10, used_usd: usedUsd }] } },
      decisions: [{ kind: "dispatch", expects: { calls: {}, cost_usd: costUsd } }],
    });
  const call = (atMs: number) =>
    db.query(
      `insert into ledger (entry_id, source, state, day, scopes, provider, actor, permits, reserved_micros, granted_at, deadline_at)
       values ($1, 'gateway', 'held', '2026-01-05', '{all}', 'gemini', 'x', 1, 0, $2, $2)`,
      [uuidv7(), new Date(atMs)],
    );
  await cycle(9.99, 1);
  await cycle(10, 0);
  for (const second of [0, 20, 40, 60, 80]) await call(NOW + second * SECOND);
  assert.deepEqual(await violated(), []);
  await cycle(10, 0.01);
  await call(NOW + 81 * SECOND);
  await db.query("insert into ledger_totals (day, scope, settled_micros) values ('2026-01-05', 'all', 5)");
  assert.deepEqual(await violated(), ["No run that is: 1", "The sums of a: 1", "No provider was sent: 1"]);
});
