/** The documentation: complete, resolvable, and made of what is served. */
import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";
import { NewTask, PageQuery, Priority, Uuid } from "@master-orchestrator/contract";
import { z } from "zod";
import type { Database } from "#store/database.ts";
import { documentedPath, openApiDocument } from "./openapi.ts";
import { defineRoute, type Route } from "./route.ts";
import { apiKeyRoutes } from "./routes/api-keys.ts";
import { withDocs } from "./routes/docs.ts";
import { healthRoutes } from "./routes/health.ts";
import { policyRoutes } from "./routes/policy.ts";
import { workflowRoutes } from "./routes/workflows.ts";
import { problem, type TrialServer, trialServer } from "./trial-server.ts";

const db = {} as Database;
const log = { debug() {}, info() {}, warn() {}, error() {} };
const handle = async () => ({ status: 200, body: {} });
const Thing = z.object({ thing_id: Uuid, priority: Priority }).meta({ id: "Thing" });
const about = { summary: "A thing", tag: "Things", answers: { 200: Thing }, handle } as const;
const given: Route[] = [
  ...apiKeyRoutes({ db, invalidate() {}, nowMs: () => 0 }),
  ...policyRoutes({ db, preview: () => Promise.reject(new Error()) }),
  ...workflowRoutes({ db, outbound: { check() {} } }),
  ...healthRoutes({ checks: {}, log }),
  defineRoute({
    ...about,
    method: "GET",
    path: "/api/v1/things",
    access: ["viewer", "worker"],
    query: PageQuery,
  }),
  defineRoute({ ...about, method: "POST", path: "/api/v1/things", access: "worker", body: NewTask }),
  defineRoute({
    ...about,
    method: "POST",
    path: "/api/v1/executions/:execution_id/claim",
    access: "execution",
  }),
  defineRoute({
    ...about,
    method: "POST",
    path: "/api/v1/executions/:execution_id/callback",
    access: "public",
  }),
  defineRoute({ ...about, method: "POST", path: "/ai/openai/v1/*", access: "public", raw: true }),
];
const options = { publicUrl: "https://o.example.org", version: "1.2.3" };
const routes = withDocs(given, options);
// biome-ignore lint/suspicious/noExplicitAny: a JSON document
const document: any = openApiDocument(routes, options);

describe("the document", () => {
  it("holds every route that is served, itself included, and nothing else", () => {
    const documented = Object.entries<object>(document.paths).flatMap(([path, item]) =>
      Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
    );
    const served = routes.map((route) => `${route.method} ${documentedPath(route.path)}`);
    assert.deepEqual(documented.sort(), served.sort());
    assert.ok(served.includes("GET /openapi.json"));
  });

  it("resolves each of its references", () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/([^"]+)"/g)].map(
      (match) => match[1]!,
    );
    assert.ok(references.length > 50);
    for (const reference of references) {
      const target = reference.split("/").reduce((node, name) => node?.[name], document);
      assert.ok(target, reference);
    }
  });

  it("has an operation for each route that names its parameters, access and failures", () => {
    const ids = new Set<string>();
    for (const route of routes) {
      const operation = document.paths[documentedPath(route.path)][route.method.toLowerCase()];
      assert.ok(!ids.has(operation.operationId), operation.operationId);
      ids.add(operation.operationId);
      const inPath = [...documentedPath(route.path).matchAll(/\{(\w+)\}/g)].map((match) => match[1]);
      // biome-ignore lint/suspicious/noExplicitAny: a JSON document
      const parameters = (operation.parameters ?? []).filter((one: any) => one.in === "path");
      // biome-ignore lint/suspicious/noExplicitAny: a JSON document
      assert.deepEqual(parameters.map((one: any) => one.name).sort(), inPath.sort(), route.path);
      for (const status of Object.keys(route.answers)) assert.ok(operation.responses[status], route.path);
      assert.ok(operation.responses[500] && operation.responses[503], route.path);
      const open = route.access === "public" && !route.path.startsWith("/api/");
      assert.equal(operation.security.length === 0, open, route.path);
      assert.equal(401 in operation.responses, !open, route.path);
    }
  });

  it("shows schemas with an id as components", () => {
    for (const id of [
      "Thing",
      "NewTask",
      "Policy",
      "PolicyPatch",
      "NewApiKey",
      "Workflow",
      "Problem",
      "Readiness",
    ]) {
      assert.ok(document.components.schemas[id], id);
    }
    const { schema } = document.paths["/api/v1/things"].post.requestBody.content["application/json"];
    assert.deepEqual(schema, { $ref: "#/components/schemas/NewTask" });
  });

  it("says what a list takes", () => {
    const parameters = document.paths["/api/v1/things"].get.parameters;
    // biome-ignore lint/suspicious/noExplicitAny: a JSON document
    const limit = parameters.find((one: any) => one.name === "limit");
    assert.equal(limit.in, "query");
    assert.equal(limit.schema.maximum, 500);
    assert.equal(limit.schema.default, 50);
  });

  it("refuses two routes of one method and path", () => {
    assert.throws(() => openApiDocument([...routes, routes[0]!], options), /twice/);
  });
});

describe("the pages", () => {
  let server: TrialServer;
  before(async () => {
    server = await trialServer(routes);
  });
  after(() => server.close());

  it("/openapi.json serves the document to anybody", async () => {
    const got = await server.call("/openapi.json", { key: null });
    assert.equal(got.status, 200);
    assert.deepEqual(got.body, JSON.parse(JSON.stringify(document)));
  });

  it("/docs loads nothing from elsewhere, and its policy names its one inline script", async () => {
    const page = await server.call("/docs", { key: null });
    assert.equal(page.status, 200);
    assert.doesNotMatch(page.text, /https?:\/\//);
    const policy = page.headers.get("content-security-policy") ?? "";
    assert.match(policy, /script-src 'self' 'sha256-[A-Za-z0-9+/=]{44}';/);
    assert.match(policy, /connect-src 'self';/);
    const source = /<script src="([^"]+)"/.exec(page.text)?.[1];
    const script = await server.call(source!, { key: null });
    assert.match(script.headers.get("content-type") ?? "", /javascript/);
    assert.ok(script.text.length > 1_000_000);
  });

  it("/docs/problems leads to each code", async () => {
    const page = await server.call("/docs/problems", { key: null });
    const got = await server.call("/nowhere");
    problem(got, 404, "not_found");
    assert.ok(page.text.includes(`id="${got.body.type.split("#")[1]}"`));
  });

  it("/healthz and /readyz answer anybody", async () => {
    assert.deepEqual((await server.call("/healthz", { key: "wrong" })).body, { status: "ok" });
    assert.equal((await server.call("/readyz", { key: null })).status, 200);
  });
});

describe("/readyz", () => {
  it("is 503 while a part fails, and tells no inner detail", async () => {
    const checks = {
      database: async () => {
        throw new Error("connect ECONNREFUSED 10.0.0.9:5432");
      },
      loop: async () => {},
    };
    const server = await trialServer(healthRoutes({ checks, log }));
    const got = await server.call("/readyz", { key: null });
    await server.close();
    assert.equal(got.status, 503);
    assert.deepEqual(got.body, {
      status: "not_ready",
      parts: { database: { ok: false, detail: "failed; see the log" }, loop: { ok: true } },
    });
  });
});
