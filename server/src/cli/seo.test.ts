/** `orchestrator seo …`: audits and recommendations shown, decided, enqueued. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { command, problem, startStub, taskId } from "./stub-api.ts";

const at = "2026-12-01T08:59:30Z";
const recommendation = {
  ...{
    recommendation_id: taskId(3),
    audit_id: taskId(1),
    article_id: taskId(2),
    slug: "tea",
    url: "https://e.org/a",
  },
  ...{
    rule: "title_length",
    title: "Write a title",
    detail: "Title: “Tea”",
    gain: 3.6,
    basis: "gemini/g",
    applicable: true,
  },
  ...{ changes: [], status: "open", created_at: at, decided_at: null, decided_by: null },
};
const summary = {
  ...{ audit_id: taskId(1), task_id: taskId(9), execution_id: taskId(8), article_id: taskId(2), slug: "tea" },
  ...{ title: "Tea", url: "https://e.org/a", audited_at: at, score: 83, previous_score: 71 },
  ...{ parts: { metadata: 80, keywords: null }, findings: 1, recommendations: 1 },
};
const trend = {
  audits: 2,
  first_score: 71,
  last_score: 83,
  best_score: 83,
  worst_score: 71,
  change_per_30_days: 12,
};
const finding = {
  rule: "title_length",
  part: "metadata",
  severity: "minor",
  message: "it is long",
  evidence: {},
  penalty: 20,
};
const revision = {
  ...{
    revision_id: taskId(5),
    article_id: taskId(2),
    slug: "tea",
    recommendation_id: taskId(3),
    made_at: at,
    made_by: "me",
  },
  ...{ fields: [{ field: "title", before: "a", after: "b" }], rolled_back_at: null, rolled_back_by: null },
};

test("audits, recommendations and decisions are shown in words", async (t) => {
  const decided = (status: string) => ({ recommendation: { ...recommendation, status }, revision });
  const one = `/api/v1/content/recommendations/${taskId(3)}`;
  const bodies: Record<string, unknown> = {
    "/api/v1/content/audits": { audits: [summary], trend, next_cursor: null },
    [`/api/v1/content/audits/${taskId(1)}`]: {
      ...{ ...summary, findings: [finding], recommendations: [recommendation], measures: { words: 400 } },
    },
    "/api/v1/content/recommendations": { recommendations: [recommendation], next_cursor: null },
    [`${one}/approve`]: decided("applied"),
    [`${one}/reject`]: { ...decided("rejected"), revision: null },
    [`${one}/rollback`]: decided("rolled_back"),
    "/api/v1/tasks": { tasks: [{ task_id: taskId(7), status: "queued", duplicate: false }] },
  };
  const stub = await startStub(t, ({ path }) => ({ body: bodies[path] }));
  const lines: [line: string, text: RegExp][] = [
    ["seo --article tea", /83\s+71\s+1\s+30s ago\s+tea/],
    ["seo audits", /83\s+71\s+1\s+30s ago\s+tea/],
    [`seo show ${taskId(1)}`, /score\s+83 of 100, 71 before\nmetadata\s+80\nkeywords\s+not measured/],
    [
      `seo show ${taskId(1)}`,
      /minor\s+title_length: it is long[\s\S]*\+3\.6 {2}Title: “Tea” \(approve .*; by gemini\/g\)/,
    ],
    ["seo recommendations --applicable", /3\.6\s+approval\s+tea\s+Title: “Tea”/],
    [`seo approve ${taskId(3)}`, /^title_length of tea: applied\n1 field changed: title/],
    [`seo reject ${taskId(3)}`, /^title_length of tea: rejected\n$/],
    [`seo rollback ${taskId(3)}`, /rolled_back/],
    ["seo audit tea", new RegExp(`^task ${taskId(7)}`)],
    ["seo audit https://e.org/", /^task/],
  ];
  for (const [line, text] of lines) {
    const outcome = await command(t, stub.url, line.split(" "));
    assert.match(outcome.stdout, text, line);
    assert.equal(outcome.code, 0, line);
  }
  const sent = stub.requests
    .filter(({ path }) => path === "/api/v1/tasks")
    .map(({ body }) => (body as unknown as { payload: unknown }).payload);
  assert.deepEqual(sent, [{ slug: "tea" }, { url: "https://e.org/" }]);
  assert.equal(stub.requests[0]!.query.article, "tea");
  const listed = stub.requests.find(({ path }) => path === "/api/v1/content/recommendations")!;
  assert.deepEqual([listed.query.status, listed.query.applicable], ["open", "true"]);
});

test("the trend is a remark, --json is the API's own answer, a refusal is exit code 1", async (t) => {
  const body = { audits: [summary], trend, next_cursor: null };
  const stub = await startStub(t, ({ method }) => (method === "GET" ? { body } : problem(409, "conflict")));
  const shown = await command(t, stub.url, ["seo", "--article", "tea"]);
  assert.match(shown.stderr, /71 at first, 83 now, 2 audits; \+12 in 30 days/);
  const json = await command(t, stub.url, ["seo", "--json"]);
  assert.deepEqual(JSON.parse(json.stdout), body);
  const refused = await command(t, stub.url, ["seo", "approve", taskId(3)]);
  assert.equal(refused.code, 1);
  assert.equal((await command(t, stub.url, ["seo", "aprove"])).code, 2);
});
