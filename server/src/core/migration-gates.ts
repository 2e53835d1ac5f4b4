/** Judges a phase by its runs against what was before it: five gates, each with its numbers. Pure. */
import type { GateSettings, GateVerdict, MigrationGate } from "@master-orchestrator/contract";

/** One moment of a schedule, and what became of it. */
export interface TurnView {
  slotMs: number;
  by: "n8n" | "orchestrator" | "nobody";
  outcome: "open" | "succeeded" | "failed" | "cancelled" | "lost" | "skipped";
  /** Further runs of the same moment. */
  repeats: number;
  endedAtMs: number | null;
}

export interface Measures {
  /** Moments that came and are decided. */
  runs: number;
  ended: number;
  succeeded: number;
  /** Ran once and came to an end. */
  sound: number;
  runsPerDay: number | null;
  latencySeconds: number | null;
  medianSeconds: number | null;
  /** Of a run whose cost is known. */
  costUsd: number | null;
  costRuns: number;
}

/** What runs cost, and of how many it is known: those before the gateway came told nobody. */
export interface MeteredRuns {
  micros: number;
  runs: number;
}

/** What a set of moments comes to. `perDay`: how many the schedule has; `cost`: null where nobody may know. */
export function measure(
  turns: readonly TurnView[],
  { perDay, cost }: { perDay: number; cost: MeteredRuns | null },
): Measures {
  const decided = turns.filter(({ outcome }) => outcome !== "open" && outcome !== "skipped");
  const ended = decided.filter(({ outcome }) => outcome === "succeeded" || outcome === "failed");
  const seconds = ended
    .flatMap(({ slotMs, endedAtMs }) => (endedAtMs === null ? [] : [(endedAtMs - slotMs) / 1000]))
    .sort((a, b) => a - b);
  return {
    runs: decided.length,
    ended: ended.length,
    succeeded: ended.filter(({ outcome }) => outcome === "succeeded").length,
    sound: ended.filter(({ repeats }) => repeats === 0).length,
    runsPerDay: decided.length === 0 ? null : (ended.length / decided.length) * perDay,
    latencySeconds: quantile(seconds, 0.95),
    medianSeconds: quantile(seconds, 0.5),
    costUsd: cost === null || cost.runs === 0 ? null : cost.micros / 1e6 / cost.runs,
    costRuns: cost?.runs ?? 0,
  };
}

function quantile(sorted: readonly number[], share: number): number | null {
  return sorted.length === 0 ? null : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))]!;
}

/** At 95 %: what the share behind `good` of `of` could be at the most (Wilson). */
export function atMost(good: number, of: number): number {
  const z = 1.96;
  const share = good / of;
  const middle = share + (z * z) / (2 * of);
  const spread = z * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of));
  return Math.min(1, (middle + spread) / (1 + (z * z) / of));
}

const percent = (share: number) => `${Math.round(share * 1000) / 10} %`;
/** Cheap runs cost less than a hundredth of a cent. */
const dollars = (usd: number) => `$${usd.toFixed(usd < 0.001 ? 6 : 4)}`;
const round = (value: number) => Math.round(value * 100) / 100;

/**
 * The five gates. A share breaches where even its most favourable reading is below the limit, or where three times the runs
 * needed are below it; so a few bad runs are enough where nearly all are bad, and bad luck is not.
 */
export function judgeGates(
  now: Measures,
  baseline: Measures | null,
  settings: GateSettings,
): MigrationGate[] {
  const needed = settings.min_runs;
  const soundBefore = baseline && baseline.runs > 0 ? baseline.sound / baseline.runs : null;
  const goodBefore = baseline && baseline.ended > 0 ? baseline.succeeded / baseline.ended : null;
  const stability = shareGate("stability", now.sound, now.runs, soundBefore, settings.stability_drop, needed);
  const success = shareGate("success", now.succeeded, now.ended, goodBefore, settings.success_drop, needed);
  return [
    stability,
    throughputGate(now, baseline, settings),
    latencyGate(now, baseline, settings),
    success,
    costGate(now, baseline, settings),
  ];
}

function shareGate(
  gate: "stability" | "success",
  good: number,
  of: number,
  before: number | null,
  drop: number,
  needed: number,
): MigrationGate {
  const about = { gate, unit: "share", baseline: before, runs: of, runs_needed: needed } as const;
  // Without a baseline the target of the house stands for it.
  const limit = Math.max(0, (before ?? 0.95) - drop);
  const share = of === 0 ? null : good / of;
  const verdict = shareVerdict(good, of, limit, needed);
  const what = gate === "stability" ? "ran once and came to an end" : "succeeded";
  const cause =
    share === null
      ? "no run has ended yet"
      : `${good} of ${of} ${what} (${percent(share)}); the limit is ${percent(limit)}`;
  return { ...about, now: share, limit, verdict, cause };
}

