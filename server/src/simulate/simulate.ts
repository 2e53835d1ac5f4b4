/** Owns virtual time: takes a workload through a world, event by event, under one policy. Decides nothing. */
import type { Callback, Policy } from "@master-orchestrator/contract";
import { costIn, type LaneCosts } from "#core/adjust-candidates.ts";
import type { Run, WorkflowView } from "#core/snapshot.ts";
import { type Agenda, openAgenda } from "./agenda.ts";
import { type Calling, type CallingWork, openCalling } from "./calling.ts";
import { type Figures, type Measure, openMeasure } from "./measure.ts";
import type { Enqueued } from "./rows.ts";
import { workOff } from "./sub-workflow.ts";
import type { Arrival, Consequence, Workload } from "./workload.ts";
import { openWorld, type World } from "./world.ts";

export interface SimulationParts {
  workload: Workload;
  policy: Policy;
  workflows: Readonly<Record<string, WorkflowView>>;
  /** How many tasks of a batch a sub-workflow works on at once. */
  tasksAtOnce: number;
  /** Lanes whose tries cost other than their natures say. */
  costs?: readonly LaneCosts[];
  /** The heartbeat; wake-ups come in between. */
  tickMs?: number;
  /** Called once, with the world that it all happens in: to look at, not to change. */
  onWorld?: (world: World) => void;
  /** Called after each heartbeat. */
  onTick?: (world: Pick<World, "nowMs" | "adaptation">) => void;
}

export interface Simulation {
  /** Goes on for so many moments of virtual time; false when nothing is left to happen. */
  goOn(moments: number): boolean;
  /** Tasks that have arrived, of how many. */
  progress(): { arrived: number; tasks: number };
  figures(): Figures;
  /** Virtual time, epoch milliseconds. */
  nowMs(): number;
  /** What a UTC day has cost, by its number. */
  spentMicros(): ReadonlyMap<number, number>;
}

/** A sub-workflow says that it has taken a message, this long after it was posted. */
const ANSWER_MS = 100;
const TICK_MS = 300_000;
const DAY_MS = 86_400_000;

type Report =
  | { kind: "accepted"; run: Run }
  | { kind: "callback"; run: Run; callback: Omit<Callback, "execution_id" | "attempt"> };

interface State extends SimulationParts {
  world: World;
  measure: Measure;
  reports: Agenda<Report>;
  /** Runs whose tasks call providers. */
  calling: Calling;
  /** At this moment nothing happens but calls to providers. */
  onlyCalls: boolean;
  /** Schedules are seen at once, so that their first slot is a run. */
  begun: boolean;
  /** How many tasks have arrived. */
  arrived: number;
  /** By task: what its follow-ups know it by, what it is like, and how often it was tried. */
  natures: Map<string, Consequence & { tries: number }>;
  /** Topics by their keys, until they are taken. */
  topics: Map<string, Arrival>;
  /** Who takes topics; null: they are enqueued as they arrive. */
  takers: ReadonlySet<string>;
  tickMs: number;
  facts: number;
}

/** Builds a simulation. The same parts give the same figures, to the last digit. */
export function openSimulation(parts: SimulationParts): Simulation {
  const { workload, policy, workflows } = parts;
  const world = openWorld({ policy, workflows, nowMs: workload.beginsAtMs });
  world.schedulesUntilMs = workload.endsAtMs;
  parts.onWorld?.(world);
  const takers = Object.values(workflows).filter(({ schedule }) => schedule?.source === "topics");
  const state: State = {
    tickMs: TICK_MS,
    ...parts,
    world,
    measure: openMeasure(world, workload, policy, workflows),
    reports: openAgenda(),
    calling: openCalling((asked) => world.call(asked)),
    onlyCalls: false,
    begun: false,
    arrived: 0,
    natures: new Map(),
    topics: new Map(),
    takers: new Set(takers.map(({ workflowType }) => workflowType)),
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
    nowMs: () => world.nowMs,
    spentMicros: () => world.spentMicros,
  };
}

/** A whole simulation at once. */
export function simulate(parts: SimulationParts): Figures {
  const simulation = openSimulation(parts);
  while (simulation.goOn(10_000));
  return simulation.figures();
}

/** Null when nothing more happens: a tick alone never changes what an earlier cycle has decided. */
function nextMoment(state: State): number | null {
  const { world, workload, reports, arrived, tickMs } = state;
  if (!state.begun && world.nextSlotMs() !== null) return world.nowMs;
  const moments = [
    workload.arrivals[arrived]?.atMs ?? null,
    reports.first()?.atMs ?? null,
    world.nextDueMs(),
    world.nextSlotMs(),
  ].filter((moment) => moment !== null);
  const callMs = state.calling.nextMs();
  if (moments.length === 0 && callMs === null) return null;
  const tick = (Math.floor(world.nowMs / tickMs) + 1) * tickMs;
  const decideMs = Math.max(world.nowMs, Math.min(tick, ...moments));
  // Calls in between change nothing that is decided from, but what is left; that is looked at when it matters.
  state.onlyCalls = callMs !== null && callMs < decideMs;
  return state.onlyCalls ? Math.max(world.nowMs, callMs as number) : decideMs;
}

