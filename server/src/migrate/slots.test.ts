/** Moments of schedules, to the second; and edits that are taken over into an original. */
import assert from "node:assert/strict";
import { it } from "node:test";
import { bytesOf, exported, refusal, workflowIn } from "#test/n8n/fixtures.ts";
import { mergeEdits } from "./n8n/merge.ts";
import { NAMES } from "./n8n/parts.ts";
import { transform } from "./n8n/transform.ts";
import type { N8nWorkflow } from "./n8n/workflow.ts";
import { timetableOf } from "./slots.ts";

const by = (rule: object): N8nWorkflow => ({
  name: "w",
  nodes: [{ name: "S", type: "n8n-nodes-base.scheduleTrigger", parameters: { rule: { interval: [rule] } } }],
  connections: {},
});

it("a timetable knows its moments to the second, in its own time zone, over days", () => {
  const seconds = timetableOf(by({ field: "cronExpression", expression: "*/10 * * * * *" }), "UTC");
  const noon = Date.UTC(2026, 5, 1, 12);
  assert.deepEqual(seconds.between(noon, noon + 30_000), [noon, noon + 10_000, noon + 20_000]);
  assert.deepEqual(
    [seconds.lastAt(noon + 3), seconds.nextAfter(noon), seconds.perDay],
    [noon, noon + 10_000, 8640],
  );
  const daily = timetableOf(by({ triggerAtHour: 9 }), "America/New_York");
  assert.equal(daily.lastAt(noon), Date.UTC(2026, 4, 31, 13), "nine o'clock in summer");
  assert.equal(daily.nextAfter(noon), Date.UTC(2026, 5, 1, 13));
  assert.match(
    timetableOf(by({ field: "days", daysInterval: 3 }), "UTC").unknown ?? "",
    /on which of the days/,
  );
});

it("an edit goes into the original where it has one meaning, and is refused where it has not", () => {
  const original = exported("v2-content-pipeline");
  const deployed = transform(original, { phase: "basic" }).bytes;
  const edited = structuredClone(workflowIn(deployed));
  const work = edited.nodes.find(({ name }) => name === "Publish")!;
  const own = edited.nodes.find(({ name }) => name === NAMES.start)!;
  work.parameters = { ...work.parameters, url: "https://elsewhere.example" };
  edited.nodes.push({
    name: "New",
    type: "n8n-nodes-base.noOp",
    typeVersion: 1,
    parameters: {},
    position: [0, 0],
  });
  const merged = workflowIn(mergeEdits(original, deployed, bytesOf(edited)));
  assert.deepEqual(merged.nodes.find(({ name }) => name === "Publish")?.parameters, work.parameters);
  assert.ok(merged.nodes.some(({ name }) => name === "New"));
  assert.ok(!merged.nodes.some(({ name }) => name.startsWith("Orchestrator")), "nothing of ours is in it");
  own.parameters = { ...own.parameters, path: "another" };
  assert.match(refusal(() => mergeEdits(original, deployed, bytesOf(edited))).message, /orchestrator's own/);
});
