import assert from "node:assert/strict";
import { test } from "node:test";
import { attemptSpan, idSpan, parseTraceparent, spanBelow, taskSpan, traceparentOf } from "./trace.ts";

const GIVEN = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const TASK = "0199f3c8-1111-7abc-8def-0123456789ab";
const RUN = "0199f3c8-2222-7abc-9def-ba9876543210";

test("a traceparent is read and written as the standard has it", () => {
  assert.deepEqual(parseTraceparent(GIVEN), {
    traceId: "4bf92f3577b34da6a3ce929d0e0e4736",
    spanId: "00f067aa0ba902b7",
    sampled: true,
  });
  assert.equal(traceparentOf(parseTraceparent(GIVEN)!), GIVEN);
  assert.equal(parseTraceparent(`${GIVEN.slice(0, -2)}02`)?.sampled, false, "only the lowest flag is meant");
  assert.ok(parseTraceparent(`cc${GIVEN.slice(2)}-what-comes-later`), "a later version may say more");
});

test("what the standard tells to ignore is ignored", () => {
  const bad = [
    null,
    "",
    "nonsense",
    GIVEN.toUpperCase(),
    `ff${GIVEN.slice(2)}`,
    `${GIVEN}-more`,
    `00-${"0".repeat(32)}-00f067aa0ba902b7-01`,
    `00-4bf92f3577b34da6a3ce929d0e0e4736-${"0".repeat(16)}-01`,
  ];
  for (const header of bad) assert.equal(parseTraceparent(header), null, String(header));
});

test("a task's span is the same for whoever asks, in the trace it was given or in its own", () => {
  const own = taskSpan(TASK, null);
  assert.deepEqual(own, taskSpan(TASK.toUpperCase(), null));
  assert.deepEqual([own.context.traceId, own.parentSpanId], [TASK.replaceAll("-", ""), null]);
  const given = taskSpan(TASK, GIVEN);
  assert.equal(given.context.traceId, "4bf92f3577b34da6a3ce929d0e0e4736");
  assert.equal(given.parentSpanId, "00f067aa0ba902b7");
  assert.equal(given.context.spanId, own.context.spanId);
});

test("each attempt at each task has a span of its own", () => {
  const task = taskSpan(TASK, GIVEN).context;
  const spans = [
    attemptSpan(task, RUN, 1),
    attemptSpan(task, RUN, 2),
    attemptSpan(task, TASK, 1),
    task,
    idSpan(RUN),
  ];
  assert.equal(new Set(spans.map(({ spanId }) => spanId)).size, spans.length);
  for (const span of spans) assert.ok(parseTraceparent(traceparentOf(span)), traceparentOf(span));
  assert.ok(parseTraceparent(traceparentOf(spanBelow(null))));
  assert.equal(spanBelow(task).traceId, task.traceId);
});
