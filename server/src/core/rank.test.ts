/** The ranking, as specification: what goes first, and how long a task has to wait until it does. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Policy } from "@master-orchestrator/contract";
import { aPolicy, aTask, MINUTE, NOW, SECOND } from "#test/builders.ts";
import { type Chance, forSeeds } from "#test/chance.ts";
import { ageToReach, aheadUntil, byRank, everAheadUntil, overtakenUntil, score } from "./rank.ts";

const AGEING = aPolicy().ageing;
const aged = (priority: number, minutes: number) => ({ priority, agedFromMs: NOW - minutes * MINUTE });
const scoreOf = (priority: number, minutes: number, ageing: Policy["ageing"] = AGEING) =>
  score(aged(priority, minutes), NOW, ageing);

/** Policies that a person would not write, but may. */
function anyAgeing(random: Chance): Policy["ageing"] {
  return {
    boost_after_minutes: random.oneOf([0, 0.001, 1, 30, 1e6, 1e9, random.fraction() * 100]),
    boost_per_minute: random.oneOf([0, 0.001, 1, 10, 1e6, 1e9, random.fraction() * 100]),
  };
}

describe("the score", () => {
  const table: [priority: number, minutes: number, expected: number][] = [
    [0, 0, 0],
    [50, 0, 500],
    [100, 0, 1000],
    [50, 12.5, 512.5],
    [50, 30, 530],
    [50, 31, 541],
    [50, 60, 860],
    [0, 1440, 15540],
  ];
  for (const [priority, minutes, expected] of table) {
    it(`of priority ${priority} after ${minutes} minutes is ${expected}`, () => {
      assert.equal(scoreOf(priority, minutes), expected);
    });
  }

  it("of a task that is due later than now counts no negative age", () => {
    assert.equal(score({ priority: 20, agedFromMs: NOW + MINUTE }, NOW, AGEING), 200);
  });

  it("without a boost rises by one a minute, however old", () => {
    assert.equal(scoreOf(10, 10_000, { boost_after_minutes: 30, boost_per_minute: 0 }), 10_100);
  });

  it("rises with every millisecond of age, whatever the policy says", () => {
    forSeeds(500, (random) => {
      const ageing = anyAgeing(random);
      const priority = random.int(0, 100);
      const age = random.int(0, random.oneOf([10, 100_000, 30 * 86_400_000]));
      const before = score({ priority, agedFromMs: NOW - age }, NOW, ageing);
      const after = score({ priority, agedFromMs: NOW - age - 1 }, NOW, ageing);
      assert.ok(after > before, `${JSON.stringify(ageing)} at ${age} ms: ${after} after ${before}`);
    });
  });

  it("of an urgent task is above that of any other of its age", () => {
    for (const minutes of [0, 29, 30, 31, 5000]) assert.ok(scoreOf(51, minutes) > scoreOf(50, minutes));
  });

  it("of the least urgent task passes a fresh task of the highest priority within two hours", () => {
    assert.ok(scoreOf(0, 117) < scoreOf(100, 0));
    assert.ok(scoreOf(0, 119) > scoreOf(100, 0));
  });
});

describe("the age at which a score is reached", () => {
  it("is the inverse of the score, for any policy", () => {
    forSeeds(2_000, (random) => {
      const ageing = anyAgeing(random);
      const priority = random.int(0, 100);
      const ageMs = random.fraction() * random.oneOf([1_000, 3_600_000, 30 * 86_400_000]);
      const reached = ageToReach(score({ priority, agedFromMs: -ageMs }, 0, ageing), priority, ageing);
      const tolerance = 1e-6 + ageMs * 1e-9;
      const told = `${JSON.stringify(ageing)}, priority ${priority}: ${ageMs} became ${reached}`;
      assert.ok(Math.abs(reached - ageMs) <= tolerance, told);
    });
  });

  it("is one at which it really is reached, and a little earlier is not", () => {
    forSeeds(2_000, (random) => {
      const ageing = anyAgeing(random);
      const priority = random.int(0, 100);
      const target = random.fraction() * random.oneOf([1_000, 20_000, 1e7]);
      const ageMs = ageToReach(target, priority, ageing);
      const at = (ms: number) => score({ priority, agedFromMs: -ms }, 0, ageing);
      assert.ok(at(ageMs * (1 + 1e-9) + 1e-6) >= target, "reached");
      if (ageMs > 1) assert.ok(at(ageMs * (1 - 1e-9) - 1e-6) < target * (1 + 1e-9), "not before");
    });
  });

  it("is none for a score that it has from the start", () => {
    assert.equal(ageToReach(500, 50, AGEING), 0);
    assert.equal(ageToReach(10, 50, AGEING), 0);
  });

  it("is in milliseconds", () => {
    assert.equal(ageToReach(501, 50, AGEING), MINUTE);
    assert.equal(ageToReach(541, 50, AGEING), 31 * MINUTE);
  });
});

describe("the moment until which another priority goes before a task", () => {
  it("divides that priority as the order does, for any policy, to the millisecond", () => {
    forSeeds(1_000, (random) => {
      const ageing = anyAgeing(random);
      const task = aTask({ priority: random.int(0, 100), agedFromMs: NOW - random.int(0, 1e9) });
      const priority = random.int(0, 100);
      if (priority === task.priority) return;
      const until = aheadUntil(task, priority, NOW, ageing);
      const first = (agedFromMs: number) =>
        byRank([task, aTask({ priority, agedFromMs })], NOW, ageing)[0] !== task;
      if (until > NOW) assert.ok(first(NOW), "at any age");
      else
        assert.deepEqual(
          [first(until), first(until + 1)],
          [true, false],
          JSON.stringify({ ageing, task, priority }),
        );
    });
  });
});

