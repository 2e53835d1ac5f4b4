/** Every phase with every fixture: what is written is sound, marked, the same each time, and leads back to the bytes. */
import assert from "node:assert/strict";
import { describe, it, test } from "node:test";
import { bytesOf, exported, FIXTURES, nodeOf, refusal, workflowIn } from "#test/n8n/fixtures.ts";
import { isDisabled, triggerKind } from "./kinds.ts";
import { PHASES, type Phase, readMark } from "./mark.ts";
import { CREDENTIALS, NAMES, PREFIX } from "./parts.ts";
import { rollback, transform, type Wishes, workflowTypeOf } from "./transform.ts";
import { edges, type N8nWorkflow, structureProblems } from "./workflow.ts";

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

/** Where it is refused, and by which words; all else can be done. */
const REFUSED: Record<string, Partial<Record<Phase, RegExp>>> = {
  "v1-cron-node": { gateway: /calls no model/ },
  "v1-interval-node": { gateway: /calls no model/ },
  "v1-several-rules": { gateway: /calls no model/ },
  "v1-export-array": { gateway: /calls no model/ },
  "v2-rule-without-field": { gateway: /calls no model/ },
  "v2-schedule-and-manual": { gateway: /calls no model/ },
  "v2-schedule-and-webhook": { gateway: /calls no model/, mutex: /start different work/ },
  "v2-webhook-awaited": { basic: /no schedule starts it/, gateway: /no schedule/, mutex: /waits for what/ },
  "v1-webhook": { basic: /no schedule starts it/, gateway: /no schedule/ },
  "v2-mail-trigger": { basic: /no schedule starts it/, gateway: /no schedule/ },
  "v1-disabled-schedule": { basic: /is disabled/, gateway: /is disabled/, mutex: /no enabled trigger/ },
  "v2-called": { basic: /other workflows call it/, gateway: /call it/, mutex: /call it/ },
  "v1-no-trigger": { basic: /no trigger/, gateway: /no trigger/, mutex: /no enabled trigger/ },
};

/** What has to be true of every transformed workflow. */
function assertSound(original: N8nWorkflow, made: N8nWorkflow, phase: Phase): void {
  assert.deepEqual(structureProblems(made), []);
  const { nodes: _, connections: __, ...kept } = original;
  const { nodes: ___, connections: ____, ...keptIn } = made;
  assert.deepEqual(Object.entries(keptIn), Object.entries(kept), "all else stays, in its order");
  const byId = new Map(made.nodes.map((node) => [node.id, node]));
  assert.equal(byId.size, made.nodes.length, "ids are unique");
  for (const node of original.nodes) {
    const now = byId.get(node.id)!;
    if (phase === "final" && triggerKind(node) === "schedule" && !isDisabled(node)) {
      assert.equal(now, undefined, "the old trigger is gone");
      continue;
    }
    assert.ok(nodeOf(made, node.name), `something is named "${node.name}", since expressions refer to it`);
    if (triggerKind(node) !== null) {
      const { name, disabled, ...rest } = now;
      assert.deepEqual({ ...rest, name: node.name, ...("disabled" in node ? { disabled } : {}) }, node);
    } else if (phase === "mutex" || phase === "basic") assert.deepEqual(now, node);
    else
      assert.deepEqual({ ...now, credentials: 0, parameters: 0 }, { ...node, credentials: 0, parameters: 0 });
  }
  const triggers = new Set(
    original.nodes.filter((node) => triggerKind(node) !== null).map(({ name }) => name),
  );
  const wires = new Set(edges(made.connections).map((edge) => JSON.stringify(edge)));
  for (const edge of edges(original.connections)) {
    if ((phase === "mutex" || phase === "final") && triggers.has(edge.from)) continue;
    assert.ok(wires.has(JSON.stringify(edge)), `${edge.from} → ${edge.to} is still there`);
  }
  for (const node of made.nodes.filter(({ name }) => name.startsWith(PREFIX))) {
    assert.ok(node.notes?.includes("Orchestrator") || node.name === NAMES.mark, `${node.name} is marked`);
  }
  assert.equal(made.nodes.filter(({ type }) => type === "n8n-nodes-base.executeWorkflowTrigger").length, 1);
  assert.equal(readMark(made)?.settings.phase, phase);
  assert.doesNotMatch(JSON.stringify(made), /\bmo_[a-z0-9]+_|whsec_|Bearer mo/i, "no key stands in it");
}

