/** `orchestrator n8n` on a live n8n, played by a stub that keeps a workflow, its versions and its credentials as n8n does. */
import assert from "node:assert/strict";
import { describe, it, type TestContext } from "node:test";
import { exported } from "#test/n8n/fixtures.ts";
import { command, type StubAnswer, type StubRequest, startStub } from "./stub-api.ts";

type Workflow = Record<string, unknown> & {
  nodes: { name: string; credentials?: Record<string, { id: unknown; name: string }> }[];
};

interface FakeN8n {
  workflow: Workflow;
  /** Names of credentials that are there. */
  credentials: Set<string>;
  /** Called before each read; for edits that happen in between. */
  beforeRead: () => void;
}

const WRITABLE = new Set(["name", "nodes", "connections", "settings"]);
const ALL = [
  "Master Orchestrator webhook",
  "Master Orchestrator API",
  "Master Orchestrator gateway (OpenAI)",
];

function aFakeN8n(): FakeN8n {
  const workflow = JSON.parse(exported("v2-content-pipeline").toString()) as Workflow;
  workflow.settings = { ...(workflow.settings as object), binaryMode: "separate" };
  return { workflow, credentials: new Set(ALL), beforeRead: () => undefined };
}

function answer(n8n: FakeN8n, { method, path, body }: StubRequest): StubAnswer {
  const id = n8n.workflow.id as string;
  if (path === "/api/v1/workflows") return { body: { data: [n8n.workflow], nextCursor: null } };
  if (path !== `/api/v1/workflows/${id}`) return { status: 404, body: { message: "Not Found" } };
  if (method === "GET") {
    n8n.beforeRead();
    return { body: n8n.workflow };
  }
  const strange = Object.keys(body).find((key) => !WRITABLE.has(key));
  if (strange ?? "binaryMode" in (body.settings as object)) {
    return { status: 400, body: { message: `request/body must NOT have additional properties: ${strange}` } };
  }
  const settings = { ...(n8n.workflow.settings as object), ...(body.settings as object) };
  n8n.workflow = { ...n8n.workflow, ...(structuredClone(body) as object), settings } as Workflow;
  for (const credential of n8n.workflow.nodes.flatMap((node) => Object.values(node.credentials ?? {}))) {
    if (n8n.credentials.has(credential.name)) credential.id = `id of ${credential.name}`;
  }
  edited(n8n);
  return { body: n8n.workflow };
}

/** A new version, published, as n8n does with an active workflow. */
function edited(n8n: FakeN8n): void {
  const versionId = `${String(n8n.workflow.versionId)}+`;
  Object.assign(n8n.workflow, { versionId, activeVersionId: versionId });
}

async function live(t: TestContext, n8n: FakeN8n) {
  const stub = await startStub(t, (request) => answer(n8n, request));
  const id = n8n.workflow.id as string;
  const run = (verb: string, ...more: string[]) => {
    const line = ["n8n", verb, "--url", stub.url, "--api-key", "n8n_key", ...more];
    return command(t, "https://mo.example.com", verb === "inspect" ? line : [...line, "--workflow", id]);
  };
  const puts = () => stub.requests.filter(({ method }) => method === "PUT").length;
  return { run, puts, url: stub.url };
}

describe("a live n8n", () => {
  it("is inspected, transformed in its place for each phase, once, and rolled back to what it was", async (t) => {
    for (const phase of ["mutex", "basic", "gateway"]) {
      const n8n = aFakeN8n();
      const before = structuredClone(n8n.workflow);
      const { run, puts } = await live(t, n8n);
      const made = await run("transform", "--phase", phase);
      assert.equal(made.code, 0, made.stderr);
      assert.equal(made.stdout, "");
      assert.ok(n8n.workflow.nodes.some(({ name }) => name === "Orchestrator: run"));
      const again = await run("transform", "--phase", phase);
      assert.match(again.stderr, /is of this phase already/);
      assert.equal(puts(), 1);
      assert.match((await run("inspect")).stdout, new RegExp(`transformed +${phase}`));
      const back = await run("rollback");
      assert.equal(back.code, 0, back.stderr);
      assert.match(back.stderr, /byte for byte/);
      for (const key of ["name", "nodes", "connections", "settings"]) {
        assert.equal(JSON.stringify(n8n.workflow[key]), JSON.stringify(before[key]), key);
      }
    }
  });

  it("keeps an edit that came in between: refused, and nothing changed", async (t) => {
    const n8n = aFakeN8n();
    let reads = 0;
    n8n.beforeRead = () => {
      reads++;
      if (reads === 2) edited(n8n);
    };
    const { run, puts } = await live(t, n8n);
    const outcome = await run("transform");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /edited in n8n meanwhile; nothing was changed/);
    assert.equal(puts(), 0);
  });

  it("with a draft that is not published is inspected, but not changed", async (t) => {
    const n8n = aFakeN8n();
    n8n.workflow.versionId = "draft";
    const { run, puts } = await live(t, n8n);
    assert.equal((await run("inspect")).code, 0);
    assert.match((await run("transform")).stderr, /draft that is not published/);
    assert.equal(puts(), 0);
  });

  it("without the credential is put back as it was, and told what is missing", async (t) => {
    const n8n = aFakeN8n();
    n8n.credentials.clear();
    const nodes = JSON.stringify(n8n.workflow.nodes);
    const { run } = await live(t, n8n);
    const outcome = await run("transform");
    assert.equal(outcome.code, 1);
    assert.match(outcome.stderr, /no credential "Master Orchestrator webhook"; the workflow is as it was/);
    assert.equal(JSON.stringify(n8n.workflow.nodes), nodes);
  });

  it("says no in its own words; one that is away is named", async (t) => {
    const n8n = aFakeN8n();
    const { url } = await live(t, n8n);
    const line = ["n8n", "transform", "--workflow", "gone"];
    const env = { N8N_URL: url, N8N_API_KEY: "k" };
    const unknown = await command(t, "https://mo.example.com", line, { env });
    assert.equal(unknown.code, 1);
    assert.match(unknown.stderr, /n8n refused \(HTTP 404\): Not Found[\s\S]*check --workflow/);
    const away = await command(t, "https://mo.example.com", line, {
      env: { ...env, N8N_URL: "http://127.0.0.1:9" },
    });
    assert.equal(away.code, 1);
    assert.doesNotMatch(away.stderr, /orchestrator/);
  });
});
