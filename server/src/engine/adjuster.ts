/** Looks once an interval whether lanes have become dearer, proposes what could help, and judges what was approved. Every replica does; one looks at a time. */
import { type Efficiency, type ExpectedEffect, type Policy, Problem } from "@master-orchestrator/contract";
import { efficiencyOf, hasBecomeDearer, judgeAdjustment, type LaneHour } from "#core/adjust.ts";
import {
  type Candidate,
  candidatesFor,
  type LaneCosts,
  type LaneEvidence,
  type Market,
} from "#core/adjust-candidates.ts";
import { withFields } from "#core/adjust-change.ts";
import type { Log } from "#log.ts";
import { knownModels, laneHours, modelUses, runSizes } from "#store/adjustment-facts.ts";
import {
  type AdjustmentRow,
  BY_RULE,
  expireProposals,
  insertProposal,
  keepAdjustment,
  noteMeasured,
  recentKinds,
  rollBackAdjustment,
  takeAdjustTurn,
  triedAdjustments,
} from "#store/adjustments.ts";
import type { Database, Queryable } from "#store/database.ts";
import { policyInForce, type StoredPolicy } from "#store/policies.ts";
import { countedUntil } from "#store/roll-ups.ts";
import { listWorkflows } from "#store/workflows.ts";
import type { Clock } from "./clock.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 3_600_000;
/** Behind the boundary: later than the last minute before it is counted. */
const AFTER_MS = 40_000;
const MOST_WORKFLOWS = 500;
/** So many lanes that have become dearer are looked into in one look; the others' turn comes with the next. */
const MOST_LANES = 10;

/** What the simulator makes of a change. */
export type Expect = (
  asked: {
    current: Policy;
    proposed: Policy;
    hours: number;
    costs: { current: LaneCosts | null; proposed: LaneCosts };
  },
  gone: AbortSignal,
) => Promise<{ tasks: number; current: Outcome; proposed: Outcome }>;

interface Outcome {
  cost_usd: number;
  lanes: readonly {
    lane: string;
    completed: number;
    wait: { p95: number } | null;
    result: { p95: number } | null;
  }[];
}

export interface AdjusterContext {
  db: Database;
  clock: Clock;
  log: Log;
  expect: Expect;
  /** What such a use would cost at another model under a policy. */
  costAt(policy: StoredPolicy, ...use: Parameters<Market["costAt"]>): number | null;
  /** A version of the policy was stored: a cycle may look. */
  changed(): void;
  onError(error: unknown): void;
}

export interface Adjuster {
  /** Breaks off what is being simulated. */
  stop(): Promise<void>;
}

/** The first look is at the next boundary of the interval. */
export function startAdjuster(context: AdjusterContext): Adjuster {
  const { db, clock, onError } = context;
  const ending = new AbortController();
  let cancel = () => {};
  let running = Promise.resolve();
  const arm = (everyMs: number) => {
    if (ending.signal.aborted) return;
    const nextMs = (Math.floor((clock.nowMs() - AFTER_MS) / everyMs) + 1) * everyMs + AFTER_MS;
    cancel = clock.at(nextMs, run);
  };
  const run = () => {
    running = look(context, ending.signal)
      .catch((error) => {
        if (!ending.signal.aborted) onError(error);
      })
      .then(async () => arm((await policyInForce(db)).policy.adjust.every_minutes * MINUTE_MS))
      .catch(() => arm(HOUR_MS));
  };
  arm(HOUR_MS);
  return {
    async stop() {
      ending.abort();
      cancel();
      await running;
    },
  };
}

/** One look. Nothing happens while another replica looks, or has just done so. */
async function look(context: AdjusterContext, gone: AbortSignal): Promise<void> {
  const { db } = context;
  const inForce = await policyInForce(db);
  const rules = inForce.policy.adjust;
  const nowMs = await db.transaction(async (tx) => {
    const turn = await takeAdjustTurn(tx, rules.every_minutes);
    if (turn !== null) await expireProposals(tx, rules.proposal_hours);
    return turn;
  });
  const counted = nowMs === null ? null : await countedUntil(db);
  if (nowMs === null || counted === null) return;
  const untilMs = Math.floor(counted / HOUR_MS) * HOUR_MS;
  const tried = await triedAdjustments(db);
  for (const row of tried) await measure(context, row, { untilMs, rules });
  if (rules.enabled) await propose(context, { inForce, untilMs, tried, gone });
}

async function measure(
  { db, log, changed }: AdjusterContext,
  row: AdjustmentRow,
  { untilMs, rules }: { untilMs: number; rules: Policy["adjust"] },
): Promise<void> {
  const fromMs = row.measuredFromMs as number;
  if (untilMs <= fromMs) return;
  const hours = await laneHours(db, { fromMs, toMs: untilMs, lane: row.lane });
  const after = efficiencyOf(hours.get(row.lane) ?? []);
  const { verdict, words } = judgeAdjustment(row.before, after, (untilMs - fromMs) / HOUR_MS, rules);
  if (verdict === null) return await noteMeasured(db, row.adjustmentId, { reason: words, after });
  await noteMeasured(db, row.adjustmentId, { reason: words, after });
  const found = { reason: words, verdict, after };
  if (verdict === "helped") await keepAdjustment(db, row.adjustmentId, found);
  else {
    const reason = `${verdict === "hurt" ? "it hurt" : "it did not help"}: ${words}`;
    await rollBackAdjustment(db, row.adjustmentId, { actor: BY_RULE, ...found, reason });
    changed();
  }
  log.info("An adjustment was judged", { adjustment: row.adjustmentId, lane: row.lane, verdict, words });
}

