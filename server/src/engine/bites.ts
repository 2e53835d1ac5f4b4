/**
 * What follows when a cycle fails. A database that is away is waited for. Anything else is narrowed down, bite
 * by bite, to the one fact, run or task with which a cycle fails; that one is set aside, and the rest goes on.
 */
import type { Log } from "#log.ts";
import { isDatabaseOutage } from "#store/outage.ts";
import { type Bite, insertFailedCycle, type SetAsideKind, setAside, type Taken } from "#store/set-aside.ts";
import { FULL_BITE } from "#store/snapshot.ts";
import { type CycleContext, type CycleOutcome, intakeOf, runCycle, type Trigger } from "./cycle.ts";

const FIRST_WAIT_MS = 500;
const LONGEST_WAIT_MS = 5_000;

/** How far the search for what cycles fail with has come. */
export type Search =
  /** Cycles take on what they can. */
  | { kind: "none" }
  /** Cycles take on less and less; after one that succeeds, more again. */
  | { kind: "narrowing"; bite: Bite }
  /** One at a time; first nothing at all, to know that it is one of them. */
  | { kind: "singling"; suspect: SetAsideKind | "nothing" };

const SMALLEST: Bite = { facts: 1, runs: 1, tasks: 1 };
const NOTHING: Bite = { facts: 0, runs: 0, tasks: 0 };
const NEXT_SUSPECT = { nothing: "fact", fact: "run", run: "task", task: null } as const;
const SINGLE: Readonly<Record<SetAsideKind | "nothing", Bite>> = {
  nothing: NOTHING,
  fact: { ...NOTHING, facts: 1 },
  run: { ...NOTHING, runs: 1 },
  task: { ...NOTHING, tasks: 1 },
};

export function biteOf(search: Search): Bite {
  if (search.kind === "none") return FULL_BITE;
  return search.kind === "narrowing" ? search.bite : SINGLE[search.suspect];
}

/** After a cycle that succeeded. */
export function afterSuccess(search: Search): Search {
  if (search.kind === "none") return search;
  if (search.kind === "singling") {
    const suspect = NEXT_SUSPECT[search.suspect];
    return suspect === null ? { kind: "narrowing", bite: SMALLEST } : { kind: "singling", suspect };
  }
  const { facts, runs, tasks } = search.bite;
  const bite = { facts: facts * 2, runs: runs * 2, tasks: tasks * 2 };
  const full = bite.facts >= FULL_BITE.facts && bite.runs >= FULL_BITE.runs && bite.tasks >= FULL_BITE.tasks;
  return full ? { kind: "none" } : { kind: "narrowing", bite };
}

/** After a cycle that failed with `taken`: where the search goes on, and what is found guilty. */
export function afterFailure(
  search: Search,
  taken: Taken,
): { search: Search; guilty: { kind: SetAsideKind; item: string } | null; hopeless: boolean } {
  const innocent = { guilty: null, hopeless: false };
  if (search.kind === "singling") {
    // It fails with nothing at all: no fact, run or task is to blame.
    if (search.suspect === "nothing") return { search: { kind: "none" }, guilty: null, hopeless: true };
    const item = { fact: taken.facts, run: taken.runs, task: taken.tasks }[search.suspect][0];
    const guilty = item === undefined ? null : { kind: search.suspect, item: String(item) };
    return { search: { kind: "narrowing", bite: SMALLEST }, guilty, hopeless: guilty === null };
  }
  const sizes = [taken.facts.length, taken.runs.length, taken.tasks.length];
  if (Math.max(...sizes) <= 1) return { search: { kind: "singling", suspect: "nothing" }, ...innocent };
  const half = (count: number) => Math.max(1, Math.ceil(count / 2));
  const [facts, runs, tasks] = sizes.map(half) as [number, number, number];
  return { search: { kind: "narrowing", bite: { facts, runs, tasks } }, ...innocent };
}

/** A cycle was rolled back. The message and the stack are those of what made it fail. */
export class CycleFailed extends Error {
  /** How long to wait before the next one. */
  readonly retryAfterMs: number;
  readonly fault: "store" | "plan";

  constructor(cause: unknown, fault: "store" | "plan", retryAfterMs: number) {
    super(cause instanceof Error ? cause.message : String(cause), { cause });
    this.name = "CycleFailed";
    this.fault = fault;
    this.retryAfterMs = retryAfterMs;
    if (cause instanceof Error && cause.stack) this.stack = cause.stack;
  }
}

/** Runs cycles one after another, each with as big a bite as it should take. Rejects with `CycleFailed`. */
export function cyclesInBites(
  context: CycleContext & { log: Pick<Log, "warn"> },
): (trigger: Trigger) => Promise<CycleOutcome> {
  let search: Search = { kind: "none" };
  let waitMs = FIRST_WAIT_MS;
  let recording: Promise<void> | null = null;
  const record = (error: unknown, fault: "store" | "plan", tookOn: Bite) => {
    const failed = { replicaId: context.replicaId, fault, tookOn, error: errorRecord(error) };
    // Of a database that is away little is kept: one note at a time, when it can be written.
    recording ??= insertFailedCycle(context.db, failed)
      .catch(() => {})
      .finally(() => {
        recording = null;
      });
    return fault === "plan" ? recording : null;
  };
  return async (trigger) => {
    const intake = intakeOf(biteOf(search));
    try {
      const outcome = await runCycle(context, trigger, intake);
      waitMs = FIRST_WAIT_MS;
      if (!outcome.ran) return outcome;
      search = afterSuccess(search);
      return { ...outcome, again: outcome.again || search.kind !== "none" };
    } catch (error) {
      const wait = () => {
        const thisWaitMs = waitMs;
        waitMs = Math.min(waitMs * 2, LONGEST_WAIT_MS);
        return thisWaitMs;
      };
      if (isDatabaseOutage(error)) {
        record(error, "store", intake.bite);
        throw new CycleFailed(error, "store", wait());
      }
      await record(error, "plan", intake.bite);
      const found = afterFailure(search, intake.taken);
      const isOut = found.guilty !== null && (await putOutOfTheWay(context, found.guilty, error));
      search = found.search;
      // The search ends after a few steps; what it does not find, or find gone, is waited for.
      if (found.hopeless || (found.guilty && !isOut)) throw new CycleFailed(error, "plan", wait());
      throw new CycleFailed(error, "plan", 0);
    }
  };
}

/** If the database goes away just now, the search begins anew and finds it again. */
async function putOutOfTheWay(
  { db, log }: CycleContext & { log: Pick<Log, "warn"> },
  guilty: { kind: SetAsideKind; item: string },
  error: unknown,
): Promise<boolean> {
  const isOut = await db.transaction((tx) => setAside(tx, guilty, errorRecord(error)));
  if (isOut) log.warn("Set aside: no cycle could stomach it", { ...guilty, error });
  return isOut;
}

function errorRecord(error: unknown): Record<string, unknown> & { message: string } {
  if (!(error instanceof Error)) return { message: String(error) };
  const { code } = error as { code?: unknown };
  return {
    name: error.name,
    message: error.message.slice(0, 4_000),
    ...(typeof code === "string" ? { code } : {}),
    stack_trace: error.stack?.slice(0, 16_000) ?? null,
  };
}
