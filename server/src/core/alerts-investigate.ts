/** Which alerts are looked into by the intelligence engine, and what it is asked. Asks nobody. */
import type { AlertRule, Counter } from "@master-orchestrator/contract";
import type { OpenAlert } from "./alerts-states.ts";
import { DAY_MS, dayOf, dayStartMs } from "./utc-day.ts";

export interface Inquiry {
  payload: { investigate: Record<string, string> };
  /** Of a day that is not over nobody knows what it will be: it is looked into once it is. */
  notBeforeMs: number;
}

/** Later than the last minute of the day is counted. */
const AFTER_DAY_MS = 5 * 60_000;
/** Counted by hour for alerts, by day for investigations. */
const METRIC: Readonly<Record<Counter, string>> = {
  completed: "tasks_completed",
  dead_lettered: "tasks_failed",
  attempts: "tasks_completed",
  attempts_failed: "tasks_failed",
  cost_usd: "cost_usd",
};

/** Null for an alert of a rule that says itself what is wrong: only anomalies leave that open. */
export function inquiryOf(
  alert: Pick<OpenAlert, "labels" | "words">,
  alertId: string,
  rule: AlertRule | undefined,
  nowMs: number,
): Inquiry | null {
  if (rule?.kind !== "anomaly") return null;
  const { workflow_type: workflow } = alert.labels;
  // The full hour that stands out may be yesterday's last one.
  const day = dayOf(nowMs - 3_600_000);
  const over = dayStartMs(day) + DAY_MS;
  return {
    payload: {
      investigate: {
        metric: METRIC[rule.counter],
        subject: workflow === undefined ? "all" : `workflow:${workflow}`,
        from: day,
        to: dayOf(over),
        question: `Why: ${alert.words}`.slice(0, 2000),
        alert_id: alertId,
      },
    },
    notBeforeMs: Math.max(nowMs, over + AFTER_DAY_MS),
  };
}
