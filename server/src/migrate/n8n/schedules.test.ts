/** What schedules mean, when they fire, and where workflows meet: across node versions, time zones and changes of the clocks. */
import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { exported } from "#test/n8n/fixtures.ts";
import { collisions, firings } from "./firings.ts";
import { expectCollisions, inspectWorkflow, N8N_TIME_ZONE } from "./inspect.ts";
import { schedulesOf } from "./schedules.ts";
import { type N8nWorkflow, readExport } from "./workflow.ts";

const aWorkflow = (name: string, type: string, parameters: object, settings: object = {}): N8nWorkflow => ({
  name,
  nodes: [
    { name: "Clock", type: `n8n-nodes-base.${type}`, parameters: { ...parameters } },
    { name: "Work", type: "n8n-nodes-base.noOp", parameters: {} },
  ],
  connections: { Clock: { main: [[{ node: "Work", type: "main", index: 0 }]] } },
  settings: { ...settings },
});
const scheduled = (...interval: object[]) => aWorkflow("w", "scheduleTrigger", { rule: { interval } });
const rulesOf = (workflow: N8nWorkflow) => schedulesOf(workflow)[0]!.rules;

describe("a schedule is read", () => {
  const cases: [what: string, workflow: N8nWorkflow, text: RegExp, cron: string | null][] = [
    ["without field: daily", scheduled({}), /^every day at 00:00$/, "0 0 * * *"],
    ["without any rule: daily", aWorkflow("w", "scheduleTrigger", {}), /^every day at 00:00$/, "0 0 * * *"],
    ["at an hour without field", scheduled({ triggerAtHour: 8 }), /^every day at 08:00$/, "0 8 * * *"],
    ["minutes by default", scheduled({ field: "minutes" }), /^every 5 minutes$/, "*/5 * * * *"],
    ["seconds", scheduled({ field: "seconds", secondsInterval: 20 }), /^every 20 seconds$/, "*/20 * * * * *"],
    ["hours", scheduled({ field: "hours", hoursInterval: 2, triggerAtMinute: 5 }), /minute 5/, "5 */2 * * *"],
    ["weeks", scheduled({ field: "weeks", triggerAtDay: [1, 4] }), /Monday, Thursday/, "0 0 * * 1,4"],
    ["weeks by default", scheduled({ field: "weeks" }), /every week on Sunday/, "0 0 * * 0"],
    ["months", scheduled({ field: "months", triggerAtDayOfMonth: 3 }), /day 3/, "0 0 3 * *"],
    ["cron", scheduled({ field: "cronExpression", expression: "0 6 * * 1-5" }), /cron 0 6/, "0 6 * * 1-5"],
    ["of the cron node by default", aWorkflow("w", "cron", {}), /every day at 14:00/, "0 14 * * *"],
    [
      "of the interval node",
      aWorkflow("w", "interval", { interval: 4, unit: "hours" }),
      /every 4 hours/,
      null,
    ],
  ];
  for (const [what, workflow, text, cron] of cases) {
    it(what, () => {
      const [rule] = rulesOf(workflow);
      assert.match(rule!.text, text);
      assert.equal(rule!.cron, cron);
      assert.equal(rule!.problem, null);
    });
  }

  it("with what is not in the file named, and what n8n would refuse too", () => {
    assert.match(rulesOf(aWorkflow("w", "interval", {}))[0]!.uncertain!, /from its activation/);
    const everyX = { triggerTimes: { item: [{ mode: "everyX", value: 3, unit: "hours" }] } };
    assert.match(rulesOf(aWorkflow("w", "cron", everyX))[0]!.uncertain!, /n8n draws it/);
    assert.match(rulesOf(scheduled({ daysInterval: 3 }))[0]!.uncertain!, /which of the days/);
    const problems: [rule: object, told: RegExp][] = [
      [{ field: "cronExpression", expression: "61 * * * *" }, /no cron expression/],
      [{ field: "cronExpression" }, /is empty/],
      [{ field: "cronExpression", expression: "={{ $json.c }}" }, /n8n expression/],
      [{ field: "minutes", minutesInterval: 90 }, /n8n takes 1 to 59/],
      [{ field: "hours", hoursInterval: "={{ 2 }}" }, /not a whole number/],
      [{ field: "decades" }, /unknown kind/],
    ];
    for (const [rule, told] of problems) assert.match(rulesOf(scheduled(rule))[0]!.problem!, told);
  });

  it("in all its rules, of all nodes, disabled ones too", () => {
    const [several] = schedulesOf(readExport(exported("v1-several-rules")).workflows[0]!);
    assert.deepEqual(
      several!.rules.map(({ cron }) => cron),
      ["0 */4 * * *", "30 7 * * 1,4", "15 3 1 * *"],
    );
    assert.equal(schedulesOf(readExport(exported("v1-disabled-schedule")).workflows[0]!)[0]!.disabled, true);
  });
});

