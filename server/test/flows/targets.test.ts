/** Owns the proof that a workflow's targets share its work: by weight, around those that fail, drain, are full or are gone. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  Execution,
  Explanation,
  RecoveryList,
  type TargetShown,
  Workflow,
} from "@master-orchestrator/contract";
import { accept, completeAtOnce, type FakeSubWorkflow, type Reply } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse, type TestHouseOptions } from "#test/house.ts";

type Settings = { weight?: number; max_concurrent?: number; draining?: boolean };

/** A writer with the targets a and b, each with a sub-workflow of its own behind it. */
interface Scene {
  house: TestHouse;
  a: FakeSubWorkflow;
  b: FakeSubWorkflow;
  /** Registers the targets anew. */
  put(targets: Partial<Record<"a" | "b", Settings>>): Promise<void>;
  shown(name: string): Promise<TargetShown | undefined>;
}

const QUICK_RETRY = { base_seconds: 1, max_seconds: 1, jitter: 0 };

async function openScene(
  t: TestContext,
  targets: Partial<Record<"a" | "b", Settings>>,
  { atOnce = 4, policy = {} }: { atOnce?: number; policy?: TestHouseOptions["policy"] } = {},
): Promise<Scene> {
  const house = await openTestHouse(t, {
    policy: { retry: QUICK_RETRY, ...policy },
    workflows: { writer: {}, a: {}, b: {} },
  });
  const fakes = { a: house.workflow("a"), b: house.workflow("b") };
  const put: Scene["put"] = async (named) => {
    const answer = await house.api("PUT", "/workflows/writer", {
      targets: Object.entries(named).map(([name, one]) => ({
        ...{ name, webhook_url: fakes[name as "a" | "b"].url },
        ...one,
      })),
      batch: { max: 1 },
      max_concurrent: atOnce,
    });
    assert.equal(answer.status, 200, answer.text);
    await house.quiet();
  };
  await put(targets);
  const shown: Scene["shown"] = async (name) => {
    const { body } = await house.api("GET", "/workflows/writer");
    Workflow.parse(body);
    return body.targets.find((one: TargetShown) => one.name === name);
  };
  return { house, ...fakes, put, shown };
}

const many = (count: number) => Array.from({ length: count }, () => ({}));
const gone: Reply = { status: 404, body: { message: "no such webhook" } };

async function assertCompletedOnce({ house }: Scene, ids: readonly string[], failures = 0): Promise<void> {
  const tasks = await Promise.all(ids.map((id) => house.task(id)));
  assert.deepEqual(
    tasks.map((task) => task.status),
    ids.map(() => "completed"),
  );
  assert.equal(
    tasks.reduce((sum, task) => sum + task.failures, 0),
    failures,
  );
}

/** No message was posted to more than one target that answered it. */
function assertNoDoubles(...fakes: FakeSubWorkflow[]): void {
  const ids = fakes.map(({ deliveries }) => new Set(deliveries.map((one) => one.headers["webhook-id"])));
  const [first, second] = ids as [Set<string>, Set<string>];
  assert.deepEqual(
    [...first].filter((id) => second.has(id)),
    [],
  );
}

const recoveriesOf = async (house: TestHouse, query = "") => {
  const { body } = await house.api("GET", `/recoveries${query}`);
  RecoveryList.parse(body);
  return body.recoveries;
};

test("work is shared by weight, and every attempt says where it was sent", async (t) => {
  const scene = await openScene(t, { a: { weight: 3 }, b: { weight: 1 } });
  const { house, a, b } = scene;
  a.always(completeAtOnce);
  b.always(completeAtOnce);
  const ids = await house.enqueue(...many(40));
  await assertCompletedOnce(scene, ids);
  assert.ok(Math.abs(a.deliveries.length - 30) <= 2, `${a.deliveries.length} of 40 went to a`);
  assertNoDoubles(a, b);
  const execution = await house.execution(b.last().message.execution_id);
  Execution.parse(execution);
  assert.equal(execution.attempts[0].target, "b");
  assert.match(execution.context.reason, /to b, which has \d of \d outstanding/);
  const shown = await scene.shown("b");
  assert.deepEqual(
    [shown?.state, shown?.outstanding, shown?.received, shown?.entitled_share, shown?.room],
    ["up", 0, b.deliveries.length, 0.25, 1],
  );
  assert.ok(Math.abs(shown!.received_share! - 0.25) <= 0.05);
  assert.equal(Date.parse(shown!.last_success_at!), house.clock.nowMs());
});

