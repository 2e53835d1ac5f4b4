/** Owns the proof of experiments and strategies: started, given out, recorded once, decided by rule, rolled out and back. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { AssignAnswer, ExperimentNow, InForce, Strategy, StrategyList } from "@master-orchestrator/contract";
import type { z } from "zod";
import { openTestHouse, type TestHouse } from "#test/house.ts";
import { anArticleAt, readersOf } from "#test/readership.ts";

const DAY = 86_400_000;

const experiment = (over: object = {}) => ({
  key: "kettle",
  hypothesis: "Readers of guides buy a kettle rather than a calendar",
  surface: "offer",
  scope: { content_types: ["how_to"] },
  variants: [
    { key: "control", change: { offer: "calendar" } },
    { key: "kettle", change: { offer: "kettle" } },
  ],
  stop: { min_sample: 500 },
  ...over,
});

async function call<S extends z.ZodType>(
  house: TestHouse,
  schema: S,
  method: string,
  path: string,
  body?: unknown,
  status = 200,
): Promise<z.output<S>> {
  const answer = await house.api(method, `/content${path}`, body);
  assert.equal(answer.status, status, answer.text);
  return schema.parse(answer.body);
}

const refused = async (house: TestHouse, method: string, path: string, body: unknown, status: number) => {
  const answer = await house.api(method, `/content${path}`, body);
  assert.equal(answer.status, status, answer.text);
  return answer.body as { detail: string; hint: string };
};

/** Gives variants to units 0 to `units`, and lets a share of each variant's units convert. */
async function run(
  house: TestHouse,
  key: string,
  units: number,
  rates: Record<string, number>,
): Promise<void> {
  for (let from = 0; from < units; from += 1000) {
    const some = Array.from({ length: Math.min(1000, units - from) }, (_, i) => `u${from + i}`);
    const { assignments } = await call(house, AssignAnswer, "POST", `/experiments/${key}/assign`, {
      ...{ units: some, expose: true },
    });
    const seen: Record<string, number> = {};
    const outcomes = assignments.flatMap(({ unit, variant }) => {
      const nth = (seen[variant] ?? 0) + 1;
      seen[variant] = nth;
      const rate = rates[variant] as number;
      return Math.floor(nth * rate) > Math.floor((nth - 1) * rate) ? [{ unit, id: `order-${unit}` }] : [];
    });
    const recorded = await house.api("POST", `/content/experiments/${key}/outcomes`, { outcomes });
    assert.deepEqual([recorded.status, recorded.body.added], [200, outcomes.length], recorded.text);
  }
}

/** A built-in workflow has the machine's own clock: what is signed for it has to be of today. */
const today = () => ({ startMs: Date.now() });

/** Has the optimizer look, and returns its result. */
async function look(house: TestHouse, payload: object = { analysis: "experiments" }) {
  const [taskId] = await house.enqueue({ workflow_type: "revenue_optimizer", payload });
  const task = await house.until("the run's end", async () => {
    const task = await house.task(taskId as string);
    return ["completed", "dead_lettered", "retrying"].includes(task.status) ? task : null;
  });
  assert.equal(task.status, "completed", JSON.stringify(task.errors));
  const { rows } = await house.db.query("select result from tasks where task_id = $1", [taskId]);
  return rows[0]?.result;
}

