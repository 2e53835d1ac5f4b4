/** Owns the proof that nothing stops the whole: what cycles fail with is found and set aside, a database that fails is waited for. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Diagnosis, SetAside, SetAsideList } from "@master-orchestrator/contract";
import { plan } from "#core/plan.ts";
import type { Snapshot } from "#core/snapshot.ts";
import { completeAtOnce } from "#test/fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "#test/house.ts";

/** A plan that cannot stomach what `poisons` says, until it is mended. */
function delicate(poisons: (snapshot: Snapshot) => boolean) {
  const mouth = {
    mended: false,
    failures: 0,
    decide(snapshot: Snapshot) {
      if (!mouth.mended && poisons(snapshot)) {
        mouth.failures += 1;
        throw new TypeError("a bug in the plan");
      }
      return plan(snapshot);
    },
  };
  return mouth;
}
const expectedErrors = /a bug in the plan|terminating connection|weird policy/;
const alone = { batch: { max: 1 }, max_concurrent: 10 };
const asideOf = async (house: TestHouse, query = "") => {
  const { body } = await house.api("GET", `/set-aside${query}`);
  SetAsideList.parse(body);
  return body.set_aside;
};
const isPoison = (fact: Snapshot["facts"][number]) =>
  fact.kind === "callback" && fact.callback.error_data?.message === "poison";

test("a fact that no plan can stomach is set aside with its error; all others are folded in", async (t) => {
  const mouth = delicate(({ facts }) => facts.some(isPoison));
  const house = await openTestHouse(t, {
    ...{ decide: mouth.decide, expectedErrors },
    ...{ policy: { concurrency: { total: 20 } }, workflows: { writer: { ...alone, max_concurrent: 20 } } },
  });
  const ids = await house.enqueue(...Array.from({ length: 12 }, () => ({})));
  const runs = [...house.workflow("writer").deliveries];
  const poisoned = runs[7]!;
  await Promise.all(runs.map((run) => (run === poisoned ? run.fail({ message: "poison" }) : run.callback())));
  await house.advance(2_000);
  const statuses = await Promise.all(ids.map(async (id) => (await house.task(id)).status));
  assert.deepEqual(statuses.filter((status) => status === "completed").length, 11);
  assert.equal((await house.task(poisoned.taskIds[0]!)).status, "running", "its outcome is not folded in");

  const [aside, ...more] = await asideOf(house);
  assert.deepEqual(more, []);
  assert.deepEqual(
    [aside.kind, aside.execution_id, aside.fact.kind],
    ["fact", poisoned.message.execution_id, "callback"],
  );
  assert.equal(aside.fact.data.callback.error_data.message, "poison", "nothing of it is lost");
  assert.equal(aside.error.message, "a bug in the plan");
  assert.match(aside.error.stack_trace, /at Object\.decide|at decide/);
  const doctor = (await house.api("GET", "/doctor")).body;
  Diagnosis.parse(doctor);
  const check = doctor.checks.find((one: { name: string }) => one.name === "set aside");
  assert.deepEqual([check.ok, check.detail], [false, "1 that no cycle could stomach"]);
  const { recoveries } = (await house.api("GET", "/recoveries")).body;
  assert.deepEqual(
    recoveries.map((one: Record<string, unknown>) => [one.procedure, one.subject, one.state]),
    [["set_aside", `fact ${aside.item}`, "closed"]],
  );
  assert.ok(mouth.failures <= 12, `${mouth.failures} cycles failed before it was found`);

  mouth.mended = true;
  const back = await house.api("POST", `/set-aside/${aside.set_aside_id}/put-back`);
  SetAside.parse(back.body);
  await house.quiet();
  assert.equal((await house.task(poisoned.taskIds[0]!)).status, "retrying", "now it is folded in");
  assert.deepEqual(await asideOf(house), []);
  const [kept] = await asideOf(house, "?all=true");
  assert.notEqual(kept.put_back_by, null);
  const twice = await house.api("POST", `/set-aside/${aside.set_aside_id}/put-back`);
  assert.deepEqual([twice.status, twice.body], [200, kept]);
  assert.equal(
    (await house.api("POST", "/set-aside/00000000-0000-4000-8000-000000000000/put-back")).status,
    404,
  );
  assert.ok((await house.api("GET", "/doctor")).body.checks.every((one: { ok: boolean }) => one.ok));
});

