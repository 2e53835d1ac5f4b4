/** Registering sub-workflows: what is stored, what is kept, what is refused, and that no secret is shown. */
import assert from "node:assert/strict";
import { after, before, beforeEach, describe, it } from "node:test";
import { parseAllow } from "#outbound/allow.ts";
import { createOutbound } from "#outbound/client.ts";
import type { Database } from "#store/database.ts";
import { problem, type TrialServer, trialServer } from "../trial-server.ts";
import { MASK, workflowRoutes } from "./workflows.ts";

interface Row {
  workflow_type: string;
  built_in: boolean;
  settings: object;
  auth: object | null;
  signing_secret: string | null;
  paused: boolean;
  updated_at: number;
  updated_by: string;
  paused_by: string | null;
}

/** The table of workflows, as far as the statements of `store/workflows.ts` go; real ones are tested with the store. */
function fakeTable(rows: Map<string, Row>): Database {
  // biome-ignore lint/suspicious/noExplicitAny: rows of any statement
  const query = async (text: string, values: any[] = []): Promise<any> => {
    const [type] = values;
    const row = rows.get(type);
    if (text.startsWith("insert")) {
      const [, settings, auth, signing_secret, paused, updated_by, paused_by] = values;
      const stored: Row = {
        workflow_type: type,
        built_in: row?.built_in ?? false,
        settings: JSON.parse(settings),
        auth: auth === null ? null : JSON.parse(auth),
        signing_secret,
        paused,
        paused_by,
        updated_at: 1_000,
        updated_by,
      };
      rows.set(type, stored);
      return { rows: [stored] };
    }
    if (text.startsWith("update")) {
      if (row)
        rows.set(type, {
          ...row,
          paused: values[1],
          paused_by: values[1] ? values[2] : null,
          updated_by: values[2],
        });
      return { rows: [] };
    }
    if (text.includes("workflow_type = $1")) return { rows: row ? [row] : [] };
    const all = [...rows.values()].sort((a, b) => (a.workflow_type < b.workflow_type ? -1 : 1));
    return { rows: all.filter((one) => type === null || one.workflow_type > type).slice(0, values[1]) };
  };
  const connections = () => ({ open: 0, inUse: 0, waiting: 0 });
  return {
    query,
    transaction: (work) => work({ query }),
    transactionByKey: (work) => work({ query }),
    byKey: { query },
    plain: { query },
    steady: { query },
    connections,
    resize() {},
    close: async () => {},
  };
}

const SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const FULL = {
  webhook_url: "https://n8n.example.org/webhook/x",
  auth: { type: "header", name: "X-Api-Key", value: "hunter2" },
  signing_secret: SECRET,
};

