/** Owns how the figures of simulations read, as a table and as JSON. Never computes one that is not there. */
import { type Policy, SCHEDULE_DECISIONS, type ScheduleDecision } from "@master-orchestrator/contract";
import type { Figures, LaneFigures, SlotFigures, Spread } from "#simulate/measure.ts";
import type { Source } from "./simulate-source.ts";
import { tableLines } from "./table.ts";
import { duration, usd } from "./text.ts";

/** A policy, and what came of the work under it. */
export interface Simulated {
  name: string;
  policy: Policy;
  figures: Figures;
}

interface Row {
  what: string;
  cells: string[];
}

/** The table's lines: one row per figure, one column per policy. */
export function reportLines(columns: readonly Simulated[]): string[] {
  const all = columns.map((column) => column.figures);
  const row = (what: string, cell: (figures: Figures) => string): Row => ({ what, cells: all.map(cell) });
  const anyOf = (has: (figures: Figures) => boolean, then: Row) => (all.some(has) ? [then] : []);
  const rows: Row[] = [
    row("completed", ({ completed }) => whole(completed)),
    row("dead-lettered", ({ deadLettered }) => whole(deadLettered)),
    ...anyOf(
      ({ unfinished }) => unfinished > 0,
      row("never finished", ({ unfinished }) => whole(unfinished)),
    ),
    row("last task ended after", ({ spanMs }) => duration(spanMs)),
    row("completed per hour", (figures) => perHour(figures).toFixed(1)),
    row("cost", ({ costMicros }) => usd(costMicros / 1e6)),
    row("cost per completed task", (figures) => moneyPerTask(figures)),
    row("budget: dearest day", ({ budget }) => headroom(budget)),
    ...anyOf(
      ({ slowness }) => slowness.peak > 0,
      row(
        "slowed down mean / peak",
        ({ slowness }) => `${percent(slowness.mean)} / ${percent(slowness.peak)}`,
      ),
    ),
    row("runs", ({ runs }) => whole(runs)),
    ...byLane("wait p50 / p95 / max", all, ({ wait }) => spread(wait)),
    ...byLane("result after p50 / p95 / max", all, ({ result }) => spread(result)),
    ...shareRows(all),
    ...slotRows(all),
    ...scheduleRows(all),
    ...holdRows(all),
  ];
  const layout = [
    { title: "", value: (each: Row) => each.what },
    ...columns.map(({ name }, i) => ({
      title: name,
      value: (each: Row) => each.cells[i],
      right: true,
    })),
  ];
  return tableLines(layout, rows, null);
}

function byLane(what: string, all: readonly Figures[], cell: (figures: LaneFigures) => string): Row[] {
  const whole = { what, cells: all.map((figures) => cell({ ...figures, share: null })) };
  const lanes = lanesIn(all);
  if (lanes.length < 2) return [whole];
  return [
    whole,
    ...lanes.map((lane) => ({
      what: `· ${lane}`,
      cells: all.map(({ lanes: figures }) => {
        const of = figures.get(lane);
        return of ? cell(of) : "-";
      }),
    })),
  ];
}

/** Follow-ups may reach a lane under one policy and not under another. */
function lanesIn(all: readonly Figures[]): string[] {
  return [...new Set(all.flatMap(({ lanes }) => [...lanes.keys()]))];
}

function shareRows(all: readonly Figures[]): Row[] {
  const lanes = lanesIn(all);
  const competing = lanes.filter((lane) => all.some((figures) => figures.lanes.get(lane)?.share));
  return competing.map((lane) => ({
    what: `received / entitled ${lane}`,
    cells: all.map(({ lanes: figures }) => {
      const share = figures.get(lane)?.share;
      return share ? `${percent(share.received)} / ${percent(share.entitled)}` : "-";
    }),
  }));
}

function slotRows(all: readonly Figures[]): Row[] {
  const cell = ({ mean, peak, limit }: SlotFigures) => `${mean.toFixed(2)} / ${peak} of ${limit}`;
  const types = [...(all[0] as Figures).slotsByWorkflow.keys()];
  return [
    { what: "slots mean / peak", cells: all.map(({ slots }) => cell(slots)) },
    ...types.map((type) => ({
      what: `· ${type}`,
      cells: all.map(({ slotsByWorkflow }) => cell(slotsByWorkflow.get(type) as SlotFigures)),
    })),
  ];
}

function scheduleRows(all: readonly Figures[]): Row[] {
  const types = [...new Set(all.flatMap(({ schedules }) => [...schedules.keys()]))].sort();
  return types.flatMap((type) => {
    const counts = all.map(({ schedules }) => schedules.get(type) ?? new Map<ScheduleDecision, number>());
    const reasons = SCHEDULE_DECISIONS.filter((reason) => counts.some((of) => of.has(reason)));
    return [
      { what: `schedule of ${type}: slots`, cells: counts.map((of) => whole(slotsIn(of))) },
      ...reasons.map((reason) => ({
        what: `· ${reason}`,
        cells: counts.map((of) => whole(of.get(reason) ?? 0)),
      })),
    ];
  });
}

