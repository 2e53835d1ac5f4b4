/** Owns the proof that the dashboard and the alert rules in deploy/ ask for what /metrics really tells. */
import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { parser } from "@prometheus-io/lezer-promql";
import { parse as parseYaml } from "yaml";
import { rollUp } from "#store/roll-ups.ts";
import { openTestHouse } from "#test/house.ts";
import { stubCollector } from "#test/stub-collector.ts";

const DEPLOY = new URL("../../../deploy/", import.meta.url);
/** What Prometheus itself adds to every figure. */
const ADDED = ["instance", "job", "pod"];

async function rules(): Promise<string[]> {
  const { groups } = parseYaml(await readFile(new URL("prometheus/orchestrator.rules.yml", DEPLOY), "utf8"));
  for (const { alert, annotations, labels } of groups[0].rules) {
    assert.ok(annotations.summary && annotations.description && labels.severity, `${alert} says what to do`);
  }
  return groups[0].rules.map(({ expr }: { expr: string }) => expr);
}

async function panels(): Promise<string[]> {
  const dashboard = JSON.parse(await readFile(new URL("grafana/orchestrator.json", DEPLOY), "utf8"));
  const targets = dashboard.panels.flatMap((panel: { targets?: { expr: string }[] }) => panel.targets ?? []);
  return targets.map(({ expr }: { expr: string }) => expr);
}

/** What an expression asks for: figures, and labels of any of them. Throws where it is no PromQL. */
function asked(expression: string): { figures: string[]; labels: string[] } {
  const figures: string[] = [];
  const labels: string[] = [];
  parser.parse(expression).iterate({
    enter({ type, from, to }) {
      const text = expression.slice(from, to);
      if (type.isError) throw new Error(`no PromQL at ${from}: ${expression}`);
      if (type.name === "VectorSelector") figures.push(/^[\w:]+/.exec(text)![0]);
      if (type.name === "LabelName") labels.push(text);
    },
  });
  return { figures, labels };
}

test("every figure and label of the dashboard and the alert rules is told by a service at work", async (t) => {
  const collector = await stubCollector(t);
  const workflows = { writer: { batch: { min: 1, max: 1 }, max_concurrent: 1 } };
  const house = await openTestHouse(t, {
    workflows,
    env: { ...collector.env, GEMINI_API_KEY: "a-key", TICK_INTERVAL: "1m" },
  });
  const writer = house.workflow("writer");
  writer.next({ status: 200, body: { accepted: true } });
  const [done] = await house.enqueue({ payload: {} });
  await writer.last().callback({ status: "completed", metrics: { cost_usd: 0.25 } });
  await house.quiet();
  assert.equal((await house.task(done!)).status, "completed");
  // One runs, one waits, and a recovery is open.
  await house.enqueue({ payload: {} }, { payload: {} });
  await house.api("POST", "/workflows/writer/pause");
  await house.leap(2 * 60_000);
  await rollUp(house.db);
  await house.quiet();
  // No cycle looks before the figures do: it would close this.
  await house.db.query(
    `insert into recoveries (recovery_id, procedure, subject, state, cause, entry_rule, exit_rule, opened_at, since_at, data)
     values (gen_random_uuid(), 'set_aside', 'fact', 'active', 'the test', 'the test', 'the test', now(), now(), '{}')`,
  );

  const text = await (await fetch(`${house.url}/metrics`)).text();
  const lines = text.split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  const told = new Set(lines.map((line) => /^\w+/.exec(line)![0]));
  const toldLabels = new Set(
    lines.flatMap((line) => [...line.matchAll(/[{,](\w+)="/g)].map(([, name]) => name!)),
  );
  const expressions = [...(await rules()), ...(await panels())];
  assert.ok(expressions.length > 40);
  for (const expression of expressions) {
    const { figures, labels } = asked(expression);
    assert.ok(figures.length > 0, expression);
    assert.deepEqual(
      figures.filter((name) => !told.has(name)),
      [],
      `in ${expression}`,
    );
    assert.deepEqual(
      labels.filter((name) => !toldLabels.has(name) && !ADDED.includes(name)),
      [],
      `in ${expression}`,
    );
  }
});
