/** Owns `orchestrator explain`: why a task stands where it stands. Never reasons itself; it shows the server's reasons. */
import type { Bound, Explanation } from "@master-orchestrator/contract";
import type { Command } from "commander";
import { path } from "./api.ts";
import { printFields } from "./details.ts";
import { type Options, type Session, type Shell, timeOption, withAction } from "./session.ts";
import { ago, duration, plain, width } from "./text.ts";

/** Registers the command. */
export function addExplain(program: Command, shell: Shell): void {
  const command = program
    .command("explain")
    .description("why a task waits (or did), which gate holds it, and when it is expected to start")
    .argument("<task-id>")
    .option("--at <time>", "as of then (2026-12-01T09:00:00Z, 2h, 7d)");
  withAction(command, shell, explain);
}

async function explain(session: Session, [id]: string[], options: Options): Promise<undefined> {
  const now = session.terminal.now();
  const at = options.at === undefined ? undefined : timeOption("--at", String(options.at), now);
  const answer = await session.api<Explanation>("GET", path`/api/v1/tasks/${id!}/explain`, { query: { at } });
  session.show(answer, () => render(session, answer, at === undefined ? now : Date.parse(answer.at)));
}

/** What may go before it, and how long that takes at the present pace. */
export function boundInWords(bound: Bound): string {
  const { work_seconds, starts_within_seconds, overtaken_until } = bound;
  const within =
    starts_within_seconds === null ? "" : `, ${duration(starts_within_seconds * 1000)} at this pace`;
  const later = overtaken_until === null ? "" : `; new urgent ones until ${plain(overtaken_until)}`;
  return `behind ${duration(work_seconds * 1000)} of work${within}${later}`;
}

function render({ screen }: Session, answer: Explanation, nowMs: number): void {
  screen.line(screen.paint("bold", plain(answer.verdict)));
  screen.line();
  const widest = Math.max(0, ...answer.gates.map((gate) => width(plain(gate.gate))));
  for (const gate of answer.gates) {
    const mark = gate.passed ? screen.paint("green", "✓") : screen.paint("red", "✗");
    screen.line(`${mark} ${plain(gate.gate).padEnd(widest)}  ${plain(gate.detail)}`);
  }
  if (answer.gates.length > 0) screen.line();
  const start = answer.hold?.expected_start;
  printFields(screen, {
    status: plain(answer.status),
    rank: answer.rank === null ? null : `${answer.rank} in its lane`,
    score: answer.score,
    held: answer.hold ? plain(`${answer.hold.reason}: ${answer.hold.cause}`) : null,
    expected: start ? `${ago(start, nowMs)} (${plain(start)})` : null,
    "freed by": answer.hold?.freed_by ? plain(answer.hold.freed_by.detail) : null,
    "at the latest": answer.bound ? boundInWords(answer.bound) : null,
    "as of": plain(answer.at),
  });
  if (answer.slot_holders.length > 0) {
    screen.line();
    screen.line(screen.paint("bold", "who holds the slots"));
    screen.table(
      [
        { title: "EXECUTION", value: (each) => each.execution_id },
        { title: "WORKFLOW", value: (each) => each.workflow_type, shrinks: true },
        { title: "TARGET", value: (each) => each.target, shrinks: true },
        { title: "TASKS", value: (each) => each.tasks, right: true },
        { title: "SINCE", value: (each) => ago(each.since, nowMs) },
        { title: "EXPECTED END", value: (each) => ago(each.expected_end, nowMs) },
      ],
      answer.slot_holders,
      "",
    );
  }
  if (answer.history.length === 0) return;
  screen.line();
  screen.line(screen.paint("bold", "history"));
  screen.table(
    [
      { title: "AT", value: (each) => ago(each.at, nowMs) },
      { title: "FROM", value: (each) => each.from },
      { title: "TO", value: (each) => each.to },
      { title: "REASON", value: (each) => each.reason, shrinks: true },
    ],
    answer.history,
    "",
  );
}
