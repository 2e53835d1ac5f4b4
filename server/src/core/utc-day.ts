/** UTC days as text (`2026-03-02`) and as ranges of time. Knows no clock. */

export const DAY_MS = 86_400_000;

/** The day that a moment belongs to. */
export function dayOf(atMs: number): string {
  return new Date(atMs).toISOString().slice(0, 10);
}

/** Its first moment, in epoch milliseconds; NaN for a day that is none. */
export function dayStartMs(day: string): number {
  return Date.parse(`${day}T00:00:00Z`);
}

/** The first moment that is too young to be archived: whole days alone are, and only once they are `days` old. */
export function archivedBeforeMs(nowMs: number, days: number): number {
  return Math.floor((nowMs - days * DAY_MS) / DAY_MS) * DAY_MS;
}
