/** Specifies fair shares between lanes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { aLane, aPolicy, aSnapshot, aTask, aWorkflow, MINUTE, NOW, tasks, WORKFLOW } from "#test/builders.ts";
import type { Decision, Dispatch, Share } from "./decision.ts";
import { plan } from "./plan.ts";
import type { LaneView } from "./snapshot.ts";

const dispatches = (decisions: readonly Decision[]) =>
  decisions.filter((decision): decision is Dispatch => decision.kind === "dispatch");

const sharesOf = (decisions: readonly Decision[]) =>
  decisions.filter((decision): decision is Share => decision.kind === "share");

const holds = (decisions: readonly Decision[]) => decisions.filter((decision) => decision.kind === "hold");

/** Gives `slots` one after another, each to a batch of one, and counts by lane what they went to. */
function serve(lanes: LaneView[], slots: number, policy = aPolicy()): Record<string, number> {
  const served: Record<string, number> = {};
  const times = new Map<string, number>();
  let systemTime = 0;
  for (let i = 0; i < slots; i++) {
    const snapshot = aSnapshot({
      policy: { ...policy, concurrency: { total: 1, high_load: 1 } },
      workflows: { [WORKFLOW]: aWorkflow({ batchMax: 1, maxConcurrent: 100 }) },
      virtualTime: systemTime,
      lanes: lanes.map((lane) => ({ ...lane, virtualTime: times.get(lane.contentType) ?? null })),
    });
    const { decisions } = plan(snapshot);
    for (const { contentType } of dispatches(decisions)) served[contentType] = (served[contentType] ?? 0) + 1;
    for (const share of sharesOf(decisions)) {
      systemTime = Math.max(systemTime, share.systemTime);
      for (const lane of share.lanes) times.set(lane.contentType, lane.virtualTime);
    }
  }
  return served;
}

