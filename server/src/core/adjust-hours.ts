/** Finds the hours of the UTC day at which a lane's tasks have cost less, day after day. Expects and decides nothing. */
import type { AdjustPolicy, DayHours } from "@master-orchestrator/contract";
import { compare, efficiencyOf, type LaneHour } from "./adjust.ts";
import { isWithin, utcHourOf } from "./hours.ts";

/** Fewer hours leave a lane no room, and with more there is little to choose. */
const SHORTEST = 6;
const LONGEST = 18;
/** Some three hundred choices are looked at: by chance the best of so many lies 3.8 standard errors off (95 %). */
const BEYOND_MANY_CHOICES = 4;
/** Days with tasks inside and outside, and the share of them on which those inside were the cheaper ones. */
const LEAST_DAYS = 3;
const MOST_DAYS = 0.75;
/** Of choices that save about as much the longest: fewer tasks have to wait. */
const ABOUT_AS_MUCH = 0.9;
const DAY_MS = 86_400_000;

type Rules = Pick<AdjustPolicy, "least_saving_share" | "least_tasks">;

export interface CheaperHours {
  hours: DayHours;
  length: number;
  /** What a task costs, in dollars. */
  insideUsd: number;
  outsideUsd: number;
  /** On how many of the days on which tasks were completed in both. */
  cheaperOn: number;
  days: number;
  /** Of what a task costs at any hour. */
  savingShare: number;
}

/** The hours outside of which a lane's tasks have cost more, beyond chance and on most days; null where there are none. */
export function cheaperHours(hours: readonly LaneHour[], rules: Rules): CheaperHours | null {
  const all = efficiencyOf(hours).cost_per_task_usd;
  if (!all) return null;
  const choices = everyChoice()
    .map((choice) => judged(hours, choice, { all, rules }))
    .filter((choice) => choice !== null);
  const most = Math.max(...choices.map(({ savingShare }) => savingShare));
  return choices
    .filter(({ savingShare }) => savingShare >= ABOUT_AS_MUCH * most)
    .reduce<CheaperHours | null>((a, b) => (a === null || b.length > a.length ? b : a), null);
}

function everyChoice(): DayHours[] {
  const lengths = Array.from({ length: LONGEST - SHORTEST + 1 }, (_, i) => SHORTEST + i);
  return lengths.flatMap((length) =>
    Array.from({ length: 24 }, (_, from): DayHours => [from, (from + length) % 24]),
  );
}

function judged(
  of: readonly LaneHour[],
  hours: DayHours,
  { all, rules }: { all: number; rules: Rules },
): CheaperHours | null {
  const [within, without] = split(of, hours);
  const [inside, outside] = [efficiencyOf(within), efficiencyOf(without)];
  const difference = compare(outside, inside);
  if (Math.min(inside.completed, outside.completed) < rules.least_tasks) return null;
  if (!difference || difference.z > -BEYOND_MANY_CHOICES) return null;
  const savingShare = 1 - (inside.cost_per_task_usd as number) / all;
  if (savingShare < rules.least_saving_share) return null;
  const { days, cheaperOn } = byDays(within, without);
  if (days < LEAST_DAYS || cheaperOn < MOST_DAYS * days) return null;
  const [from, to] = hours;
  return {
    ...{ hours, length: (to - from + 24) % 24, savingShare, days, cheaperOn },
    insideUsd: inside.cost_per_task_usd as number,
    outsideUsd: outside.cost_per_task_usd as number,
  };
}

function split(of: readonly LaneHour[], hours: DayHours): [LaneHour[], LaneHour[]] {
  const within = (hour: LaneHour) => isWithin(hours, utcHourOf(hour.atMs));
  return [of.filter(within), of.filter((hour) => !within(hour))];
}

/** Of the UTC days on which tasks were completed in both: on how many they cost less inside. */
function byDays(
  within: readonly LaneHour[],
  without: readonly LaneHour[],
): { days: number; cheaperOn: number } {
  const costs = (hours: readonly LaneHour[], day: number) =>
    efficiencyOf(hours.filter(({ atMs }) => Math.floor(atMs / DAY_MS) === day)).cost_per_task_usd;
  const days = [...new Set(within.map(({ atMs }) => Math.floor(atMs / DAY_MS)))].flatMap((day) => {
    const [inside, outside] = [costs(within, day), costs(without, day)];
    return inside === null || outside === null ? [] : [inside < outside];
  });
  return { days: days.length, cheaperOn: days.filter(Boolean).length };
}
