/** The outbox: a message is there if and only if its decision was committed, and one deliverer has it. */
import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";
import { describe, it, type TestContext } from "node:test";
import { openStore } from "#test/stored.ts";
import { type Message, type Outbox, openOutbox } from "./outbox.ts";

const message = (delivery = 1): Message => ({ executionId: randomUUID(), attempt: 1, delivery });

const NOTHING = { messages: [], more: false };

async function take(outbox: Outbox, limit: number) {
  const { removed, ...taken } = await outbox.take(limit);
  await removed;
  return taken;
}

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
    assert.deepEqual(await take(one, 10), NOTHING);
    const sent = [message(1), message(7)];
    await db.transaction(async (tx) => {
      await one.send(tx, sent);
      assert.deepEqual(await take(one, 10), NOTHING, "nobody sees it before its commit");
    });
    const { messages: taken } = await take(one, 10);
    assert.deepEqual(
      taken.sort((a, b) => a.delivery - b.delivery),
      sent,
    );
  });

  it("gives a message to one taker, however many take at once", async (t) => {
    const { db, one, other } = await openBoth(t);
    // Twenty cycles' bites, and one that is so large that replicas share it.
    const bites = [...Array.from({ length: 20 }, () => 2), 120].map((size) =>
      Array.from({ length: size }, () => message()),
    );
    for (const bite of bites) await db.transaction((tx) => one.send(tx, bite));
    const shares: Message[][] = [];
    const takeAll = async (outbox: Outbox, limit: number) => {
      for (let more = true; more; ) {
        const taken = await take(outbox, limit);
        shares.push(taken.messages);
        more = taken.more;
      }
    };
    await Promise.all([takeAll(one, 1), takeAll(other, 60), takeAll(one, 60), takeAll(other, 1)]);
    const executions = (messages: Message[]) => messages.map(({ executionId }) => executionId).sort();
    assert.deepEqual(executions(shares.flat()), executions(bites.flat()));
    assert.ok(
      Math.max(...shares.map((share) => share.length)) <= 100,
      "nobody had to take the large bite whole",
    );
    assert.deepEqual(await take(other, 10), NOTHING, "what was taken is gone");
  });

  it("takes whole bites, about as much as it is asked for, and says whether more may be left", async (t) => {
    const { db, one } = await openBoth(t);
    for (let i = 0; i < 3; i++) await db.transaction((tx) => one.send(tx, [message(), message()]));
    const takes = [await take(one, 60), await take(one, 60)];
    assert.deepEqual(
      takes.map(({ messages, more }) => [messages.length, more]),
      [
        [4, true],
        [2, false],
      ],
    );
  });

  it("keeps nothing of what was taken", async (t) => {
    const { db, one } = await openBoth(t);
    await db.transaction((tx) => one.send(tx, [message(), message()]));
    assert.equal((await take(one, 1)).messages.length, 2);
    const { rows } = await db.query("select count(*)::int as jobs from pgboss.job where name = 'bites'");
    assert.deepEqual(rows, [{ jobs: 0 }]);
  });

  it("hands out what it cannot remove, says so, and never hands it out again", async (t) => {
    const { db } = await openStore(t);
    const errors: string[] = [];
    const byKey: typeof db.byKey = {
      query: (text, values) =>
        /delete from/i.test(text)
          ? Promise.reject(new Error("the disk is full"))
          : db.byKey.query(text, values),
    };
    const outbox = await openOutbox({ ...db, byKey }, (error) => void errors.push(error.message));
    t.after(() => outbox.stop());
    const sent = [message()];
    await db.transaction((tx) => outbox.send(tx, sent));
    assert.deepEqual((await take(outbox, 10)).messages, sent);
    assert.deepEqual(errors, ["the disk is full"]);
    assert.deepEqual(await take(outbox, 10), NOTHING);
  });

  it("has nothing to do with nothing", async (t) => {
    const { db, one } = await openBoth(t);
    await one.send(db, []);
    assert.deepEqual(await take(one, 5), NOTHING);
  });
});