/** Every node of the original that could be reached from its triggers is reached from the entry. */
function reached(workflow: N8nWorkflow, from: readonly string[]): Set<string> {
  const wires = edges(workflow.connections);
  const seen = new Set(from);
  for (const name of seen) for (const wire of wires) if (wire.from === name) seen.add(wire.to);
  return seen;
}

for (const name of FIXTURES) {
  describe(`the workflow ${name}`, () => {
    const original = exported(name);
    for (const phase of PHASES) {
      const reason = REFUSED[name]?.[phase === "final" ? "basic" : phase];
      if (reason) {
        it(`is refused for ${phase}, with the reason`, () => {
          const { message, hint } = refusal(() => transform(original, { phase }));
          assert.match(message, reason);
          assert.ok(hint.length > 20, hint);
        });
        continue;
      }
      it(`is transformed for ${phase}: sound, the same each time, and back to its bytes`, () => {
        const { bytes, unchanged } = transform(original, { phase });
        const [before, made] = [workflowIn(original), workflowIn(bytes)];
        assert.equal(unchanged, false);
        assertSound(before, made, phase);
        const starts = before.nodes.filter((node) => !isDisabled(node) && triggerKind(node) === "schedule");
        const work = edges(before.connections).filter(({ from }) =>
          starts.some((node) => node.name === from),
        );
        const inside = reached(made, [NAMES.entry]);
        for (const { to } of work) assert.ok(inside.has(to), `the entry leads to ${to}`);
        assert.ok(!inside.has(NAMES.run), "the work does not call itself again");
        assert.deepEqual(transform(original, { phase }).bytes, bytes);
        const again = transform(bytes, { phase });
        assert.deepEqual([again.bytes, again.unchanged], [bytes, true]);
        assert.deepEqual(Buffer.from(rollback(bytes, false).bytes), original);
      });
    }
  });
}

describe("by share", () => {
  for (const name of ["v2-content-pipeline", "v1-cron-node", "v2-rule-without-field"]) {
    for (const [phase, before] of [
      ["mutex", "original"],
      ["basic", "original"],
      ["basic", "mutex"],
    ] as const) {
      it(`each firing of ${name} asks whose turn it is (${phase}, before it ${before})`, () => {
        const original = exported(name);
        const { bytes } = transform(original, { phase, before, workflowType: "w" });
        const made = workflowIn(bytes);
        assert.deepEqual(structureProblems(made), []);
        const clocks = made.nodes.filter((node) => triggerKind(node) === "schedule" && !isDisabled(node));
        assert.ok(clocks.length > 0, "n8n stays the clock");
        for (const clock of clocks) {
          const [first] = edges(made.connections).filter(({ from }) => from === clock.name);
          assert.equal(first?.to, NAMES.turn);
        }
        const start = workflowIn(original).nodes.find((node) => triggerKind(node) === "schedule")!;
        const [work] = edges(workflowIn(original).connections).filter(({ from }) => from === start.name);
        const way = reached(made, [NAMES.byOld]);
        assert.ok(way.has(work!.to) || way.has(NAMES.lockedRun), "as before leads to the work");
        assert.equal(way.has(NAMES.acquire), phase === "basic" && before === "mutex");
        assert.deepEqual(Buffer.from(rollback(bytes, false).bytes), original);
        assert.deepEqual(transform(bytes, { phase }).bytes, bytes, "the same command changes nothing");
      });
    }
  }
});

