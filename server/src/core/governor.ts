/** The arithmetic of limits and time: how long a grant counts, and whether a clock can be believed. Knows no table and no clock. */

/** A request whose first byte is not written this long after its permit was asked for is not sent at all. */
export const GRANT_TO_WIRE_MS = 2_000;
/** How much later than written it may reach the provider. */
export const WIRE_TO_PROVIDER_MS = 1_000;
/** What is added to a limit's window: then N grants in it are N arrivals in the limit's own window, at the most. */
export const GRACE_MS = GRANT_TO_WIRE_MS + WIRE_TO_PROVIDER_MS;

/** What a replica has seen of the governor's clock, and when by a measure of time that nobody can set. */
export interface Sighting {
  /** The governor's time, epoch milliseconds. */
  atMs: number;
  /** It was read after the first and before the second of these monotonic moments. */
  sentMs: number;
  receivedMs: number;
}

/** How long a statement may wait for the governor's lock before its answer proves nothing. */
const STATEMENT_MS = 2_000;
/** Clocks are slewed by up to this part of the time that passes. */
const DRIFT = 0.001;
const JITTER_MS = 1_000;

/** Between which moments of its clock a statement that is sent now can be carried out, if nobody has set the clock. */
export function believableSpan(seen: Sighting, nowMonotonicMs: number): { fromMs: number; toMs: number } {
  const least = nowMonotonicMs - seen.receivedMs;
  const most = nowMonotonicMs - seen.sentMs;
  return {
    fromMs: seen.atMs + least * (1 - DRIFT) - JITTER_MS,
    toMs: seen.atMs + most * (1 + DRIFT) + STATEMENT_MS,
  };
}

/** By how much the clock was set forward (negative: back) between two sightings; 0 if it may just have passed. */
export function clockStepMs(before: Sighting, after: Sighting): number {
  const passed = after.atMs - before.atMs;
  const least = after.sentMs - before.receivedMs;
  const most = after.receivedMs - before.sentMs;
  const believable = passed >= least * (1 - DRIFT) - JITTER_MS && passed <= most * (1 + DRIFT) + JITTER_MS;
  // What is taken off leaves the governor's time behind the true one, if anything: windows get no shorter.
  return believable ? 0 : Math.ceil(passed - least);
}
