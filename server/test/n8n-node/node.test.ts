/** The community node's operations, run as n8n runs them against the real service: a run from dispatch to report, locks, tasks, permits. */
import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { after, before, describe, it, type TestContext } from "node:test";
import type { Delivery } from "../fake-sub-workflow.ts";
import { SIGNING_SECRET } from "../fake-sub-workflow.ts";
import { openTestHouse, type TestHouse } from "../house.ts";
import { type Execution, evaluate, execute, type Item, receive } from "./contexts.ts";
import { sleeps } from "./n8n-workflow.ts";
import { buildPackage, type NodePackage } from "./package.ts";

let built: NodePackage;
before(async () => {
  built = await buildPackage();
});
after(() => built.remove());

/** A house whose workflow `writer` is an n8n with the trigger: what it is sent starts executions, by their ids. */
async function openN8n(t: TestContext, batch = 3) {
  const house = await openTestHouse(t, {
    policy: { retry: { base_seconds: 1, jitter: 0 } },
    workflows: { writer: { batch: { min: batch, max: batch }, timeout_seconds: 5 } },
  });
  const started: { id: string; items: Item[] }[] = [];
  const credential = { url: `${house.url}/`, signingSecret: SIGNING_SECRET };
  house.workflow("writer").always(async (delivery: Delivery) => {
    const received = await receive(built.trigger, delivery, credential, house.clock.nowMs());
    if ("status" in received) return received;
    const id = String(4711 + started.length);
    started.push({ id, items: received.started });
    return { status: 202, body: { accepted: true, execution_id: id } };
  });
  const execution = (id = "4700"): Execution => ({ id, credential, hints: [] });
  return {
    house,
    started,
    execution,
    /** Lets the trigger run in the execution that a dispatch has started. */
    async trigger(index: number, parameters: Record<string, unknown> = {}) {
      const of = execution(started[index]!.id);
      of.triggered = await execute(
        built.trigger,
        of,
        { path: "writer", ...parameters },
        started[index]!.items,
      );
      return { ...of, triggered: of.triggered };
    },
    act: (of: Execution, resource: string, operation: string, fields: object = {}, items?: Item[]) =>
      execute(built.action, of, { resource, operation, ...fields }, items ?? of.triggered),
  };
}

const batchOf = (n: number) => Array.from({ length: n }, (_, i) => ({ payload: { title: `Nr. ${i}` } }));
const statuses = async (house: TestHouse, ids: string[]) =>
  Promise.all(ids.map(async (id) => (await house.task(id)).status));