function live(state: State, nowMs: number): void {
  const { world, measure } = state;
  world.nowMs = nowMs;
  state.begun = true;
  measure.moveOn();
  arrive(state);
  hear(state);
  if (state.onlyCalls && world.nothingReported()) return;
  let tick = nowMs % state.tickMs === 0;
  do {
    const decisions = world.cycle(tick);
    if (tick) state.onTick?.(world);
    tick = false;
    for (const enqueued of world.enqueued) follow(state, enqueued);
    measure.decided(decisions);
    for (const run of world.posted) post(state, run);
  } while (world.hasMoreNow());
  keepSchedules(state);
}

/** After the end slots go on only as long as topics wait, and no longer than it all took. */
function keepSchedules({ world, workload }: State): void {
  const { beginsAtMs, endsAtMs } = workload;
  if (world.nowMs < endsAtMs || world.topics.length === 0) world.schedulesUntilMs = endsAtMs;
  else world.schedulesUntilMs = endsAtMs + Math.max(DAY_MS, endsAtMs - beginsAtMs);
}

function arrive(state: State): void {
  const { world, workload, measure, natures, topics, takers } = state;
  for (;;) {
    const arrival = workload.arrivals[state.arrived];
    if (!arrival || arrival.atMs > world.nowMs) return;
    const { atMs, workflowType, contentType, priority } = arrival;
    const key = arrival.key ?? `arrival-${state.arrived}`;
    state.arrived += 1;
    if (arrival.isTopic && takers.has(workflowType)) {
      topics.set(key, arrival);
      world.addTopic({ workId: key, contentType, priority, payload: {} });
      continue;
    }
    const task = world.enqueue({ workflowType, contentType, priority, agedFromMs: atMs, dueAtMs: atMs });
    natures.set(task.taskId, { key, nature: arrival, tries: 0 });
    measure.arrived(task, atMs);
  }
}

/** What the orchestrator itself has enqueued: a topic that was taken, a slot, or what follows a task. */
function follow({ world, workload, measure, natures, topics }: State, enqueued: Enqueued): void {
  const { task, parentTaskId, idempotencyKey } = enqueued;
  const [source, ...rest] = idempotencyKey.split(":");
  const key = rest.join(":");
  const topic = source === "topics" ? topics.get(key) : undefined;
  if (topic) {
    topics.delete(key);
    natures.set(task.taskId, { key, nature: topic, tries: 0 });
    measure.arrived(task, topic.atMs);
    return;
  }
  // By the names of the workload, which are the same under every policy.
  const parent = parentTaskId === null ? undefined : natures.get(parentTaskId);
  const known = parent ? idempotencyKey.replace(parentTaskId as string, parent.key) : idempotencyKey;
  natures.set(task.taskId, { ...workload.consequence(known, task), tries: 0 });
  measure.arrived(task, world.nowMs);
}

/** What sub-workflows report becomes facts, for the next cycle to fold in. */
function hear(state: State): void {
  const { world, reports } = state;
  for (const { run, worked } of state.calling.moveTo(world.nowMs)) {
    countTries(state, worked.tried);
    reports.add(world.nowMs, { kind: "callback", run, callback: worked.callback });
  }
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
function post(state: State, run: Run): void {
  const { world, natures, reports, calling, tasksAtOnce } = state;
  const startsMs = world.nowMs + ANSWER_MS;
  const costs = state.costs?.find(({ lane }) => lane === `${run.workflowType}/${run.contentType}`);
  const taskIds = world.tasksOf(run.executionId);
  const batch = taskIds.map((taskId) => {
    const { nature, tries } = natures.get(taskId) as Consequence & { tries: number };
    const { durationMs, failures, asks, calls } = nature;
    const costMicros = costIn(costs, nature.costMicros, { tasks: taskIds.length, atMs: world.nowMs });
    const work = { taskId, durationMs, fails: tries < failures, costMicros, ...(asks ? { asks } : {}) };
    return { ...work, ...(calls ? { calls } : {}) };
  });
  reports.add(startsMs, { kind: "accepted", run });
  if (batch.every((work): work is CallingWork => work.calls !== undefined)) {
    calling.begin(run, batch, startsMs, tasksAtOnce);
    return;
  }
  const worked = workOff(batch, run.attempt.timeoutMs, tasksAtOnce);
  countTries(state, worked.tried);
  reports.add(startsMs + worked.durationMs, { kind: "callback", run, callback: worked.callback });
}

function countTries({ natures }: State, tried: readonly string[]): void {
  for (const taskId of tried) (natures.get(taskId) as { tries: number }).tries += 1;
}