describe("fair shares between lanes", () => {
  it("a lane outside of its hours is idle: it moves nobody, is no load, and begins with the others when they begin", () => {
    const hours = { [`${WORKFLOW}/night`]: { hours: [22, 6] } };
    const night = aLane(tasks(2_000), { contentType: "night", virtualTime: 0, waited: true });
    const over = (nowMs: number, night: LaneView) =>
      plan(
        aSnapshot({
          nowMs,
          policy: aPolicy({ lanes: hours, concurrency: { total: 2, high_load: 1 } }),
          workflows: {
            [WORKFLOW]: aWorkflow({ batchMax: 1, maxConcurrent: 100 }),
            seo_monitor: aWorkflow({ workflowType: "seo_monitor", batchMax: 1 }),
          },
          virtualTime: 10_000,
          lanes: [
            night,
            aLane(tasks(3), { contentType: "day", virtualTime: 10_000, waited: true }),
            aLane(tasks(3), { workflowType: "seo_monitor", virtualTime: 10_000, waited: true }),
          ],
        }),
      ).decisions;
    const noon = over(NOW, { ...night, depth: 2_000 });
    assert.equal(dispatches(noon).length, 2, "two thousand that may not start are no high load");
    const [share] = sharesOf(noon);
    assert.deepEqual(share?.lifts, [], "its workflow's other lanes are not moved forward for it");
    const left = share?.lanes.find(({ contentType }) => contentType === "night");
    assert.deepEqual([left?.virtualTime, left?.waits], [0, false]);
    const opened = over(NOW + 10 * 60 * MINUTE, { ...night, depth: 2, waited: false });
    assert.equal(
      dispatches(opened).filter(({ contentType }) => contentType === "night").length,
      1,
      "no credit of a day",
    );
  });

  it("a flood of urgent tasks cannot own the house", () => {
    const flood = aLane(tasks(50, { priority: 100, agedFromMs: NOW - 60 * MINUTE }), {
      contentType: "flood",
    });
    const quiet = aLane(tasks(50, { priority: 10 }), { contentType: "quiet" });
    const served = serve([flood, quiet], 40);
    assert.ok(Math.abs((served.flood ?? 0) - (served.quiet ?? 0)) <= 2, JSON.stringify(served));
  });

  it("a lane of twice the weight gets twice as much", () => {
    const policy = aPolicy({ lanes: { [`${WORKFLOW}/news`]: { weight: 2 } } });
    const lanes = ["news", "evergreen"].map((contentType) => aLane(tasks(90), { contentType }));
    const served = serve(lanes, 60, policy);
    assert.ok(Math.abs((served.news ?? 0) - 40) <= 2, JSON.stringify(served));
  });

  it("an urgent task overtakes at once while its lane is within its share", () => {
    const old = aLane(tasks(10, { priority: 50, agedFromMs: NOW - 5 * MINUTE }), { contentType: "old" });
    const urgent = aLane([aTask({ priority: 100 })], { contentType: "urgent" });
    assert.deepEqual(serve([old, urgent], 1), { urgent: 1 });
  });

  it("a lane alone takes everything: shares leave no slot idle", () => {
    assert.deepEqual(serve([aLane(tasks(20), { contentType: "alone" })], 15), { alone: 15 });
  });

  it("idleness earns no credit", () => {
    const busy = aLane(tasks(50), { contentType: "busy", virtualTime: 1000 });
    const fresh = aLane(tasks(50), { contentType: "fresh", virtualTime: 3 });
    const snapshot = aSnapshot({ virtualTime: 1000, lanes: [busy, fresh] });
    const share = plan(snapshot).decisions.find((decision): decision is Share => decision.kind === "share");
    for (const lane of share?.lanes ?? []) assert.ok(lane.virtualTime >= 1000, JSON.stringify(lane));
  });

  it("a lane without weight takes only what nobody else wants", () => {
    const policy = aPolicy({ lanes: { [`${WORKFLOW}/filler`]: { weight: 0 } } });
    const filler = aLane(tasks(20, { priority: 100 }), { contentType: "filler" });
    const real = aLane(tasks(20, { priority: 0 }), { contentType: "real" });
    assert.deepEqual(serve([filler, real], 10, policy), { real: 10 });
    assert.deepEqual(serve([filler], 10, policy), { filler: 10 });
  });

  it("a lane that is passed over is held for its share, and says so", () => {
    const ahead = aLane(tasks(5, { priority: 100 }), { contentType: "ahead", virtualTime: 500 });
    const behind = aLane(tasks(5, { priority: 1 }), { contentType: "behind", virtualTime: 100 });
    const snapshot = aSnapshot({
      policy: aPolicy({ concurrency: { total: 1 } }),
      virtualTime: 100,
      lanes: [ahead, behind],
    });
    const { decisions } = plan(snapshot);
    assert.equal(dispatches(decisions)[0]?.contentType, "behind");
    const held = holds(decisions).find((hold) => hold.contentType === "ahead");
    assert.equal(held?.reason, "fair_share");
  });

  it("a lane that cannot start keeps no other from starting", () => {
    const stuck = aLane(tasks(5), { workflowType: "broken", contentType: "stuck", virtualTime: 0 });
    const ahead = aLane(tasks(5), { contentType: "ahead", virtualTime: 500 });
    const snapshot = aSnapshot({
      workflows: {
        [WORKFLOW]: aWorkflow(),
        broken: aWorkflow({ workflowType: "broken", paused: true }),
      },
      lanes: [stuck, ahead],
    });
    assert.equal(dispatches(plan(snapshot).decisions)[0]?.contentType, "ahead");
  });
});