describe("phase mutex", () => {
  const made = workflowIn(
    transform(exported("v2-content-pipeline"), { phase: "mutex", lock: "platform" }).bytes,
  );

  it("has the lock behind the trigger, and gives it back after success and after failure", () => {
    const wires = edges(made.connections).map(({ from, output, to }) => `${from} ${output} ${to}`);
    for (const wire of [
      `Every 15 minutes (trigger) 0 ${NAMES.acquire}`,
      `${NAMES.granted} 0 ${NAMES.input}`,
      `${NAMES.granted} 1 ${NAMES.busy}`,
      `${NAMES.busy} 0 ${NAMES.skipped}`,
      `${NAMES.busy} 1 ${NAMES.noLock}`,
      `${NAMES.run} 0 ${NAMES.release}`,
      `${NAMES.run} 1 ${NAMES.releaseFailed}`,
    ]) {
      assert.ok(wires.includes(wire), wire);
    }
    assert.equal(nodeOf(made, NAMES.run).onError, "continueErrorOutput");
    assert.equal(isDisabled(nodeOf(made, "Every 15 minutes (trigger)")), false);
  });

  it("asks for a lease that outlives the workflow's timeout, once for all items of the trigger", () => {
    const acquire = nodeOf(made, NAMES.acquire);
    assert.equal(acquire.parameters?.url, "http://127.0.0.1:8080/api/v1/locks/platform/acquire");
    assert.match(String(acquire.parameters?.jsonBody), /ttl_seconds: 660, wait_seconds: 240/);
    assert.equal(acquire.executeOnce, true);
    assert.deepEqual(acquire.credentials, { httpHeaderAuth: { id: null, name: CREDENTIALS.api } });
  });

  it("locks every trigger that starts the same work, and none waits away its own time", () => {
    const both = workflowIn(transform(exported("v2-schedule-and-manual"), { phase: "mutex" }).bytes);
    const before = edges(both.connections)
      .filter(({ to }) => to === NAMES.acquire)
      .map(({ from }) => from);
    assert.deepEqual(before.sort(), ["Schedule Trigger", "When clicking ‘Execute workflow’"]);
    const short = { ...workflowIn(exported("v1-export-array")), settings: { executionTimeout: 60 } };
    const acquire = nodeOf(workflowIn(transform(bytesOf(short), { phase: "mutex" }).bytes), NAMES.acquire);
    assert.match(String(acquire.parameters?.jsonBody), /ttl_seconds: 120, wait_seconds: 30/);
  });

  it("is refused where a lease cannot be long enough, and where a trigger cannot be renamed", () => {
    const long = { ...workflowIn(exported("v1-export-array")), settings: { executionTimeout: 90_000 } };
    assert.match(refusal(() => transform(bytesOf(long), { phase: "mutex" })).message, /longer than a day/);
    const mail = workflowIn(exported("v2-mail-trigger"));
    nodeOf(mail, "File").parameters = { value: "={{ $('Gmail Trigger').item.json.id }}" };
    assert.match(refusal(() => transform(bytesOf(mail), { phase: "mutex" })).message, /keeps its state/);
  });
});

describe("phase basic", () => {
  it("switches schedules off, leaves other triggers alone and says so", () => {
    const { bytes, notes } = transform(exported("v2-schedule-and-webhook"), { phase: "basic" });
    const made = workflowIn(bytes);
    assert.equal(isDisabled(nodeOf(made, "Schedule Trigger")), true);
    assert.equal(isDisabled(nodeOf(made, "Webhook")), false);
    assert.match(notes.join("\n"), /"Webhook" still starts runs by itself/);
    assert.match(notes.join("\n"), /"schedule": \{"every_seconds": 3600\}/);
  });

  it("puts something under the schedule's name only where expressions refer to it", () => {
    const made = workflowIn(transform(exported("v2-content-pipeline"), { phase: "basic" }).bytes);
    assert.equal(nodeOf(made, "Every 15 minutes").type, "n8n-nodes-base.noOp");
    assert.equal(isDisabled(nodeOf(made, "Every 15 minutes (trigger)")), true);
    const plain = workflowIn(transform(exported("v1-cron-node"), { phase: "basic" }).bytes);
    assert.equal(nodeOf(plain, "Cron").type, "n8n-nodes-base.cron");
  });

  it("answers 202 behind a header, under a path of its own name", () => {
    const { bytes, webhookPath } = transform(exported("v1-cron-node"), {
      phase: "basic",
      workflowType: "seo",
    });
    const start = nodeOf(workflowIn(bytes), NAMES.start);
    assert.equal(webhookPath, "orchestrator/seo");
    assert.equal(start.parameters?.path, webhookPath);
    assert.equal(start.parameters?.authentication, "headerAuth");
    assert.match(
      JSON.stringify(start.parameters),
      /"customCode":202.*accepted: true, execution_id: \$execution\.id/,
    );
    assert.match(
      String(start.webhookId),
      /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/,
    );
  });

  it("is refused where several schedules start different work, or the workflow may not be called", () => {
    const two = workflowIn(exported("v2-schedule-and-manual"));
    Object.assign(nodeOf(two, "When clicking ‘Execute workflow’"), { type: "n8n-nodes-base.cron" });
    two.connections["When clicking ‘Execute workflow’"] = {
      main: [[{ node: "Schedule Trigger", type: "main", index: 0 }]],
    };
    assert.match(refusal(() => transform(bytesOf(two), { phase: "basic" })).message, /start different work/);
    const closed = { ...workflowIn(exported("v1-cron-node")), settings: { callerPolicy: "none" } };
    assert.match(
      refusal(() => transform(bytesOf(closed), { phase: "basic" })).message,
      /forbid that it is called/,
    );
  });
});

