/** Owns the proof that trouble is met by rule: breakers, pauses, taking on less, missed ticks, overdue runs; each on record, and over. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Explanation, Orchestrator, Recovery, RecoveryList } from "@master-orchestrator/contract";
import type { z } from "zod";
import { accept, completeAtOnce, type Reply } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse, type TestHouseOptions } from "#test/house.ts";

const gone: Reply = { status: 404, body: { message: "no such webhook" } };
const failAtOnce: Reply = { status: 200, body: { status: "failed", error_data: { message: "it broke" } } };
const iso = (ms: number) => new Date(ms).toISOString();

/** Few attempts are enough, so that a test needs few; no retry comes in between. */
const touchy = (breaker: Record<string, number> = {}): TestHouseOptions => ({
  policy: {
    retry: { max_attempts: 1, base_seconds: 900, max_seconds: 900, dead_letter_after: 100, jitter: 0 },
    recovery: { breaker: { min_attempts: 4, ...breaker } },
  },
  workflows: { writer: { batch: { max: 1 }, max_concurrent: 2 } },
});
const many = (count: number) => Array.from({ length: count }, () => ({}));
const recoveriesOf = async (house: TestHouse, query = "") => {
  const { body } = await house.api("GET", `/recoveries${query}`);
  RecoveryList.parse(body);
  return body.recoveries as RecoveryShown[];
};
type RecoveryShown = z.infer<typeof Recovery>;
const stateOf = async (house: TestHouse) => (await house.api("GET", "/orchestrator")).body;
const holdOf = async (house: TestHouse) => (await house.api("GET", "/queue")).body.lanes[0].hold;
const logOf = (house: TestHouse) =>
  house.logged
    .filter((entry) => entry.message === "recovery")
    .map(({ details }) => {
      const { procedure, step, state } = details as Record<string, string>;
      return `${procedure} ${step} ${state}`;
    });

test("an endpoint that is gone: the breaker opens, says when it probes, probes with one run, and closes", async (t) => {
  const house = await openTestHouse(t, touchy());
  const writer = house.workflow("writer");
  writer.always(gone);
  const began = house.clock.nowMs();
  const ids = await house.enqueue(...many(12));
  const failed = writer.deliveries.length;
  assert.ok(failed >= 4 && failed <= 6, `${failed} were sent before it opened`);

  const state = await stateOf(house);
  Orchestrator.parse(state);
  assert.equal(state.state, "ERROR_RECOVERY");
  const [{ recovery_id, ...short }] = state.recoveries;
  assert.deepEqual(short, { procedure: "trip_breaker", subject: "writer", state: "open" });
  const [open] = await recoveriesOf(house, "?open=true");
  assert.match(open!.cause, /(\d) of the last \1 attempts of writer failed within 5 min: \1 at its endpoint/);
  assert.deepEqual(
    [open!.recovery_id, open!.next_at, open!.closed_at],
    [recovery_id, iso(began + 15_000), null],
  );
  assert.match(open!.exit_rule, /one probing run succeeds/);

  const waiting = (await Promise.all(ids.map((id) => house.task(id)))).find(
    (task) => task.status === "queued",
  );
  assert.deepEqual([waiting.hold.reason, waiting.hold.expected_start], ["circuit_open", iso(began + 15_000)]);
  const explained = (await house.api("GET", `/tasks/${waiting.task_id}/explain`)).body;
  Explanation.parse(explained);
  assert.deepEqual(explained.gates.at(-1).gate, "circuit");
  assert.match(explained.verdict, /one run probes at .*It is expected to start at/);

  await house.advance(14_000);
  assert.equal(writer.deliveries.length, failed);
  await house.advance(2_000);
  assert.equal(writer.deliveries.length, failed + 1, "one probe, which fails");
  const [again] = await recoveriesOf(house);
  assert.deepEqual([again!.recovery_id, again!.state], [recovery_id, "open"]);
  const past = (await house.api("GET", `/tasks/${waiting.task_id}/explain?at=${iso(began + 5_000)}`)).body;
  assert.equal(past.hold.reason, "circuit_open");
  assert.match(past.hold.cause, new RegExp(`one run probes at ${iso(began + 15_000)}`));

  writer.always(accept);
  await house.advance(32_000);
  assert.equal(writer.deliveries.length, failed + 2, "twice the wait later one more");
  assert.equal((await holdOf(house)).reason, "circuit_open");
  assert.match((await holdOf(house)).cause, /one probing run decides whether writer works again/);
  writer.always(completeAtOnce);
  await writer.last().callback();
  await house.quiet();
  const [closed] = await recoveriesOf(house);
  assert.deepEqual(
    [closed!.state, closed!.closed_reason, closed!.closed_by],
    ["closed", "its probing run succeeded", "orchestrator"],
  );
  assert.notEqual((await stateOf(house)).recoveries.length, 1);
  await house.advance(1_000);
  assert.equal((await house.api("GET", "/queue")).body.depth, 0, "everything that waited was sent");
  assert.deepEqual(logOf(house), [
    "trip_breaker opened open",
    "trip_breaker changed half_open",
    "trip_breaker changed half_open",
    "trip_breaker changed open",
    "trip_breaker changed half_open",
    "trip_breaker changed half_open",
    "trip_breaker closed closed",
  ]);
});

