/** The day's money hour by hour: what is settled so far, what is held on top of it, and where the forecast leads. Pure. */

export interface RunwayPoint {
  /** `14:00`. */
  at: string;
  settled?: number;
  held?: number;
  forecast?: number;
}

const HOUR_MS = 3_600_000;

/** `costs`: by the hour in which they were settled. The last point of the past is now, with what the ledger says. */
export function runway(budget: {
  day: string;
  settledUsd: number;
  heldUsd: number;
  forecastUsd: number;
  nowMs: number;
  costs: readonly { at: string; costUsd: number }[];
}): RunwayPoint[] {
  const { settledUsd, heldUsd, forecastUsd, nowMs, costs } = budget;
  const dayMs = Date.parse(budget.day);
  const past: RunwayPoint[] = [];
  let sum = 0;
  for (let ms = dayMs; ms <= nowMs; ms += HOUR_MS) {
    past.push({ at: hourOf(ms), settled: Math.min(sum, settledUsd) });
    sum += costs.filter(({ at }) => Date.parse(at) === ms).reduce((total, { costUsd }) => total + costUsd, 0);
  }
  const used = settledUsd + heldUsd;
  const now = { at: hourOf(nowMs), settled: settledUsd, held: used, forecast: used };
  const end = { at: "24:00", forecast: Math.max(used, forecastUsd) };
  return [...past.filter(({ at }) => at !== now.at), now, end];
}

function hourOf(ms: number): string {
  return new Date(ms).toISOString().slice(11, 16);
}