test("an experiment is given out, recorded once, won, rolled out, and rolled back by one call", async (t) => {
  const house = await openTestHouse(t, today());
  const guide = await anArticleAt(house.db, "tea");
  const started = await house.api("POST", "/content/experiments", experiment());
  assert.equal(started.status, 201, started.text);
  await run(house, "kettle", 4000, { control: 0.05, kettle: 0.12 });
  const path = "/experiments/kettle";

  const one = await call(house, AssignAnswer, "GET", `${path}/assign?unit=u17`);
  const again = await call(house, AssignAnswer, "POST", `${path}/assign`, { units: ["u17"], expose: true });
  assert.deepEqual(one, again);
  const repeated = await house.api("POST", `/content${path}/outcomes`, {
    outcomes: [{ unit: "u17", id: "order-u17" }],
  });
  assert.ok(repeated.body.added <= 1);

  const open = await call(house, ExperimentNow, "GET", path);
  assert.equal(open.now.units, 4000);
  assert.ok(open.now.sample_ratio!.ok);
  assert.match(open.waiting_for!, /valid at every look/);
  const result = await look(house);
  assert.deepEqual([result.experiments[0].outcome, result.experiments[0].variant], ["win", "kettle"]);
  const decided = await call(house, ExperimentNow, "GET", path);
  assert.deepEqual([decided.status, decided.ended_by, decided.decision?.outcome], ["decided", "rule", "win"]);
  assert.equal((decided.result as { units: number }).units, 4000);

  // What comes later changes nothing; everybody gets the winner.
  await refused(house, "POST", `${path}/outcomes`, { outcomes: [{ unit: "u1" }] }, 409);
  const after = await call(house, AssignAnswer, "GET", `${path}/assign?unit=somebody-new`);
  assert.deepEqual([after.assignments[0]!.variant, after.assignments[0]!.in_experiment], ["kettle", false]);

  const rolled = await call(house, Strategy, "POST", `${path}/roll-out`, {});
  assert.deepEqual(
    [rolled.version, rolled.kind, rolled.rules[0]!.change],
    [1, "roll_out", { offer: "kettle" }],
  );
  const same = await call(house, Strategy, "POST", `${path}/roll-out`, {});
  assert.equal(same.version, 1);
  const inForce = await call(house, InForce, "GET", `/strategies/in-force?article_id=${guide}`);
  assert.deepEqual([inForce.version, inForce.rules[0]!.experiment], [1, "kettle"]);
  const back = await call(house, Strategy, "POST", "/strategies/roll-back", {});
  assert.deepEqual([back.version, back.kind, back.rules], [2, "roll_back", []]);
  await refused(house, "POST", "/strategies/roll-back", {}, 409);
  const forth = await call(house, Strategy, "POST", "/strategies/roll-back", { to_version: 1 });
  assert.deepEqual([forth.version, forth.restores, forth.rules.length], [3, 1, 1]);
  const { strategies } = await call(house, StrategyList, "GET", "/strategies?limit=2");
  assert.deepEqual(
    strategies.map(({ version, in_force }) => [version, in_force]),
    [
      [3, true],
      [2, false],
    ],
  );
});

test("the example ends as examples/README.md says: kettle wins with the first run", async (t) => {
  const house = await openTestHouse(t, today());
  const example = (name: string) =>
    readFileSync(new URL(`../../../examples/${name}`, import.meta.url), "utf8");
  const { key, ...setUp } = JSON.parse(example("experiment.json"));
  assert.equal((await house.api("POST", "/content/experiments", { key, ...setUp })).status, 201);
  const rows = example("experiment.csv")
    .trim()
    .split("\n")
    .slice(1)
    .map((line) => line.split(","));
  const shown = rows
    .filter(([, variant]) => variant)
    .map(([unit, variant, , , at]) => ({ unit, variant, at }));
  const done = rows
    .filter(([, variant]) => !variant)
    .map(([unit, , goal, usd, at]) => ({ unit, goal, at, amount_usd: Number(usd) }));
  for (let from = 0; from < shown.length; from += 800) {
    const exposures = shown.slice(from, from + 800);
    assert.equal(
      (await house.api("POST", `/content/experiments/${key}/exposures`, { exposures })).body.added,
      800,
    );
  }
  assert.equal(
    (await house.api("POST", `/content/experiments/${key}/outcomes`, { outcomes: done })).body.added,
    166,
  );
  await look(house);
  const { decision, now } = await call(house, ExperimentNow, "GET", `/experiments/${key}`);
  assert.deepEqual([decision?.outcome, decision?.variant, now.sample_ratio?.ok], ["win", "kettle", true]);
  assert.ok(now.variants[1]!.effect!.low > 0);
});

test("contradictory, unclear and impossible experiments are refused, by name", async (t) => {
  const house = await openTestHouse(t);
  const guide = await anArticleAt(house.db, "tea");
  await call(house, ExperimentNow.partial(), "POST", "/experiments", experiment(), 201);
  const post = (over: object, status: number) =>
    refused(house, "POST", "/experiments", experiment(over), status);
  assert.match((await post({}, 409)).detail, /there is an experiment "kettle" already/);
  for (const scope of [{ all: true }, { content_types: ["news", "how_to"] }, { article_ids: [guide] }]) {
    const { detail } = await post({ key: "second", scope }, 409);
    assert.match(detail, /"kettle" varies "offer" of the same articles/);
  }
  await post({ key: "second", scope: { content_types: ["news"] } }, 201);
  await post({ key: "third", surface: "headline" }, 201);
  const none = "00000000-0000-4000-8000-000000000000";
  for (const bad of [
    { scope: { all: true, content_types: ["news"] } },
    { scope: { article_ids: [none] } },
    { variants: [{ key: "control" }] },
    { variants: [{ key: "a" }, { key: "a" }] },
    { hypothesis: "more" },
    { outcomes: "events", unit: "session" },
    { goal: "sale", guardrails: [{ goal: "sale", harm: "fewer" }] },
    { metric: "happiness" },
  ]) {
    await post({ key: "fourth", surface: "cta", ...bad }, 422);
  }
  await refused(house, "POST", "/experiments/kettle/roll-out", {}, 409);
  await refused(
    house,
    "POST",
    "/experiments/kettle/exposures",
    { exposures: [{ unit: "u", variant: "x" }] },
    422,
  );
  await refused(house, "GET", "/experiments/unknown", undefined, 404);
});

