/** How steps, gates and targets of a migration read, and how far a gate is from its limit. Shows nothing. */
import type { Migration, MigrationGate, MigrationReport, MigrationStep } from "@master-orchestrator/contract";
import type { z } from "zod";
import { percent, usd } from "../../lib/format.ts";

export type Step = z.infer<typeof MigrationStep>;
export type Target = z.infer<typeof MigrationReport>["targets"][number];

export const PHASES: readonly { name: string; about: string }[] = [
  { name: "Baseline", about: "as it was" },
  { name: "Mutex", about: "behind a lock" },
  { name: "Basic", about: "started from here" },
  { name: "Gateway", about: "models governed" },
  { name: "Final", about: "old triggers gone" },
];

/** `2 Basic, 25 % of runs`. */
export function stepText({ phase, mode, share_percent }: Step): string {
  const name = `${phase} ${PHASES[phase]?.name ?? "?"}`;
  if (phase === 0 || mode === "full") return name;
  return mode === "shadow" ? `${name}, in shadow` : `${name}, ${share_percent} % of runs`;
}

export function measured(value: number | null, unit: MigrationGate["unit"]): string {
  if (value === null) return "–";
  if (unit === "share") return percent(value);
  if (unit === "runs_per_day") return `${Number(value.toFixed(1))} a day`;
  return unit === "seconds" ? `${Number(value.toFixed(1))} s` : usd(value);
}

/** Gates for which more is worse; for the others more is better. */
const CEILINGS: readonly string[] = ["latency", "cost"];

/**
 * How much of what is allowed is used up, from 0 (as good as before, or better) to 1 (at the limit) and beyond.
 * Null where one of the three is not known, or nothing is allowed between them.
 */
export function usedUp({ gate, baseline, now, limit }: MigrationGate): number | null {
  if (baseline === null || now === null || limit === null) return null;
  const [worse, allowed] = CEILINGS.includes(gate)
    ? [now - baseline, limit - baseline]
    : [baseline - now, baseline - limit];
  if (allowed <= 0) return worse > 0 ? null : 0;
  return Math.max(0, worse / allowed);
}

/** What a rollback will do now, asked before it is done. */
export function rollbackQuestion({ name, state, phase }: Migration): string {
  const what = `The original of "${name}" goes back into n8n, byte for byte`;
  const when =
    state === "edited"
      ? ", and what was edited in n8n meanwhile is dropped. "
      : ". If n8n does not answer, it is done as soon as it does. ";
  const clock = phase === 0 ? "" : "From then on n8n's own schedule starts it again. ";
  return `${what}${when}${clock}Runs that are under way end as they began.`;
}

/** Whether going on without the gates' word is possible at all. */
export function mayForce({ next, next_opens, gates, state }: Migration): boolean {
  const breached = gates.some((gate) => gate.verdict === "breached");
  return next !== null && !next_opens && !breached && (state === "steady" || state === "rolled_back");
}

export const TARGET_NAMES: Record<Target["target"], string> = {
  articles_per_day: "Articles a day",
  task_to_result_seconds: "Task to result",
  success_share: "Success",
};

export function targetText(target: Target["target"], value: number | null): string {
  if (target === "success_share") return measured(value, "share");
  if (target === "task_to_result_seconds") return measured(value, "seconds");
  return value === null ? "–" : `${Number(value.toFixed(1))}`;
}

export function wantedText({ target, wanted }: Target): string {
  const side = target === "task_to_result_seconds" ? "under" : "at least";
  return `wanted: ${side} ${targetText(target, wanted)}`;
}
