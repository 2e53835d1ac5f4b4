/**
 * Which target of its workflow an attempt is sent to: none gets more than its part of the outstanding work, by weight
 * and room. Knows where each stands while a plan is being made; judges no target's health.
 */
import { type HoldReason, OWN_TARGET, targetsOf } from "@master-orchestrator/contract";
import type { RememberTarget } from "./decision.ts";
import type { Recovery, Snapshot, TargetMemory, TargetView } from "./snapshot.ts";

/** A target while a plan is being made. */
export interface Place {
  workflowType: string;
  target: TargetView;
  memory: TargetMemory;
  /** Runs that may be working there; those that asked to wait are not. */
  runs: number;
  /** Its circuit breaker, unless that is closed. */
  breaker: Recovery | null;
  /** The run that this plan lets through its half-open breaker. */
  probe: Occupant | null;
}

export interface Occupant {
  /** One of the tasks that go there. */
  taskId: string;
  timeoutMs: number;
}

export interface Places {
  nowMs: number;
  /** By workflow, in the order in which they were registered. */
  of: ReadonlyMap<string, readonly Place[]>;
}

interface Gate {
  reason: HoldReason;
  cause: string;
  expectedAtMs?: number | undefined;
}

/** What was received this long ago counts by half. */
const LATELY_HALF_LIFE_MS = 600_000;

/** The targets that settings name; without any, with `own`, the one that whoever delivers is by himself. */
export function targetViews(
  settings: Parameters<typeof targetsOf>[0],
  { own }: { own: boolean },
): TargetView[] {
  const registered = targetsOf(settings).map(({ url: _, ...target }) => target);
  if (registered.length > 0 || !own) return registered;
  return [{ name: OWN_TARGET, weight: 1, maxConcurrent: null, draining: false }];
}

/** The subject of a target's recovery, and its name among the targets of all workflows. */
export function targetSubject(workflowType: string, name: string): string {
  return `${workflowType}/${name}`;
}

/** Of a target that nothing was sent to yet. */
export function newMemory(workflowType: string, name: string): TargetMemory {
  return {
    workflowType,
    name,
    unansweredInRow: 0,
    failedInRow: 0,
    lastSuccessAtMs: null,
    lastFailureAtMs: null,
    lastFailure: null,
    restsUntilMs: null,
    room: 1,
    received: 0,
    receivedLately: 0,
    latelyAtMs: 0,
  };
}

/** `memories` and `recoveries` as this plan leaves them so far; `atTargets` without the runs that it has ended. */
export function openPlaces(
  snapshot: Pick<Snapshot, "nowMs" | "workflows">,
  known: {
    memories: ReadonlyMap<string, TargetMemory>;
    recoveries: readonly Recovery[];
    atTargets: Readonly<Record<string, number>>;
  },
): Places {
  const breakers = new Map(
    known.recoveries.flatMap((one) => (one.procedure === "trip_target" ? [[one.subject, one] as const] : [])),
  );
  const of = new Map(
    Object.values(snapshot.workflows).map(({ workflowType, targets }) => [
      workflowType,
      targets.map((target): Place => {
        const subject = targetSubject(workflowType, target.name);
        const memory = known.memories.get(subject) ?? newMemory(workflowType, target.name);
        const runs = known.atTargets[subject] ?? 0;
        return { workflowType, target, memory, runs, breaker: breakers.get(subject) ?? null, probe: null };
      }),
    ]),
  );
  return { nowMs: snapshot.nowMs, of };
}

/**
 * Where the next run of a workflow goes; null if no target may take it. First a target that is to be probed; then one that has
 * not asked to be left alone; of those one whose outstanding runs are below its part of them, and of those the one that has
 * lately received the least for its weight. `not`: there only if nowhere else.
 */
export function choose(places: Places, workflowType: string, not: string | null = null): Place | null {
  const all = placesOf(places, workflowType);
  if (all.length === 1) return mayTake(all[0] as Place) ? (all[0] as Place) : null;
  const open = all.filter(mayTake);
  const others = open.filter(({ target }) => target.name !== not);
  const among = others.length > 0 ? others : open;
  const awake = among.filter((place) => !rests(place, places.nowMs));
  const probe = awake.find(({ breaker }) => breaker !== null);
  return probe ?? leastLoaded(awake.length > 0 ? awake : among, places.nowMs);
}

/** As `choose`, but only a target other than `not` that is ready to take more at once; null if there is none. */
export function chooseWithRoom(places: Places, workflowType: string, not: string | null): Place | null {
  const place = choose(places, workflowType, not);
  return place && place.target.name !== not && !rests(place, places.nowMs) ? place : null;
}

/** One more run is sent there. */
export function occupy(place: Place, occupant: Occupant, nowMs: number): void {
  const { memory } = place;
  returnTo(place, occupant);
  place.memory = {
    ...memory,
    received: memory.received + 1,
    receivedLately: receivedLately(memory, nowMs) + 1,
    latelyAtMs: nowMs,
  };
}

