/** What follows a task: named by its author, reported with its result, and kept with it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import type { NextTask } from "@master-orchestrator/contract";
import { z } from "zod";
import { defineWorkflow, withNext } from "./index.ts";
import { manualClock, playOrchestrator } from "./testing.ts";

const AUDIT: NextTask = { workflow_type: "seo_monitor", content_type: "fresh", payload: { slug: "tea" } };

function aWriter(next: readonly unknown[], onRun = () => {}) {
  return defineWorkflow(
    {
      type: "writer",
      input: z.object({ followed: z.boolean() }),
      async run({ input }) {
        onRun();
        return input.followed ? withNext({ slug: "tea" }, next as NextTask[]) : { slug: "milk" };
      },
    },
    { log: () => {}, clock: manualClock() },
  );
}

const payloads = (...followed: boolean[]) => followed.map((each) => ({ payload: { followed: each } }));

test("a task's follow-ups go along with its result, and only with its own", async () => {
  await using orchestrator = await playOrchestrator();
  const writer = aWriter([AUDIT, { workflow_type: "newsletter", priority: 90 }]);
  const { items } = await (await orchestrator.dispatch(writer, { tasks: payloads(true, false) })).callback;
  assert.deepEqual(
    items?.map(({ result_data, next }) => ({ result_data, next })),
    [
      { result_data: { slug: "tea" }, next: [AUDIT, { workflow_type: "newsletter", priority: 90 }] },
      { result_data: { slug: "milk" }, next: undefined },
    ],
  );
});

test("no follow-ups at all are left out of the callback", async () => {
  await using orchestrator = await playOrchestrator();
  const { items } = await (await orchestrator.dispatch(aWriter([]), { tasks: payloads(true) })).callback;
  assert.deepEqual(Object.keys(items?.[0] ?? {}), ["task_id", "status", "result_data"]);
});

test("a later attempt reports the kept result with the same follow-ups, without running again", async () => {
  await using orchestrator = await playOrchestrator();
  let runs = 0;
  const first = await orchestrator.dispatch(
    aWriter([AUDIT], () => (runs += 1)),
    { tasks: payloads(true) },
  );
  await first.callback;
  const taskId = first.taskIds[0] as string;
  const again = await orchestrator.dispatch(
    aWriter([], () => (runs += 1)),
    {
      executionId: first.executionId,
      attempt: 2,
      tasks: [{ task_id: taskId, payload: { followed: true } }],
    },
  );
  assert.deepEqual((await again.callback).items, (await first.callback).items);
  assert.equal(runs, 1);
});

const WRONG: [what: string, next: unknown[], says: RegExp][] = [
  [
    "a name that cannot be one",
    [{ workflow_type: "SEO" }],
    /next does not fit: \/0\/workflow_type: must be lower/,
  ],
  ["a field that is not there", [AUDIT, { ...AUDIT, after: 1 }], /next does not fit: \/1\/after/],
  ["a priority above 100", [{ ...AUDIT, priority: 101 }], /next does not fit: \/0\/priority/],
  ["more than twenty", Array.from({ length: 21 }, () => AUDIT), /next does not fit: \/: /],
  ["a payload that is no JSON", [{ ...AUDIT, payload: { n: 1n } }], /cannot be written as JSON/],
];
for (const [what, next, says] of WRONG) {
  test(`follow-ups with ${what} fail their task for good, and no other`, async () => {
    await using orchestrator = await playOrchestrator();
    const sent = await orchestrator.dispatch(aWriter(next), { tasks: payloads(true, false) });
    const callback = await sent.callback;
    assert.equal(callback.status, "partial");
    const [wrong, right] = callback.items ?? [];
    assert.match(wrong?.error_data?.message ?? "", says);
    assert.equal(wrong?.error_data?.retry_recommended, false);
    assert.equal(right?.status, "completed");
  });
}