test("the target with less outstanding work gets more", async (t) => {
  const scene = await openScene(t, { a: {}, b: {} });
  const { house, a, b } = scene;
  b.always(completeAtOnce);
  await house.enqueue(...many(20));
  assert.equal(a.deliveries.length, 2, "what runs there has not ended");
  assert.equal(b.deliveries.length, 18);
  assert.equal((await scene.shown("a"))?.outstanding, 2);
});

test("a target that refuses is cut off after five in a row, and one probing run brings it back", async (t) => {
  const scene = await openScene(t, { a: {}, b: {} });
  const { house, a, b } = scene;
  a.always(completeAtOnce);
  b.always(gone);
  const began = house.clock.nowMs();
  const ids = await house.enqueue(...many(30));
  assert.ok(b.deliveries.length >= 5 && b.deliveries.length <= 6, `${b.deliveries.length} were sent to b`);
  const failed = b.deliveries.length;
  const [open] = await recoveriesOf(house, "?open=true");
  assert.deepEqual([open.procedure, open.subject, open.state], ["trip_target", "writer/b", "open"]);
  assert.match(open.cause, /failures in a row at b, the last: HTTP 404/);
  const shown = await scene.shown("b");
  assert.deepEqual([shown?.state, shown?.failures_in_row], ["open", failed]);
  assert.equal(Date.parse(shown!.next_probe_at!), began + 15_000);
  const { rows } = await house.db.query(
    "select entity_id, to_state from transitions where entity = 'workflow' and to_state like 'trip_target%'",
  );
  assert.deepEqual(rows, [{ entity_id: "writer", to_state: "trip_target open" }]);

  await house.advance(5_000);
  await assertCompletedOnce(scene, ids, failed);
  assert.equal(b.deliveries.length, failed, "retries went elsewhere");

  await house.advance(11_000);
  await house.enqueue({});
  assert.equal(b.deliveries.length, failed + 1, "the next run is the probe");
  assert.equal((await scene.shown("b"))?.state, "open");
  assert.equal(Date.parse((await scene.shown("b"))!.next_probe_at!), house.clock.nowMs() + 30_000);
  b.always(completeAtOnce);
  await house.advance(31_000);
  await house.enqueue(...many(10));
  assert.deepEqual(await recoveriesOf(house, "?open=true"), []);
  const [closed] = await recoveriesOf(house);
  assert.match(closed.closed_reason, /b has ended the row of failures/);
  assert.ok(b.deliveries.length > failed + 2, "it gets its part again");
});

test("a dead process costs no attempt: what cannot be connected goes elsewhere, with the same message", async (t) => {
  const scene = await openScene(t, { a: {}, b: {} });
  const { house, a, b } = scene;
  a.always(completeAtOnce);
  await b.close();
  const ids: string[] = [];
  for (let round = 0; round < 6; round++) {
    ids.push(...(await house.enqueue(...many(12))));
    await house.advance(1_000);
  }
  await assertCompletedOnce(scene, ids);
  assert.equal(a.deliveries.length, 72);
  assert.equal(
    new Set(a.deliveries.map((one) => one.headers["webhook-id"])).size,
    72,
    "nothing was sent twice",
  );
  const shown = await scene.shown("b");
  assert.deepEqual([shown?.state, shown?.outstanding], ["open", 0]);
  assert.match(shown!.last_failure!, /cannot be connected to/);
  const moved = a.deliveries.map(({ message }) => message.execution_id);
  const executions = await Promise.all(moved.map((id) => house.execution(id)));
  const twice = executions.filter(({ attempts }) => attempts[0].deliveries === 2);
  assert.ok(twice.length >= 5);
  assert.ok(twice.every(({ attempts }) => attempts.length === 1 && attempts[0].target === "a"));
});

test("what may have been received stays at its target, and its late answer closes the breaker", async (t) => {
  const scene = await openScene(t, { a: {}, b: {} });
  const { house, a, b } = scene;
  a.always(completeAtOnce);
  b.always("cut");
  const ids = await house.enqueue(...many(20));
  await house.advance(4_000);
  assert.equal((await scene.shown("b"))?.state, "open");
  assert.equal((await house.api("GET", "/queue")).body.depth, 0, "a works off what waits");
  assert.equal(new Set(b.deliveries.map((one) => one.headers["webhook-id"])).size, 2);
  b.always(completeAtOnce);
  await house.advance(8_000);
  await assertCompletedOnce(scene, ids);
  assertNoDoubles(a, b);
  assert.deepEqual(await recoveriesOf(house, "?open=true"), []);
});

