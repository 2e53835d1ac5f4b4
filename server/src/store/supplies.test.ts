/** What there is of what runs out, as the plan reads it: permits under limits that change, the day's money, runs at work, needs. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { GRACE_MS } from "#core/governor.ts";
import { estimatesOf } from "#core/supplies.ts";
import { aNeed, anAsk, aPolicy, aWorkflow, NOW, SECOND } from "#test/builders.ts";
import { freshDatabase, type TestDatabase } from "#test/database.ts";
import { type Ask, takeTurn } from "./permits.ts";
import { insertPolicyVersion } from "./policies.ts";
import { readSupplies, updateNeeds } from "./supplies.ts";

let database: TestDatabase;
let version = 0;
before(async () => {
  database = await freshDatabase();
  await database.setNow(NOW);
});
after(() => database.close());

async function under(perMinute: number, asks: readonly Ask[] = []) {
  version += 1;
  const policy = aPolicy({
    providers: { gemini: { requests_per_minute: perMinute } },
    budget: { daily_usd: 10, caps: { providers: { gemini: 5 } } },
  });
  await insertPolicyVersion(database.db, version, { policy, comment: null, changedBy: "the test" });
  const context = { policyVersion: version, believable: null, graceMs: GRACE_MS };
  if (asks.length > 0) await takeTurn(database.db, { settlements: [], asks }, context);
  const workflows = { w: aWorkflow({ workflowType: "w", estimates: estimatesOf({}) }) };
  return await readSupplies(database.db, { policy, workflows, endingRuns: [] });
}

describe("what there is", () => {
  it("of permits: those that are free, and when the others will be, also under a limit that was raised or lowered", async () => {
    const figures = async (perMinute: number, asks?: Ask[]) => {
      const [supply] = (await under(perMinute, asks)).permits;
      return [supply?.limit, supply?.used, supply?.free, supply?.freeing];
    };
    assert.deepEqual(await figures(10), [10, 0, 10, []], "before anybody has called");
    assert.deepEqual(await figures(10, [anAsk({ permits: 4 })]), [10, 4, 6, [{ inMs: 63_000, permits: 4 }]]);
    await database.setNow(NOW + 30 * SECOND);
    assert.deepEqual(await figures(20), [20, 4, 16, [{ inMs: 33_000, permits: 4 }]]);
    assert.deepEqual(await figures(5), [5, 4, 1, [{ inMs: 33_000, permits: 4 }]]);
    assert.deepEqual(
      await figures(3),
      [3, 3, 0, [{ inMs: 33_000, permits: 3 }]],
      "one of four is too many for ever",
    );
    await database.setNow(NOW + 64 * SECOND);
    assert.deepEqual(await figures(10), [10, 0, 10, []]);
  });

  it("of money: what is settled and set aside today, by scope, the day's budget first", async () => {
    const before = (await under(50)).money.map(({ usedMicros }) => usedMicros);
    const { money } = await under(50, [anAsk({ reservedMicros: 1_250_000 })]);
    assert.deepEqual(money, [
      { scope: "all", capMicros: 10_000_000, usedMicros: (before[0] as number) + 1_250_000 },
      { scope: "provider:gemini", capMicros: 5_000_000, usedMicros: (before[1] as number) + 1_250_000 },
    ]);
  });

  it("of needs: what was measured last", async () => {
    const need = aNeed({ workflowType: "w", contentType: "x", calls: { gemini: 2.5 }, costMicros: 1234.5 });
    await updateNeeds(database.db, [{ kind: "measure_need", need: { ...need, runs: 1 } }], NOW);
    await updateNeeds(database.db, [{ kind: "measure_need", need }], NOW + SECOND);
    assert.deepEqual((await under(50)).needs, [need]);
  });
});