test("opening and closing stand in the cycle's decisions, its execution and the workflow's log", async (t) => {
  const house = await openTestHouse(t, touchy());
  house.workflow("writer").always(gone);
  await house.enqueue(...many(6));
  const [{ opened_in }] = (await recoveriesOf(house)) as [RecoveryShown];
  const cycle = (await house.api("GET", `/cycles/${opened_in}`)).body;
  const decision = cycle.decisions.find((one: { kind: string }) => one.kind === "recovery");
  assert.deepEqual(
    [decision.procedure, decision.subject, decision.step],
    ["trip_breaker", "writer", "opened"],
  );
  assert.ok("writer" in cycle.snapshot.health.attempts);
  const execution = await house.execution(opened_in!);
  const steps = execution.transitions.map((step: { to: string }) => step.to);
  assert.deepEqual(steps.slice(0, 3), ["IDLE", "ANALYZING", "ERROR_RECOVERY"]);
  assert.equal(execution.status, "COMPLETED");
  const [action] = execution.recovery_actions;
  assert.deepEqual([action.action, action.subject], ["trip_breaker opened", "writer"]);
  const { rows } = await house.db.query(
    "select from_state, to_state, actor, metadata from transitions where entity = 'workflow' order by transition_id",
  );
  assert.deepEqual([rows[0]!.from_state, rows[0]!.to_state], ["trip_breaker closed", "trip_breaker open"]);
  assert.ok(rows[0]!.metadata.failed_endpoint >= 4);
});

test("one poison task runs its five failures undisturbed, and reaches the dead letters", async (t) => {
  const house = await openTestHouse(t, { policy: { retry: { base_seconds: 1, jitter: 0 } } });
  house.workflow("writer").always(failAtOnce);
  const [id] = await house.enqueue({});
  await house.advance(60_000);
  const task = await house.task(id!);
  assert.deepEqual([task.status, task.failures], ["dead_lettered", 5]);
  assert.deepEqual(await recoveriesOf(house), []);
});

test("a breaker that no probe closes becomes a pause; one run probes after it, and a person's word goes before", async (t) => {
  const house = await openTestHouse(t, touchy({ pause_after: 2, pause_seconds: 600 }));
  const writer = house.workflow("writer");
  writer.always(gone);
  await house.enqueue(...many(12));
  await house.advance(60_000);
  const [pause] = await recoveriesOf(house, "?open=true");
  assert.equal(pause!.procedure, "pause");
  const shown = (await house.api("GET", "/workflows/writer")).body;
  assert.deepEqual([shown.settings.paused, shown.paused_by], [true, "orchestrator"]);
  const hold = await holdOf(house);
  assert.deepEqual([hold.reason, hold.expected_start], ["workflow_paused", pause!.next_at]);
  assert.match(hold.cause, /POST \/api\/v1\/workflows\/writer\/resume/);

  const before = writer.deliveries.length;
  await house.advance(602_000);
  assert.equal(writer.deliveries.length, before + 1, "one probing run; it fails, and the pause begins again");
  const procedures = (await recoveriesOf(house)).map((one) => `${one.procedure} ${one.state}`);
  assert.deepEqual(procedures.slice(0, 2), ["pause active", "trip_breaker closed"]);

  writer.always(completeAtOnce);
  await house.api("POST", "/workflows/writer/resume");
  await house.quiet();
  await house.advance(1_000);
  assert.deepEqual(await recoveriesOf(house, "?open=true"), []);
  const [closed] = await recoveriesOf(house);
  assert.equal(closed!.closed_reason, "an operator has resumed it");
  assert.equal((await house.api("GET", "/queue")).body.depth, 0, "it is not probed, but used in full again");
});