test("where every target is cut off, what waits names each of them and the next probe", async (t) => {
  const scene = await openScene(t, { a: {}, b: {} }, { atOnce: 2 });
  const { house, a, b } = scene;
  a.always(gone);
  b.always(gone);
  const ids = await house.enqueue(...many(30));
  const tasks = await Promise.all(ids.map((id) => house.task(id)));
  const waiting = tasks.find((task) => task.status === "queued");
  assert.equal(waiting.hold.reason, "circuit_open");
  assert.match(
    waiting.hold.cause,
    /no target of writer is up: a \(.*one run probes at .*; b \(.*one run probes at/,
  );
  assert.equal(Date.parse(waiting.hold.expected_start), house.clock.nowMs() + 15_000);
  const explained = (await house.api("GET", `/tasks/${waiting.task_id}/explain`)).body;
  Explanation.parse(explained);
  assert.equal(explained.gates.at(-1).gate, "circuit");
  a.always(completeAtOnce);
  b.always(completeAtOnce);
  await house.advance(20_000);
  assert.equal((await house.api("GET", "/queue")).body.depth, 0);
  assert.deepEqual(await recoveriesOf(house, "?open=true"), []);
});

test("a target that is draining gets nothing new, and what runs there finishes", async (t) => {
  const scene = await openScene(t, { a: {}, b: {} });
  const { house, a, b, put } = scene;
  await house.enqueue(...many(4));
  assert.deepEqual([a.deliveries.length, b.deliveries.length], [2, 2]);
  await put({ a: {}, b: { weight: 0 } });
  a.always(completeAtOnce);
  await Promise.all(a.deliveries.map((delivery) => delivery.callback()));
  await house.quiet();
  await house.enqueue(...many(6));
  assert.deepEqual([a.deliveries.length, b.deliveries.length], [8, 2]);
  const draining = await scene.shown("b");
  assert.deepEqual([draining?.state, draining?.outstanding, draining?.entitled_share], ["draining", 2, 0]);
  const answers = await Promise.all(b.deliveries.map((delivery) => delivery.callback()));
  assert.ok(answers.every(({ body }) => body.accepted === true));
  await house.quiet();
  assert.equal((await scene.shown("b"))?.outstanding, 0);
});

test("a target that is removed: what was accepted finishes, what may be there ends, what is not there moves", async (t) => {
  const scene = await openScene(t, { b: {} }, { atOnce: 2 });
  const { house, a, b, put } = scene;
  a.always(completeAtOnce);
  b.next(accept, "cut");
  const ids = await house.enqueue(...many(2));
  const [accepted, doubtful] = b.deliveries;
  await put({ a: {} });
  assert.deepEqual([(await scene.shown("b"))?.state, (await scene.shown("b"))?.outstanding], ["removed", 2]);
  await house.advance(1_000);
  const ended = await house.execution(doubtful!.message.execution_id);
  assert.deepEqual([ended.attempts[0].state, ended.attempts[0].target], ["undelivered", "b"]);
  assert.match(ended.attempts[0].error.message, /its target b was removed/);
  await house.advance(2_000);
  assert.equal(a.last().message.attempt, 2);
  assert.equal((await doubtful!.callback()).status, 409, "the run that was replaced is told to stop");
  assert.equal((await accepted!.callback()).body.accepted, true);
  await house.quiet();
  await assertCompletedOnce(scene, ids, 1);
  assert.equal(b.deliveries.length, 2);
  assert.equal(await scene.shown("b"), undefined);
});

test("a target that asks to wait is left alone for as long, and its run is posted elsewhere at once", async (t) => {
  const scene = await openScene(t, { a: {}, b: {} }, { atOnce: 2 });
  const { house, a, b } = scene;
  a.always(completeAtOnce);
  b.next({ status: 429, headers: { "retry-after": "60" } });
  b.always(completeAtOnce);
  const ids = await house.enqueue(...many(10));
  await assertCompletedOnce(scene, ids);
  assert.deepEqual([a.deliveries.length, b.deliveries.length], [10, 1]);
  const resting = await scene.shown("b");
  assert.deepEqual([resting?.state, resting?.room, resting?.failures_in_row], ["resting", 0.5, 0]);
  assert.equal(Date.parse(resting!.rests_until!), house.clock.nowMs() + 60_000);
  await house.advance(60_000);
  await house.enqueue(...many(20));
  assert.ok(b.deliveries.length > 1);
  assert.deepEqual([(await scene.shown("b"))?.state, (await scene.shown("b"))?.rests_until], ["up", null]);
});

test("a target's own max_concurrent holds, and a lane that waits for it says so", async (t) => {
  const scene = await openScene(
    t,
    { a: { max_concurrent: 1 }, b: { max_concurrent: 2, weight: 9 } },
    { atOnce: 9 },
  );
  const { house, a, b } = scene;
  const ids = await house.enqueue(...many(5));
  assert.deepEqual([a.deliveries.length, b.deliveries.length], [1, 2]);
  const [waiting] = (await Promise.all(ids.map((id) => house.task(id)))).filter(
    (task) => task.status === "queued",
  );
  assert.equal(waiting.hold.reason, "concurrency_workflow");
  assert.match(waiting.hold.cause, /a runs 1 of 1 \(its max_concurrent\); b runs 2 of 2/);
});

test("targets are checked at the door, and secrets in their addresses are not shown", async (t) => {
  const house = await openTestHouse(t);
  const url = house.workflow("writer").url;
  const put = (body: object) => house.api("PUT", "/workflows/auditor", body);
  const refused = async (body: object, path: string, what: RegExp) => {
    const answer = await put(body);
    assert.equal(answer.status, 422, answer.text);
    assert.equal(answer.body.errors[0].path, path);
    assert.match(answer.text, what);
  };
  const at = (address: string, more: object = {}) => ({ webhook_url: address, ...more });
  await refused({ targets: [at(url), at("http://10.1.2.3/x")] }, "/targets/1/webhook_url", /OUTBOUND_ALLOW/);
  await refused(
    { targets: [at(`${url}?key=1`), at(`${url}?key=2`)] },
    "/targets/1/name",
    /a name of its own/,
  );
  await refused(
    { targets: [at(url, { name: "x" }), at(`${url}/2`, { name: "x" })] },
    "/targets/1/name",
    /called x/,
  );
  await refused({ targets: [at(url, { weight: 0 })] }, "/targets", /all draining/);
  await refused({ webhook_url: `${url}?key=****` }, "/webhook_url", /is masked/);
  await refused({ targets: [at(url, { name: "with space" })] }, "/targets/0/name", /letters, digits/);

  const settings = {
    webhook_url: `${url}?key=s3cret`,
    targets: [at(`${url}/2?key=s3cret-2`, { name: "second" })],
  };
  const { body, text } = await put(settings);
  assert.doesNotMatch(text, /s3cret/);
  assert.deepEqual(
    [body.settings.webhook_url, ...body.targets.map((one: TargetShown) => `${one.name} ${one.webhook_url}`)],
    [`${url}?key=****`, `${url} ${url}?key=****`, `second ${url}/2?key=****`],
  );
  const again = await put({ webhook_url: body.settings.webhook_url, targets: body.settings.targets });
  assert.equal(again.status, 200, again.text);
  const { rows } = await house.db.query("select settings from workflows where workflow_type = 'auditor'");
  assert.deepEqual(
    [rows[0]!.settings.webhook_url, rows[0]!.settings.targets[0].webhook_url],
    [settings.webhook_url, settings.targets[0]!.webhook_url],
  );
  await house.enqueue({ workflow_type: "auditor" }, { workflow_type: "auditor" });
  assert.deepEqual(
    house
      .workflow("writer")
      .deliveries.map(({ path }) => path)
      .sort(),
    ["/webhook/2?key=s3cret-2", "/webhook?key=s3cret"],
  );
  assert.doesNotMatch(JSON.stringify(house.logged), /s3cret/);
});

test("a built-in workflow is its own target until it is given another", async (t) => {
  const house = await openTestHouse(t);
  const { body } = await house.api("GET", "/workflows/content_pipeline");
  const [own] = body.targets;
  assert.deepEqual([own.name, own.webhook_url, own.state, own.entitled_share], ["built-in", null, "up", 1]);
});
