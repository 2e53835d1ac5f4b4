/** How a cycle that fails is narrowed down: smaller bites, then one suspect at a time, and back to the full measure. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import type { Taken } from "#store/set-aside.ts";
import { FULL_BITE } from "#store/snapshot.ts";
import { forSeeds } from "#test/chance.ts";
import { afterFailure, afterSuccess, biteOf, type Search } from "./bites.ts";

interface Pile {
  facts: number[];
  runs: string[];
  tasks: string[];
}

/** One cycle over a pile: it takes its bite, and consumes it unless something in it is poison. */
function bite(search: Search, pile: Pile, isPoison: (item: number | string) => boolean) {
  const size = biteOf(search);
  const taken: Taken = {
    facts: pile.facts.slice(0, size.facts),
    runs: pile.runs.slice(0, size.runs),
    tasks: pile.tasks.slice(0, size.tasks),
  };
  const failed = [...taken.facts, ...taken.runs, ...taken.tasks].some(isPoison);
  if (failed) return { failed, taken };
  pile.facts.splice(0, taken.facts.length);
  pile.runs.splice(0, taken.runs.length);
  pile.tasks.splice(0, taken.tasks.length);
  return { failed, taken };
}

function eat(pile: Pile, poisons: ReadonlySet<number | string>) {
  let search: Search = { kind: "none" };
  const aside: (number | string)[] = [];
  let cycles = 0;
  for (
    ;
    cycles < 2_000 &&
    (search.kind !== "none" || pile.facts.length + pile.runs.length + pile.tasks.length > 0);
    cycles++
  ) {
    const { failed, taken } = bite(search, pile, (item) => poisons.has(item));
    if (!failed) {
      search = afterSuccess(search);
      continue;
    }
    const found = afterFailure(search, taken);
    assert.equal(found.hopeless, false);
    search = found.search;
    if (!found.guilty) continue;
    const { kind, item } = found.guilty;
    const name = kind === "fact" ? Number(item) : item;
    aside.push(name);
    if (kind === "fact") pile.facts = pile.facts.filter((one) => one !== name);
    else if (kind === "run") pile.runs = pile.runs.filter((one) => one !== name);
    else pile.tasks = pile.tasks.filter((one) => one !== name);
  }
  return { aside, cycles };
}

const pileOf = (facts: number, runs = 0, tasks = 0): Pile => ({
  facts: Array.from({ length: facts }, (_, i) => i),
  runs: Array.from({ length: runs }, (_, i) => `run ${i}`),
  tasks: Array.from({ length: tasks }, (_, i) => `task ${i}`),
});

describe("the search for what cycles fail with", () => {
  it("sets aside the guilty and nothing else, wherever they lie", () => {
    let longest = 0;
    forSeeds(200, (random) => {
      const pile = pileOf(random.int(0, 300), random.int(0, 60), random.int(0, 60));
      const everything = [...pile.facts, ...pile.runs, ...pile.tasks];
      const poisons = new Set(everything.filter(() => random.maybe(0.01)));
      const { aside, cycles } = eat(pile, poisons);
      assert.deepEqual([...aside].map(String).sort(), [...poisons].map(String).sort());
      assert.deepEqual([pile.facts, pile.runs, pile.tasks], [[], [], []], "everything else was eaten");
      longest = Math.max(longest, cycles / (poisons.size + 1));
    });
    assert.ok(longest < 60, `${longest} cycles for each`);
  });

  it("finds one among two thousand facts in a few dozen cycles", () => {
    const { aside, cycles } = eat(pileOf(2_000), new Set([1_234]));
    assert.deepEqual(aside, [1_234]);
    assert.ok(cycles < 60, `${cycles} cycles`);
  });

  it("takes the full measure again once all is well", () => {
    let search: Search = { kind: "narrowing", bite: { facts: 1, runs: 1, tasks: 1 } };
    for (let i = 0; i < 11; i++) search = afterSuccess(search);
    assert.equal(search.kind, "none");
    assert.equal(biteOf(search), FULL_BITE);
  });

  it("blames nothing when a cycle fails with nothing at all", () => {
    const nothing: Taken = { facts: [], runs: [], tasks: [] };
    const first = afterFailure({ kind: "none" }, nothing);
    assert.deepEqual(first.search, { kind: "singling", suspect: "nothing" });
    assert.deepEqual(afterFailure(first.search, nothing), {
      search: { kind: "none" },
      guilty: null,
      hopeless: true,
    });
  });
});
