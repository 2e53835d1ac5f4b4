/** Owns what a task may ask of the optimizer, and which time it is about. Reads nothing. */
import { TaskRefused } from "@master-orchestrator/sdk";
import { z } from "zod";
import type { Window } from "./library.ts";

export const ANALYSES = ["experiments", "funnel", "opportunities"] as const;
export type Analysis = (typeof ANALYSES)[number];

const Moment = z.iso.datetime({ offset: true, error: "must be a time such as 2026-12-01T09:00:00Z" });

/** Without `analysis` everything is done; without `from` and `to` it is about the last 28 days. */
export const RequestSchema = z.strictObject({
  scheduled_for: Moment.optional(),
  analysis: z.enum(ANALYSES).optional(),
  from: Moment.optional(),
  to: Moment.optional(),
});
export type Request = z.output<typeof RequestSchema>;

const DAY_MS = 86_400_000;
const DEFAULT_DAYS = 28;
export const MOST_DAYS = 400;

/** Throws `TaskRefused` for a window that holds nothing, or too much. */
export function windowOf(request: Request, nowMs: number): Window {
  // A slot is about what there is when it runs: what came in since it began would else be seen by no run.
  const toMs = request.to === undefined ? nowMs : Math.min(Date.parse(request.to), nowMs);
  const fromMs = request.from === undefined ? toMs - DEFAULT_DAYS * DAY_MS : Date.parse(request.from);
  if (fromMs >= toMs) {
    throw new TaskRefused(
      `the window is empty: it begins ${new Date(fromMs).toISOString()} and ends ${new Date(toMs).toISOString()}`,
    );
  }
  if (toMs - fromMs > MOST_DAYS * DAY_MS) {
    throw new TaskRefused(`the window is longer than ${MOST_DAYS} days: ask for a shorter one`);
  }
  return { fromMs, toMs };
}
