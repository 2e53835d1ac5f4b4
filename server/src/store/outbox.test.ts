/** The outbox: a message is there if and only if its decision was committed, and one deliverer has it. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { openStore } from "#test/stored.ts";
import { type Message, type Outbox, openOutbox } from "./outbox.ts";

const message = (delivery = 1): Message => ({ executionId: randomUUID(), attempt: 1, delivery });

/** Two replicas' outboxes on one database; they stop before it closes, also when the test fails. */
async function openBoth(t: TestContext) {
  const opened: Outbox[] = [];
  const errors: Error[] = [];
  t.after(async () => {
    for (const outbox of opened) await outbox.stop();
    assert.deepEqual(errors, []);
  });
  const { db } = await openStore(t);
  for (let i = 0; i < 2; i++) opened.push(await openOutbox(db, (error) => void errors.push(error)));
  const [one, other] = opened as [Outbox, Outbox];
  return { db, one, other };
}

describe("the outbox", () => {
  it("has nothing of a transaction that was rolled back, and all of one that was committed", async (t) => {
    const { db, one } = await openBoth(t);
    const broken = db.transaction(async (tx) => {
      await one.send(tx, [message(), message()]);
      throw new Error("the cycle fails");
    });
    await assert.rejects(broken, /the cycle fails/);
    assert.deepEqual(await one.take(10), []);
    const sent = [message(1), message(7)];
    await db.transaction(async (tx) => {
      await one.send(tx, sent);
      assert.deepEqual(await one.take(10), [], "nobody sees it before its commit");
    });
    const taken = await one.take(10);
    const byDelivery = taken.map(({ jobId: _, ...rest }) => rest).sort((a, b) => a.delivery - b.delivery);
    assert.deepEqual(byDelivery, sent);
  });

  it("gives a message to one taker, however many take at once", async (t) => {
    const { db, one, other } = await openBoth(t);
    const sent = Array.from({ length: 40 }, () => message());
    await db.transaction((tx) => one.send(tx, sent));
    const taken = (await Promise.all([one.take(15), other.take(15), one.take(15), other.take(15)])).flat();
    assert.equal(taken.length, 40);
    assert.equal(new Set(taken.map((one) => one.executionId)).size, 40);
    assert.deepEqual(await other.take(10), [], "what was taken is gone");
  });

  it("takes no more than it is asked for", async (t) => {
    const { db, one } = await openBoth(t);
    await db.transaction((tx) => one.send(tx, [message(), message(), message()]));
    assert.equal((await one.take(2)).length, 2);
    assert.equal((await one.take(2)).length, 1);
  });

  it("marks messages as done with the transaction that records their outcome, or not at all", async (t) => {
    const { db, one } = await openBoth(t);
    await db.transaction((tx) => one.send(tx, [message()]));
    const taken = await one.take(1);
    const state = async () =>
      (await db.query("select state from pgboss.job where id = $1", [taken[0]!.jobId])).rows[0]?.state;
    const broken = db.transaction(async (tx) => {
      await one.done(tx, taken);
      throw new Error("the outcome is not recorded");
    });
    await assert.rejects(broken, /not recorded/);
    assert.equal(await state(), "active");
    await db.transaction((tx) => one.done(tx, taken));
    assert.equal(await state(), "completed");
  });

  it("has nothing to do with nothing", async (t) => {
    const { db, one } = await openBoth(t);
    await one.send(db, []);
    await one.done(db, []);
    assert.deepEqual(await one.take(5), []);
  });
});