describe("the API of workflows", () => {
  const rows = new Map<string, Row>();
  const outbound = createOutbound({ allow: parseAllow("10.1.0.0/16") });
  let server: TrialServer;
  before(async () => {
    server = await trialServer(workflowRoutes({ db: fakeTable(rows), outbound }));
  });
  beforeEach(() => rows.clear());
  after(async () => {
    await server.close();
    await outbound.close();
  });
  const path = (type: string) => `/api/v1/workflows/${type}`;
  const put = (body: object, type = "seo_audit") =>
    server.call(path(type), { method: "PUT", body: JSON.stringify(body) });

  it("registers by a URL alone, and fills in the defaults", async () => {
    const got = await put({ webhook_url: FULL.webhook_url });
    assert.equal(got.status, 200, got.text);
    assert.equal(got.body.settings.timeout_seconds, 300);
    assert.equal(got.body.settings.paused, false);
    assert.equal(got.body.built_in, false);
    assert.deepEqual(rows.get("seo_audit")?.auth, null);
  });

  it("never shows a secret, only that it is set", async () => {
    const answers = [
      await put(FULL),
      await server.call(path("seo_audit")),
      await server.call("/api/v1/workflows"),
    ];
    for (const { text } of answers) {
      assert.doesNotMatch(text, /hunter2|MfKQ/);
      assert.ok(text.includes(MASK));
    }
    assert.deepEqual(rows.get("seo_audit")?.auth, FULL.auth);
    assert.equal(rows.get("seo_audit")?.signing_secret, SECRET);
  });

  it("keeps secrets and the pause switch when left out or sent back as shown; null clears", async () => {
    await put({ ...FULL, paused: true });
    await put({ webhook_url: "https://other.example.org/" });
    assert.deepEqual(rows.get("seo_audit")?.auth, FULL.auth);
    assert.equal(rows.get("seo_audit")?.paused, true);
    const { settings } = (await server.call(path("seo_audit"))).body;
    assert.equal((await put({ ...settings, paused: false })).status, 200);
    assert.deepEqual(rows.get("seo_audit")?.auth, FULL.auth);
    assert.equal(rows.get("seo_audit")?.signing_secret, SECRET);
    assert.equal(rows.get("seo_audit")?.paused, false);
    await put({ ...settings, auth: null, signing_secret: null });
    assert.equal(rows.get("seo_audit")?.auth, null);
    assert.equal(rows.get("seo_audit")?.signing_secret, null);
  });

  it("refuses a mask where nothing is behind it", async () => {
    const masked = { webhook_url: FULL.webhook_url, auth: { type: "bearer", token: MASK } };
    problem(await put(masked), 422, "validation_failed");
    problem(await put({ webhook_url: FULL.webhook_url, signing_secret: MASK }), 422, "validation_failed");
    await put(FULL);
    const got = await put(masked);
    problem(got, 422, "validation_failed");
    assert.equal(got.body.errors[0].path, "/auth/token");
  });

  const url = FULL.webhook_url;
  const wrong: [what: string, body: object, at: string, code?: string][] = [
    ["no address", {}, "/webhook_url"],
    ["an unknown field", { webhook_url: url, time_out: 3 }, "/time_out"],
    ["a batch the wrong way round", { webhook_url: url, batch: { min: 5, max: 2 } }, "/batch"],
    ["a short secret", { webhook_url: url, signing_secret: "whsec_abc" }, "/signing_secret"],
    [
      "a reserved header",
      { webhook_url: url, auth: { type: "header", name: "Host", value: "x" } },
      "/auth/name",
    ],
    [
      "a header with a line break",
      { webhook_url: url, auth: { type: "header", name: "X", value: "a\r\nb" } },
      "/auth/value",
    ],
    ["targets without weight", { targets: [{ webhook_url: url, weight: 0 }] }, "/targets"],
    ["another protocol", { webhook_url: "ftp://x.example.org/" }, "/webhook_url"],
    ["a private address", { webhook_url: "http://127.1/x" }, "/webhook_url", "outbound_refused"],
    ["cloud metadata", { webhook_url: "http://169.254.169.254/" }, "/webhook_url", "outbound_refused"],
    ["localhost", { webhook_url: "http://localhost:5678/" }, "/webhook_url", "outbound_refused"],
    [
      "credentials in the URL",
      { webhook_url: "https://u:p@x.example.org/" },
      "/webhook_url",
      "outbound_refused",
    ],
    [
      "a private target",
      { targets: [{ webhook_url: url }, { webhook_url: "http://[::1]/" }] },
      "/targets/1/webhook_url",
      "outbound_refused",
    ],
  ];
  for (const [what, body, at, code = "validation_failed"] of wrong) {
    it(`refuses ${what}`, async () => {
      const got = await put(body);
      problem(got, 422, code);
      assert.equal(got.body.errors[0].path, at);
      assert.equal(rows.size, 0);
    });
  }

  it("takes an allowed private address, and several targets", async () => {
    assert.equal((await put({ webhook_url: "http://10.1.2.3:5678/x" })).status, 200);
    assert.equal(
      (await put({ targets: [{ webhook_url: url }, { webhook_url: `${url}/2`, weight: 3 }] })).status,
      200,
    );
  });

  it("lets a built-in workflow have no address", async () => {
    await put(FULL, "content_pipeline");
    rows.set("content_pipeline", { ...rows.get("content_pipeline")!, built_in: true });
    const got = await put({ max_concurrent: 2 }, "content_pipeline");
    assert.equal(got.status, 200, got.text);
    assert.equal(got.body.built_in, true);
  });

  it("refuses the orchestrator's own name, and names that are none", async () => {
    problem(await put(FULL, "master_orchestrator"), 422, "validation_failed");
    problem(await put(FULL, "Nonsense-Name"), 422, "validation_failed");
    problem(await server.call(path("Nonsense-Name")), 404, "not_found");
    problem(await server.call(path("unknown")), 404, "not_found");
  });

  it("pauses and resumes, for operators; twice is as good as once", async () => {
    await put(FULL);
    const act = (action: string, key?: string) =>
      server.call(`${path("seo_audit")}/${action}`, { method: "POST", ...(key ? { key } : {}) });
    for (const action of ["pause", "pause"]) assert.equal((await act(action)).body.settings.paused, true);
    assert.equal((await act("resume")).body.settings.paused, false);
    problem(await act("pause", server.workerKey), 403, "forbidden");
    problem(await server.call(`${path("unknown")}/pause`, { method: "POST" }), 404, "not_found");
  });

  it("lists by name, page by page", async () => {
    for (const type of ["b", "a", "c"]) await put(FULL, type);
    const first = await server.call("/api/v1/workflows?limit=2");
    const names = (got: typeof first) =>
      got.body.workflows.map((one: { workflow_type: string }) => one.workflow_type);
    assert.deepEqual(names(first), ["a", "b"]);
    const second = await server.call(`/api/v1/workflows?limit=2&cursor=${first.body.next_cursor}`);
    assert.deepEqual(names(second), ["c"]);
    assert.equal(second.body.next_cursor, null);
  });
});