test("a person's pause is never lifted by the machine, also if the machine had paused before", async (t) => {
  const house = await openTestHouse(t, touchy({ pause_after: 1, pause_seconds: 60 }));
  const writer = house.workflow("writer");
  writer.always(gone);
  await house.enqueue(...many(8));
  await house.advance(20_000);
  assert.equal((await house.api("GET", "/workflows/writer")).body.paused_by, "orchestrator");
  await house.api("POST", "/workflows/writer/pause");
  await house.quiet();
  const sent = writer.deliveries.length;
  await house.advance(120_000);
  assert.equal(writer.deliveries.length, sent);
  const shown = (await house.api("GET", "/workflows/writer")).body;
  assert.equal(shown.settings.paused, true);
  assert.notEqual(shown.paused_by, "orchestrator");
  assert.deepEqual(
    await recoveriesOf(house, "?open=true"),
    [],
    "there is nothing left for the machine to end",
  );
});

test("an operator closes a recovery by hand: the next cycle does it, in the operator's name", async (t) => {
  const house = await openTestHouse(t, touchy());
  const writer = house.workflow("writer");
  writer.always(gone);
  await house.enqueue(...many(6));
  const [{ recovery_id }] = (await recoveriesOf(house)) as [RecoveryShown];
  writer.always(completeAtOnce);
  const answer = await house.api("POST", `/recoveries/${recovery_id}/close`);
  Recovery.parse(answer.body);
  assert.deepEqual(
    [answer.status, answer.body.state, answer.body.closed_reason],
    [200, "closed", "closed by request"],
  );
  assert.match(answer.body.closed_by, /admin|test|settings/i);
  await house.quiet();
  assert.equal((await house.api("GET", "/queue")).body.depth, 0, "and everything is sent again");
  assert.deepEqual((await house.api("POST", `/recoveries/${recovery_id}/close`)).body, answer.body);
  const unknown = await house.api("POST", "/recoveries/00000000-0000-4000-8000-000000000000/close");
  assert.equal(unknown.status, 404);
  assert.equal((await house.api("GET", "/recoveries?cursor=dGFza3M6eA")).status, 422);
  assert.equal((await house.api("GET", "/recoveries?open=perhaps")).status, 422);
});

test("errors all over: fewer runs at once, with the reason, until it has been calm for a while", async (t) => {
  const house = await openTestHouse(t, {
    policy: {
      concurrency: { total: 6, high_load: 2 },
      retry: { max_attempts: 1, base_seconds: 3600, max_seconds: 3600, dead_letter_after: 100 },
      recovery: { reduce: { min_attempts: 8, calm_seconds: 60 } },
    },
    workflows: { writer: { batch: { max: 1 }, max_concurrent: 10 } },
  });
  const writer = house.workflow("writer");
  writer.always(failAtOnce);
  await house.enqueue(...many(8));
  await house.advance(1_000);
  assert.deepEqual(
    (await stateOf(house)).recoveries.map((one: RecoveryShown) => one.procedure),
    ["reduce"],
  );
  writer.always(accept);
  await house.enqueue(...many(5));
  const busy = (await stateOf(house)).running;
  const hold = await holdOf(house);
  assert.deepEqual([busy, hold.reason], [2, "recovering"]);
  assert.match(hold.cause, /8 of the last 8 attempts failed within 5 min.*2 runs at once are allowed/);
  writer.always(completeAtOnce);
  for (const run of writer.deliveries.slice(8)) await run.callback();
  await house.advance(299_000);
  assert.equal((await stateOf(house)).recoveries.length, 1, "the window still holds the failures");
  await house.advance(80_000);
  assert.deepEqual(await recoveriesOf(house, "?open=true"), []);
  assert.match(
    (await recoveriesOf(house)).find((one) => one.procedure === "reduce")!.closed_reason!,
    /below half .* for 60 s/,
  );
  assert.equal((await house.api("GET", "/queue")).body.depth, 0);
});

test("boundaries that were slept through are on record: how many, and that one tick was run for them", async (t) => {
  const house = await openTestHouse(t, { env: { TICK_INTERVAL: "10s" } });
  await house.advance(10_000);
  await house.leap(45_000);
  await house.advance(1_000);
  const [recovery] = await recoveriesOf(house);
  assert.deepEqual([recovery!.procedure, recovery!.numbers], ["make_up_ticks", { missed_ticks: 3 }]);
  assert.equal(recovery!.closed_reason, "one tick was run for those that were missed");
  const cycle = (await house.api("GET", `/cycles/${recovery!.opened_in}`)).body;
  assert.deepEqual([cycle.trigger, cycle.snapshot.health.missed_ticks], ["tick", 3]);
  assert.deepEqual(logOf(house), ["make_up_ticks opened active", "make_up_ticks closed closed"]);
  await house.advance(20_000);
  assert.equal((await recoveriesOf(house)).length, 1, "ticks that run are none");
});

