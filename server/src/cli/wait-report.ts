/** Owns what the reader sees while and after tasks are waited for. Never asks the API itself. */
import { openProgress } from "./progress.ts";
import type { Session } from "./session.ts";
import { counted, duration } from "./text.ts";
import { type Awaited, type Unfinished, type WaitProgress, type WaitReport, waitForTasks } from "./wait.ts";

/** Where there is no progress bar, a line this often shows that something happens. */
const REMARK_EVERY_MS = 15_000;
const MOST_NAMED = 50;

/** Waits, and resolves with whether every task was completed. */
export async function waitAndReport(
  session: Session,
  awaited: Awaited[],
  timeoutMs: number,
): Promise<boolean> {
  const { terminal } = session;
  const progress = openProgress(terminal, awaited.length);
  let nextRemarkAt = terminal.now() + REMARK_EVERY_MS;
  let report: WaitReport;
  try {
    report = await waitForTasks(awaited, timeoutMs, session.api, terminal, (state) => {
      progress.update(state.done, stateText(state));
      if (terminal.stderr.isTTY || terminal.now() < nextRemarkAt) return;
      nextRemarkAt = terminal.now() + REMARK_EVERY_MS;
      progress.remark(stateText(state));
    });
  } finally {
    progress.stop();
  }
  print(session, report, timeoutMs);
  return report.completed === awaited.length;
}

function stateText({ done, total, running, holds }: WaitProgress): string {
  const held = [...holds].map(([reason, tasks]) => `${tasks} ${reason}`).join(", ");
  return `${done} of ${total} ended, ${running} running${held ? `, held: ${held}` : ""}`;
}

function print(session: Session, report: WaitReport, timeoutMs: number): void {
  const { screen, json } = session;
  const { completed, deadLettered, cancelled, unfinished } = report;
  const say = json ? screen.remark : screen.line;
  const parts = [`${completed.toLocaleString("en-US")} completed`];
  if (deadLettered.length > 0) parts.push(`${deadLettered.length.toLocaleString("en-US")} dead-lettered`);
  if (cancelled.length > 0) parts.push(`${cancelled.length.toLocaleString("en-US")} cancelled`);
  if (unfinished.length > 0) {
    parts.push(`${counted(unfinished.length, "task")} not ended after ${duration(timeoutMs)}`);
  }
  say(parts.join(", "));
  const rest = [...deadLettered, ...cancelled, ...unfinished];
  if (rest.length === 0 || json) return;
  screen.line();
  screen.table<Unfinished>(
    [
      { title: "TASK", value: (each) => each.taskId },
      { title: "PLACE", value: (each) => each.place },
      { title: "STATUS", value: (each) => each.status },
      { title: "WHY", value: (each) => each.cause, shrinks: true },
    ],
    rest.slice(0, MOST_NAMED),
    "",
  );
  if (rest.length > MOST_NAMED) screen.line(`… and ${rest.length - MOST_NAMED} more`);
}
