/** The community node's package and trigger: what n8n finds in it, and whom the trigger lets start a workflow. */
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { after, before, describe, it } from "node:test";
import { SIGNATURE_TOLERANCE_SECONDS, sign } from "@master-orchestrator/contract/signature";
import { SIGNING_SECRET } from "../fake-sub-workflow.ts";
import { receive, type Webhooked } from "./contexts.ts";
import { buildPackage, type NodePackage, PACKAGE } from "./package.ts";

let built: NodePackage;
before(async () => {
  built = await buildPackage();
});
after(() => built.remove());

const MESSAGE = {
  execution_id: "00000000-0000-4000-8000-000000000001",
  attempt: 1,
  callback_url: "http://mo.example/api/v1/executions/00000000-0000-4000-8000-000000000001/callback",
  authentication: { type: "bearer", token: "moe_x" },
  input_data: { tasks: [], params: {} },
};

describe("the package", () => {
  it("is one that n8n takes for a community node, and needs nothing but n8n", () => {
    const { manifest } = built;
    assert.match(manifest.name, /^n8n-nodes-/);
    assert.ok(manifest.keywords.includes("n8n-community-node-package"));
    assert.equal(manifest.n8n.n8nNodesApiVersion, 1);
    assert.deepEqual(manifest.peerDependencies, { "n8n-workflow": "*" });
    assert.equal(manifest.dependencies, undefined);
  });

  it("has every icon that its nodes name, where the build puts it", () => {
    const icons = [
      ["dist/nodes/MasterOrchestrator", built.action.description.icon],
      ["dist/nodes/MasterOrchestratorTrigger", built.trigger.description.icon],
      ["dist/credentials", built.credential.icon],
    ] as [string, Record<string, string>][];
    for (const [folder, icon] of icons) {
      for (const path of Object.values(icon)) {
        const inDist = join(folder, path.replace(/^file:/, ""));
        assert.equal(dirname(inDist), "dist/icons");
        assert.ok(existsSync(join(PACKAGE, inDist.replace(/^dist\//, ""))), inDist);
      }
    }
  });
});

describe("the trigger's signature check", () => {
  const now = () => Date.now() / 1000;
  const bodyOf = (message: unknown) => Buffer.from(JSON.stringify(message));
  const receiveSigned = (change: {
    secret?: string;
    at?: number;
    message?: unknown;
    tamper?: (body: Buffer) => Buffer;
    headers?: Record<string, string>;
    credential?: { signingSecret?: string };
  }): Promise<Webhooked> => {
    const body = bodyOf(change.message ?? MESSAGE);
    const headers = sign(change.secret ?? SIGNING_SECRET, "msg_1", change.at ?? now(), body);
    const rawBody = change.tamper?.(body) ?? body;
    const received = { headers: { ...headers, ...change.headers }, rawBody };
    return receive(built.trigger, received, change.credential ?? { signingSecret: SIGNING_SECRET });
  };

  it("starts the workflow with the message, and with nothing of its headers", async () => {
    const started = await receiveSigned({ headers: { authorization: "Bearer secret" } });
    assert.deepEqual(started, { started: [{ json: MESSAGE }] });
  });

  it("takes any one of several signatures, while a secret is being changed", async () => {
    const headers = sign(SIGNING_SECRET, "msg_1", now(), bodyOf(MESSAGE));
    const both = `v1,AAAA v1a,xx ${headers["webhook-signature"]}`;
    assert.ok("started" in (await receiveSigned({ headers: { ...headers, "webhook-signature": both } })));
  });

  const OTHER = `whsec_${Buffer.alloc(24, 7).toString("base64")}`;
  const refused: [what: string, change: Parameters<typeof receiveSigned>[0], detail: RegExp][] = [
    ["another secret", { secret: OTHER }, /does not fit/],
    ["one changed byte", { tamper: (body) => Buffer.from(`${body} `) }, /does not fit/],
    ["another id", { headers: { "webhook-id": "msg_2" } }, /does not fit/],
    ["a message of the past", { at: now() - SIGNATURE_TOLERANCE_SECONDS - 5 }, /more than 300 s/],
    ["a message of the future", { at: now() + SIGNATURE_TOLERANCE_SECONDS + 5 }, /more than 300 s/],
    ["no timestamp", { headers: { "webhook-timestamp": "" } }, /not signed/],
    ["no signature", { headers: { "webhook-signature": "" } }, /does not fit|not signed/],
    ["no secret of its own", { credential: {} }, /no signing secret/],
    ["a secret that is none", { credential: { signingSecret: "hunter2" } }, /not whsec_/],
  ];
  for (const [what, change, detail] of refused) {
    it(`refuses ${what} with 401 and the reason`, async () => {
      const answer = await receiveSigned(change);
      assert.ok("status" in answer, "it started");
      assert.equal(answer.status, 401);
      assert.match(String(answer.body.detail), detail);
      assert.doesNotMatch(JSON.stringify(answer), /whsec_[A-Za-z0-9]/);
    });
  }

  it("refuses what is signed but no dispatch, with the field", async () => {
    const answer = await receiveSigned({ message: { ...MESSAGE, callback_url: "file:///etc/passwd" } });
    assert.deepEqual("status" in answer && [answer.status, answer.body.code], [422, "validation_failed"]);
    assert.match(JSON.stringify(answer), /callback_url/);
  });

  it("does not let a workflow become active without a secret", async () => {
    const activate = (signingSecret?: string) =>
      built.trigger.webhookMethods.default.create!.call({
        getNode: () => ({}),
        getCredentials: async () => ({ signingSecret }),
      });
    assert.equal(await activate(SIGNING_SECRET), true);
    await assert.rejects(activate(), /no signing secret/);
    await assert.rejects(activate("whsec_short"), /16 bytes/);
  });
});