describe("a run in n8n", () => {
  it("is claimed, shows that it lives, keeps a step, meters a call and reports each task by its item", async (t) => {
    const { house, started, trigger, act } = await openN8n(t);
    const ids = await house.enqueue(...batchOf(3));
    assert.equal(started.length, 1);
    const run = await trigger(0);
    assert.deepEqual(run.triggered.map((item) => item.json.task_id).sort(), [...ids].sort());
    assert.deepEqual(run.triggered[0]!.json.payload, { title: "Nr. 0" });
    const [executionId] = (await house.task(ids[0]!)).execution_ids;
    assert.match(JSON.stringify(await house.execution(executionId)), /n8n run 4711/);

    const passed = await act(run, "run", "heartbeat", { progress: 0.5, message: "half way" });
    assert.deepEqual(run.hints, []);
    assert.deepEqual(
      passed.map((item) => item.json),
      run.triggered.map((item) => item.json),
    );
    await house.advance(1_000);
    const { progress, message } = (await house.execution(executionId)).attempts[0];
    assert.deepEqual([progress, message], [0.5, "half way"]);

    const [first, second] = run.triggered as [Item, Item];
    const draft = [{ json: { ...first.json, text: "Once" } }];
    assert.equal((await act(run, "checkpoint", "save", { key: "draft" }, draft))[0]!.json.saved, true);
    const [kept] = await act(run, "checkpoint", "getAll", {}, [first]);
    assert.equal(kept!.json.checkpoints.draft.text, "Once");
    assert.doesNotMatch(JSON.stringify(kept), /moe_/);

    const [permit] = await act(run, "permit", "take", {
      provider: "gemini",
      permitMore: { maxCostUsd: 0.5 },
    });
    const used = { usage: { costUsd: 0.25, model: "x" } };
    const [reported] = await act(run, "permit", "report", used, [permit!]);
    assert.equal(reported!.json.cost_usd, 0.25);
    const { body: ledger } = await house.api("GET", `/budget/ledger?execution_id=${executionId}`);
    assert.deepEqual([ledger.entries[0].permits, ledger.entries[0].cost_usd], [1, 0.25]);

    const ended = [
      { json: { ...first.json, slug: "nr-0" } },
      { json: { ...second.json }, error: { message: "no source" } },
    ];
    const told = await act(run, "run", "report", {}, ended);
    assert.deepEqual(told[0]!.json, { status: "partial", accepted: true });
    await house.quiet();
    const tasks = await Promise.all(run.triggered.map((item) => house.task(item.json.task_id)));
    assert.equal(tasks[0].status, "completed");
    assert.deepEqual(tasks[0].result_data, { content_type: "default", slug: "nr-0" });
    assert.equal(tasks[1].errors[0].message, "no source");
    assert.notEqual(tasks[2].status, "completed");
    const again = await act(run, "run", "report", {}, ended);
    assert.equal(again[0]!.json.accepted, false);
  });

  it("ends at the trigger when the same dispatch was delivered before", async (t) => {
    const { house, started, trigger } = await openN8n(t, 1);
    await house.enqueue({});
    started.push({ id: "9000", items: started[0]!.items });
    assert.equal((await trigger(0)).triggered.length, 1);
    const second = await trigger(1);
    assert.deepEqual(second.triggered, []);
    assert.match(second.hints.join(), /n8n run 4711/);
  });

  it("that is over counts no more: late work does not begin, goes no further, and its report is told so", async (t) => {
    const { house, started, trigger, act } = await openN8n(t, 1);
    const [id] = await house.enqueue({});
    const late = await trigger(0);
    await house.advance(7_000);
    assert.equal(started.length, 2);
    assert.deepEqual((await trigger(0)).triggered, []);
    await assert.rejects(act(late, "run", "heartbeat"), /attempt 1 is over/);
    const report = await act(late, "run", "report", { status: "completed" });
    assert.deepEqual(report[0]!.json, { status: "completed", accepted: false, reason: "stale_attempt" });
    const current = await trigger(1);
    const more = { costUsd: 0.01, apiCalls: '{"gemini": 2}' };
    await act(current, "run", "report", { status: "completed", resultData: { slug: "x" }, more });
    await house.quiet();
    assert.deepEqual(await statuses(house, [id!]), ["completed"]);
    const execution = await house.execution((await house.task(id!)).execution_ids[0]);
    assert.equal(execution.cost_usd, 0.01);
  });

  it("reports a failure that no other attempt would help, by an expression as an error workflow does", async (t) => {
    const { house, trigger, act, execution } = await openN8n(t, 1);
    const [id] = await house.enqueue({});
    const { triggered } = await trigger(0, { shape: "run" });
    assert.equal(triggered[0]!.json.tasks[0].task_id, id);
    const elsewhere = execution("5000");
    const fields = { status: "failed", errorMessage: "gone for good", retry: false };
    await assert.rejects(act(elsewhere, "run", "report", fields, triggered), /No run of the orchestrator/);
    const from = { ...fields, runFrom: "expression" };
    await assert.rejects(act(elsewhere, "run", "report", from, [{ json: {} }]), /holds no run/);
    await act(elsewhere, "run", "report", from, triggered);
    await house.quiet();
    assert.deepEqual(await statuses(house, [id!]), ["dead_lettered"]);
    assert.equal((await house.task(id!)).errors[0].message, "gone for good");
  });

  it("is reported for as long as it takes while the orchestrator is away, and not for ever", async (t) => {
    const { act, execution } = await openN8n(t, 1);
    const replies = [503, 502, 200];
    const proxy = createServer((_, response) => {
      const status = replies.shift() ?? 503;
      if (status === 502) return void response.destroy();
      response.writeHead(status, { "content-type": "application/json" });
      response.end(status === 200 ? '{"accepted": true}' : "{}");
    }).listen(0, "127.0.0.1");
    t.after(() => proxy.close());
    await new Promise((resolve) => proxy.once("listening", resolve));
    const orchestrator = {
      ...{ execution_id: "e", attempt: 1, token: "moe_x", task_ids: [], claimed_at: "2026-12-01T09:00:00Z" },
      callback_url: `http://127.0.0.1:${(proxy.address() as AddressInfo).port}/callback`,
    };
    const fields = { status: "completed", runFrom: "expression" };
    sleeps.length = 0;
    const told = await act(execution(), "run", "report", fields, [{ json: { orchestrator } }]);
    assert.equal(told[0]!.json.accepted, true);
    assert.deepEqual(sleeps, [1000, 2000]);
    sleeps.length = 0;
    const impatient = { ...fields, more: { patienceSeconds: 60 } };
    const given = act(execution(), "run", "report", impatient, [{ json: { orchestrator } }]);
    await assert.rejects(given, /did not answer/);
    assert.deepEqual(sleeps, [1000, 2000, 4000, 8000, 15000, 15000, 15000]);
  });
});

