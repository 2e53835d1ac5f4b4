/** The waterfall: every millisecond from due to done belongs to one span, and waiting is told from work. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { Attempt, TaskSummary } from "../../lib/wire.ts";
import { spansOf } from "./waterfall.ts";

const at = (second: number) => new Date(Date.UTC(2026, 11, 1, 9, 0, second)).toISOString();
const attempt = (number: number, dispatched: number, accepted: number | null, ended: number | null) =>
  ({
    attempt: number,
    dispatched_at: at(dispatched),
    accepted_at: accepted === null ? null : at(accepted),
    ended_at: ended === null ? null : at(ended),
  }) as Attempt;
const task = (due: number) => ({ due_at: at(due) }) as TaskSummary;

test("waiting, delivery, work and the pause between attempts follow each other without a gap", () => {
  const spans = spansOf(
    {
      created_at: at(10),
      completed_at: at(60),
      attempts: [attempt(1, 10, 12, 20), attempt(2, 50, null, 60)],
      tasks: [task(4), task(8)],
    },
    0,
  );
  assert.deepEqual(
    spans.map(({ kind, fromMs, toMs }) => [kind, (toMs - fromMs) / 1000]),
    [
      ["waiting", 6],
      ["delivery", 2],
      ["work", 8],
      ["between attempts", 30],
      ["delivery", 10],
    ],
  );
  for (const [i, span] of spans.entries()) if (i > 0) assert.equal(span.fromMs, spans[i - 1]?.toMs);
});

test("what still runs ends now, and what took no time has no span", () => {
  const nowMs = Date.parse(at(30));
  const running = {
    created_at: at(10),
    completed_at: null,
    attempts: [attempt(1, 10, 10, null)],
    tasks: [task(10)],
  };
  assert.deepEqual(
    spansOf(running, nowMs).map(({ kind, toMs }) => [kind, toMs]),
    [["work", nowMs]],
  );
});