/** A run that was sent there before, and had asked to wait, is posted there again. */
export function returnTo(place: Place, occupant: Occupant): void {
  const { breaker } = place;
  place.runs += 1;
  if (breaker?.state === "half_open" && breaker.probe === null) place.probe ??= occupant;
}

export function placesOf(places: Places, workflowType: string): readonly Place[] {
  return places.of.get(workflowType) ?? [];
}

export function placeOf(places: Places, workflowType: string, name: string | null): Place | undefined {
  return placesOf(places, workflowType).find(({ target }) => target.name === name);
}

/** It gets new work: not draining, not cut off, and with a free slot of its own. */
function mayTake({ target, breaker, probe, runs }: Place): boolean {
  if (target.draining || (target.maxConcurrent !== null && runs >= target.maxConcurrent)) return false;
  return breaker === null || (breaker.state === "half_open" && breaker.probe === null && probe === null);
}

export function rests({ memory }: Pick<Place, "memory">, nowMs: number): boolean {
  return memory.restsUntilMs !== null && memory.restsUntilMs > nowMs;
}

function leastLoaded(among: readonly Place[], nowMs: number): Place | null {
  const weights = among.reduce((sum, place) => sum + weightNow(place), 0);
  const next = among.reduce((sum, { runs }) => sum + runs, 0) + 1;
  const part = (place: Place) => Math.ceil((weightNow(place) / weights) * next - ROUNDING);
  const below = among.filter((place) => place.runs < part(place));
  const had = (place: Place) => receivedLately(place.memory, nowMs) / weightNow(place);
  return below.reduce<Place | null>(
    (best, place) => (best === null || had(place) < had(best) - ROUNDING ? place : best),
    null,
  );
}

/** So that three quarters of four are three. */
const ROUNDING = 1e-9;

function weightNow({ target, memory }: Place): number {
  return target.weight * memory.room;
}

/** Runs that were sent there lately, each counted the less the longer ago it was. */
export function receivedLately({ receivedLately, latelyAtMs }: TargetMemory, nowMs: number): number {
  return receivedLately * 2 ** (-Math.max(0, nowMs - latelyAtMs) / LATELY_HALF_LIFE_MS);
}

/** Why no target of a workflow takes new work; null if one does. */
export function targetGate(places: Places, workflowType: string): Gate | null {
  const all = placesOf(places, workflowType);
  if (all.some(mayTake)) return null;
  const live = all.filter(({ target }) => !target.draining);
  if (live.length === 0) {
    const names = all.map(({ target }) => target.name).join(", ");
    return {
      reason: "workflow_without_target",
      cause: `every target of ${workflowType} is draining: ${names}`,
    };
  }
  const cutOff = live.flatMap(({ target, breaker }) => (breaker ? [inWords(target.name, breaker)] : []));
  const full = live.flatMap(({ target, breaker, runs }) =>
    breaker ? [] : [`${target.name} runs ${runs} of ${target.maxConcurrent} (its max_concurrent)`],
  );
  if (full.length > 0) {
    const cause = `no target of ${workflowType} has room: ${[...full, ...cutOff].join("; ")}`;
    return { reason: "concurrency_workflow", cause };
  }
  const moments = live.flatMap(({ breaker }) =>
    breaker?.state === "open" && breaker.nextAtMs !== null ? [breaker.nextAtMs] : [],
  );
  return {
    reason: "circuit_open",
    cause: `no target of ${workflowType} is up: ${cutOff.join("; ")}`,
    expectedAtMs: moments.length > 0 ? Math.min(...moments) : undefined,
  };
}

function inWords(name: string, { state, cause, nextAtMs }: Recovery): string {
  const at = nextAtMs === null ? "soon" : `at ${new Date(nextAtMs).toISOString()}`;
  const then = state === "open" ? `one run probes ${at} whether it works again` : "one probing run decides";
  return `${name} (${cause}; ${then})`;
}

/** Why a run goes there, for its record; empty where there is no choice. */
export function whyThere(places: Places, { workflowType, target, breaker, runs }: Place): string {
  const all = placesOf(places, workflowType);
  if (all.length < 2) return "";
  if (breaker) return `; to ${target.name}, to probe whether it works again`;
  const outstanding = all.reduce((sum, place) => sum + place.runs, 0);
  return `; to ${target.name}, which has ${runs} of ${outstanding} outstanding`;
}

/** What this plan has learned about targets, or sent to them. */
export function rememberTargets(places: Places, snapshot: Pick<Snapshot, "targets">): RememberTarget[] {
  const before = new Set(snapshot.targets);
  return [...places.of.values()].flatMap((all) =>
    all.flatMap(({ memory }): RememberTarget[] =>
      before.has(memory) || isNew(memory) ? [] : [{ kind: "remember_target", memory }],
    ),
  );
}

function isNew({ received, lastSuccessAtMs, lastFailureAtMs, restsUntilMs }: TargetMemory): boolean {
  return received === 0 && lastSuccessAtMs === null && lastFailureAtMs === null && restsUntilMs === null;
}