test("of two contradictory experiments that start at the same moment one is refused", async (t) => {
  const house = await openTestHouse(t);
  const start = (key: string) => house.api("POST", "/content/experiments", experiment({ key }));
  const answers = await Promise.all(["a", "b", "c", "d"].map(start));
  assert.deepEqual(answers.map(({ status }) => status).toSorted(), [201, 409, 409, 409]);
});

test("a unit that is shown two variants is counted nowhere; exposures may come again and out of order", async (t) => {
  const house = await openTestHouse(t);
  await call(house, ExperimentNow.partial(), "POST", "/experiments", experiment(), 201);
  const path = "/content/experiments/kettle/exposures";
  const at = (minutes: number) => new Date(house.clock.nowMs() + minutes * 60_000).toISOString();
  const exposures = [
    { unit: "a", variant: "control", at: at(1) },
    { unit: "b", variant: "kettle", at: at(2) },
    { unit: "b", variant: "kettle", at: at(1) },
    { unit: "c", variant: "kettle", at: at(1) },
    { unit: "c", variant: "control", at: at(2) },
  ];
  assert.equal((await house.api("POST", path, { exposures })).body.added, 3);
  assert.equal((await house.api("POST", path, { exposures })).body.added, 0);
  await house.api("POST", path, { exposures: [{ unit: "a", variant: "kettle" }] });
  const { now } = await call(house, ExperimentNow, "GET", "/experiments/kettle");
  assert.deepEqual([now.units, now.crossed_units], [1, 2]);
});

test("outcomes may be the imported conversions and revenue of the visitor, from the first exposure on", async (t) => {
  const house = await openTestHouse(t);
  const body = experiment({ outcomes: "events", metric: "revenue_per_unit", goal: "sale" });
  await call(house, ExperimentNow.partial(), "POST", "/experiments", body, 201);
  const at = (hours: number) => new Date(house.clock.nowMs() + hours * 3_600_000).toISOString();
  await house.api("POST", "/content/experiments/kettle/exposures", {
    exposures: [
      { unit: "v1", variant: "control", at: at(0) },
      { unit: "v2", variant: "kettle", at: at(0) },
    ],
  });
  await house.api("POST", "/content/conversions", {
    source: "shop",
    conversions: [
      { at: at(1), kind: "sale", visitor: "v1" },
      { at: at(-1), kind: "sale", visitor: "v2" },
      { at: at(1), kind: "newsletter", visitor: "v2" },
    ],
  });
  await house.api("POST", "/content/revenue", {
    source: "shop",
    revenue: [
      { at: at(1), amount_usd: 12.5, visitor: "v1" },
      { at: at(-1), amount_usd: 99, visitor: "v2" },
    ],
  });
  const { now } = await call(house, ExperimentNow, "GET", "/experiments/kettle");
  assert.deepEqual(
    now.variants.map(({ units, converted, revenue_usd }) => [units, converted, revenue_usd]),
    [
      [1, 1, 12.5],
      [1, 0, 0],
    ],
  );
  await refused(house, "POST", "/experiments/kettle/outcomes", { outcomes: [{ unit: "v1" }] }, 409);
});

