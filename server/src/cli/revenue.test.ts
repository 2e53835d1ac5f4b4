/** Funnel, experiments, strategies and opportunities on the command line: what is asked, what is shown. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { command, startStub, taskId } from "./stub-api.ts";

const at = "2026-12-01T08:59:30Z";
const stages = [
  { from: "views", to: "conversions", rate: 0.05, low: 0.04, high: 0.06, lost: 1900, note: null },
];
const figures = {
  ...{ views: 2000, engaged: 0, clicks: 0, conversions: 100, attributed: 0, payments: 3, revenue_usd: 36 },
  ...{ stages, largest_drop: "views to conversions", rpm_usd: 18, rpm_low_usd: 4, rpm_high_usd: 53 },
  ...{ enough_data: true, missing: null },
};
const experiment = {
  ...{
    key: "kettle",
    hypothesis: "A kettle sells",
    surface: "offer",
    status: "running",
    metric: "conversion",
  },
  ...{ started_at: at, ended_at: null, ended_by: null, decision: null, waiting_for: "not clear yet" },
};
const effect = {
  absolute: 0.02,
  low: -0.01,
  high: 0.05,
  relative: 0.4,
  relative_low: -0.2,
  relative_high: 1,
};
const variant = {
  units: 500,
  mean: 0.05,
  chance_best: 0.08,
  expected_loss: 0.02,
  effect: null,
  missing: null,
};
const now = {
  ...{
    units: 1000,
    crossed_units: 2,
    sample_ratio: { chi_square: 0, degrees_of_freedom: 1, p: 1, ok: true },
  },
  variants: [
    { ...variant, key: "control" },
    { ...variant, key: "b", mean: 0.07, chance_best: 0.92, expected_loss: 0.001, effect },
  ],
};
const strategy = {
  ...{ version: 3, kind: "roll_back", in_force: true, in_force_at: at, created_by: "rule", restores: 1 },
  ...{ effect: null, reason: "it was worse", rules: [] },
};
const opportunity = {
  ...{ opportunity_id: taskId(7), kind: "low_conversion", subject: "x", title: "On tea converts badly" },
  ...{
    expected_usd: 1234.5,
    low_usd: 300,
    high_usd: 2500,
    chance: 0.97,
    status: "open",
    found_at: at,
    seen_at: at,
  },
  ...{
    evidence: { views: 5000 },
    action: { do: "experiment" },
    settled_at: null,
    settled_by: null,
    note: null,
  },
};
const base = "/api/v1/content";

test("funnel, experiments, strategies and opportunities are shown and acted upon", async (t) => {
  const range = { from: at, to: at, by: "article" };
  const bodies: Record<string, unknown> = {
    [`${base}/funnel`]: {
      ...range,
      total: figures,
      groups: [{ key: "k", title: "On tea", ...figures }],
      next_cursor: null,
    },
    [`${base}/experiments`]: { experiments: [experiment], next_cursor: null },
    [`${base}/experiments/kettle`]: { ...experiment, now },
    [`${base}/experiments/kettle/assign`]: { assignments: [{ unit: "u", variant: "b" }] },
    [`${base}/experiments/kettle/stop`]: { ...experiment, status: "stopped" },
    [`${base}/experiments/kettle/roll-out`]: strategy,
    [`${base}/strategies`]: { strategies: [strategy], next_cursor: null },
    [`${base}/strategies/in-force`]: { version: 3, rules: [] },
    [`${base}/strategies/roll-back`]: strategy,
    [`${base}/opportunities`]: { opportunities: [opportunity], next_cursor: null },
    [`${base}/opportunities/${taskId(7)}`]: opportunity,
    [`${base}/opportunities/${taskId(7)}/dismiss`]: { ...opportunity, status: "dismissed" },
  };
  const stub = await startStub(t, ({ path }) => ({ body: bodies[path] }));
  const lines: [line: string, text: RegExp][] = [
    [
      "funnel --by channel --from 7d",
      /On tea\s+2,000\s+0\s+0\s+100\s+5\.00 % \(4\.00 % to 6\.00 %\)\s+\$18 \(\$4 to \$53\)\s+\$36/,
    ],
    ["experiments --status running", /kettle\s+running\s+-\s+-\s+30s ago\s+offer\s+A kettle sells/],
    [
      "experiments show kettle",
      /not clear yet[\s\S]*2 left out[\s\S]*b\s+500\s+7 %\s+92 %\s+0\.1 %\s+2 %\s+-1 % to 5 %/,
    ],
    ["experiments assign kettle u", /^b\n/],
    ["experiments stop kettle --reason enough", /^kettle: stopped/],
    ["experiments roll-out kettle", /^in force as strategy 3/],
    ["strategies", /3\s+roll_back\s+yes\s+30s ago\s+rule\s+-\s+it was worse/],
    ["strategies in-force", /^\[\]/],
    ["strategies roll-back 1", /^version 3 is in force: the rules of version 1/],
    ["opportunities", /\$1,235\s+\$300 to \$2,500\s+low_conversion\s+open\s+On tea converts badly/],
    [`opportunities show ${taskId(7)}`, /97 % that there is anything to gain[\s\S]*"views": 5000/],
    [`opportunities dismiss ${taskId(7)} --note no`, /^dismissed: On tea/],
  ];
  for (const [line, text] of lines) {
    const outcome = await command(t, stub.url, line.split(" "));
    assert.match(outcome.stdout, text, line);
    assert.equal(outcome.code, 0, line);
  }
  const [funnel] = stub.requests;
  assert.deepEqual([funnel!.query.by, funnel!.query.from !== undefined], ["channel", true]);
  assert.equal((await command(t, stub.url, ["funnel", "--by", "colour"])).code, 2);
  assert.equal((await command(t, stub.url, ["experiments", "stop", "kettle"])).code, 2);
});

test("a file of exposures and outcomes is sent in two kinds; a bad line is named, the rest goes in", async (t) => {
  const stub = await startStub(t, ({ body }) => ({
    body: { received: 0, added: Object.values(body).flat().length },
  }));
  const lines = [
    ...["unit,variant,goal,amount_usd,at", `u1,control,,,${at}`, `u2,b,,,${at}`],
    ...[`u2,,sale,12.50,${at}`, ",b,,,", `u1,,sale,much,${at}`],
  ];
  const files = { "events.csv": lines.join("\n") };
  const outcome = await command(t, stub.url, ["experiments", "record", "kettle", "events.csv"], { files });
  assert.match(outcome.stdout, /^2 exposures and 1 outcome added, 2 bad lines/);
  assert.match(outcome.stderr, /line 5: unit/);
  assert.match(outcome.stderr, /line 6: amount_usd/);
  assert.equal(outcome.code, 1);
  assert.deepEqual(
    stub.requests.map(({ path, body }) => [path.split("/").at(-1), Object.values(body).flat().length]),
    [
      ["exposures", 2],
      ["outcomes", 1],
    ],
  );
});
