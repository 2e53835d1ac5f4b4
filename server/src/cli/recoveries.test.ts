/** Recoveries and what was set aside, on the command line: shown, closed, put back. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { command, startStub, taskId } from "./stub-api.ts";

const at = "2026-12-01T08:59:30Z";

test("recoveries and what was set aside are shown and acted upon", async (t) => {
  const recovery = {
    ...{ recovery_id: taskId(4), procedure: "trip_breaker", subject: "writer", state: "open", opened_at: at },
    ...{ cause: "it fails", entry_rule: "many fail", exit_rule: "one succeeds", numbers: { ended: 20 } },
    ...{ next_at: "2026-12-01T09:05:00Z", closed_at: null, closed_by: null, closed_reason: null },
  };
  const aside = {
    ...{ set_aside_id: taskId(5), kind: "fact", item: "12", execution_id: null, at, put_back_at: null },
    error: { message: "a bug" },
  };
  const bodies: Record<string, unknown> = {
    "/api/v1/recoveries": { recoveries: [recovery], next_cursor: null },
    [`/api/v1/recoveries/${taskId(4)}`]: recovery,
    [`/api/v1/recoveries/${taskId(4)}/close`]: { ...recovery, state: "closed" },
    "/api/v1/set-aside": { set_aside: [aside], next_cursor: null },
    [`/api/v1/set-aside/${taskId(5)}/put-back`]: aside,
  };
  const stub = await startStub(t, ({ path }) => ({ body: bodies[path] }));
  const lines: [line: string, text: RegExp][] = [
    ["recoveries --open", /trip_breaker\s+writer\s+open\s+30s ago\s+in 5m\s+it fails/],
    [`recoveries show ${taskId(4)}`, /begins when\s+many fail\nends when\s+one succeeds[\s\S]*"ended": 20/],
    [`recoveries close ${taskId(4)}`, /^trip_breaker of writer: closed/],
    ["set-aside", /fact 12\s+-\s+30s ago\s+-\s+a bug/],
    [`set-aside put-back ${taskId(5)}`, /^fact 12: put back/],
  ];
  for (const [line, text] of lines) {
    const outcome = await command(t, stub.url, line.split(" "));
    assert.match(outcome.stdout, text, line);
    assert.equal(outcome.code, 0, line);
  }
  const asked = stub.requests.map(({ method, path, query }) => [method, path, query.open ?? query.all]);
  assert.deepEqual(asked[0], ["GET", "/api/v1/recoveries", "true"]);
  assert.deepEqual(asked[2], ["POST", `/api/v1/recoveries/${taskId(4)}/close`, undefined]);
});