describe("the order", () => {
  const order = (given: ReturnType<typeof aTask>[]) => byRank(given, NOW, AGEING).map((task) => task.taskId);

  it("is by score: an old task of low priority overtakes a fresh one of high priority", () => {
    const urgent = aTask({ taskId: "urgent", priority: 90 });
    const old = aTask({ taskId: "old", priority: 10, agedFromMs: NOW - 110 * MINUTE });
    const fresh = aTask({ taskId: "fresh", priority: 10 });
    assert.deepEqual(order([fresh, urgent, old]), ["old", "urgent", "fresh"]);
  });

  it("among tasks of one priority is the oldest first", () => {
    const ages = [5, 600, 0, 61].map((s) => aTask({ taskId: `${s}`, agedFromMs: NOW - s * SECOND }));
    assert.deepEqual(order(ages), ["600", "61", "5", "0"]);
  });

  it("of equal scores is by age, then by id, so that it is always the same", () => {
    const older = aTask({ taskId: "z", priority: 49, agedFromMs: NOW - 10 * MINUTE });
    const younger = aTask({ taskId: "a", priority: 50 });
    assert.deepEqual(order([younger, older]), ["z", "a"]);
    assert.deepEqual(order([aTask({ taskId: "b" }), aTask({ taskId: "c" }), aTask({ taskId: "a" })]), [
      "a",
      "b",
      "c",
    ]);
  });

  it("does not depend on the order in which tasks are given, and changes none of them", () => {
    forSeeds(50, (random) => {
      const given = Array.from({ length: 30 }, () =>
        aTask({ priority: random.int(0, 3) * 10, agedFromMs: NOW - random.int(0, 5) * 10 * MINUTE }),
      );
      const shuffled = given
        .map((task) => ({ task, key: random.fraction() }))
        .sort((a, b) => a.key - b.key)
        .map(({ task }) => task);
      const before = structuredClone(shuffled);
      assert.deepEqual(order(shuffled), order(given));
      assert.deepEqual(shuffled, before);
    });
  });

  it("has the best of all tasks among the oldest of each priority, for any policy", () => {
    forSeeds(300, (random) => {
      const ageing = anyAgeing(random);
      const given = Array.from({ length: 60 }, () =>
        aTask({ priority: random.int(0, 4) * 25, agedFromMs: NOW - random.int(0, 100_000_000) }),
      );
      const n = 7;
      const heads = [0, 25, 50, 75, 100].flatMap((level) =>
        given
          .filter((task) => task.priority === level)
          .sort((a, b) => a.agedFromMs - b.agedFromMs || (a.taskId < b.taskId ? -1 : 1))
          .slice(0, n),
      );
      const best = (of: typeof given) =>
        byRank(of, NOW, ageing)
          .slice(0, n)
          .map((task) => task.taskId);
      assert.deepEqual(best(heads), best(given));
    });
  });
});

describe("who may ever be ahead", () => {
  /** Whether `other` is ahead of `task` at some moment from now on, tried out. */
  function everAhead(
    other: { priority: number; agedFromMs: number },
    task: { priority: number; agedFromMs: number },
    ageing: Policy["ageing"],
  ): boolean {
    const horizon = [0, 0.5, 1, 2, 5, 10, 20, 29, 30, 31, 40, 60, 90, 120, 240, 1e6];
    return horizon.some((minutes) => {
      const at = NOW + minutes * MINUTE;
      const lead = score(other, at, ageing) - score(task, at, ageing);
      return lead > 1e-6 || (Math.abs(lead) <= 1e-6 && other.agedFromMs < task.agedFromMs);
    });
  }

  for (const change of [{}, { boost_per_minute: 0 }, { boost_after_minutes: 0, boost_per_minute: 3 }]) {
    it(`is told by one moment for each priority: ageing ${JSON.stringify(change)}`, () => {
      const { ageing } = aPolicy({ ageing: change });
      forSeeds(40, (random) => {
        const any = () => ({
          priority: random.int(0, 100),
          agedFromMs: NOW - Math.round(random.fraction() * 100) * MINUTE,
        });
        const task = any();
        for (let i = 0; i < 50; i++) {
          const other = any();
          if (other.priority === task.priority) continue;
          const told = other.agedFromMs <= everAheadUntil(task, other.priority, NOW, ageing);
          if (everAhead(other, task, ageing)) assert.ok(told, `${JSON.stringify([task, other])} may pass`);
        }
      });
    });
  }

  it("of new tasks ends when not even the most urgent one would go before it", () => {
    const { ageing } = aPolicy();
    forSeeds(40, (random) => {
      const task = { priority: random.int(0, 99), agedFromMs: NOW };
      const untilMs = overtakenUntil(task, ageing);
      const ahead = (atMs: number) =>
        score({ priority: 100, agedFromMs: atMs }, atMs, ageing) > score(task, atMs, ageing);
      assert.deepEqual([ahead(untilMs - SECOND), ahead(untilMs + 1)], [true, false]);
    });
    assert.equal(overtakenUntil({ priority: 100, agedFromMs: NOW }, ageing), NOW);
  });
});