test("several poison facts among many are all found, one after another", async (t) => {
  const mouth = delicate(({ facts }) => facts.some(isPoison));
  const house = await openTestHouse(t, {
    ...{ decide: mouth.decide, expectedErrors },
    ...{ policy: { concurrency: { total: 40 } }, workflows: { writer: { ...alone, max_concurrent: 40 } } },
  });
  await house.enqueue(...Array.from({ length: 30 }, () => ({})));
  const runs = [...house.workflow("writer").deliveries];
  await Promise.all(runs.map((run, i) => (i % 10 === 3 ? run.fail({ message: "poison" }) : run.callback())));
  await house.advance(3_000);
  assert.equal((await asideOf(house)).length, 3);
  assert.equal((await house.api("GET", "/orchestrator")).body.running, 3);
  await house.advance(2_000);
  assert.equal((await house.api("GET", "/orchestrator")).body.recoveries.length, 0);
});

test("a run that no plan can stomach is set aside; ticks and other runs go on", async (t) => {
  let poisonId = "";
  const mouth = delicate(({ runs }) => runs.some((run) => run.executionId === poisonId));
  const house = await openTestHouse(t, {
    ...{ decide: mouth.decide, expectedErrors, workflows: { writer: alone } },
    env: { TICK_INTERVAL: "60s" },
  });
  const writer = house.workflow("writer");
  await house.enqueue({}, {});
  poisonId = writer.deliveries[0]!.message.execution_id;
  const other = writer.deliveries[1]!;
  writer.always(completeAtOnce);
  await house.advance(420_000);
  const [aside] = await asideOf(house);
  assert.deepEqual([aside.kind, aside.item, aside.execution_id], ["run", poisonId, poisonId]);
  assert.equal((await house.task(other.taskIds[0]!)).status, "completed", "it timed out and was tried again");
  const [last] = (await house.api("GET", "/cycles?trigger=tick")).body.cycles;
  assert.equal(last.drift_ms, 0);
  mouth.mended = true;
  await house.api("POST", `/set-aside/${aside.set_aside_id}/put-back`);
  await house.advance(80_000);
  assert.equal((await house.task(writer.deliveries[0]!.taskIds[0]!)).status, "completed");
});

test("a task that no plan can stomach is set aside; others become due", async (t) => {
  let poisonId = "";
  const mouth = delicate(({ dueTasks }) => dueTasks.some((task) => task.taskId === poisonId));
  const house = await openTestHouse(t, { decide: mouth.decide, expectedErrors });
  house.workflow("writer").always(completeAtOnce);
  const not_before = new Date(house.clock.nowMs() + 10_000).toISOString();
  const ids = await house.enqueue({ not_before }, { not_before }, { not_before });
  poisonId = ids[1]!;
  await house.advance(12_000);
  const statuses = await Promise.all(ids.map(async (id) => (await house.task(id)).status));
  assert.deepEqual(statuses, ["completed", "scheduled", "completed"]);
  const [aside] = await asideOf(house);
  assert.deepEqual([aside.kind, aside.task_id], ["task", poisonId]);
});

test("a plan that fails with nothing at all blames nothing: it is waited for, and goes on by itself", async (t) => {
  const mouth = delicate(() => true);
  mouth.mended = true;
  const house = await openTestHouse(t, { decide: mouth.decide, expectedErrors });
  mouth.mended = false;
  const answer = await house.api("POST", "/tasks", { workflow_type: "writer" });
  await house.advance(20_000);
  assert.ok(mouth.failures < 20, `${mouth.failures} failed cycles in 20 s`);
  mouth.mended = true;
  await house.advance(5_000);
  assert.equal((await house.task(answer.body.tasks[0].task_id)).status, "running");
  assert.deepEqual(await asideOf(house), []);
});

test("a database that fails is waited for, longer each time up to five seconds; nothing is set aside", async (t) => {
  const at: number[] = [];
  let down = false;
  const house: TestHouse = await openTestHouse(t, {
    expectedErrors,
    decide(snapshot) {
      if (!down) return plan(snapshot);
      at.push(house.clock.nowMs());
      throw Object.assign(new Error("terminating connection due to administrator command"), {
        code: "57P01",
      });
    },
  });
  await house.advance(1_000);
  down = true;
  await house.advance(30_000);
  const waits = at.map((ms, i) => ms - (at[i - 1] ?? ms)).slice(1);
  assert.deepEqual(waits.slice(0, 6), [500, 1_000, 2_000, 4_000, 5_000, 5_000]);
  down = false;
  const [id] = await house.enqueue({});
  await house.advance(6_000);
  assert.equal((await house.task(id!)).status, "running");
  assert.deepEqual(await asideOf(house), []);
  const { rows } = await house.db.query("select distinct fault from failed_cycles");
  assert.deepEqual(
    rows.map((row) => row.fault),
    ["store"],
  );
  const state = (await house.api("GET", "/orchestrator")).body;
  assert.deepEqual(
    state.recoveries.map((one: { procedure: string }) => one.procedure),
    ["reduce"],
    "a database that failed cycle after cycle is spared for a while",
  );
});
