/** Owns the proof that one trace shows a task from its enqueuing to its publication, and that losing traces costs nothing else. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { ADMIN_KEY, openTestHouse, type TestHouse } from "#test/house.ts";
import { newsroom } from "#test/newsroom.ts";
import { type CollectedSpan, stubCollector } from "#test/stub-collector.ts";
import { stubProvider } from "#test/stub-provider.ts";

const TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736";
const CALLER = "00f067aa0ba902b7";
const SOURCE = `Heat pumps move heat instead of making it. That is why one kilowatt-hour of electricity becomes three of heat.
The compressor squeezes the vapour, which makes it hot. Engineers of the Fraunhofer Institute measured it, and the Fraunhofer Institute published it.`;

async function enqueue(house: TestHouse, task: object, traceparent: string): Promise<string> {
  const answer = await fetch(`${house.url}/api/v1/tasks`, {
    method: "POST",
    headers: { authorization: `Bearer ${ADMIN_KEY}`, "content-type": "application/json", traceparent },
    body: JSON.stringify(task),
  });
  const { tasks } = (await answer.json()) as { tasks: { task_id: string }[] };
  assert.equal(answer.status, 202);
  return tasks[0]!.task_id;
}

/** `task content_pipeline > attempt 1 > …`, from the caller's span down. */
function pathsOf(spans: readonly CollectedSpan[]): Set<string> {
  const byId = new Map(spans.map((span) => [span.spanId, span]));
  const path = (span: CollectedSpan): string => {
    if (span.parentSpanId === CALLER) return span.name;
    const parent = byId.get(span.parentSpanId ?? "");
    return `${parent ? path(parent) : "(nothing)"} > ${span.name}`;
  };
  return new Set(spans.map(path));
}

test("one trace shows an article from its enqueuing, over a person's approval, to its publication", async (t) => {
  const provider = await stubProvider(t);
  const collector = await stubCollector(t);
  // The judge doubts its claims, so that it waits for a person.
  newsroom(provider, {
    doubts: [
      [1, 2],
      [1, 2],
    ],
  });
  const house = await openTestHouse(t, { workflows: {}, env: { ...provider.env, ...collector.env } });
  const payload = {
    ...{ title: "How heat pumps work", brief: "Explain heat pumps to home owners.", keywords: ["heat pump"] },
    sources: [{ title: "Notes", text: SOURCE }],
  };
  const id = await enqueue(
    house,
    { workflow_type: "content_pipeline", payload },
    `00-${TRACE_ID}-${CALLER}-01`,
  );
  const completed = (taskId: string) =>
    house.until(`${taskId} completed`, async () => (await house.task(taskId)).status === "completed");
  await completed(id);
  const { reviews } = (await house.api("GET", "/content/reviews?status=pending")).body;
  const decided = await house.api("POST", `/content/reviews/${reviews[0].review_id}/approve`, {});
  assert.equal(decided.status, 200, decided.text);
  await completed(decided.body.publish_task_id);
  await house.quiet();
  await house.stop();

  const spans = collector.spans.filter(({ traceId }) => traceId === TRACE_ID);
  const paths = pathsOf(spans);
  const life = "POST /api/v1/tasks > task content_pipeline";
  const attempt = `${life} > attempt 1`;
  const published = `${life} > task content_publisher`;
  const expected = [
    "POST /api/v1/tasks",
    life,
    `${life} > wait`,
    attempt,
    `${attempt} > deliver content_pipeline`,
    `${attempt} > deliver content_pipeline > POST /workflows/content-pipeline`,
    `${attempt} > deliver content_pipeline > POST /workflows/content-pipeline > POST /api/v1/executions/:execution_id/claim`,
    `${attempt} > deliver content_pipeline > POST /workflows/content-pipeline > POST /api/v1/executions/:execution_id/callback`,
    `${attempt} > work content_pipeline`,
    published,
    `${published} > wait`,
    `${published} > attempt 1`,
    `${published} > attempt 1 > work content_publisher`,
  ];
  for (const path of expected)
    assert.ok(paths.has(path), `${path} is missing among\n${[...paths].sort().join("\n")}`);
  assert.deepEqual(
    [...paths].filter((path) => path.startsWith("(nothing)")),
    [],
    "every span has its parent",
  );

  const calls = spans.filter(({ told }) => "gen_ai.request.model" in told);
  assert.equal(calls.length, provider.arrivals.length, "each call to a provider is a span");
  for (const call of calls) {
    assert.match(
      [...pathsOf(spans)].find((path) => path.endsWith(`> ${call.name}`))!,
      /> step [^>]+ > POST \/ai\//,
    );
    assert.equal(call.told["gen_ai.usage.output_tokens"], 20);
    assert.ok(Number(call.told["orchestrator.cost_usd"]) > 0);
  }
  for (const { headers } of provider.arrivals)
    assert.equal(headers.traceparent, undefined, "no provider is told");
  const [cycle] = spans.find(({ name }) => name === "attempt 1")!.links;
  assert.ok(collector.spans.some(({ name, spanId }) => name === "cycle" && spanId === cycle!.spanId));
  assert.equal(collector.resource["service.name"], "master-orchestrator");
  assert.doesNotMatch(JSON.stringify(collector.spans), /moe_|the-real-/, "no secret is among them");
});