describe("what was missed", () => {
  const BLOCKED = "blocked";
  const two = (over: object) => ({
    [WORKFLOW]: aWorkflow(),
    [BLOCKED]: aWorkflow({ workflowType: BLOCKED, paused: true, ...over }),
  });
  const waiting = (contentType: string, virtualTime: number, over: Partial<LaneView> = {}) =>
    aLane(tasks(50), { contentType, virtualTime, waited: true, ...over });

  it("by a lane that cannot start holds nobody else back: a new lane begins with those that can", () => {
    const stuck = waiting("stuck", 0, { workflowType: BLOCKED });
    const lanes = [stuck, waiting("busy", 500), aLane(tasks(50), { contentType: "new" })];
    const [share] = sharesOf(plan(aSnapshot({ workflows: two({}), virtualTime: 500, lanes })).decisions);
    const fresh = share?.lanes.find((lane) => lane.contentType === "new");
    assert.ok((fresh?.virtualTime ?? 0) >= 500, JSON.stringify(share));
  });

  it("by a workflow is a credit of four full batches; its lanes move forward together, the idle ones too", () => {
    const lanes = [
      waiting("first", 3, { workflowType: BLOCKED }),
      waiting("second", 8, { workflowType: BLOCKED }),
      waiting("busy", 500),
    ];
    const [share] = sharesOf(plan(aSnapshot({ workflows: two({}), virtualTime: 500, lanes })).decisions);
    const stands = new Map(share?.lanes.map((lane) => [lane.contentType, lane.virtualTime]));
    const credit = 4 * 10;
    assert.equal(
      share?.systemTime,
      520,
      "the busy lane was given three batches; before the last it stood there",
    );
    assert.deepEqual([stands.get("first"), stands.get("second")], [520 - credit, 525 - credit]);
    assert.deepEqual(share?.lifts, [{ workflowType: BLOCKED, by: 520 - credit - 3 }]);
  });

  it("within the credit stays as it is", () => {
    const lanes = [waiting("first", 495, { workflowType: BLOCKED }), waiting("busy", 500)];
    const [share] = sharesOf(plan(aSnapshot({ workflows: two({}), virtualTime: 500, lanes })).decisions);
    assert.deepEqual(share?.lifts, []);
  });

  it("by a lane that kept waiting counts against its own workflow's others, however urgent they are", () => {
    const patient = waiting("patient", 100, { heads: tasks(50, { priority: 0 }) });
    const urgent = waiting("urgent", 120, { heads: tasks(50, { priority: 100 }) });
    const policy = aPolicy({ concurrency: { total: 1 } });
    const decide = (virtualTime: number) =>
      dispatches(plan(aSnapshot({ policy, virtualTime, lanes: [patient, urgent] })).decisions)[0];
    // The system has gone on while their workflow was at its limit.
    for (const virtualTime of [100, 130]) assert.equal(decide(virtualTime)?.contentType, "patient");
  });

  it("by a new lane is nothing: it begins beside those of its workflow that kept waiting", () => {
    const lanes = [waiting("old", 470), aLane([aTask({ priority: 100 })], { contentType: "new" })];
    const policy = aPolicy({ concurrency: { total: 1 } });
    const { decisions } = plan(aSnapshot({ policy, virtualTime: 500, lanes }));
    assert.equal(dispatches(decisions)[0]?.contentType, "new");
  });
});

describe("a weight", () => {
  it("that was raised counts at once, however far ahead the old one has brought its lane", () => {
    const raised = aLane(tasks(50, { priority: 100 }), {
      contentType: "raised",
      virtualTime: 1e6,
      waited: true,
    });
    const other = aLane(tasks(50), { contentType: "other", virtualTime: 0, waited: true });
    const [share] = sharesOf(plan(aSnapshot({ lanes: [raised, other] })).decisions);
    const stands = share?.lanes.find((lane) => lane.contentType === "raised");
    assert.ok((stands?.virtualTime ?? 0) <= 20 + 10, JSON.stringify(stands));
  });
});

describe("a share", () => {
  it("says which lanes were left waiting, and when they no longer are", () => {
    const left = aLane(tasks(50), { contentType: "left" });
    const emptied = aLane([aTask({ priority: 100 })], {
      contentType: "emptied",
      virtualTime: 0,
      waited: true,
    });
    const policy = aPolicy({ concurrency: { total: 2 } });
    const [share] = sharesOf(plan(aSnapshot({ policy, lanes: [left, emptied] })).decisions);
    const waits = Object.fromEntries((share?.lanes ?? []).map((lane) => [lane.contentType, lane.waits]));
    assert.deepEqual(waits, { left: true, emptied: false });
  });

  it("is not decided anew where nothing has moved", () => {
    const lanes = [aLane(tasks(5), { virtualTime: 7, waited: true })];
    const snapshot = aSnapshot({ lanes, virtualTime: 7, running: { [WORKFLOW]: 3 } });
    assert.deepEqual(sharesOf(plan(snapshot).decisions), []);
  });
});

describe("high load", () => {
  const crowd = (depth: number) => aLane(tasks(40), { depth });

  it("above the threshold only a few runs work at once, in full batches", () => {
    const snapshot = aSnapshot({
      policy: aPolicy(),
      workflows: { [WORKFLOW]: aWorkflow({ maxConcurrent: 50 }) },
      lanes: [crowd(1001)],
    });
    const { decisions } = plan(snapshot);
    assert.deepEqual(
      dispatches(decisions).map((dispatch) => dispatch.taskIds.length),
      [10, 10, 10],
    );
    assert.equal(holds(decisions)[0]?.reason, "high_load");
  });

  it("at the threshold it is not high load yet", () => {
    const snapshot = aSnapshot({
      workflows: { [WORKFLOW]: aWorkflow({ maxConcurrent: 50 }) },
      lanes: [crowd(1000)],
    });
    assert.equal(dispatches(plan(snapshot).decisions).length > 3, true);
  });
});
