/** Owns the way of a migration: its steps, their order, what each lets n8n run, and which moments go by the phase. Pure. */
import type { MigrationMode } from "@master-orchestrator/contract";

export interface MigrationStep {
  phase: number;
  mode: MigrationMode;
  sharePercent: number;
}

/** What n8n runs: the original, or what a transformer makes of it. */
export type Form = "original" | "mutex" | "basic" | "gateway" | "final";

/** `before`: by share; what is not in the share goes as it went before. */
export interface Wanted {
  form: Form;
  before?: "original" | "mutex";
  /** Phase 3 by share: a second workflow in n8n runs the share. */
  trial?: true;
}

export const FORMS: readonly Form[] = ["original", "mutex", "basic", "gateway", "final"];
export const START: MigrationStep = { phase: 0, mode: "full", sharePercent: 100 };
/** The shares that a phase goes through by itself. */
const SHARES = [10, 50];
const MODES: readonly MigrationMode[] = ["shadow", "share", "full"];

/** The step after this one, over `obstacles` by phase; null at the end. */
export function nextStep(
  { phase, mode, sharePercent }: MigrationStep,
  obstacles: Readonly<Record<number, string | null>>,
): MigrationStep | null {
  if (mode === "shadow" && phase < 4) return { phase, mode: "share", sharePercent: SHARES[0]! };
  if (mode === "share") {
    const larger = SHARES.find((share) => share > sharePercent);
    if (larger !== undefined) return { phase, mode, sharePercent: larger };
  }
  // There is nothing in phase 4 that one run could have and another one not.
  if (mode !== "full") return { phase, mode: "full", sharePercent: 100 };
  const next = [1, 2, 3, 4].find((each) => each > phase && !obstacles[each]);
  return next === undefined ? null : { phase: next, mode: "shadow", sharePercent: 0 };
}

/** What has to be done before `to` can be taken; null where it lies ahead of `from`. Phases may be skipped, shadows may not. */
export function missingBefore(from: MigrationStep, to: MigrationStep): string | null {
  const asked = (phase: number, mode: MigrationMode) => `advance to {"phase": ${phase}, "mode": "${mode}"}`;
  if (to.phase < from.phase) return "Only a rollback leads back, to the original.";
  if (to.phase > from.phase) {
    if (from.mode !== "full") return `Take phase ${from.phase} to full first: ${asked(from.phase, "full")}.`;
    // Its share is a second workflow that the orchestrator has to start.
    if (to.phase === 3 && from.phase < 2) return `Phase 3 stands on phase 2: ${asked(2, "shadow")} first.`;
    return to.mode === "shadow"
      ? null
      : `A phase is entered by its shadow: ${asked(to.phase, "shadow")} first.`;
  }
  if (to.phase === 4 && to.mode === "share") {
    return `Nothing in phase 4 could be by share: ${asked(4, "full")} from its shadow.`;
  }
  const [was, is] = [MODES.indexOf(from.mode), MODES.indexOf(to.mode)];
  const larger = is === was && to.mode === "share" && to.sharePercent > from.sharePercent;
  return is > was || larger ? null : "It is there already; a smaller share is set by POST …/share.";
}

/** What n8n is to run in a step; `phaseBefore` is the phase that was in force before this one. */
export function wantedIn({ phase, mode }: MigrationStep, phaseBefore: number): Wanted {
  if (mode === "full") return { form: FORMS[phase]! };
  if (mode === "shadow") return { form: FORMS[phaseBefore]! };
  if (phase === 3) return { form: FORMS[phaseBefore]!, trial: true };
  return { form: FORMS[phase]!, before: phaseBefore === 1 ? "mutex" : "original" };
}

/** Whether the orchestrator starts the runs by its own clock. */
export function isClock({ phase, mode }: MigrationStep, phaseBefore: number): boolean {
  return phase >= 2 && (mode === "full" || phaseBefore >= 2);
}

/**
 * Whether a moment is in the share: the same answer whenever it is asked, and a larger share has all of a smaller one. The hash
 * is FNV-1a with an avalanche behind it, since the moments of a schedule differ in few digits.
 */
export function isInShare(workflowType: string, slotMs: number, percent: number): boolean {
  let hash = 0x811c9dc5;
  const text = `${workflowType}:${slotMs}`;
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash = Math.imul(hash ^ (hash >>> 13), 0xc2b2ae35);
  return ((hash ^ (hash >>> 16)) >>> 0) % 100 < percent;
}