test("the tasks of one run each keep their own trace; the run's own points to them", async (t) => {
  const collector = await stubCollector(t);
  const workflows = { writer: { batch: { min: 2, max: 10 } } };
  const house = await openTestHouse(t, { workflows, env: collector.env });
  const ids = await house.enqueue({}, {});
  const { message, headers, callback } = house.workflow("writer").last();
  const given = message.input_data.tasks.map(({ task_id, traceparent }) => [
    task_id,
    traceparent!.split("-")[1],
  ]);
  assert.deepEqual(
    given,
    ids.map((id) => [id, id.replaceAll("-", "")]),
  );
  assert.equal(headers.traceparent!.split("-")[1], message.execution_id.replaceAll("-", ""));
  await callback();
  await house.quiet();
  // Sent by itself after a while, not only at the end.
  await house.advance(5_000);
  await house.until("the spans come", () => collector.spans.some(({ name }) => name === "attempt 1"));
  for (const id of ids) {
    const own = collector.spans.filter(({ traceId }) => traceId === id.replaceAll("-", ""));
    assert.deepEqual(own.map(({ name }) => name).sort(), ["attempt 1", "task writer", "wait"]);
  }
  const delivery = collector.spans.find(({ name }) => name === "deliver writer")!;
  assert.deepEqual(
    new Set(delivery.links.map(({ traceId }) => traceId)),
    new Set(ids.map((id) => id.replaceAll("-", ""))),
  );
});

test("a collector that is busy is asked again, one that refuses loses the spans, and the loss is counted; work goes on", async (t) => {
  const collector = await stubCollector(t);
  const house = await openTestHouse(t, { env: collector.env });
  const spans = async (outcome: string) => {
    const text = await (await fetch(`${house.url}/metrics`)).text();
    const at = `orchestrator_trace_spans_total{outcome="${outcome}"} `;
    return Number(
      text
        .split("\n")
        .find((line) => line.startsWith(at))!
        .slice(at.length),
    );
  };
  collector.refuse(503, 400);
  const run = async () => {
    const [id] = await house.enqueue({});
    await house.workflow("writer").last().callback();
    await house.quiet();
    assert.equal((await house.task(id!)).status, "completed");
    await house.advance(5_000);
    await house.advance(1_000);
  };
  await run();
  await house.until("the refusal", () => collector.requests >= 2);
  assert.deepEqual([collector.spans.length, (await spans("dropped")) > 0], [0, true]);
  assert.ok(house.logged.some(({ level, message }) => level === "warn" && /Traces are lost/.test(message)));
  await run();
  await house.until("spans are taken again", async () => (await spans("exported")) > 0);
});

test("a trace that its beginner does not want is passed on and not recorded; without a collector too", async (t) => {
  const collector = await stubCollector(t);
  for (const env of [collector.env, {}]) {
    const house = await openTestHouse(t, { env });
    const id = await enqueue(house, { workflow_type: "writer" }, `00-${TRACE_ID}-${CALLER}-00`);
    await house.quiet();
    const { message, headers, callback } = house.workflow("writer").last();
    for (const passed of [headers.traceparent!, message.input_data.tasks[0]!.traceparent!]) {
      assert.match(passed, new RegExp(`^00-${TRACE_ID}-[0-9a-f]{16}-00$`));
    }
    await callback();
    await house.quiet();
    assert.equal((await house.task(id)).status, "completed");
    await house.stop();
  }
  assert.deepEqual(
    collector.spans.filter(({ traceId }) => traceId === TRACE_ID),
    [],
  );
});
