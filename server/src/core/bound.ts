/**
 * How much work is started from the queue before a waiting task is, at the most. Never an estimate: what
 * cannot be known yet is a parameter. docs/fairness.md derives the formula, term by term.
 */
import { type Competition, costOf, laneName, openShares, weightOf, workOf } from "./share.ts";
import type { LaneView } from "./snapshot.ts";

/** A task that waits in a lane, or one that would be enqueued there now. */
export interface Waiter {
  workflowType: string;
  contentType: string;
  /** Waiting tasks of its lane that are ahead of it or may come to be; see `everAheadUntil`. */
  tasksAhead: number;
  /** It goes without neighbours, so tasks behind it may fill the batches before it. */
  runsAlone: boolean;
}

/** What happens later and nobody can know now. */
export interface Later {
  /** Tasks that join its lane and go before it: of a higher priority, or back from a failure with their age. */
  overtaking: number;
  /** Runs of its workflow that are started again. */
  restarts: number;
}

/** Expected seconds of work that are started from the queue before the task, while its workflow has a free slot. */
export interface Bound {
  workSeconds: number;
  /** Of its own lane; of the other lanes of its workflow; of other workflows, which compete for the slots in all. */
  terms: { ownLane: number; sameWorkflow: number; otherWorkflows: number };
  /** What each task adds that goes before it in its own lane and is not there yet. */
  perOvertakingTask: number;
}

const NOTHING_LATER: Later = { overtaking: 0, restarts: 0 };

/**
 * The bound; null for a lane without weight, which has none: it takes what nobody wants. `of.lanes` are all
 * lanes that may compete, those without waiting tasks too. Holds while nobody changes policy, workflows or
 * priorities by hand; after such a change the bound of then holds from then on.
 */
export function boundOf(of: Competition, waiter: Waiter, later = NOTHING_LATER): Bound | null {
  const workflow = of.workflows[waiter.workflowType];
  const known = of.lanes.find((lane) => laneName(lane) === laneName(waiter));
  const own: LaneView = known ?? { ...waiter, depth: 0, virtualTime: null, waited: false, heads: [] };
  const weight = weightOf(own, of);
  if (!workflow || weight <= 0) return null;
  const lanes = known ? of.lanes : [...of.lanes, own];
  const positions = openShares({ ...of, lanes }).lanes;
  const lead = (rival: LaneView) =>
    (positions.get(laneName(own)) as number) - (positions.get(laneName(rival)) as number);

  const tasksBefore = (waiter.tasksAhead + later.overtaking) * (waiter.runsAlone ? workflow.batchMax : 1);
  const ownLane = workOf(tasksBefore, own, of);
  const rivals = lanes.filter((lane) => lane !== own && weightOf(lane, of) > 0);
  const siblings = rivals.filter((lane) => lane.workflowType === own.workflowType);
  const others = totalBinds(of) ? rivals.filter((lane) => lane.workflowType !== own.workflowType) : [];
  // Start tags of a rival stay below the own lane's plus a full batch, and its last batch may be a full one.
  const share = (rival: LaneView) =>
    Math.max(0, weightOf(rival, of) * (ownLane / weight + lead(rival)) + 2 * fullBatch(rival, of));
  const sameWorkflow = sum(siblings.map(share));
  // Each time its workflow comes back from its own limit it may stand anew among the others.
  const anew =
    workflow.maxConcurrent < of.policy.concurrency.total
      ? sum(others.map((rival) => perTurn(rival, own, of)))
      : 0;
  const turns = (ownLane + sameWorkflow) / workOf(1, own, of) + later.restarts;
  const otherWorkflows = sum(others.map(share)) + (anew > 0 ? turns * anew : 0);
  return {
    workSeconds: ownLane + sameWorkflow + otherWorkflows,
    terms: { ownLane, sameWorkflow, otherWorkflows },
    perOvertakingTask: growth(own, { siblings, others, anew }, of),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

function fullBatch(lane: LaneView, of: Competition): number {
  return workOf(of.workflows[lane.workflowType]?.batchMax ?? 1, lane, of);
}

function perTurn(rival: LaneView, own: LaneView, of: Competition): number {
  const ownBatch = costOf(of.workflows[own.workflowType]?.batchMax ?? 1, own, of);
  return 2 * fullBatch(rival, of) + 2 * weightOf(rival, of) * ownBatch;
}

function growth(
  own: LaneView,
  rivals: { siblings: readonly LaneView[]; others: readonly LaneView[]; anew: number },
  of: Competition,
): number {
  const task = workOf(1, own, of);
  const part = (lanes: readonly LaneView[]) =>
    sum(lanes.map((lane) => weightOf(lane, of))) / weightOf(own, of);
  const inWorkflow = 1 + part(rivals.siblings);
  return task * (inWorkflow + part(rivals.others)) + inWorkflow * rivals.anew;
}

/** Whether workflows can be short of slots in all: if their own limits leave enough, none waits for another. */
function totalBinds({ workflows, policy }: Competition): boolean {
  const wanted = sum(Object.values(workflows).map((workflow) => workflow.maxConcurrent));
  return wanted > Math.min(policy.concurrency.total, policy.concurrency.high_load);
}

/** Work that is started per second: by the slots of a workflow, and by all, when they are all used. */
export interface Pace {
  workflow: number;
  all: number;
}

/**
 * The pace of a workflow's slots and of all, by how many tasks a run of each works off per second. What has
 * not run yet is taken to need the work that it is expected to.
 */
export function paceOf(
  of: Competition,
  workflowType: string,
  tasksPerSecond: ReadonlyMap<string, number>,
): Pace {
  const { total } = of.policy.concurrency;
  const perSlot = (type: string) => {
    const measured = tasksPerSecond.get(type);
    return measured === undefined ? 1 : workOf(measured, { workflowType: type }, of);
  };
  const measured = [...tasksPerSecond.keys()].map(perSlot);
  const inAll = measured.length > 0 ? sum(measured) / measured.length : 1;
  const slots = Math.min(of.workflows[workflowType]?.maxConcurrent ?? 0, total);
  return { workflow: slots * perSlot(workflowType), all: total * inAll };
}

/** The bound in seconds of time at a pace, behind `firstSlotSeconds` until a slot is free; null at a standstill. */
export function boundSeconds({ terms }: Bound, pace: Pace, firstSlotSeconds: number): number | null {
  if (!(pace.workflow > 0 && pace.all > 0)) return null;
  const { ownLane, sameWorkflow, otherWorkflows } = terms;
  return firstSlotSeconds + (ownLane + sameWorkflow) / pace.workflow + otherWorkflows / pace.all;
}
