/** The pure parts of a migration: its steps, its shares, its gates, and how a shadow is compared. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { GateSettings } from "@master-orchestrator/contract";
import { atMost, closedBy, judgeGates, type Measures, measure, type TurnView } from "./migration-gates.ts";
import { compareShadow, lockStarts } from "./migration-shadow.ts";
import {
  isInShare,
  type MigrationStep,
  missingBefore,
  nextStep,
  START,
  wantedIn,
} from "./migration-steps.ts";

describe("the way of a migration", () => {
  it("leads through each phase by shadow, share and full, over what cannot be done", () => {
    const walk: string[] = [];
    for (let step: MigrationStep | null = START; step; ) {
      step = nextStep(step, { 3: "it calls no model" });
      if (step) walk.push(`${step.phase} ${step.mode} ${step.sharePercent}`);
    }
    assert.deepEqual(walk, [
      ...["1 shadow 0", "1 share 10", "1 share 50", "1 full 100"],
      ...["2 shadow 0", "2 share 10", "2 share 50", "2 full 100", "4 shadow 0", "4 full 100"],
    ]);
  });

  it("goes forward only, into a phase by its shadow, and says what is missing", () => {
    const full: MigrationStep = { phase: 1, mode: "full", sharePercent: 100 };
    const shadow: MigrationStep = { phase: 1, mode: "shadow", sharePercent: 0 };
    const missing = (from: MigrationStep, phase: number, mode: MigrationStep["mode"], sharePercent = 50) =>
      missingBefore(from, { phase, mode, sharePercent });
    assert.equal(missing(full, 2, "shadow"), null);
    assert.equal(missing(START, 2, "shadow"), null, "phase 1 may be skipped");
    assert.equal(missing(full, 4, "shadow"), null);
    assert.equal(missing(shadow, 1, "full"), null);
    assert.match(missing(full, 2, "full")!, /shadow: advance to {"phase": 2, "mode": "shadow"} first/);
    assert.match(
      missing(shadow, 2, "share")!,
      /Take phase 1 to full first: advance to {"phase": 1, "mode": "full"}/,
    );
    assert.match(missing(full, 3, "shadow")!, /Phase 3 stands on phase 2/);
    assert.match(missing(full, 1, "share")!, /POST …\/share/);
    assert.match(missing({ ...full, phase: 2 }, 1, "shadow")!, /Only a rollback leads back/);
    assert.match(missing({ ...shadow, phase: 4 }, 4, "share")!, /Nothing in phase 4 could be by share/);
  });

  it("leaves n8n as it was in a shadow, and keeps the lock for what is not in the share", () => {
    assert.deepEqual(wantedIn({ phase: 2, mode: "shadow", sharePercent: 0 }, 1), { form: "mutex" });
    assert.deepEqual(wantedIn({ phase: 2, mode: "share", sharePercent: 10 }, 1), {
      form: "basic",
      before: "mutex",
    });
    assert.deepEqual(wantedIn({ phase: 3, mode: "share", sharePercent: 10 }, 2), {
      form: "basic",
      trial: true,
    });
  });

  it("draws a share by the moment: as large as it says, the same each time, a larger one with all of a smaller", () => {
    const slots = Array.from({ length: 4000 }, (_, i) => Date.UTC(2026, 0, 1) + i * 900_000);
    const share = (percent: number) => slots.filter((slot) => isInShare("w", slot, percent));
    assert.deepEqual(share(30), share(30));
    for (const percent of [0, 10, 50, 100]) {
      assert.ok(Math.abs(share(percent).length / slots.length - percent / 100) < 0.03, `${percent} %`);
    }
    const large = new Set(share(50));
    assert.ok(share(10).every((slot) => large.has(slot)));
  });
});

const turn = (i: number, outcome: TurnView["outcome"], seconds = 10, repeats = 0): TurnView => {
  const slotMs = i * 60_000;
  return { slotMs, by: "orchestrator", outcome, repeats, endedAtMs: slotMs + seconds * 1000 };
};
const runs = (good: number, bad: number, seconds = 10) =>
  [...Array(good + bad).keys()].map((i) => turn(i, i < bad ? "failed" : "succeeded", seconds));
const measured = (turns: TurnView[]): Measures =>
  measure(turns, { perDay: 1440, cost: { micros: 2_000_000, runs: turns.length } });
const settings = GateSettings.parse({ min_runs: 20 });
const verdicts = (now: TurnView[], before: Measures | null = measured(runs(100, 2))) =>
  Object.fromEntries(judgeGates(measured(now), before, settings).map(({ gate, verdict }) => [gate, verdict]));

describe("gates", () => {
  it("hold after enough runs that are like those before, and wait until then", () => {
    const { cost: _, ...rest } = verdicts(runs(30, 0));
    assert.deepEqual(new Set(Object.values(rest)), new Set(["holds"]));
    assert.equal(verdicts(runs(5, 0)).success, "waiting");
    const gates = judgeGates(measured(runs(5, 0)), measured(runs(100, 2)), settings);
    assert.match(closedBy(gates, false) ?? "", /waits: 5 of 20 runs/);
    assert.equal(closedBy(gates, true), null);
  });

  it("are breached by few runs where nearly all are bad, and not by one that may be chance", () => {
    assert.equal(verdicts(runs(0, 3)).success, "breached");
    assert.equal(verdicts(runs(3, 1)).success, "waiting");
    assert.equal(
      verdicts(runs(2, 1), measured(runs(100, 0))).success,
      "waiting",
      "one of three is no breach",
    );
    assert.equal(verdicts(runs(10, 30)).success, "breached");
    assert.ok(atMost(0, 3) < 0.6 && atMost(9, 10) > 0.95);
    const gates = judgeGates(measured(runs(0, 3)), measured(runs(100, 2)), settings);
    assert.match(closedBy(gates, true) ?? "", /success is breached/, "force does not pass a breach");
  });

  it("tell runs that were lost or doubled, that take longer, and that cost more", () => {
    const lost = runs(30, 0).map((each, i) =>
      i % 2 ? each : { ...each, outcome: "lost" as const, endedAtMs: null },
    );
    assert.equal(verdicts(lost).stability, "breached");
    assert.equal(verdicts(lost).throughput, "breached");
    const doubled = runs(30, 0).map((each) => ({ ...each, repeats: 1 }));
    assert.equal(verdicts(doubled).stability, "breached");
    assert.equal(verdicts(runs(30, 0, 60)).latency, "breached");
    assert.equal(verdicts(runs(10, 0)).cost, "waiting");
    assert.equal(verdicts(runs(20, 0)).cost, "breached");
    assert.equal(verdicts(runs(30, 0), null).cost, "not_measured");
    const few = measure(runs(30, 0), { perDay: 1440, cost: { micros: 500, runs: 5 } });
    const cost = judgeGates(few, measured(runs(100, 2)), settings).find(({ gate }) => gate === "cost");
    assert.deepEqual([cost?.verdict, cost?.runs, cost?.now], ["waiting", 5, 0.0001]);
    assert.match(cost?.cause ?? "", /^\$0\.000100 a run; it was \$0\.0196/);
  });
});

describe("a shadow", () => {
  const run = (id: string, startedAtMs: number) => ({
    id,
    startedAtMs,
    endedAtMs: startedAtMs + 1000,
    status: "success",
  });

  it("explains what n8n missed, doubled or began late, and what the orchestrator would have held back", () => {
    const ran = new Map([
      [0, [run("1", 100)]],
      [60_000, []],
      [120_000, [run("2", 120_100), run("3", 120_200)]],
      [180_000, [run("4", 200_000)]],
      [240_000, [run("5", 240_100)]],
    ]);
    const would = (slotMs: number) => {
      const held = slotMs === 240_000;
      const why = { hold: held ? "locked" : null, cause: held ? "the lock is held by a run of other" : null };
      return { slotMs, startMs: slotMs + (held ? 30_000 : 0), ...why };
    };
    const compared = compareShadow([...ran.keys()], (slot) => ran.get(slot) ?? [], would);
    assert.deepEqual(
      compared.map(({ difference }) => difference),
      ["none", "missed_by_n8n", "twice_in_n8n", "late_in_n8n", "overlap_avoided"],
    );
    assert.match(compared[4]!.explanation, /30 s later: the lock is held by a run of other/);
  });

  it("gives the lock first come, first served", () => {
    const runs = [
      { workflowType: "a", startedAtMs: 0, endedAtMs: 10_000 },
      { workflowType: "b", startedAtMs: 4_000, endedAtMs: 9_000 },
      { workflowType: "a", startedAtMs: 12_000, endedAtMs: 13_000 },
    ];
    assert.equal(lockStarts(runs, "b").get(4_000)?.startMs, 10_000);
    const second = lockStarts(runs, "a").get(12_000);
    assert.deepEqual([second?.startMs, second?.hold], [15_000, "locked"]);
  });
});