interface Round {
  inForce: StoredPolicy;
  untilMs: number;
  tried: readonly AdjustmentRow[];
  gone: AbortSignal;
}

async function propose(context: AdjusterContext, round: Round): Promise<void> {
  const { db } = context;
  const { adjust: rules } = round.inForce.policy;
  const windowFromMs = round.untilMs - rules.window_hours * HOUR_MS;
  const baseline = await laneHours(db, {
    fromMs: windowFromMs - rules.baseline_days * 24 * HOUR_MS,
    toMs: windowFromMs,
  });
  const window = await laneHours(db, { fromMs: windowFromMs, toMs: round.untilMs });
  const dearer = [...window].flatMap(([lane, hours]): Dearer[] => {
    if (round.tried.some((row) => row.lane === lane)) return [];
    const earlier = baseline.get(lane) ?? [];
    const found = { lane, baseline: efficiencyOf(earlier), window: efficiencyOf(hours) };
    const words = hasBecomeDearer(found.baseline, found.window, rules);
    return words === null ? [] : [{ ...found, hours: [...earlier, ...hours], words }];
  });
  dearer.sort((a, b) => b.window.cost_usd - a.window.cost_usd);
  for (const one of dearer.slice(0, MOST_LANES)) {
    if (round.gone.aborted) return;
    await proposeFor(context, round, one);
  }
}

interface Dearer {
  lane: string;
  baseline: Efficiency;
  window: Efficiency;
  hours: readonly LaneHour[];
  words: string;
}

async function proposeFor(context: AdjusterContext, round: Round, dearer: Dearer): Promise<void> {
  const { db, log } = context;
  const { inForce, untilMs, gone } = round;
  const { policy } = inForce;
  const span = { fromMs: untilMs - policy.adjust.window_hours * HOUR_MS, toMs: untilMs };
  const evidence = await evidenceFor(db, dearer, span);
  if (!evidence) return;
  const market: Market = {
    policy,
    known: await knownModels(db, span),
    costAt: (...use) => context.costAt(inForce, ...use),
  };
  const lately = await recentKinds(db, dearer.lane, policy.adjust.again_after_days);
  for (const candidate of candidatesFor(evidence, market, policy.adjust)) {
    if (lately.has(candidate.kind)) continue;
    const expected = await expectedOf(context, { candidate, dearer, policy, gone });
    if (!expected || expected.saving_share < policy.adjust.least_saving_share) continue;
    const { kind, title, fields: changes } = candidate;
    const why = `${dearer.words}; ${candidate.why}`;
    const { lane, baseline, window: before } = dearer;
    const proposal = { lane, kind, title, why, changes, expected, baseline, before };
    if (await insertProposal(db, proposal)) log.info("An adjustment is recommended", { lane, title, why });
  }
}

async function evidenceFor(
  db: Queryable,
  { lane, window, hours }: Dearer,
  span: { fromMs: number; toMs: number },
): Promise<LaneEvidence | null> {
  const [workflowType, contentType] = lane.split("/") as [string, string];
  const workflows = await listWorkflows(db, null, MOST_WORKFLOWS);
  const workflow = workflows.find((one) => one.workflowType === workflowType);
  if (!workflow) return null;
  const of = { workflowType, contentType };
  return {
    ...of,
    batchMin: workflow.settings.batch?.min ?? 1,
    batchMax: workflow.settings.batch?.max ?? 10,
    costMicros: window.cost_usd * 1e6,
    completed: window.completed,
    models: await modelUses(db, of, span),
    sizes: await runSizes(db, of, span),
    hours,
  };
}

/** Null where the simulator cannot say: without an expected effect nothing is proposed. */
async function expectedOf(
  { expect, log }: AdjusterContext,
  asked: { candidate: Candidate; dearer: Dearer; policy: Policy; gone: AbortSignal },
): Promise<ExpectedEffect | null> {
  const { candidate, dearer, policy, gone } = asked;
  const proposed = withFields(policy, candidate.fields, "after");
  const hours = policy.adjust.window_hours;
  try {
    const found = await expect({ current: policy, proposed, hours, costs: candidate.costs }, gone);
    return effectOf(found, dearer, hours);
  } catch (error) {
    if (gone.aborted || !(error instanceof Problem)) throw error;
    const { lane } = dearer;
    log.info("What an adjustment would bring is not known", {
      lane,
      title: candidate.title,
      reason: error.message,
    });
    return null;
  }
}

/** What is left undone costs nothing, and saves nothing either. */
const AS_MUCH_DONE = 0.99;

/** Only this lane's costs differ between the two, so the whole difference is its own. */
function effectOf(
  { tasks, current, proposed }: Awaited<ReturnType<Expect>>,
  { lane, window }: Dearer,
  hours: number,
): ExpectedEffect | null {
  const of = (outcome: Outcome) => outcome.lanes.find((one) => one.lane === lane);
  const [now, then] = [of(current), of(proposed)];
  const perTask = window.cost_per_task_usd;
  if (!now || !then || now.completed === 0 || then.completed === 0 || perTask === null) return null;
  if (then.completed < AS_MUCH_DONE * now.completed) return null;
  const saved = (current.cost_usd - proposed.cost_usd) / now.completed;
  return {
    hours,
    tasks,
    saving_share: saved / perTask,
    cost_per_task_usd: { current: perTask, proposed: Math.max(0, perTask - saved) },
    completed: { current: now.completed, proposed: then.completed },
    wait_p95_seconds: { current: now.wait?.p95 ?? null, proposed: then.wait?.p95 ?? null },
    result_p95_seconds: { current: now.result?.p95 ?? null, proposed: then.result?.p95 ?? null },
  };
}