test("a start after a long stop notices the ticks that were missed", async (t) => {
  const house = await openTestHouse(t, { env: { TICK_INTERVAL: "10s" } });
  await house.advance(10_000);
  await house.stop();
  await house.leap(605_000);
  const again = await house.replica();
  await again.quiet();
  await again.advance(1_000);
  const recovery = (await recoveriesOf(again)).find(({ procedure }) => procedure === "make_up_ticks");
  assert.deepEqual(recovery?.numbers, { missed_ticks: 59 });
});

test("runs that expired while the machine slept are rescued by the ordinary rules, and that is on record", async (t) => {
  const house = await openTestHouse(t, { workflows: { writer: { batch: { max: 1 } } } });
  const writer = house.workflow("writer");
  const ids = await house.enqueue({}, {});
  await house.leap(900_000);
  await house.advance(1_000);
  const rescue = (await recoveriesOf(house)).find((one) => one.procedure === "rescue_expired_attempts")!;
  assert.match(rescue.cause, /2 runs are overdue, by up to 600 s|2 runs are overdue, by up to \d+ s/);
  assert.equal(rescue.closed_reason, "no run is overdue any more");
  writer.always(completeAtOnce);
  await house.advance(75_000);
  const tasks = await Promise.all(ids.map((id) => house.task(id)));
  assert.deepEqual(
    tasks.map((task) => [task.status, task.failures]),
    [
      ["completed", 1],
      ["completed", 1],
    ],
  );
});

test("a failure keeps its stack trace, its input and the state of the system, with health and resources", async (t) => {
  const house = await openTestHouse(t);
  const [id] = await house.enqueue({ payload: { title: "How to fail" } });
  const run = house.workflow("writer").last();
  await run.fail({ message: "it broke", stack_trace: "Error: it broke\n    at write (writer.js:1:1)" });
  await house.quiet();
  const execution = await house.execution(run.message.execution_id);
  const { message, stack_trace, system_state: state } = execution.error;
  assert.deepEqual([message, stack_trace], ["it broke", "Error: it broke\n    at write (writer.js:1:1)"]);
  assert.deepEqual(execution.input.tasks, [
    { task_id: id, content_type: "default", payload: { title: "How to fail" } },
  ]);
  assert.deepEqual(Object.keys(state.health).sort(), [
    "attempts",
    "cycle_p95_ms",
    "cycles",
    "failed_cycles",
    "missed_ticks",
    "overdue_runs",
    "window_minutes",
  ]);
  assert.equal(state.resources.replicas, 1);
  assert.equal(state.resources.connections.limit, 15);
  assert.ok(state.resources.rss_mb > 10);
  assert.deepEqual([state.running, state.recoveries], [{ writer: 1 }, []]);
});

test("each replica says what it uses, as it was measured", async (t) => {
  const house = await openTestHouse(t);
  await house.replica();
  await house.advance(5_000);
  const { replicas } = await stateOf(house);
  assert.equal(replicas.length, 2);
  for (const { rss_mb, event_loop_delay_ms, connections } of replicas) {
    assert.ok(rss_mb > 10 && rss_mb < 10_000);
    assert.ok(event_loop_delay_ms === null || event_loop_delay_ms >= 0);
    assert.ok(connections.open >= 1 && connections.in_use <= connections.open && connections.waiting === 0);
  }
  const { database, memory } = (await house.api("GET", "/resources")).body;
  const said: { rss_mb: number; connections: { open: number; in_use: number } }[] = replicas;
  const sum = (of: "open" | "in_use") => said.reduce((n, { connections }) => n + connections[of], 0);
  const used = { limit: 15, in_use: sum("in_use"), open: sum("open"), waiting: 0 };
  assert.deepEqual(database, { ...used, claimed: sum("in_use") }, "no workflow says that it needs any");
  const largest_rss_mb = Math.max(...said.map(({ rss_mb }) => rss_mb));
  assert.deepEqual(memory, { limit_mb: 1536, largest_rss_mb, replicas: 2, short: false });
});