function slotsIn(counts: ReadonlyMap<ScheduleDecision, number>): number {
  return [...counts.values()].reduce((sum, count) => sum + count, 0);
}

/** What is left between the dearest day and the day's budget is the headroom. */
function headroom({ dailyMicros, dearestDayMicros }: Figures["budget"]): string {
  const share = dailyMicros > 0 ? ` (${percent(dearestDayMicros / dailyMicros)})` : "";
  return `${usd(dearestDayMicros / 1e6)} of ${usd(dailyMicros / 1e6)}${share}`;
}

function holdRows(all: readonly Figures[]): Row[] {
  const totals = all.map(waitedMs);
  const reasons = new Set(all.flatMap(({ holds }) => [...holds.keys()]));
  return [
    { what: "waited in all", cells: totals.map(duration) },
    ...[...reasons].map((reason) => ({
      what: `· ${reason}`,
      cells: all.map(({ holds }, i) => percent((holds.get(reason) ?? 0) / (totals[i] as number) || 0)),
    })),
  ];
}

function waitedMs({ holds }: Figures): number {
  return [...holds.values()].reduce((sum, ms) => sum + ms, 0);
}

/** Everything, in seconds and dollars. */
export function reportJson(source: Source, columns: readonly Simulated[]): unknown {
  return {
    source: { ...source.about, tasks: source.workload.arrivals.length },
    policies: columns.map(({ name, policy, figures }) => ({ name, figures: figuresJson(figures), policy })),
  };
}

function figuresJson(figures: Figures) {
  const { unfinished, spanMs, lanes, costMicros, slots, slotsByWorkflow, holds, runs, cycles } = figures;
  const waited = waitedMs(figures);
  return {
    ...laneJson(figures),
    ...{ unfinished, runs, cycles },
    span_seconds: spanMs / 1000,
    completed_per_hour: rounded(perHour(figures)),
    cost_usd: costMicros / 1e6,
    cost_usd_per_completed: figures.completed > 0 ? rounded(costMicros / 1e6 / figures.completed) : null,
    lanes: Object.fromEntries(
      [...lanes].map(([lane, of]) => [
        lane,
        {
          ...laneJson(of),
          share: of.share && { received: rounded(of.share.received), entitled: rounded(of.share.entitled) },
        },
      ]),
    ),
    budget: {
      daily_usd: figures.budget.dailyMicros / 1e6,
      dearest_day_usd: figures.budget.dearestDayMicros / 1e6,
      left_usd: (figures.budget.dailyMicros - figures.budget.dearestDayMicros) / 1e6,
    },
    slowness: {
      mean: rounded(figures.slowness.mean),
      peak: figures.slowness.peak,
      moves: figures.slowness.moves,
    },
    schedules: Object.fromEntries(
      [...figures.schedules].map(([type, counts]) => [type, Object.fromEntries(counts)]),
    ),
    slots: slotsJson(slots),
    slots_by_workflow: Object.fromEntries([...slotsByWorkflow].map(([type, of]) => [type, slotsJson(of)])),
    waited_seconds: waited / 1000,
    holds: Object.fromEntries(
      [...holds].map(([reason, ms]) => [
        reason,
        { seconds: ms / 1000, share: waited > 0 ? rounded(ms / waited) : 0 },
      ]),
    ),
  };
}

function laneJson({ tasks, completed, deadLettered, wait, result }: Omit<LaneFigures, "share">) {
  const seconds = (of: Spread | null) => of && { p50: of.p50 / 1000, p95: of.p95 / 1000, max: of.max / 1000 };
  return {
    ...{ tasks, completed, dead_lettered: deadLettered },
    wait_seconds: seconds(wait),
    result_seconds: seconds(result),
  };
}

function slotsJson({ limit, mean, peak }: SlotFigures) {
  return { limit, mean: rounded(mean), peak };
}

function rounded(value: number): number {
  return Math.round(value * 1e6) / 1e6;
}

function perHour({ completed, spanMs }: Figures): number {
  return spanMs > 0 ? completed / (spanMs / 3_600_000) : 0;
}

function moneyPerTask({ completed, costMicros }: Figures): string {
  return completed > 0 ? usd(Math.round(costMicros / completed) / 1e6) : "-";
}

function spread(of: Spread | null): string {
  return of ? `${duration(of.p50)} / ${duration(of.p95)} / ${duration(of.max)}` : "-";
}

function percent(share: number): string {
  return `${(share * 100).toFixed(1)} %`;
}

function whole(count: number): string {
  return count.toLocaleString("en-US");
}