describe("a schedule fires", () => {
  const hoursOf = (workflow: N8nWorkflow, zone: string, day: string) => {
    const fromMs = Date.parse(`${day}T00:00:00Z`);
    const [rule] = rulesOf(workflow);
    return [...firings(rule!, zone, fromMs, fromMs + 86_400_000).keys()].map((atMs) =>
      new Date(atMs).toISOString().slice(11, 16),
    );
  };
  const nine = scheduled({ triggerAtHour: 9 });

  it("on the clocks of its zone, which change", () => {
    assert.deepEqual(hoursOf(nine, "Europe/Berlin", "2026-03-28"), ["08:00"]);
    assert.deepEqual(hoursOf(nine, "Europe/Berlin", "2026-03-29"), ["07:00"]);
    assert.deepEqual(hoursOf(nine, "Asia/Kolkata", "2026-03-29"), ["03:30"]);
    assert.deepEqual(hoursOf(nine, N8N_TIME_ZONE, "2026-03-07"), ["14:00"]);
    assert.deepEqual(hoursOf(nine, N8N_TIME_ZONE, "2026-03-08"), ["13:00"]);
  });

  it("each hour, also on the day with 23 and the one with 25", () => {
    const hourly = scheduled({ field: "hours", hoursInterval: 1 });
    for (const day of ["2026-03-29", "2026-10-25"]) {
      assert.equal(hoursOf(hourly, "Europe/Berlin", day).length, 24);
    }
  });

  it("at hours that do not divide the day as n8n does: with one gap over midnight", () => {
    const five = scheduled({ field: "hours", hoursInterval: 5 });
    assert.deepEqual(hoursOf(five, "UTC", "2026-06-10"), ["05:00", "10:00", "15:00", "20:00"]);
  });

  it("several times a minute, counted; on either of two kinds of days", () => {
    const from = Date.parse("2026-06-01T00:00:00Z");
    const [seconds] = rulesOf(scheduled({ field: "seconds", secondsInterval: 20 }));
    assert.deepEqual([...firings(seconds!, "UTC", from, from + 120_000).values()], [3, 3]);
    const [either] = rulesOf(scheduled({ field: "cronExpression", expression: "0 0 15 * 1" }));
    const days = [...firings(either!, "UTC", from, from + 21 * 86_400_000).keys()].map((at) =>
      new Date(at).getUTCDate(),
    );
    assert.deepEqual(days, [1, 8, 15]);
  });
});

