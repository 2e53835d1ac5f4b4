/** Owns the proof that two replicas never ask one host at once, and that one which died holds nobody up for long. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { quiet } from "#test/activity.ts";
import { freshDatabase } from "#test/database.ts";
import { fakeClock, START_MS } from "#test/fake-clock.ts";
import { openHostTurns } from "./host-turns.ts";

test("one replica at a time asks a host, with a pause between; hosts do not wait for each other", async (t) => {
  const database = await freshDatabase();
  t.after(() => database.close());
  await database.setNow(START_MS);
  const clock = fakeClock(database.setNow);
  const [one, other] = [openHostTurns(database.db, clock), openHostTurns(database.db, clock)];
  const { signal } = new AbortController();
  const said: string[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  const first = one.pass("a.example", 1_000, signal, async () => {
    said.push("one begins");
    await promise;
    said.push("one ends");
  });
  await quiet();
  const second = other.pass("a.example", 1_000, signal, async () => void said.push("other"));
  await other.pass("b.example", 1_000, signal, async () => void said.push("elsewhere"));
  await clock.advance(5_000);
  assert.deepEqual(said, ["one begins", "elsewhere"]);
  resolve();
  await first;
  const endedMs = clock.nowMs();
  await clock.advance(900);
  assert.deepEqual(said.at(-1), "one ends", "the pause is kept");
  await clock.advance(1_000);
  await second;
  assert.equal(said.at(-1), "other");
  assert.ok(clock.nowMs() - endedMs < 3_000);

  // A replica that dies in its turn: who waits is told, and after a minute the host is free.
  void one.pass("a.example", 0, signal, () => new Promise(() => {}));
  await clock.advance(2_000);
  const late = assert.rejects(
    other.pass("a.example", 0, signal, async () => {}),
    /is being asked by others/,
  );
  await clock.advance(21_000);
  await late;
  await clock.advance(60_000);
  assert.equal(await other.pass("a.example", 0, signal, async () => "free"), "free");
  const stopped = AbortSignal.abort(new Error("stop"));
  await assert.rejects(
    other.pass("a.example", 0, stopped, async () => {}),
    /stop/,
  );
});
