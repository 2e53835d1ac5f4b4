/** Owns virtual time: takes a workload through a world, event by event, under one policy. Decides nothing. */
import type { Callback, Policy } from "@master-orchestrator/contract";
import type { Run, WorkflowView } from "#core/snapshot.ts";
import { type Agenda, openAgenda } from "./agenda.ts";
import { type Figures, type Measure, openMeasure } from "./measure.ts";
import { workOff } from "./sub-workflow.ts";
import type { Arrival, Workload } from "./workload.ts";
import { openWorld, type World } from "./world.ts";

export interface SimulationParts {
  workload: Workload;
  policy: Policy;
  workflows: Readonly<Record<string, WorkflowView>>;
  /** How many tasks of a batch a sub-workflow works on at once. */
  tasksAtOnce: number;
  /** The heartbeat; wake-ups come in between. */
  tickMs?: number;
}

export interface Simulation {
  /** Goes on for so many moments of virtual time; false when nothing is left to happen. */
  goOn(moments: number): boolean;
  /** Tasks that have arrived, of how many. */
  progress(): { arrived: number; tasks: number };
  figures(): Figures;
}

/** A sub-workflow says that it has taken a message, this long after it was posted. */
const ANSWER_MS = 100;
const TICK_MS = 300_000;

type Report =
  | { kind: "accepted"; run: Run }
  | { kind: "callback"; run: Run; callback: Omit<Callback, "execution_id" | "attempt"> };

interface State extends SimulationParts {
  world: World;
  measure: Measure;
  reports: Agenda<Report>;
  /** How many tasks have arrived. */
  arrived: number;
  /** By task: what it is like, and how often it was tried. */
  natures: Map<string, { arrival: Arrival; tries: number }>;
  tickMs: number;
  facts: number;
}

/** Builds a simulation. The same parts give the same figures, to the last digit. */
export function openSimulation(parts: SimulationParts): Simulation {
  const { workload, policy, workflows } = parts;
  const world = openWorld({ policy, workflows, nowMs: workload.beginsAtMs });
  const state: State = {
    tickMs: TICK_MS,
    ...parts,
    world,
    measure: openMeasure(world, workload, policy, workflows),
    reports: openAgenda(),
    arrived: 0,
    natures: new Map(),
    facts: 0,
  };
  return {
    goOn(moments) {
      for (let i = 0; i < moments; i++) {
        const nextMs = nextMoment(state);
        if (nextMs === null) return false;
        live(state, nextMs);
      }
      return true;
    },
    progress: () => ({ arrived: state.arrived, tasks: workload.arrivals.length }),
    figures: () => state.measure.figures(),
  };
}

/** A whole simulation at once. */
export function simulate(parts: SimulationParts): Figures {
  const simulation = openSimulation(parts);
  while (simulation.goOn(10_000));
  return simulation.figures();
}

/** Null when nothing more happens: a tick alone never changes what an earlier cycle has decided. */
function nextMoment({ world, workload, reports, arrived, tickMs }: State): number | null {
  const moments = [
    workload.arrivals[arrived]?.atMs ?? null,
    reports.first()?.atMs ?? null,
    world.nextDueMs(),
  ].filter((moment) => moment !== null);
  if (moments.length === 0) return null;
  const tick = (Math.floor(world.nowMs / tickMs) + 1) * tickMs;
  return Math.max(world.nowMs, Math.min(tick, ...moments));
}

function live(state: State, nowMs: number): void {
  const { world, measure } = state;
  world.nowMs = nowMs;
  measure.moveOn();
  arrive(state);
  hear(state);
  do {
    measure.decided(world.cycle());
    for (const run of world.posted) post(state, run);
  } while (world.hasMoreNow());
}

function arrive(state: State): void {
  const { world, workload, measure, natures } = state;
  for (;;) {
    const arrival = workload.arrivals[state.arrived];
    if (!arrival || arrival.atMs > world.nowMs) return;
    const { atMs, workflowType, contentType, priority } = arrival;
    const task = world.enqueue({ workflowType, contentType, priority, agedFromMs: atMs, dueAtMs: atMs });
    natures.set(task.taskId, { arrival, tries: 0 });
    measure.arrived(task, arrival);
    state.arrived += 1;
  }
}

/** What sub-workflows report becomes facts, for the next cycle to fold in. */
function hear(state: State): void {
  const { world, reports } = state;
  for (let entry = reports.take(world.nowMs); entry; entry = reports.take(world.nowMs)) {
    const report = entry.item;
    const { executionId, attempt } = report.run;
    state.facts += 1;
    const about = { factId: state.facts, atMs: entry.atMs, executionId, attempt: attempt.number };
    if (report.kind === "callback") {
      const callback = { ...report.callback, execution_id: executionId, attempt: attempt.number };
      world.report({ kind: "callback", ...about, callback });
    } else {
      const delivery = attempt.deliveries;
      const outcome = { outcome: "accepted", delivery, retryAfterMs: null, message: "accepted" } as const;
      world.report({ kind: "delivery", ...about, ...outcome });
    }
  }
}

/** The sub-workflow takes the message and sets to work. */
function post({ world, natures, reports, tasksAtOnce }: State, run: Run): void {
  const startsMs = world.nowMs + ANSWER_MS;
  const batch = world.tasksOf(run.executionId).map((taskId) => {
    const { arrival, tries } = natures.get(taskId) as { arrival: Arrival; tries: number };
    const { durationMs, failures, costMicros } = arrival;
    return { taskId, durationMs, fails: tries < failures, costMicros };
  });
  const worked = workOff(batch, run.attempt.timeoutMs, tasksAtOnce);
  for (const taskId of worked.tried) (natures.get(taskId) as { tries: number }).tries += 1;
  reports.add(startsMs, { kind: "accepted", run });
  reports.add(startsMs + worked.durationMs, { kind: "callback", run, callback: worked.callback });
}