/** With a baseline without any failure one bad run of three would be enough otherwise. */
const FEWEST_BAD = 3;

function shareVerdict(good: number, of: number, limit: number, needed: number): GateVerdict {
  if (of === 0) return "waiting";
  const several = of - good >= FEWEST_BAD;
  if (several && atMost(good, of) < limit) return "breached";
  if (of < needed) return "waiting";
  if (good / of >= limit) return "holds";
  return several && of >= 3 * needed ? "breached" : "waiting";
}

function throughputGate(now: Measures, baseline: Measures | null, settings: GateSettings): MigrationGate {
  const before = baseline?.runsPerDay ?? null;
  const about = { gate: "throughput", unit: "runs_per_day", baseline: before, now: now.runsPerDay } as const;
  const counts = { runs: now.runs, runs_needed: settings.min_runs };
  if (before === null || now.runsPerDay === null || now.runs === 0) {
    const verdict = before === null ? "not_measured" : "waiting";
    const cause = before === null ? "nobody knows what it was before" : "no run has ended yet";
    return { ...about, ...counts, limit: null, verdict, cause };
  }
  const limit = before * settings.throughput_share;
  const perDay = now.runsPerDay / (now.ended / now.runs || 1);
  const verdict =
    perDay === 0 ? "waiting" : shareVerdict(now.ended, now.runs, limit / perDay, settings.min_runs);
  const cause = `${round(now.runsPerDay)} runs a day come to an end; it was ${round(before)}, the limit is ${round(limit)}`;
  return { ...about, ...counts, limit, verdict, cause };
}

function latencyGate(now: Measures, baseline: Measures | null, settings: GateSettings): MigrationGate {
  const before = baseline?.latencySeconds ?? null;
  const about = { gate: "latency", unit: "seconds", baseline: before, now: now.latencySeconds } as const;
  const counts = { runs: now.ended, runs_needed: settings.min_runs };
  if (before === null || now.latencySeconds === null || now.medianSeconds === null) {
    const verdict = before === null ? "not_measured" : "waiting";
    const cause = before === null ? "nobody knows what it was before" : "no run has ended yet";
    return { ...about, ...counts, limit: null, verdict, cause };
  }
  const limit = before * settings.latency_factor + settings.latency_slack_seconds;
  const enough = now.ended >= settings.min_runs;
  const slow = now.latencySeconds > limit;
  const clearlySlow = now.medianSeconds > limit && now.ended >= Math.min(5, settings.min_runs);
  const verdict = clearlySlow || (slow && enough) ? "breached" : enough ? "holds" : "waiting";
  const cause = `95 % end within ${round(now.latencySeconds)} s of their moment; it was ${round(before)} s, the limit is ${round(limit)} s`;
  return { ...about, ...counts, limit, verdict, cause };
}

function costGate(now: Measures, baseline: Measures | null, settings: GateSettings): MigrationGate {
  const before = baseline?.costUsd ?? null;
  const about = { gate: "cost", unit: "usd_per_run", baseline: before, now: now.costUsd } as const;
  const counts = { runs: now.costRuns, runs_needed: settings.min_runs };
  if (before === null || now.costUsd === null) {
    const cause =
      before === null
        ? "nobody knows what a run cost before: say it with cost_usd_per_run"
        : "the runs of this phase do not pass the gateway";
    return { ...about, ...counts, limit: null, verdict: "not_measured", cause };
  }
  const limit = before * settings.cost_factor;
  const enough = now.costRuns >= settings.min_runs;
  const verdict = !enough ? "waiting" : now.costUsd > limit ? "breached" : "holds";
  const cause = `${dollars(now.costUsd)} a run; it was ${dollars(before)}, the limit is ${dollars(limit)}`;
  return { ...about, ...counts, limit, verdict, cause };
}

/** Whether the next step is open; why not, else. */
export function closedBy(gates: readonly MigrationGate[], force: boolean): string | null {
  const breached = gates.find(({ verdict }) => verdict === "breached");
  if (breached) return `the gate ${breached.gate} is breached: ${breached.cause}`;
  const waiting = gates.find(({ verdict }) => verdict === "waiting");
  if (!waiting || force) return null;
  return `the gate ${waiting.gate} waits: ${waiting.runs} of ${waiting.runs_needed} runs (${waiting.cause})`;
}