describe("an n8n workflow on its own clock", () => {
  it("takes a lock or is skipped, keeps it, gives it back, and is told when it was lost", async (t) => {
    const { act, execution, house } = await openN8n(t);
    const lock = { lock: "platform", ttlSeconds: 60 };
    const mine = execution("1");
    const [lease] = await act(mine, "lock", "acquire", lock);
    assert.deepEqual([lease!.json.granted, lease!.json.holder], [true, "n8n run 1"]);
    const other = execution("2");
    assert.deepEqual(await act(other, "lock", "acquire", lock), []);
    assert.match(other.hints.join(), /n8n run 1/);
    const [busy] = await act(other, "lock", "acquire", { ...lock, otherwise: "continue" });
    assert.deepEqual(busy!.json, { lock: "platform", granted: false, holder: "n8n run 1" });
    await assert.rejects(act(other, "lock", "acquire", { ...lock, otherwise: "fail" }), (error: Error) => {
      assert.match(error.message, /held by "n8n run 1"/);
      assert.match(String((error as unknown as { description: string }).description), /wait_seconds/);
      return true;
    });
    const [renewed] = await act(mine, "lock", "renew", { ...lock, ttlSeconds: 120 }, [lease!]);
    assert.equal(Date.parse(renewed!.json.expires_at) - house.clock.nowMs(), 120_000);
    await act(mine, "lock", "release", lock, [lease!]);
    await assert.rejects(act(mine, "lock", "release", lock, [lease!]), /not held any more/);
  });

  it("enqueues one task for each item, once however often n8n tries again", async (t) => {
    const { act, execution, house } = await openN8n(t);
    const run = execution("77");
    const items = [{ json: { title: "A", orchestrator: { token: "moe_x" } } }, { json: { title: "B" } }];
    const taskMore = { priority: 80, contentType: "news", notBefore: "2099-01-01T00:00:00Z" };
    const fields = { workflowType: "writer", taskMore };
    const first = await act(run, "task", "enqueue", fields, items);
    const second = await act(run, "task", "enqueue", fields, items);
    assert.deepEqual(
      second.map((item) => [item.json.task_id, item.json.duplicate, item.pairedItem]),
      first.map((item, i) => [item.json.task_id, true, { item: i }]),
    );
    const task = await house.task(first[0]!.json.task_id);
    assert.deepEqual([task.priority, task.content_type, task.status], [80, "news", "scheduled"]);
    assert.deepEqual(task.payload, { title: "A" });
    const wrong = (change: object) => act(run, "task", "enqueue", { ...fields, ...change }, [{ json: {} }]);
    await assert.rejects(wrong({ payload: "{title: A}" }), /"payload" is not valid JSON/);
    await assert.rejects(wrong({ workflowType: "writter" }), /writter/);
  });

  it("is told that no permit is free, and when", async (t) => {
    const { act, execution } = await openN8n(t);
    const ask = { provider: "gemini", waitSeconds: 0 };
    await act(execution(), "permit", "take", { ...ask, count: 60 });
    await assert.rejects(act(execution(), "permit", "take", ask), /next permit is free in/);
  });
});

describe("the credential's test", () => {
  it("reaches the orchestrator, and warns of a key that may only look", async (t) => {
    const { house } = await openN8n(t);
    const { test, authenticate } = built.credential;
    const outcomeOf = async (role: string) => {
      const { key } = (await house.api("POST", "/api-keys", { name: role, role })).body;
      const variables = { $credentials: { url: `${house.url}/`, apiKey: key } };
      const header = evaluate(authenticate.properties.headers.Authorization, variables) as string;
      const url = `${evaluate(test.request.baseURL, variables)}${test.request.url}`;
      assert.equal(url, `${house.url}/api/v1/session`);
      const answer = await house.api("GET", "/session", undefined, header.replace("Bearer ", ""));
      const { key: field, value, message } = test.rules[0].properties;
      return answer.status === 200 && answer.body[field] !== value ? "works" : message;
    };
    assert.equal(await outcomeOf("worker"), "works");
    assert.match(await outcomeOf("viewer"), /role worker/);
  });
});
