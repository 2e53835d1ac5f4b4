/** The templates of examples/n8n: that they import, name no secret, and that their code says what the contract takes, run as n8n runs it. */
import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";
import { runInNewContext } from "node:vm";
import {
  AcquireBody,
  Callback,
  ClaimBody,
  DispatchMessage,
  fieldProblems,
  HeartbeatBody,
  ReleaseBody,
} from "@master-orchestrator/contract";
import { sign } from "@master-orchestrator/contract/signature";
import { type N8nNode, type N8nWorkflow, readExport, textsIn } from "#migrate/n8n/workflow.ts";
import { evaluate } from "./contexts.ts";

const FOLDER = new URL("../../../examples/n8n/", import.meta.url);
const FILES = readdirSync(FOLDER).filter((name) => name.endsWith(".json"));
const template = (file: string): N8nWorkflow => readExport(readFileSync(new URL(file, FOLDER))).workflows[0]!;
const nodeOf = (file: string, name: string): N8nNode =>
  template(file).nodes.find((node) => node.name === name)!;

const BUILT_IN =
  /^n8n-nodes-base\.(webhook|code|crypto|httpRequest|if|noOp|stickyNote|scheduleTrigger|stopAndError|errorTrigger|n8n)$/;
const OURS = /^n8n-nodes-master-orchestrator\.masterOrchestrator(Trigger)?$/;

