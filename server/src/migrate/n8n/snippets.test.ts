/** The code and expressions of added nodes, run here as n8n runs them: what they send is what the contract takes. */
import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import {
  AcquireBody,
  Callback,
  ClaimBody,
  DispatchMessage,
  fieldProblems,
  ReleaseBody,
} from "@master-orchestrator/contract";
import { exported } from "#test/n8n/fixtures.ts";
import { NAMES } from "./parts.ts";
import { FAILURE_CODE, INPUT_CODE, OUTCOME_CODE, triggerItemsCode } from "./snippets.ts";
import { transform } from "./transform.ts";
import { kindOf, readExport, textsIn } from "./workflow.ts";

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const MESSAGE = {
  ...{ execution_id: id(1), parent_execution_id: null, attempt: 2, workflow_type: "news", priority: 50 },
  input_data: {
    tasks: [1, 2].map((n) => ({ task_id: id(10 + n), content_type: "how_to", payload: { n } })),
    params: {},
  },
  ...{ context: {}, timeout_seconds: 300, deadline: "2026-12-01T09:05:00Z" },
  callback_url: `https://mo.example.com/api/v1/executions/${id(1)}/callback`,
  gateway: { openai_base_url: "https://mo.example.com/o", gemini_base_url: "https://mo.example.com/g" },
  authentication: { type: "bearer", token: "moe_secret" },
};

type Items = Record<string, unknown>[];
/** By node, by output: the items' JSON. A node that is not there has not run. */
type Ran = Record<string, Items[]>;

/** n8n's `$('name')`, which throws for an output that there is none of. */
function proxyOf(ran: Ran) {
  return (name: string) => ({
    isExecuted: name in ran,
    all(index = 0) {
      const output = ran[name]?.[index];
      if (!output) throw new Error(`Node "${name}" has no branch with index ${index}.`);
      return output.map((json) => ({ json }));
    },
    first: () => ({ json: ran[name]![0]![0]! }),
  });
}

const $now = { toISO: () => "2026-12-01T09:00:00.000Z", toFormat: (pattern: string) => `<${pattern}>` };
const START: Ran = { [NAMES.start]: [[{ headers: { authorization: "secret" }, body: MESSAGE }]] };

function runCode(code: string, ran: Ran, input: Items = [{}]): { json: Record<string, unknown> }[] {
  const items = input.map((json) => ({ json }));
  const $input = { all: () => items, first: () => items[0] };
  const globals = { $: proxyOf(ran), $input, $now, $execution: { id: "4711" } };
  // What crosses the boundary is compared as JSON: objects of another realm are never deeply equal.
  return JSON.parse(JSON.stringify(runInNewContext(`(() => { ${code} })()`, globals)));
}

/** An n8n expression of one piece, or with text around it. */
function evaluate(expression: string, ran: Ran, $json: unknown = {}): unknown {
  const pieces = [...expression.slice(1).matchAll(/\{\{(.*?)\}\}/gs)];
  const run = (code: string) => runInNewContext(code, { $: proxyOf(ran), $json, $execution: { id: "4711" } });
  if (pieces.length === 1 && pieces[0]![0] === expression.slice(1)) return run(pieces[0]![1]!);
  return expression.slice(1).replace(/\{\{(.*?)\}\}/gs, (_, code: string) => String(run(code)));
}

const input = () => runCode(INPUT_CODE, START, [{ claimed: true }])[0]!.json;
const ended = (good: Items, bad?: Items): Ran => ({
  ...START,
  [NAMES.input]: [[input()]],
  [NAMES.run]: bad ? [good, bad] : [good],
});

describe("the input of the work", () => {
  it("has the fields of a Schedule Trigger and the order, but neither headers nor token", () => {
    assert.deepEqual(fieldProblems(DispatchMessage, MESSAGE), []);
    const json = input();
    assert.equal(json.timestamp, "2026-12-01T09:00:00.000Z");
    assert.equal(json["Day of week"], "<EEEE>");
    assert.deepEqual((json.orchestrator as Record<string, unknown>).tasks, MESSAGE.input_data.tasks);
    assert.doesNotMatch(JSON.stringify(json), /secret/);
  });

  it("is nothing without a claim that was granted", () => {
    assert.deepEqual(runCode(INPUT_CODE, START, [{ body: MESSAGE }]), []);
  });

  it("is the trigger's own items behind a lock, of whichever trigger has started", () => {
    const code = triggerItemsCode(["A", 'It\'s "B"']);
    assert.deepEqual(runCode(code, { 'It\'s "B"': [[{ n: 1 }, { n: 2 }]] }), [
      { json: { n: 1 } },
      { json: { n: 2 } },
    ]);
  });
});

