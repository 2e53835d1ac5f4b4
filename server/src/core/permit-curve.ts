/**
 * Whether requests that are expected over the next minutes find their permits in time: what a rolling limit lets through
 * from now on, against what runs are expected to ask for. An expectation; that the limit holds is the gateway's matter.
 */
import type { PermitSupply } from "./supplies.ts";

/** The moments that are looked at: every 3 s for ten minutes. */
const STEP_MS = 3_000;
const STEPS = 200;
const ROUNDING = 1e-6;

/** Requests that one run makes, evenly from its start on. */
export interface Flow {
  calls: number;
  durationMs: number;
}

/** One limit, with what was promised of it. */
export interface PermitCurve {
  supply: PermitSupply;
  /** How many requests can have been let through by each moment, and how many are promised by then. */
  offered: readonly number[];
  promised: number[];
}

/** `pausedMs`: for so long the provider lets nothing through. */
export function openCurve(supply: PermitSupply, pausedMs: number): PermitCurve {
  const offered = offeredBy(supply).map((permits, step) => (step * STEP_MS < pausedMs ? 0 : permits));
  return { supply, offered, promised: new Array<number>(STEPS + 1).fill(0) };
}

/** In every window from now on the limit lets through what it allows; in the first one, what is free and what comes free. */
function offeredBy({ limit, windowMs, free, freeing }: PermitSupply): number[] {
  let window = 0;
  let next = 0;
  let freed = free;
  return Array.from({ length: STEPS + 1 }, (_, step) => {
    const inMs = step * STEP_MS;
    if (inMs >= (window + 1) * windowMs) {
      window = Math.floor(inMs / windowMs);
      next = 0;
      freed = free;
    }
    for (let one = freeing[next]; one && one.inMs <= inMs - window * windowMs; one = freeing[++next])
      freed += one.permits;
    return window * limit + Math.min(limit, freed);
  });
}

/** More calls than the limit allows in a window take longer than that: no run makes them faster than it may. */
function paced({ calls, durationMs }: Flow, { limit, windowMs }: PermitSupply): Flow {
  const leastMs = limit > 0 && calls > limit ? (calls / limit) * windowMs : 0;
  return { calls, durationMs: Math.max(durationMs, leastMs) };
}

function askedBy({ calls, durationMs }: Flow, sinceStartMs: number): number {
  if (sinceStartMs < 0) return 0;
  return durationMs <= 0 ? calls : calls * Math.min(1, sinceStartMs / durationMs);
}

/** Whether a run that starts at the moment `start` finds its permits without taking any that are promised. */
export function fitsFrom(curve: PermitCurve, flow: Flow, start = 0): boolean {
  const own = paced(flow, curve.supply);
  for (let step = start; step <= STEPS; step++) {
    const asked = askedBy(own, (step - start) * STEP_MS);
    if (asked > 0 && (curve.promised[step] as number) + asked > (curve.offered[step] as number) + ROUNDING)
      return false;
  }
  // A run that asks for next to nothing in these minutes starts only if something is left at all.
  return (curve.offered[STEPS] as number) > (curve.promised[STEPS] as number);
}

/** From now, or from the moment `start` on, these requests are somebody's. */
export function promise(curve: PermitCurve, flow: Flow, start = 0): void {
  const own = paced(flow, curve.supply);
  for (let step = start; step <= STEPS; step++)
    curve.promised[step] = (curve.promised[step] as number) + askedBy(own, (step - start) * STEP_MS);
}

/** The first moment at which the run would fit; null if none within the next ten minutes. */
export function firstFit(curves: readonly { curve: PermitCurve; flow: Flow }[]): number | null {
  for (let start = 0; start <= STEPS; start++) {
    if (curves.every(({ curve, flow }) => fitsFrom(curve, flow, start))) return start;
  }
  return null;
}

export function momentMs(step: number): number {
  return step * STEP_MS;
}

/** In how many milliseconds so many of its permits are free that are not any more; null: not by themselves. */
export function freeInMs({ limit, free, freeing }: PermitSupply, calls: number): number | null {
  if (limit === 0) return null;
  let sum = free;
  if (sum >= calls) return 0;
  for (const { inMs, permits } of freeing) {
    sum += permits;
    if (sum >= calls) return inMs;
  }
  return null;
}