test("a node that puts the run to sleep is named, since n8n 1.x takes such a run for ended", () => {
  const sleepy = workflowIn(exported("v1-cron-node"));
  Object.assign(nodeOf(sleepy, "Audit"), { type: "n8n-nodes-base.wait" });
  for (const phase of ["mutex", "basic"] as const) {
    assert.match(transform(bytesOf(sleepy), { phase }).notes.join("\n"), /"Audit" puts the run to sleep/);
  }
});

describe("phase gateway", () => {
  it("exchanges credentials and fixed addresses where that is safe, and names the others", () => {
    const wishes: Wishes = { phase: "gateway", orchestratorUrl: "https://mo.example.com/" };
    const { bytes, notes } = transform(exported("v1-http-openai"), wishes);
    const made = workflowIn(bytes);
    const url = (name: string) => nodeOf(made, name).parameters?.url;
    assert.equal(url("Predefined"), "https://mo.example.com/ai/openai/v1/chat/completions");
    assert.equal(url("Header"), "=https://mo.example.com/ai/openai/v1/responses?x={{ $json.x }}");
    assert.equal(
      url("Gemini"),
      "https://mo.example.com/ai/gemini/v1beta/models/gemini-2.5-flash:generateContent",
    );
    assert.match(String(url("Inline")), /^https:\/\/generativelanguage/);
    assert.deepEqual(nodeOf(made, "Header").credentials, {
      httpHeaderAuth: { id: null, name: CREDENTIALS.api },
    });
    assert.deepEqual(nodeOf(made, "Gemini").credentials, {
      googlePalmApi: { id: null, name: CREDENTIALS.gemini },
    });
    assert.match(notes.join("\n"), /"Inline" still calls its provider directly[\s\S]*"By code" still calls/);
    assert.match(notes.join("\n"), /base URL https:\/\/mo\.example\.com\/ai\/openai\/v1/);
  });

  it("exchanges the credentials of n8n's own nodes, sub-nodes of agents too", () => {
    const { bytes, notes } = transform(exported("v2-agent-gemini"), { phase: "gateway" });
    const made = workflowIn(bytes);
    for (const name of ["Google Gemini Chat Model", "Summarise"]) {
      assert.deepEqual(nodeOf(made, name).credentials, {
        googlePalmApi: { id: null, name: CREDENTIALS.gemini },
      });
    }
    assert.match(notes.join("\n"), /"Claude" still calls its provider directly/);
  });
});

test("what is no workflow, or makes no sense, is refused with the place", () => {
  const sound = workflowIn(exported("v1-cron-node"));
  const cases: [value: unknown, told: RegExp][] = [
    [[], /no workflow in it/],
    [{ name: "x" }, /no n8n workflow.*nodes/],
    [{ ...sound, nodes: [{ type: "a" }] }, /nodes\/0\/name/],
    [{ ...sound, connections: { Cron: { main: [[{ node: 5 }]] } } }, /connections\/Cron\/main\/0\/0/],
    [{ ...sound, nodes: [...sound.nodes, sound.nodes[0]] }, /two nodes are named "Cron"/],
    [
      { ...sound, connections: { Cron: { main: [[{ node: "Gone", type: "main", index: 0 }]] } } },
      /"Gone", which is not there/,
    ],
    [[sound, sound], /2 workflows in one list/],
    [{ data: [sound] }, /1 workflows? in one list/],
  ];
  for (const [value, told] of cases) {
    assert.match(refusal(() => transform(bytesOf(value), { phase: "basic" })).message, told);
  }
  assert.match(
    refusal(() => transform(new TextEncoder().encode("{"), { phase: "basic" })).message,
    /not JSON/,
  );
});

test("a workflow type is made of the workflow's name", () => {
  const names: [string, string][] = [
    ["Content Pipeline (v2)", "content_pipeline_v2"],
    ["  Prüfung – täglich ", "prufung_taglich"],
    ["42 things", "things"],
    ["每日", "n8n_workflow"],
    ["x".repeat(80), "x".repeat(63)],
  ];
  for (const [name, type] of names) assert.equal(workflowTypeOf(name), type);
});

test("text of a transformed workflow ends with a line, and an array stays one", () => {
  const { bytes } = transform(exported("v1-export-array"), { phase: "basic" });
  assert.match(text(bytes), /^\[\n[\s\S]*\n\]\n$/);
});