describe("workflows meet", () => {
  const daily = (name: string, hour: number, timezone: string) =>
    aWorkflow(name, "scheduleTrigger", { rule: { interval: [{ triggerAtHour: hour }] } }, { timezone });
  const expected = (workflows: N8nWorkflow[], day: string) =>
    expectCollisions(
      workflows.map((workflow) => inspectWorkflow(workflow, N8N_TIME_ZONE)),
      Date.parse(`${day}T00:00:00Z`),
    );

  it("across time zones, but not while only one of them has changed its clocks", () => {
    const both = [daily("Berlin", 9, "Europe/Berlin"), daily("New York", 3, "America/New_York")];
    assert.deepEqual(expected(both, "2026-02-02").collisions, [
      {
        workflows: ["Berlin", "New York"],
        times: 7,
        firstAtMs: Date.parse("2026-02-02T08:00:00Z"),
        aiCallsPerMinute: 0,
      },
    ]);
    assert.deepEqual(expected(both, "2026-03-10").collisions, []);
    assert.equal(expected(both, "2026-03-30").collisions[0]?.times, 7);
  });

  it("the four clocks: all at once four times a day, with the calls of their models counted", () => {
    const four = ["v2-content-pipeline", "v2-agent-gemini", "v1-several-rules", "v2-schedule-and-manual"].map(
      (name) => readExport(exported(name)).workflows[0]!,
    );
    const report = expectCollisions(
      four.map((workflow) => inspectWorkflow({ ...workflow, settings: {} }, "UTC")),
      Date.parse("2026-11-02T00:00:00Z"),
    );
    const [all] = report.collisions;
    // Each 12 hours all four meet; at 6:00 and 18:00 the one of four hours is not there.
    assert.deepEqual([all!.workflows.length, all!.times, all!.aiCallsPerMinute], [4, 14, 4]);
    assert.deepEqual(report.busiestMinute, { atMs: Date.parse("2026-11-02T00:00:00Z"), aiCalls: 4 });
  });

  it("never where a schedule is disabled; what has no known minute is named instead", () => {
    const floating = readExport(exported("v1-interval-node")).workflows[0]!;
    const off = readExport(exported("v1-disabled-schedule")).workflows[0]!;
    const report = expected([floating, off, daily("Daily", 0, "UTC")], "2026-06-01");
    assert.deepEqual(report.collisions, []);
    assert.deepEqual(
      report.floating.map(({ workflow, rule }) => [workflow, rule]),
      [["Poll feeds", "every 4 hours"]],
    );
  });

  it("with themselves not, and under one name as two", () => {
    assert.deepEqual(collisions([{ name: "a", firings: new Map([[0, 3]]), aiCalls: 1 }]), []);
    const twins = [daily("Same", 1, "UTC"), daily("Same", 1, "UTC")];
    assert.deepEqual(expected(twins, "2026-06-01").collisions[0]?.workflows, ["Same (1)", "Same (2)"]);
  });
});

test("an inventory names what a workflow uses, without any secret", () => {
  const workflow = readExport(exported("v2-content-pipeline")).workflows[0]!;
  const report = inspectWorkflow(workflow, N8N_TIME_ZONE);
  assert.equal(report.timeZone, "Europe/Berlin");
  assert.deepEqual(report.triggers, [{ node: "Every 15 minutes", kind: "schedule", disabled: false }]);
  assert.deepEqual(report.aiNodes, [{ node: "Write", provider: "openai", via: "node", obstacle: null }]);
  assert.deepEqual(report.databaseNodes, ["Next topics"]);
  assert.deepEqual(report.credentials, [
    { type: "postgres", id: "k3", name: "Content database", nodes: ["Next topics"] },
    { type: "openAiApi", id: "k1", name: "OpenAI account", nodes: ["Write"] },
  ]);
  assert.deepEqual(report.terminalNodes, ["Publish", "Reject"]);
  assert.equal(report.errorWorkflow, "ErrWf0123456789a");
  assert.equal(report.executionTimeoutSeconds, 600);
  assert.deepEqual(report.phases, { mutex: null, basic: null, gateway: null });
  const wrong = inspectWorkflow({ ...workflow, settings: { timezone: "Mars/Olympus" } }, "UTC");
  assert.equal(wrong.timeZone, "UTC");
  assert.match(wrong.problems.join(), /Mars\/Olympus/);
});
