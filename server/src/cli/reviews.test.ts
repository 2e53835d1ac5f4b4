/** The editors' desk on the command line: articles, names and publishers, shown and decided about. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { command, startStub, taskId } from "./stub-api.ts";

const at = "2026-12-01T08:59:30Z";

test("articles and names that wait are shown and decided about; publishers are listed and tried", async (t) => {
  const decided = { decided_at: null, decided_by: null, note: null };
  const review = {
    ...{
      review_id: taskId(4),
      task_id: taskId(1),
      execution_id: taskId(2),
      status: "pending",
      title: "Tides",
    },
    ...{
      slug: "tides",
      score: 41,
      reasons: ["its quality is 41 of 100"],
      publishers: ["site"],
      created_at: at,
    },
    ...{ ...decided, publish_task_id: null },
  };
  const article = { markdown: "# Tides\n\nThe sea rises.", generator: "stub/model", quality: { score: 41 } };
  const name = {
    ...{
      review_id: taskId(5),
      name: "Maria Curie",
      status: "pending",
      why: "alike",
      task_id: taskId(1),
      articles: 2,
    },
    ...{
      candidates: [{ entity_id: taskId(6), name: "Marie Curie", similarity: 0.7 }],
      entity_id: taskId(6),
      created_at: at,
    },
    ...decided,
  };
  const publisher = {
    name: "blog",
    kind: "webhook",
    settings: { url: "https://b" },
    has_secret: true,
    enabled: true,
  };
  const api = "/api/v1/content";
  const bodies: Record<string, unknown> = {
    [`${api}/reviews`]: { reviews: [review], next_cursor: null },
    [`${api}/reviews/${taskId(4)}`]: { ...review, article },
    [`${api}/reviews/${taskId(4)}/approve`]: { ...review, status: "approved", publish_task_id: taskId(9) },
    [`${api}/reviews/${taskId(4)}/reject`]: { ...review, status: "rejected" },
    [`${api}/entity-reviews`]: { entity_reviews: [name], next_cursor: null },
    [`${api}/entity-reviews/${taskId(5)}/merge`]: { ...name, status: "merged" },
    [`${api}/publishers`]: { publishers: [publisher], next_cursor: null },
    [`${api}/publishers/blog/test`]: { ok: false, detail: "b answered HTTP 503" },
  };
  const stub = await startStub(t, ({ path }) => ({ body: bodies[path] }));
  const lines: [line: string, text: RegExp, code?: number][] = [
    ["reviews --status pending", /pending\s+41\s+30s ago\s+Tides\s+its quality is 41 of 100/],
    [`reviews show ${taskId(4)}`, /by\s+stub\/model[\s\S]*"score": 41[\s\S]*The sea rises\./],
    [
      `reviews approve ${taskId(4)} --note checked`,
      new RegExp(`^Tides: approved, published by task ${taskId(9)}`),
    ],
    [`reviews reject ${taskId(4)}`, /^Tides: rejected\n/],
    ["names", /Maria Curie\s+Marie Curie\s+2\s+30s ago/],
    [`names merge ${taskId(5)}`, new RegExp(`^Maria Curie means ${taskId(6)}`)],
    ["publishers", /blog\s+webhook\s+yes\s+set/],
    ["publishers test blog", /^failed: b answered HTTP 503/, 1],
  ];
  for (const [line, text, code = 0] of lines) {
    const outcome = await command(t, stub.url, line.split(" "));
    assert.match(outcome.stdout, text, line);
    assert.equal(outcome.code, code, line);
  }
  assert.deepEqual(stub.requests[2]!.body, { note: "checked" });
});
