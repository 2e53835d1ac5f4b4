/** Which model is called instead of the one that was asked for, and why. Calls nobody. */
import type { Policy } from "@master-orchestrator/contract";

type Conditional = Policy["fallbacks"][number];

/** `lane`: it is called instead for a lane, whatever the day's money and the provider are like. */
export type Fallback = Omit<Conditional, "when"> & { when: Conditional["when"] | "lane" };

/** How the UTC day's money stands, in millionths of a dollar. */
export interface Spending {
  usedMicros: number;
  capMicros: number;
  /** How much of the UTC day is over, 0 to 1. */
  elapsed: number;
}

/** Early in the day a single call is "ahead of the pace": this part of the budget is always free to be spent. */
const FREE_SHARE = 0.05;

/** Whether spending runs ahead: of the day's pace, or only of the share at which the policy slows down. */
export function outruns(spending: Spending, policy: Policy): boolean {
  const { usedMicros, capMicros, elapsed } = spending;
  if (usedMicros >= capMicros * policy.budget.slow_down_at) return true;
  return policy.adapt.by === "pace" && usedMicros > capMicros * Math.max(FREE_SHARE, elapsed);
}

/** The first fallback of this model that its condition asks for; null: call what was asked for. */
export function chooseFallback(
  fallbacks: readonly Fallback[],
  asked: string,
  now: { ahead: boolean; down: boolean },
): Fallback | null {
  return (
    fallbacks.find(({ model, when }) => model === asked && (when === "budget_pace" ? now.ahead : now.down)) ??
    null
  );
}
