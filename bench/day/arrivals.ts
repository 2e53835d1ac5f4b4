/** When the day's articles are asked for: spread with chance, and a burst in the morning. Sends nothing. */
import { chance, type DayTopic, dayTopics } from "./topics.ts";

export interface Arrival {
  /** From the beginning of the day. */
  atMs: number;
  topics: DayTopic[];
}

export const A_DAY_MS = 86_400_000;
/** So many of the day come in one request. */
const BURST = 30;
/** … this far into the day. */
const BURST_AT = 9 / 24;

/** `count` articles over `lastsMs`, in order. */
export function dayArrivals(count: number, lastsMs: number, seed: number): Arrival[] {
  const random = chance(seed + 1);
  const topics = dayTopics(count, seed);
  const burst = Math.min(BURST, Math.floor((count * BURST) / 500));
  const single = topics.slice(burst).map((topic) => ({ atMs: random() * lastsMs, topics: [topic] }));
  const together = burst > 0 ? [{ atMs: BURST_AT * lastsMs, topics: topics.slice(0, burst) }] : [];
  return [...single, ...together].sort((a, b) => a.atMs - b.atMs);
}