test("a winner that was to be rolled out at once is, and taken back by rule when it turns out worse", async (t) => {
  const house = await openTestHouse(t, today());
  const [guide, news] = [await anArticleAt(house.db, "tea"), await anArticleAt(house.db, "milk", "news")];
  const goal = "sale";
  const stop = { min_sample: 500, auto_roll_out: true };
  await call(house, ExperimentNow.partial(), "POST", "/experiments", experiment({ stop, goal }), 201);
  const before = { fromMs: house.clock.nowMs() - 10 * DAY, hours: 240, views: 20_000 };
  await readersOf(house.db, { articleId: guide, page: "/articles/tea", conversions: 1000, ...before });
  await readersOf(house.db, { articleId: news, page: "/articles/milk", conversions: 400, ...before });
  for (let from = 0; from < 4000; from += 1000) {
    const units = Array.from({ length: 1000 }, (_, i) => `u${from + i}`);
    const { assignments } = await call(house, AssignAnswer, "POST", "/experiments/kettle/assign", {
      units,
      expose: true,
    });
    const outcomes = assignments.filter((one, i) => i % (one.variant === "kettle" ? 8 : 20) === 0);
    const sent = { outcomes: outcomes.map(({ unit }) => ({ unit, goal })) };
    assert.equal((await house.api("POST", "/content/experiments/kettle/outcomes", sent)).status, 200);
  }
  const won = await look(house);
  assert.deepEqual([won.experiments[0].outcome, won.experiments[0].rolled_out_as], ["win", 1]);
  assert.equal(won.strategies[0].verdict, "unclear");
  assert.match(
    won.strategies[0].reason,
    /not enough data: fewer than 500 views or 30 events since it is in force/,
  );

  const since = { fromMs: house.clock.nowMs(), hours: 48, views: 10_000 };
  await readersOf(house.db, { articleId: guide, page: "/articles/tea", conversions: 250, ...since });
  await readersOf(house.db, { articleId: news, page: "/articles/milk", conversions: 200, ...since });
  const worse = await look(house);
  assert.deepEqual(
    worse.strategies.map((one: { version: number; verdict: string; rolled_back_as: number }) => [
      ...[one.version, one.verdict, one.rolled_back_as],
    ]),
    [[1, "worse", 2]],
  );
  const { strategies } = await call(house, StrategyList, "GET", "/strategies");
  assert.deepEqual(
    strategies.map(({ version, kind, created_by, in_force }) => [version, kind, created_by, in_force]),
    [
      [2, "roll_back", "rule", true],
      [1, "roll_out", "rule", false],
    ],
  );
  assert.match(strategies[0]!.reason, /it is worse: conversion per view changed by -50 %/);
  assert.equal((strategies[1]!.effect as { compared_with: string }).compared_with, "elsewhere");
  assert.deepEqual((await look(house)).strategies, []);
});

test("rules for one article are the narrowest; an edit on top of another version is refused", async (t) => {
  const house = await openTestHouse(t);
  const guide = await anArticleAt(house.db, "tea");
  const rule = (scope: object, offer: string) => ({ scope, surface: "offer", change: { offer } });
  const rules = [
    rule({ article_ids: [guide] }, "own"),
    rule({ all: true }, "general"),
    rule({ content_types: ["how_to"] }, "guide"),
    { scope: { all: true }, surface: "cta", change: { text: "Read on" } },
  ];
  const put = { rules, reason: "first", expected_version: 0 };
  assert.equal((await call(house, Strategy, "PUT", "/strategies", put)).version, 1);
  await refused(house, "PUT", "/strategies", put, 409);
  const own = await call(house, InForce, "GET", `/strategies/in-force?article_id=${guide}`);
  assert.deepEqual(own.rules.map(({ change }) => change).toSorted(), [{ offer: "own" }, { text: "Read on" }]);
  const other = await anArticleAt(house.db, "pot");
  const others = await call(house, InForce, "GET", `/strategies/in-force?article_id=${other}`);
  assert.deepEqual(others.rules[0]!.change, { offer: "guide" });
});

test("viewers read, workers assign and record, operators change", async (t) => {
  const house = await openTestHouse(t);
  const keys: Record<string, string> = {};
  for (const role of ["viewer", "worker", "operator"]) {
    keys[role] = (await house.api("POST", "/api-keys", { name: role, role })).body.key;
  }
  const status = async (role: string, method: string, path: string, body?: unknown) =>
    (await house.api(method, `/content${path}`, body, keys[role])).status;
  for (const role of ["viewer", "worker"]) {
    assert.equal(await status(role, "POST", "/experiments", experiment()), 403);
    assert.equal(await status(role, "PUT", "/strategies", { rules: [], reason: "no" }), 403);
    assert.equal(await status(role, "POST", "/strategies/roll-back", {}), 403);
  }
  assert.equal(await status("operator", "POST", "/experiments", experiment()), 201);
  assert.equal(
    await status("worker", "POST", "/experiments/kettle/assign", { units: ["u"], expose: true }),
    200,
  );
  assert.equal(await status("viewer", "POST", "/experiments/kettle/assign", { units: ["u"] }), 403);
  assert.equal(await status("viewer", "GET", "/experiments/kettle"), 200);
  assert.equal(await status("viewer", "GET", "/opportunities"), 200);
  assert.equal(await status("worker", "GET", "/opportunities"), 403);
});