describe("the end of a run, as a callback", () => {
  const [a, b] = [id(11), id(12)];
  const cases: [what: string, good: Items, bad: Items | undefined, expected: Record<string, unknown>][] = [
    ["success", [{ slug: "x" }], undefined, { status: "completed" }],
    ["success without any item", [{}], undefined, { status: "completed" }],
    ["one result for each task", [{ task_id: a }, { task_id: b }], undefined, { status: "completed" }],
    ["a task that failed", [{ task_id: a }, { task_id: b, error: "no" }], undefined, { status: "partial" }],
    ["a task without a result", [{ task_id: a }], undefined, { status: "partial" }],
    [
      "all tasks failed",
      [
        { task_id: a, error: {} },
        { task_id: b, error: "no" },
      ],
      undefined,
      { status: "failed" },
    ],
    ["some items failed", [{ slug: "x" }], [{ error: "no" }], { status: "partial" }],
    ["all items failed, with more in them", [{ error: "no", url: "u" }], undefined, { status: "failed" }],
    [
      "its own word",
      [{ orchestrator_result: { status: "failed", error_data: { message: "m" } } }],
      undefined,
      { status: "failed" },
    ],
  ];
  for (const [what, good, bad, expected] of cases) {
    it(what, () => {
      const outcome = runCode(OUTCOME_CODE, ended(good, bad));
      assert.equal(outcome.length, 1);
      const callback = outcome[0]!.json;
      assert.deepEqual(fieldProblems(Callback, callback), []);
      assert.equal(callback.status, expected.status);
      assert.equal(callback.attempt, 2);
      if (expected.status === "partial") assert.ok(Array.isArray(callback.items), "partial needs items");
      assert.deepEqual(
        runCode(FAILURE_CODE, ended(good, bad ?? []), bad ?? [{}]).length,
        good.some((item) => Object.keys(item).length > 0) ? 0 : 1,
      );
    });
  }

  it("failure: told once, by the branch of errors alone", () => {
    for (const error of ["it broke", { message: "it broke" }]) {
      const ran = ended([{}], [{ error }]);
      assert.deepEqual(runCode(OUTCOME_CODE, ran), []);
      const [told] = runCode(FAILURE_CODE, ran, [{ error }]);
      assert.deepEqual(fieldProblems(Callback, told!.json), []);
      assert.equal(told!.json.status, "failed");
      assert.equal((told!.json.error_data as { message: string }).message, "it broke");
    }
  });

  it("holds nothing that the orchestrator refuses, and no more than it takes", () => {
    const odd = { text: "a\0b\ud800c", long: "x".repeat(300_000) };
    const [outcome] = runCode(OUTCOME_CODE, ended([odd]));
    assert.ok(JSON.stringify(outcome).length < 10_000);
    const [small] = runCode(OUTCOME_CODE, ended([{ text: odd.text }]));
    assert.match(JSON.stringify(small), /"ab\ufffdc"/);
  });
});

describe("the calls of added nodes", () => {
  const nodeOf = (phase: "basic" | "mutex", name: string) => {
    const { bytes } = transform(exported("v1-cron-node"), { phase });
    return readExport(bytes).workflows[0]!.nodes.find((node) => node.name === name)!;
  };
  const bodyOf = (phase: "basic" | "mutex", name: string, ran: Ran, $json: unknown = {}) =>
    JSON.parse(String(evaluate(String(nodeOf(phase, name).parameters?.jsonBody), ran, $json)));

  it("claim and report with the attempt's own token, at its own address", () => {
    const claim = nodeOf("basic", NAMES.claim).parameters!;
    assert.equal(
      evaluate(String(claim.url), START),
      `https://mo.example.com/api/v1/executions/${id(1)}/claim`,
    );
    const [header] = (claim.headerParameters as { parameters: { value: string }[] }).parameters;
    assert.equal(evaluate(header!.value, START), "Bearer moe_secret");
    const body = bodyOf("basic", NAMES.claim, START);
    assert.deepEqual(ClaimBody.parse(body), { attempt: 2, claimant: "n8n run 4711" });
    assert.equal(
      evaluate(String(nodeOf("basic", NAMES.report).parameters!.url), START),
      MESSAGE.callback_url,
    );
    assert.deepEqual(bodyOf("basic", NAMES.report, START, { status: "completed" }), { status: "completed" });
  });

  it("acquire for the execution and release by its lease", () => {
    const acquire = AcquireBody.parse(bodyOf("mutex", NAMES.acquire, {}));
    assert.deepEqual(acquire, { holder: "n8n run 4711", ttl_seconds: 3600, wait_seconds: 240 });
    const answered: Ran = { [NAMES.acquire]: [[{ statusCode: 200, body: { lease_id: id(5) } }]] };
    for (const name of [NAMES.release, NAMES.releaseFailed]) {
      assert.deepEqual(ReleaseBody.parse(bodyOf("mutex", name, answered)), { lease_id: id(5) });
    }
  });

  it("no expression has braces that n8n would take for its end", () => {
    for (const phase of ["basic", "mutex"] as const) {
      const { bytes } = transform(exported("v2-content-pipeline"), { phase });
      const added = readExport(bytes).workflows[0]!.nodes.filter(({ name }) =>
        name.startsWith("Orchestrator: "),
      );
      for (const node of added.filter((each) => kindOf(each) !== "code")) {
        for (const text of textsIn(node.parameters)) {
          if (!text.startsWith("=")) continue;
          assert.equal(text.split("{{").length, text.split("}}").length, text);
          assert.ok(text.split("{{").length <= 3, text);
        }
      }
    }
  });
});