describe("every template", () => {
  it("is there", () =>
    assert.deepEqual(FILES.sort(), [
      "error-workflow.json",
      "locked-schedule.json",
      "sub-workflow.json",
      "with-node.json",
    ]));

  for (const file of FILES) {
    it(`${file} has nodes that n8n has, connections that lead somewhere, and credentials by name only`, () => {
      const { nodes, connections } = template(file);
      const names = new Set(nodes.map((node) => node.name));
      assert.equal(names.size, nodes.length, "two nodes of one name");
      for (const node of nodes) {
        const types = file === "with-node.json" ? [BUILT_IN, OURS] : [BUILT_IN];
        assert.ok(
          types.some((type) => type.test(node.type)),
          node.type,
        );
        for (const credential of Object.values(node.credentials ?? {})) {
          assert.equal((credential as { id: unknown }).id, null);
        }
      }
      for (const [from, outputs] of Object.entries(connections)) {
        assert.ok(names.has(from), from);
        for (const { node } of Object.values(outputs)
          .flat(2)
          .filter((target) => target !== null)) {
          assert.ok(names.has(node), node);
        }
      }
      const texts = nodes.flatMap((node) => [...textsIn(node.parameters)]);
      for (const text of texts) {
        assert.doesNotMatch(text, /whsec_[A-Za-z0-9+/]{8}|mo_[A-Za-z0-9]+_|moe_/);
        for (const [, name] of text.matchAll(/\$\('([^']+)'\)/g)) assert.ok(names.has(name!), name);
        if (text.startsWith("=")) assert.equal(text.split("{{").length, text.split("}}").length, text);
      }
    });
  }
});

const id = (n: number) => `00000000-0000-4000-8000-${String(n).padStart(12, "0")}`;
const MESSAGE = {
  ...{ execution_id: id(1), parent_execution_id: null, attempt: 2, workflow_type: "news", priority: 50 },
  input_data: {
    tasks: [11, 12].map((n) => ({ task_id: id(n), content_type: "how_to", payload: { n, text: "Ä€😀" } })),
    params: {},
  },
  ...{ context: {}, timeout_seconds: 300, deadline: "2026-12-01T09:05:00Z" },
  callback_url: `https://mo.example.com/api/v1/executions/${id(1)}/callback`,
  gateway: { openai_base_url: "https://mo.example.com/o", gemini_base_url: "https://mo.example.com/g" },
  authentication: { type: "bearer", token: "moe_secret" },
};

// biome-ignore lint/suspicious/noExplicitAny: items as n8n has them
type Json = Record<string, any>;
/** What the nodes put out that have run, by name. */
type Ran = Record<string, Json[]>;

async function runCode(file: string, name: string, ran: Ran, input: Json[], raw?: Buffer): Promise<Json[]> {
  const items = (list: Json[] = []) => list.map((json) => ({ json }));
  const globals = {
    $: (other: string) => ({ all: () => items(ran[other]), first: () => items(ran[other])[0] }),
    $input: { all: () => items(input), first: () => items(input)[0] },
    $execution: { id: "4711" },
    helpers: { getBinaryDataBuffer: async () => raw },
    Buffer,
  };
  const code = String(nodeOf(file, name).parameters?.jsCode);
  const output = await runInNewContext(`(async function () { ${code} }).call({ helpers })`, globals);
  return JSON.parse(JSON.stringify(output)).map(({ json }: { json: Json }) => json);
}

const variables = (ran: Ran, $json: Json = {}) => ({
  $: (name: string) => ({ first: () => ({ json: ran[name]![0] }) }),
  $json,
  $execution: { id: "4711" },
  JSON,
});
const bodyOf = (file: string, name: string, ran: Ran, $json: Json = {}) =>
  JSON.parse(evaluate(String(nodeOf(file, name).parameters?.jsonBody), variables(ran, $json)) as string);

describe("the sub-workflow with built-in nodes", () => {
  const FILE = "sub-workflow.json";
  /** What is put into n8n's Crypto node; base64 of it is the secret of Standard Webhooks. */
  const TEXT = "0123456789abcdef0123456789abcdef";
  const SECRET = `whsec_${Buffer.from(TEXT).toString("base64")}`;
  const raw = Buffer.from(JSON.stringify(MESSAGE));
  const dispatch = (headers: object): Ran => ({ Dispatch: [{ headers, body: MESSAGE }] });

  /** As the nodes do it: text, HMAC by n8n's Crypto node (the key as UTF-8), comparison. */
  async function verify(headers: object, body = raw): Promise<Json[]> {
    const ran = dispatch(headers);
    const [signed] = await runCode(FILE, "Signed text", ran, ran.Dispatch!, body);
    const { type, encoding } = nodeOf(FILE, "Expected signature").parameters as Record<string, string>;
    const expected = createHmac(type!, TEXT)
      .update(signed!.text)
      .digest(encoding as "base64");
    return runCode(FILE, "Signature fits", ran, [{ ...signed, expected }]);
  }

  it("lets a signed dispatch through, and nothing that was changed, is too old or bears no signature", async () => {
    assert.deepEqual(fieldProblems(DispatchMessage, MESSAGE), []);
    const now = Date.now() / 1000;
    const headers = sign(SECRET, "msg_1", now, raw);
    assert.deepEqual(await verify(headers), [{ verified: true }]);
    const rotated = { ...headers, "webhook-signature": `v1,AAAA ${headers["webhook-signature"]}` };
    assert.deepEqual(await verify(rotated), [{ verified: true }]);
    await assert.rejects(verify(headers, Buffer.from(`${raw} `)), /does not fit/);
    await assert.rejects(verify({ ...headers, "webhook-id": "msg_2" }), /does not fit/);
    await assert.rejects(verify({ ...headers, "webhook-signature": "v1," }), /does not fit/);
    await assert.rejects(verify(sign(SECRET, "msg_1", now - 310, raw)), /too far/);
    await assert.rejects(verify({}), /not signed/);
  });

  it("claims, goes on only when the claim was granted, shows that it lives, and reports by task", async () => {
    const ran = dispatch({});
    assert.deepEqual(fieldProblems(ClaimBody, bodyOf(FILE, "Claim", ran)), []);
    assert.deepEqual(fieldProblems(HeartbeatBody, bodyOf(FILE, "Heartbeat", ran)), []);
    assert.deepEqual(await runCode(FILE, "Tasks", ran, [{ headers: {}, body: MESSAGE }]), []);
    const tasks = await runCode(FILE, "Tasks", ran, [{ claimed: true }]);
    assert.deepEqual(tasks, MESSAGE.input_data.tasks);
    const done = await runCode(FILE, "Your work", { ...ran, Tasks: tasks }, []);
    const cases: [Json[], string][] = [
      [done, "completed"],
      [done.slice(1), "partial"],
      [[done[0]!, { ...done[1], error: "no" }], "partial"],
      [done.map((item) => ({ ...item, error: { message: "no" } })), "failed"],
    ];
    for (const [items, status] of cases) {
      const [result] = await runCode(FILE, "Result", ran, items);
      assert.deepEqual(fieldProblems(Callback, bodyOf(FILE, "Report", ran, result)), []);
      assert.equal(result!.status, status);
    }
    const [failure] = await runCode(FILE, "Failure", ran, [{ error: { message: "it broke" } }]);
    assert.deepEqual(fieldProblems(Callback, failure), []);
    assert.equal(failure!.error_data.message, "it broke");
    const report = nodeOf(FILE, "Report").parameters as { url: string };
    assert.equal(evaluate(report.url, variables(ran)), MESSAGE.callback_url);
  });
});

describe("the other templates", () => {
  it("acquire a lock for the execution, and release it by its lease", () => {
    const file = "locked-schedule.json";
    const acquire = bodyOf(file, "Acquire lock", {});
    assert.deepEqual(fieldProblems(AcquireBody, acquire), []);
    const timeout = Number(template(file).settings?.executionTimeout);
    assert.ok(acquire.ttl_seconds >= timeout + 60, "the lease outlives the run");
    const held = { "Acquire lock": [{ statusCode: 200, body: { lease_id: id(5) } }] };
    for (const name of ["Release lock", "Release lock after failure"]) {
      assert.deepEqual(fieldProblems(ReleaseBody, bodyOf(file, name, held)), []);
    }
  });

  it("find what a run that broke has left behind, whichever nodes it had", async () => {
    const file = "error-workflow.json";
    const failed = { "A run has failed": [{ execution: { id: "99", error: { message: "out of memory" } } }] };
    const left = (outputs: Json[]) => {
      const runData = Object.fromEntries(
        outputs.map((json, i) => [`node ${i}`, [{ data: { main: [[{ json }], null] } }]]),
      );
      return runCode(file, "Left behind", failed, [{ data: { resultData: { runData } } }]);
    };
    const [report] = await left([{ headers: {}, body: MESSAGE }]);
    assert.deepEqual(fieldProblems(Callback, report!.body), []);
    assert.deepEqual([report!.url, report!.token], [MESSAGE.callback_url, "moe_secret"]);
    assert.equal(report!.body.error_data.message, "out of memory");
    const { execution_id, attempt, callback_url } = MESSAGE;
    const orchestrator = { execution_id, attempt, callback_url, token: "moe_secret" };
    const [byNode, lease] = await left([
      { task_id: id(11), orchestrator },
      { lock: "a b", lease_id: id(5), fence: 3 },
    ]);
    assert.deepEqual(byNode, report);
    assert.deepEqual([lease!.address, lease!.body], ["/api/v1/locks/a%20b/release", { lease_id: id(5) }]);
    const [plain] = await left([{ statusCode: 200, body: { lease_id: id(6), fence: 4 } }]);
    assert.deepEqual([plain!.report, plain!.body], [false, { lease_id: id(6) }]);
    assert.deepEqual(await left([{ statusCode: 409, body: { code: "locked" } }]), []);
  });
});
